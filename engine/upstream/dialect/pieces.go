package dialect

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/qwenvld/qwenvld/engine/tokenizer"
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
	alphabet := tokenizer.NewAlphabet()
	for i, raw := range r.Tokens {
		if d.Kind == VLLM {
			if err := json.Unmarshal(raw, &ids[i]); err != nil {
				return nil, nil, fmt.Errorf("read token %d: %w", i, err)
			}
			var ok bool
			if pieces[i], ok = alphabet.Bytes(r.Strings[i]); !ok {
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

// spelled are the bytes of a token as the lists of completions name it: its text, or bytes: and each in hexadecimal
// where it is a part of a character.
func spelled(token string) []byte {
	rest, ok := strings.CutPrefix(token, "bytes:")
	if !ok || rest == "" {
		return []byte(token)
	}
	var out []byte
	const one = len(`\xff`)
	for ; rest != ""; rest = rest[one:] {
		if len(rest) < one || rest[:2] != `\x` {
			return []byte(token)
		}
		b, err := strconv.ParseUint(rest[2:one], 16, 8)
		if err != nil {
			return []byte(token)
		}
		out = append(out, byte(b))
	}
	return out
}
