// Package nfkc recognises text that Unicode's compatibility composition (NFKC) leaves as it is, which nearly every prompt is. The tables
// of golang.org/x/text take longer over a Korean prompt than everything else that the router does with it.
//
// It normalises nothing itself.
package nfkc

import (
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Is reports whether NFKC leaves s as it is, as far as norm.NFKC.QuickSpanString can tell.
func Is(s string) bool {
	return still(s) || norm.NFKC.QuickSpanString(s) == len(s)
}

// still reports whether s has only characters that neither change by themselves nor combine with each other: ASCII, Hangul syllables,
// the unified ideographs, kana without the marks that join them, and the commonest punctuation between them.
func still(s string) bool {
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
		case r >= 0xac00 && r <= 0xd7a3: // Hangul syllables; the jamo that could follow one are not in any range
		case r >= 0x4e00 && r <= 0x9fff: // CJK unified ideographs
		case r >= 0x3041 && r <= 0x3096, r >= 0x30a1 && r <= 0x30fc: // hiragana, katakana
		case r >= 0x3001 && r <= 0x3003, r >= 0x3005 && r <= 0x3017: // 、。「」
		case r >= 0x2018 && r <= 0x2019, r >= 0x201c && r <= 0x201d, r >= 0x2013 && r <= 0x2014: // quotes and dashes
		case r >= 0x0410 && r <= 0x044f && r != 0x0419 && r != 0x0439: // Cyrillic
		default:
			return false
		}
	}
	return true
}
