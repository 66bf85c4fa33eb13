package constraint

import "unicode/utf8"

// byteRange is the bytes from low to high, both included.
type byteRange struct{ low, high byte }

const (
	surrogateLow  = 0xD800
	surrogateHigh = 0xDFFF
)

// utf8Ranges gives sequences of byte ranges that match exactly the UTF-8 forms of the runes low..high, without
// surrogates.
func utf8Ranges(low, high rune) [][]byteRange {
	var out [][]byteRange
	high = min(high, utf8.MaxRune)
	if low < surrogateLow && high >= surrogateLow {
		out = append(out, utf8Ranges(low, surrogateLow-1)...)
		low = surrogateHigh + 1
	} else if low >= surrogateLow && low <= surrogateHigh {
		low = surrogateHigh + 1
	}
	if high >= surrogateLow && high <= surrogateHigh {
		high = surrogateLow - 1
	}
	for low <= high {
		// The longest run from low whose UTF-8 forms differ in one trailing block only.
		top := min(high, lastOfLength(low))
		for shift := rune(6 * (utf8.RuneLen(low) - 1)); shift > 0; shift -= 6 {
			block := rune(1)<<shift - 1
			if low&^block == top&^block {
				continue // same leading bytes at this level: look deeper
			}
			if low&block != 0 {
				top = low | block
			} else if top&block != block {
				top = top&^block - 1
			}
		}
		var a, z [utf8.UTFMax]byte
		n := utf8.EncodeRune(a[:], low)
		utf8.EncodeRune(z[:], top)
		seq := make([]byteRange, n)
		for i := range seq {
			seq[i] = byteRange{a[i], z[i]}
		}
		out = append(out, seq)
		low = top + 1
	}
	return out
}

// lastOfLength is the greatest rune with as many bytes in UTF-8 as r.
func lastOfLength(r rune) rune {
	return [...]rune{0, 0x7F, 0x7FF, 0xFFFF, utf8.MaxRune}[utf8.RuneLen(r)]
}
