package engine

import (
	"strings"
	"testing"
)

func TestPromptsThatCannotFitAreSeenByTheirBytes(t *testing.T) {
	info := Info{ContextSize: 100, TokenBytes: 10}
	text := func(n int) []Piece {
		return []Piece{{Kind: PieceControl, Text: strings.Repeat("a", n/2)}, {Kind: PieceText, Text: strings.Repeat("b", n-n/2)}}
	}
	for name, tc := range map[string]struct {
		pieces []Piece
		want   bool
	}{
		"empty":              {nil, false},
		"may fit":            {text(1000), false},
		"too many bytes":     {text(1010), true},
		"tokens":             {[]Piece{{Kind: PieceTokens, Tokens: make([]int32, 100)}}, false},
		"too many tokens":    {[]Piece{{Kind: PieceTokens, Tokens: make([]int32, 101)}}, true},
		"tokens and text":    {append(text(510), Piece{Kind: PieceTokens, Tokens: make([]int32, 50)}), true},
		"just so many again": {append(text(500), Piece{Kind: PieceTokens, Tokens: make([]int32, 50)}), false},
	} {
		if got := info.Exceeds(tc.pieces, info.ContextSize); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	unknown := Info{ContextSize: 100}
	if unknown.Exceeds(text(1<<20), 100) {
		t.Error("judged without knowing the vocabulary")
	}
}
