// Package nfkc recognises text that Unicode's compatibility composition (NFKC) leaves as it is, which nearly every
// prompt is. The tables of golang.org/x/text take longer over a Korean prompt than everything else that the router does
// with it.
//
// It does not normalise text itself.
package nfkc

import (
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Is reports whether NFKC leaves s as it is, as far as norm.NFKC.QuickSpanString can tell.
func Is(s string) bool {
	return still(s) || norm.NFKC.QuickSpanString(s) == len(s)
}

// still reports whether s has only characters that neither change by themselves nor combine with each other: ASCII,
// Hangul syllables, the unified ideographs, kana without the marks that join them, their punctuation and quotation
// marks.
func still(s string) bool {
	for _, r := range s {
		if r >= utf8.RuneSelf && !wide(r) && !(r >= 0x2018 && r <= 0x201d && r != 0x201a && r != 0x201b) {
			return false
		}
	}
	return true
}

// wide reports whether r is a character of Chinese, Japanese or Korean that is still.
func wide(r rune) bool {
	switch {
	case r >= 0xac00 && r <= 0xd7a3: // Hangul syllables; the jamo that could follow one are not still
		return true
	case r >= 0x4e00 && r <= 0x9fff: // unified ideographs
		return true
	case r >= 0x3041 && r <= 0x3096, r >= 0x30a1 && r <= 0x30fc: // hiragana, katakana
		return true
	default:
		return r >= 0x3001 && r <= 0x3017 // punctuation
	}
}
