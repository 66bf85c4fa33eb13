package selftest

import (
	"math"
	"testing"

	"github.com/qwenvld/qwenvld/engine/llama"
)

// turnedBy is the axis that a kernel of cards turns a pair by, -1 for none: with sections s it gives each residue of
// three to an axis, as far as the axis' section goes.
func turnedBy(pair int, s [4]int32) int {
	a := pair % 3
	if pair < a+3*int(s[a]) {
		return a
	}
	return -1
}

func TestWithTheFilesSectionsCardsLeaveTwoPairsUnturned(t *testing.T) {
	for pair := range pairs {
		got, want := turnedBy(pair, sections()), axis(pair, sections())
		if unturned := pair == 61 || pair == 62; unturned != (got != want) || unturned && got != -1 {
			t.Errorf("pair %d is turned by %d, should be by %d", pair, got, want)
		}
	}
}

// The remedy at every position: text is exact, and rows of pictures are off by no more than docs/GPU.md says.
func TestAllPairsTurnAtEveryPosition(t *testing.T) {
	s := llama.AllRotated(sections(), pairs)
	if s != [4]int32{24, 21, 21, 0} {
		t.Fatalf("sections %v", s)
	}
	const longest, side, allowed = 262144, 128, 5.3e-5
	for at := range longest {
		for pair := range pairs {
			is, should := turnedBy(pair, s), axis(pair, sections())
			if is < 0 {
				t.Fatalf("pair %d is not turned", pair)
			}
			if is == should {
				continue // the same angle, whatever the position
			}
			// In text all axes have the position, and in a picture that begins here an axis has up to side-1 more.
			angle := func(axis, more int) float64 { return float64(at+more*min(axis, 1)) * frequency(pair) }
			if off := math.Abs(angle(is, 0) - angle(should, 0)); off != 0 {
				t.Fatalf("text at %d: pair %d is off by %g", at, pair, off)
			}
			if off := math.Abs(angle(is, side-1) - angle(should, side-1)); off > allowed {
				t.Fatalf("picture at %d: pair %d is off by %g", at, pair, off)
			}
		}
	}
}

// The heads of the real models and of all references: text is exact in each, as every pair is turned, and pictures of side x side tokens
// are off by no more than off, wherever they begin.
func TestSectionsOfAllHeadsCoverAllPairs(t *testing.T) {
	for _, c := range []struct {
		sections [4]int32
		pairs    int
		theta    float64
		side     int
		off      float64
	}{
		{[4]int32{6, 5, 5, 0}, 16, 1e4, 32, 0},
		{[4]int32{12, 10, 10, 0}, 32, 1e4, 32, 4.2e-3}, // a quarter of a degree in the slowest pair
		{[4]int32{24, 20, 20, 0}, 64, 5e6, 32, 1.3e-5},
		{[4]int32{24, 20, 20, 0}, 64, 5e6, 128, 5.3e-5},
		{[4]int32{1, 1, 1, 0}, 40, 1e4, 1, 0},
	} {
		s := llama.AllRotated(c.sections, c.pairs)
		off := 0.0
		for pair := range c.pairs {
			is := turnedBy(pair, s)
			if is < 0 {
				t.Errorf("%v: pair %d of %d is not turned", s, pair, c.pairs)
			}
			if is != axis(pair, c.sections) {
				off = math.Max(off, float64(c.side-1)*math.Pow(c.theta, -float64(pair)/float64(c.pairs)))
			}
		}
		if off > c.off {
			t.Errorf("%v: a picture is %.2g off", s, off)
		}
	}
}
