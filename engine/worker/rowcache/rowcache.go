// Package rowcache keeps the rows that the vision tower made of images and frame pairs, so that a picture that comes
// again, in the next turn of a conversation, in another request at once or in another video, is not encoded again.
//
// It must not know of requests: a picture is what its pixels are.
package rowcache

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// Key names a picture.
type Key [sha256.Size]byte

// KeyOf is the key of an image, or with pair of two frames one after the other, of width x height pixels. Pictures of
// different scopes are different: nobody is to tell from an answer's speed what others have shown.
func KeyOf(scope string, width, height int, pair bool, rgb []byte) Key {
	h := sha256.New()
	of := sha256.Sum256([]byte(scope))
	h.Write(of[:])
	var head [9]byte
	binary.LittleEndian.PutUint32(head[0:], uint32(width))
	binary.LittleEndian.PutUint32(head[4:], uint32(height))
	if pair {
		head[8] = 1
	}
	h.Write(head[:])
	h.Write(rgb)
	return Key(h.Sum(nil))
}

// Stats tell what a cache holds, and how often it was asked.
type Stats struct {
	// Used are the bytes of rows that are in use, Kept those of others.
	Used, Kept int64
	// Hits and Misses count Take.
	Hits, Misses uint64
}

// Cache holds rows. Those that are in use stay, whatever room they take: giving them up would free no memory. It is
// safe for concurrent use.
type Cache struct {
	most int64

	mu      sync.Mutex
	entries map[Key]*entry
	idle    list.List // of keys that nobody uses, the one that was used longest ago first
	stats   Stats
}

// entry is a picture whose rows are there.
type entry struct {
	rows *Rows
	uses int
	idle *list.Element // nil while it is in use
}

// New returns a Cache of at most so many bytes; with 0 it keeps nothing that is not in use.
func New(maxBytes int64) *Cache { return &Cache{most: maxBytes, entries: map[Key]*entry{}} }

// Take gives the rows of a picture to a user, who gives them back with Release.
func (c *Cache) Take(k Key) (*Rows, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[k]
	if !ok {
		c.stats.Misses++
		return nil, false
	}
	c.stats.Hits++
	c.use(e)
	return e.rows, true
}

// Has reports whether the rows of a picture are there.
func (c *Cache) Has(k Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.entries[k]
	return ok
}

func (c *Cache) use(e *entry) {
	if e.uses++; e.uses == 1 && e.idle != nil {
		c.idle.Remove(e.idle)
		e.idle = nil
		c.stats.Kept -= e.rows.Bytes()
		c.stats.Used += e.rows.Bytes()
	}
}

// Put adds the rows of a picture and gives them to a user, or those that there are already.
func (c *Cache) Put(k Key, rows *Rows) *Rows {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[k]
	if !ok {
		e = &entry{rows: rows}
		c.entries[k] = e
		c.stats.Kept += rows.Bytes()
		e.idle = c.idle.PushBack(k)
	}
	c.use(e)
	c.shrink()
	return e.rows
}

// Release takes rows back from a user.
func (c *Cache) Release(k Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[k]
	if e.uses--; e.uses > 0 {
		return
	}
	c.stats.Used -= e.rows.Bytes()
	c.stats.Kept += e.rows.Bytes()
	e.idle = c.idle.PushBack(k)
	c.shrink()
}

// shrink forgets what nobody uses until there is room.
func (c *Cache) shrink() {
	for c.stats.Used+c.stats.Kept > c.most && c.idle.Len() > 0 {
		k, _ := c.idle.Remove(c.idle.Front()).(Key)
		c.stats.Kept -= c.entries[k].rows.Bytes()
		delete(c.entries, k)
	}
}

// Stats tells how the cache stands.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}
