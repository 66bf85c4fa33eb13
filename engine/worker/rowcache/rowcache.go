// Package rowcache keeps the rows that the vision tower made of images and frame pairs, so that a picture that comes again, in the
// next turn of a conversation or in another video, is not encoded again.
//
// It must not grow beyond its limit, and it knows nothing of requests: a picture is what its pixels are.
package rowcache

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// Key names a picture.
type Key [sha256.Size]byte

// KeyOf is the key of an image, or with pair of two frames one after the other, of width x height pixels.
func KeyOf(width, height int, pair bool, rgb []byte) Key {
	h := sha256.New()
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

// Cache holds rows up to a limit, the least recently used going first. It is safe for concurrent use.
type Cache struct {
	limit int64 // bytes

	mu    sync.Mutex
	bytes int64
	byKey map[Key]*list.Element
	order *list.List // of *entry, most recently used first
}

type entry struct {
	key  Key
	rows []float32
}

func (e *entry) bytes() int64 { return 4 * int64(len(e.rows)) }

// New returns a Cache of at most limit bytes; with 0 it keeps nothing.
func New(limit int64) *Cache {
	return &Cache{limit: limit, byKey: map[Key]*list.Element{}, order: list.New()}
}

// Get returns the rows of a picture, nil if they are not here. They must not be changed.
func (c *Cache) Get(k Key) []float32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[k]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*entry).rows
}

// Put keeps rows, which must not be changed afterwards.
func (c *Cache) Put(k Key, rows []float32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &entry{k, rows}
	if _, ok := c.byKey[k]; ok || e.bytes() > c.limit {
		return
	}
	c.byKey[k] = c.order.PushFront(e)
	for c.bytes += e.bytes(); c.bytes > c.limit; {
		oldest := c.order.Back()
		gone := c.order.Remove(oldest).(*entry)
		delete(c.byKey, gone.key)
		c.bytes -= gone.bytes()
	}
}
