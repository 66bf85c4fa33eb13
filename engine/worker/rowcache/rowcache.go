// Package rowcache keeps the rows that the vision tower made of images and frame pairs, so that a picture that comes
// again, in the next turn of a conversation or in another video, is not encoded again.
//
// It must not know of requests: a picture is what its pixels are.
package rowcache

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/qwenvld/qwenvld/internal/bytecache"
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

// Cache holds rows, which must not be changed. It is safe for concurrent use.
type Cache = bytecache.Cache[Key, []float32]

// New returns a Cache of at most maxBytes; with 0 it keeps nothing.
func New(maxBytes int64) *Cache {
	return bytecache.New[Key](0, maxBytes, func(rows []float32) int64 { return 4 * int64(len(rows)) })
}
