// Package damage makes damaged copies of GGUF files: bits of the header turned, sizes and counts written over, bytes
// lost, ends cut off. The same seed damages the same.
//
// It is for tests and trials. It must not be imported by the daemon, nor judge what becomes of a damaged file.
package damage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
)

// Damage is one way to damage a file.
type Damage struct {
	Name   string
	change func(data []byte) []byte
}

// Copy is a damaged copy of data.
func (d *Damage) Copy(data []byte) []byte { return d.change(bytes.Clone(data)) }

// Of gives n ways to damage a GGUF file, most of them in its header.
func Of(data []byte, n int, seed uint64) []Damage {
	g := &generator{rng: rand.New(rand.NewPCG(seed, 1))}
	g.keys, g.header = keyPlaces(data)
	out := make([]Damage, n)
	for i := range out {
		out[i] = g.next(i)
	}
	return out
}

// generator draws ways to damage a file whose header is so many bytes long.
type generator struct {
	rng    *rand.Rand
	keys   []int
	header int
}

func (g *generator) next(i int) Damage {
	rng := g.rng
	numbers := []uint64{0, 1, 2, 255, 1 << 31, 1<<32 - 1, 1 << 40, 1 << 63, math.MaxUint64}
	at, number := rng.IntN(g.header-8), numbers[rng.IntN(len(numbers))]
	small := binary.LittleEndian.AppendUint32(nil, uint32(number))
	large := binary.LittleEndian.AppendUint64(nil, number)
	key := g.keys[rng.IntN(len(g.keys))]
	bit := byte(1 << rng.IntN(8))
	const kinds, nearAKey = 10, 48
	switch i % kinds {
	case 0:
		return Damage{fmt.Sprintf("bit %x of header byte %d", bit, at), func(d []byte) []byte { d[at] ^= bit; return d }}
	case 1, 2, 3:
		off := key + rng.IntN(nearAKey)
		return Damage{fmt.Sprintf("bit %x of byte %d near a key", bit, off), func(d []byte) []byte { d[off] ^= bit; return d }}
	case 4, 5:
		off := key + rng.IntN(nearAKey)
		return Damage{fmt.Sprintf("%d at byte %d near a key", number, off), func(d []byte) []byte { return write(d, off, small) }}
	case 6:
		return Damage{fmt.Sprintf("%d at byte %d", number, at), func(d []byte) []byte { return write(d, at, large) }}
	case 7:
		end := rng.IntN(1 << 22)
		return Damage{fmt.Sprintf("cut to %d", end), func(d []byte) []byte { return d[:min(end, len(d)-1)] }}
	case 8:
		count := 1 + rng.IntN(40)
		return Damage{fmt.Sprintf("%d bytes lost at %d", count, at), func(d []byte) []byte { return append(d[:at], d[at+count:]...) }}
	}
	off, header := rng.IntN(1<<20), g.header
	return Damage{fmt.Sprintf("weights at %d", off), func(d []byte) []byte { return write(d, header+off%(len(d)-header-8), large) }}
}

func write(data []byte, at int, value []byte) []byte {
	copy(data[at:], value)
	return data
}

// keyPlaces are where the header's keys and tensors begin, apart from the vocabulary, which is most of it.
func keyPlaces(data []byte) (places []int, header int) {
	for _, mark := range []string{
		"general.", "qwen3vl.", "tokenizer.", "clip.", "blk.", "v.blk.", "token_embd", "output_norm", "mm.0", "v.deepstack", "v.p",
	} {
		for at := 0; ; {
			i := bytes.Index(data[at:min(len(data), 1<<17)], []byte(mark))
			if i < 0 {
				break
			}
			at += i
			places = append(places, at-8)
			header = max(header, at+64)
			at++
		}
	}
	return append(places, 4, 8, 16), header
}
