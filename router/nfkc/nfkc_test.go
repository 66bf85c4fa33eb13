package nfkc

import (
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestEveryStillCharacterIsLeftAlone(t *testing.T) {
	n := 0
	for r := rune(0); r <= utf8.MaxRune; r++ {
		s := string(r)
		if !still(s) {
			continue
		}
		n++
		if norm.NFKC.String(s) != s || norm.NFKC.PropertiesString(s).CCC() != 0 {
			t.Errorf("%U changes", r)
		}
		// What composes with the character before it would not be still.
		if norm.NFKC.PropertiesString(s).BoundaryBefore() != true {
			t.Errorf("%U may join what is before it", r)
		}
	}
	if n < 30_000 {
		t.Errorf("only %d characters", n)
	}
}

func TestIsAgreesWithTheTables(t *testing.T) {
	alphabet := []rune("aZ 9,한국어각ㄱᆨ漢字カガか゛゙がｶﾞＡ①é́eйЙй“”…？。「\ufffd\u0301")
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		var s string
		for range rng.IntN(6) {
			s += string(alphabet[rng.IntN(len(alphabet))])
		}
		if rng.IntN(20) == 0 {
			s += "\xed\x95"
		}
		if got, want := Is(s), norm.NFKC.QuickSpanString(s) == len(s); got != want {
			t.Fatalf("%+q: %v", s, got)
		}
	}
}
