package gguf

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Digest is a hash of what the file says of its weights: the keys that begin with one of the prefixes, and the table of
// tensors. Two files with one digest and the same bytes of weights compute the same, whatever else they say.
func (f *File) Digest(prefixes ...string) [sha256.Size]byte {
	h := sha256.New()
	var keys []string
	for key := range f.keys {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) }) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		v := f.keys[key]
		fmt.Fprintf(h, "%q %d %d %d %q %x\n", key, v.Type, v.Elem, v.N, v.texts, v.numbers)
	}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		fmt.Fprintf(h, "%q %d %d %d\n", t.Name, t.Type, t.Offset, t.Dims)
	}
	_ = binary.Write(h, binary.LittleEndian, f.alignment)
	return [sha256.Size]byte(h.Sum(nil))
}
