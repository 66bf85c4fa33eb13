package bytecache

import (
	"sync"
	"testing"
)

func sizeOf(v []byte) int64 { return int64(len(v)) }

// wantKeys says which of the keys 1 to 9 are kept.
func wantKeys(t *testing.T, c *Cache[int, []byte], keys ...int) {
	t.Helper()
	kept := map[int]bool{}
	for _, k := range keys {
		kept[k] = true
	}
	for k := 1; k < 10; k++ {
		c.mu.Lock()
		have := c.values.Contains(k)
		c.mu.Unlock()
		if have != kept[k] {
			t.Errorf("%d: kept is %t", k, have)
		}
	}
}

func TestTheLeastRecentlyUsedGoesFirst(t *testing.T) {
	c := New[int](0, 30, sizeOf)
	for k := 1; k <= 3; k++ {
		c.Put(k, make([]byte, 10))
	}
	if v, ok := c.Get(1); !ok || len(v) != 10 {
		t.Fatal("1 is gone too early")
	}
	c.Put(4, make([]byte, 10))
	wantKeys(t, c, 1, 3, 4)
	c.Put(5, make([]byte, 20))
	wantKeys(t, c, 4, 5)
	if _, ok := c.Get(1); ok {
		t.Error("1 is still here")
	}
	if c.Bytes() != 30 || c.Len() != 2 {
		t.Errorf("%d bytes, %d values", c.Bytes(), c.Len())
	}
}

func TestWhatDoesNotFitPushesNothingOut(t *testing.T) {
	c := New[int](0, 30, sizeOf)
	c.Put(1, make([]byte, 10))
	c.Put(2, make([]byte, 31))
	wantKeys(t, c, 1)
	c.Put(1, make([]byte, 31)) // nor does what it was to replace stay
	wantKeys(t, c)
	none := New[int](0, 0, sizeOf)
	none.Put(1, make([]byte, 1))
	wantKeys(t, none)
}

func TestAValueIsReplaced(t *testing.T) {
	c := New[int](0, 30, sizeOf)
	c.Put(1, make([]byte, 10))
	c.Put(1, make([]byte, 30))
	if v, _ := c.Get(1); len(v) != 30 || c.Bytes() != 30 || c.Len() != 1 {
		t.Errorf("%d bytes of %d, %d values", len(v), c.Bytes(), c.Len())
	}
}

func TestTheCountIsBoundedToo(t *testing.T) {
	c := New[int](2, 1000, sizeOf)
	for k := 1; k <= 3; k++ {
		c.Put(k, nil)
	}
	wantKeys(t, c, 2, 3)
}

func TestValuesThatHaveGrownCountAsTheyAre(t *testing.T) {
	grown := map[int]int64{1: 10, 2: 10, 3: 10}
	c := New[int](0, 30, func(k int) int64 { return grown[k] })
	c.Put(1, 1)
	c.Put(2, 2)
	grown[1] = 25
	c.Put(3, 3)
	if _, ok := c.Get(1); ok || c.Len() != 2 {
		t.Error("the one that has grown is still here")
	}
	grown[3] = 100
	c.Put(2, 2)
	if _, ok := c.Get(3); ok || c.Len() != 1 {
		t.Error("the one that has grown beyond all is still here")
	}
}

func TestConcurrentUseStaysWithinTheBound(t *testing.T) {
	c := New[int](0, 100, sizeOf)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 200 {
				k := i*20 + j%20
				if _, ok := c.Get(k); !ok {
					c.Put(k, make([]byte, 7))
				}
				if n := c.Bytes(); n > 100 {
					t.Errorf("%d bytes", n)
				}
			}
		})
	}
	all.Wait()
	if c.Bytes() != int64(7*c.Len()) || c.Len() == 0 {
		t.Errorf("%d bytes in %d values", c.Bytes(), c.Len())
	}
}
