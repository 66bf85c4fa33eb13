package dialect

import (
	"encoding/json"
	"errors"
	"fmt"
)

var errPieces = errors.New("a reply without the bytes of tokens")

// Pieces reads the reply to a request for the tokens of a text with their bytes.
func (d *Dialect) Pieces(data []byte) (ids []int32, pieces [][]byte, err error) {
	var r struct {
		Tokens  []json.RawMessage `json:"tokens"`
		Strings []string          `json:"token_strs"` // vLLM
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, nil, fmt.Errorf("read tokens: %w", err)
	}
	ids, pieces = make([]int32, len(r.Tokens)), make([][]byte, len(r.Tokens))
	if d.Kind == VLLM && len(r.Strings) != len(r.Tokens) {
		return nil, nil, errPieces
	}
	for i, raw := range r.Tokens {
		if d.Kind == VLLM {
			if err := json.Unmarshal(raw, &ids[i]); err != nil {
				return nil, nil, fmt.Errorf("read token %d: %w", i, err)
			}
			var ok bool
			if pieces[i], ok = byteLevel(r.Strings[i]); !ok {
				return nil, nil, errPieces
			}
			continue
		}
		var t struct {
			ID    int32           `json:"id"`
			Piece json.RawMessage `json:"piece"`
		}
		if err := json.Unmarshal(raw, &t); err != nil {
			return nil, nil, fmt.Errorf("read token %d: %w", i, err)
		}
		if ids[i] = t.ID; !readPiece(t.Piece, &pieces[i]) {
			return nil, nil, errPieces
		}
	}
	return ids, pieces, nil
}

// readPiece reads a token's text, or its bytes where it is a part of a character.
func readPiece(raw json.RawMessage, piece *[]byte) bool {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		*piece = []byte(text)
		return true
	}
	var numbers []int
	if json.Unmarshal(raw, &numbers) != nil {
		return false
	}
	for _, n := range numbers {
		if n < 0 || n > 0xff {
			return false
		}
		*piece = append(*piece, byte(n))
	}
	return true
}

// byteLevel reads a token as the vocabularies of GPT-2 and Qwen write it: bytes that are no printable Latin character
// stand there as the characters from U+0100 on, in their order.
func byteLevel(s string) ([]byte, bool) {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		b, ok := byteOf(r)
		if !ok {
			return nil, false
		}
		out = append(out, b)
	}
	return out, true
}

func byteOf(r rune) (byte, bool) {
	if r <= 0xff && printable(byte(r)) {
		return byte(r), true
	}
	next := rune(0x100)
	for b := range 0x100 {
		if printable(byte(b)) {
			continue
		}
		if next == r {
			return byte(b), true
		}
		next++
	}
	return 0, false
}

func printable(b byte) bool {
	return b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae
}
