// Package bytecache keeps values that are costly to make, up to a number of bytes, the least recently used going first.
// It adds to hashicorp/golang-lru, which counts values, a bound in bytes.
//
// It must not assume that a value keeps its size. Some grow while they are kept, so it asks for all sizes whenever one
// is added.
package bytecache

import (
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Cache is safe for concurrent use.
type Cache[K comparable, V any] struct {
	maxBytes int64
	size     func(V) int64

	mu     sync.Mutex
	values simplelru.LRU[K, V]
}

// New returns an empty cache of at most maxCount values, 0 for no bound, which together have at most maxBytes. Size
// says how many bytes a value has; it may be called at any time while the value is kept.
func New[K comparable, V any](maxCount int, maxBytes int64, size func(V) int64) *Cache[K, V] {
	if maxCount <= 0 {
		maxCount = math.MaxInt
	}
	values, err := simplelru.NewLRU[K, V](maxCount, nil)
	if err != nil {
		panic("bytecache: " + err.Error()) // it refuses a bound below one only
	}
	return &Cache[K, V]{maxBytes: maxBytes, size: size, values: *values}
}

// Get returns the value of k and whether there is one.
func (c *Cache[K, V]) Get(k K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values.Get(k)
}

// Put keeps v in place of what was kept under k, and forgets what there is no room for: other values, or v where that
// alone is too large.
func (c *Cache[K, V]) Put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values.Remove(k)
	if c.size(v) > c.maxBytes {
		return
	}
	c.values.Add(k, v)
	for total := c.bytesLocked(); total > c.maxBytes && c.values.Len() > 1; { // the last is v
		_, oldest, _ := c.values.RemoveOldest()
		total -= c.size(oldest)
	}
}

// Len is how many values are kept.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values.Len()
}

// Bytes is how many bytes they have together.
func (c *Cache[K, V]) Bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytesLocked()
}

func (c *Cache[K, V]) bytesLocked() (n int64) {
	for _, v := range c.values.Values() {
		n += c.size(v)
	}
	return n
}
