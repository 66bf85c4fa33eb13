package rowcache

import (
	"sync"
	"testing"
)

func TestKeysTellPicturesApart(t *testing.T) {
	px := make([]byte, 24)
	other := append([]byte(nil), px...)
	other[23] = 1
	keys := map[Key]bool{
		KeyOf(2, 4, false, px): true, KeyOf(4, 2, false, px): true, KeyOf(2, 2, true, px): true, KeyOf(2, 2, false, px): true,
		KeyOf(2, 4, false, other): true,
	}
	if len(keys) != 5 {
		t.Errorf("%d keys for 5 pictures", len(keys))
	}
	if KeyOf(2, 4, false, px) != KeyOf(2, 4, false, append([]byte(nil), px...)) {
		t.Error("the same pixels have two keys")
	}
}

func TestTheLeastRecentlyUsedGoesFirst(t *testing.T) {
	c := New(3 * 4 * 10)
	rows := func() []float32 { return make([]float32, 10) }
	a, b, d, e := Key{1}, Key{2}, Key{3}, Key{4}
	c.Put(a, rows())
	c.Put(b, rows())
	c.Put(d, rows())
	if c.Get(a) == nil {
		t.Fatal("a is gone too early")
	}
	c.Put(e, rows())
	if c.Get(b) != nil || c.Get(a) == nil || c.Get(d) == nil || c.Get(e) == nil {
		t.Error("not the least recently used was forgotten")
	}
	c.Put(Key{5}, make([]float32, 31))
	if c.Get(Key{5}) != nil || c.Get(a) == nil {
		t.Error("what does not fit pushed others out")
	}
	if c.bytes != 120 || c.order.Len() != 3 || len(c.byKey) != 3 {
		t.Errorf("%d bytes, %d entries, %d keys", c.bytes, c.order.Len(), len(c.byKey))
	}
	none := New(0)
	none.Put(a, rows())
	if none.Get(a) != nil {
		t.Error("a cache of nothing keeps something")
	}
}

func TestConcurrentUseStaysWithinTheLimit(t *testing.T) {
	c := New(4 * 100)
	var g sync.WaitGroup
	for i := range 8 {
		g.Go(func() {
			for j := range 200 {
				k := Key{byte(i), byte(j % 20)}
				if rows := c.Get(k); rows == nil {
					c.Put(k, make([]float32, 7))
				}
			}
		})
	}
	g.Wait()
	if c.bytes > c.limit || c.bytes != int64(28*c.order.Len()) {
		t.Errorf("%d bytes of %d in %d entries", c.bytes, c.limit, c.order.Len())
	}
}
