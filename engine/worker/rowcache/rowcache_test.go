package rowcache

import "testing"

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

func TestRowsCountInBytes(t *testing.T) {
	c := New(3 * 4 * 10)
	for i := range byte(4) {
		c.Put(Key{i}, make([]float32, 10))
	}
	if c.Len() != 3 || c.Bytes() != 120 {
		t.Errorf("%d bytes in %d entries", c.Bytes(), c.Len())
	}
	if _, ok := c.Get(Key{0}); ok {
		t.Error("the first is still here")
	}
	none := New(0)
	none.Put(Key{}, make([]float32, 10))
	if none.Len() != 0 {
		t.Error("a cache of nothing keeps something")
	}
}
