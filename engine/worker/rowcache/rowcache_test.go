package rowcache

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestKeysTellPicturesApart(t *testing.T) {
	px := make([]byte, 24)
	other := append([]byte(nil), px...)
	other[23] = 1
	keys := map[Key]bool{
		KeyOf("", 2, 4, false, px): true, KeyOf("", 4, 2, false, px): true, KeyOf("", 2, 2, true, px): true, KeyOf("", 2, 2, false, px): true,
		KeyOf("", 2, 4, false, other): true, KeyOf("s", 2, 4, false, px): true,
	}
	if len(keys) != 6 {
		t.Errorf("%d keys for 6 pictures", len(keys))
	}
	if KeyOf("", 2, 4, false, px) != KeyOf("", 2, 4, false, append([]byte(nil), px...)) {
		t.Error("the same pixels have two keys")
	}
}

// put adds rows that so many use.
func put(c *Cache, k Key, rows *Rows, uses int) {
	c.Put(k, rows)
	for range uses {
		c.Take(k)
	}
	c.Release(k)
}

func some(n int) *Rows { return Pack(make([]float32, n), 1) }

func TestRowsInUseStayAndOthersCountInBytes(t *testing.T) {
	c := New(3 * 2 * 10)
	for i := range byte(3) {
		put(c, Key{i}, some(10), int(i%2)) // the second is in use
	}
	if got := c.Stats(); got.Used != 20 || got.Kept != 40 {
		t.Errorf("%+v", got)
	}
	put(c, Key{3}, some(10), 2)
	for i, want := range []bool{false, true, true, true} {
		if c.Has(Key{byte(i)}) != want {
			t.Errorf("rows %d are there: %v", i, !want)
		}
	}
	put(c, Key{4}, some(1000), 1)
	if !c.Has(Key{1}) || !c.Has(Key{3}) || !c.Has(Key{4}) || c.Has(Key{2}) {
		t.Error("rows in use are gone, or others are not")
	}
	c.Release(Key{4})
	if c.Has(Key{4}) {
		t.Error("what is too large is kept")
	}
	c.Release(Key{3})
	c.Release(Key{3})
	c.Release(Key{1})
	if got := c.Stats(); got.Used != 0 || got.Kept != 40 {
		t.Errorf("%+v", got)
	}
	if r, ok := c.Take(Key{3}); !ok || r.Len() != 10 {
		t.Error("rows that nobody used cannot be used again")
	}
	if _, ok := c.Take(Key{9}); ok {
		t.Error("rows of nothing")
	}
	if got := c.Stats(); got.Used != 20 || got.Kept != 20 || got.Hits != 5 || got.Misses != 1 {
		t.Errorf("%+v", got)
	}
	none := New(0)
	put(none, Key{}, some(10), 0)
	if none.Has(Key{}) {
		t.Error("a cache of nothing keeps something")
	}
}

// Whatever is put, taken and released, the bytes are those of the rows, and more than may be only where they are in use.
func TestBytesAreAccounted(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		c := New(200)
		uses := map[Key]int{}
		for range 500 {
			k := Key{byte(rng.IntN(12))}
			switch rng.IntN(3) {
			case 0:
				n := rng.IntN(3)
				put(c, k, some(1+int(k[0])*3), n)
				uses[k] += n
			case 1:
				if _, ok := c.Take(k); ok {
					uses[k]++
				} else if uses[k] > 0 {
					t.Fatal("rows in use are gone")
				}
			case 2:
				if uses[k] > 0 {
					uses[k]--
					c.Release(k)
				}
			}
			var used, kept int64
			for k, e := range c.entries {
				if uses[k] > 0 {
					used += e.rows.Bytes()
				} else {
					kept += e.rows.Bytes()
				}
			}
			if got := c.Stats(); got.Used != used || got.Kept != kept || used+kept > max(200, used) {
				t.Fatalf("%+v, want %d in use and %d others", got, used, kept)
			}
		}
	}
}

func TestHalvesAreTheNearest(t *testing.T) {
	for h := range uint32(1 << 16) {
		v := fromHalf(uint16(h))
		if got := toHalf(v); got != uint16(h) && v == v {
			t.Fatalf("%#x is %g, which is %#x", h, v, got)
		}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200_000 {
		v := float32((rng.Float64()*2 - 1) * math.Pow(2, rng.Float64()*45-30))
		h := toHalf(v)
		if h&0x7fff >= 0x7c00 {
			if v < 65520 && v > -65520 {
				t.Fatalf("%g is infinite", v)
			}
			continue
		}
		diff := math.Abs(float64(fromHalf(h) - v))
		for _, o := range []uint16{h - 1, h + 1} {
			if f := fromHalf(o); (f < 0) == (v < 0) && math.Abs(float64(f-v)) < diff {
				t.Fatalf("%g becomes %g, %g is nearer", v, fromHalf(h), f)
			}
		}
	}
}

func TestRowsComeBackAsTheyWere(t *testing.T) {
	values := []float32{0, 1, -2, 0.5, 3e5, -70000}
	r := Pack(values, 2)
	if r.Len() != 3 || r.Width() != 2 || r.Bytes() != 12 {
		t.Errorf("%d rows of %d in %d bytes", r.Len(), r.Width(), r.Bytes())
	}
	got := r.AppendTo([]float32{9}, 1, 3)
	for i, want := range append([]float32{9}, values[2:]...) {
		if d := math.Abs(float64(got[i] - want)); d > 1e-3*math.Abs(float64(want)) {
			t.Errorf("%g is %g", want, got[i])
		}
	}
	again := Pack(r.AppendTo(nil, 0, 3), 2)
	if !slices.Equal(again.half, r.half) || again.scale != r.scale {
		t.Error("packed again they are others")
	}
}
