package rowcache

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
)

func FuzzDecode(f *testing.F) {
	f.Add(Pack([]float32{1, 2, 3, 7e5}, 2).AppendEncoded(nil))
	f.Add(Pack(nil, 3).AppendEncoded(nil))
	f.Add(make([]byte, encodedHead))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Decode(data)
		if err != nil {
			return
		}
		if r.EncodedSize() != int64(len(data)) || !slices.Equal(r.AppendEncoded(nil), data) {
			t.Errorf("%x becomes %x", data, r.AppendEncoded(nil))
		}
		_ = r.AppendTo(nil, 0, r.Len())
	})
}

func TestEncodedRowsComeBackTheSame(t *testing.T) {
	for _, values := range [][]float32{{}, {1, 2}, {3e6, -1, 0.25, 5}} {
		r := Pack(values, 2)
		got, err := Decode(r.AppendEncoded([]byte("before"))[6:])
		if err != nil || got.Width() != 2 || got.scale != r.scale || !slices.Equal(got.half, r.half) {
			t.Errorf("%v: %+v, %v", values, got, err)
		}
	}
	good := Pack([]float32{1, 2, 3, 4}, 2).AppendEncoded(nil)
	for name, change := range map[string]func([]byte) []byte{
		"cut short":        func(b []byte) []byte { return b[:len(b)-1] },
		"too long":         func(b []byte) []byte { return append(b, 0, 0) },
		"no width":         func(b []byte) []byte { clear(b[:4]); return b },
		"many rows":        func(b []byte) []byte { binary.LittleEndian.PutUint32(b[4:], math.MaxUint32); return b },
		"a scale of three": func(b []byte) []byte { binary.LittleEndian.PutUint32(b[8:], math.Float32bits(3)); return b },
		"no scale":         func(b []byte) []byte { clear(b[8:12]); return b },
	} {
		if _, err := Decode(change(slices.Clone(good))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
