package llama

// #include <stdlib.h>
// #include "llama.h"
import "C"

import (
	"sort"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// TextPiece is a run of prompt text. Special tokens are recognised in it only if it is Control.
type TextPiece struct {
	Text    string
	Control bool
}

// specialTokens finds the texts of control and user-defined tokens.
type specialTokens struct {
	ids   map[string]Token
	texts []string // longest first, so that the first match is the longest
	first [256]bool
}

func readSpecialTokens(m *Model) specialTokens {
	s := specialTokens{ids: make(map[string]Token)}
	for id := range Token(m.VocabSize()) {
		attr := C.llama_vocab_get_attr(m.vocab, C.llama_token(id))
		if attr&(C.LLAMA_TOKEN_ATTR_CONTROL|C.LLAMA_TOKEN_ATTR_USER_DEFINED) == 0 {
			continue
		}
		text := C.GoString(C.llama_vocab_get_text(m.vocab, C.llama_token(id)))
		if text == "" {
			continue
		}
		s.ids[text] = id
		s.texts = append(s.texts, text)
		s.first[text[0]] = true
	}
	sort.SliceStable(s.texts, func(i, j int) bool { return len(s.texts[i]) > len(s.texts[j]) })
	return s
}

// find returns the first special text in s at or after from.
func (t *specialTokens) find(s string, from int) (at int, text string, ok bool) {
	for i := from; i < len(s); i++ {
		if !t.first[s[i]] {
			continue
		}
		for _, text := range t.texts {
			if strings.HasPrefix(s[i:], text) {
				return i, text, true
			}
		}
	}
	return 0, "", false
}

// SpecialToken returns the id of the control or user-defined token with this text, such as "<|vision_start|>".
func (m *Model) SpecialToken(text string) (Token, bool) {
	id, ok := m.specials.ids[text]
	return id, ok
}

// SpecialTokens returns the texts of all control and user-defined tokens.
func (m *Model) SpecialTokens() []string { return append([]string(nil), m.specials.texts...) }

// IsEOG reports whether the token ends a generation.
func (m *Model) IsEOG(t Token) bool { return bool(C.llama_vocab_is_eog(m.vocab, C.llama_token(t))) }

// IsControl reports whether the token is a control token such as <|im_start|>. Tokens like </think>, which a model writes as
// part of its answer, are user-defined instead.
func (m *Model) IsControl(t Token) bool {
	return bool(C.llama_vocab_is_control(m.vocab, C.llama_token(t)))
}

// TokenBytes returns the bytes a token stands for; special tokens give their text. Unknown ids give nil.
func (m *Model) TokenBytes(t Token) []byte {
	if t < 0 || int(t) >= m.VocabSize() {
		return nil
	}
	var small [64]byte
	n := C.llama_token_to_piece(m.vocab, C.llama_token(t), (*C.char)(unsafe.Pointer(&small[0])), C.int32_t(len(small)), 0, true)
	if n >= 0 {
		return append([]byte(nil), small[:n]...)
	}
	buf := make([]byte, -n)
	n = C.llama_token_to_piece(m.vocab, C.llama_token(t), (*C.char)(unsafe.Pointer(&buf[0])), C.int32_t(len(buf)), 0, true)
	return buf[:max(0, int(n))]
}

// TokenizePieces tokenises pieces as one text, as transformers does with the rendered prompt: piece borders leave no trace.
// Only Control pieces yield control or user-defined tokens; the same texts elsewhere become ordinary tokens.
func (m *Model) TokenizePieces(pieces []TextPiece) ([]Token, error) {
	var (
		out   []Token
		plain strings.Builder
		err   error
	)
	flush := func() {
		if plain.Len() > 0 && err == nil {
			out, err = m.appendPlain(out, plain.String())
		}
		plain.Reset()
	}
	for _, p := range pieces {
		if !p.Control {
			plain.WriteString(p.Text)
			continue
		}
		rest := p.Text
		for {
			at, text, ok := m.specials.find(rest, 0)
			if !ok {
				break
			}
			plain.WriteString(rest[:at])
			flush()
			out = append(out, m.specials.ids[text])
			rest = rest[at+len(text):]
		}
		plain.WriteString(rest)
	}
	flush()
	return out, err
}

// appendPlain tokenises text that must not yield special tokens. libllama leaves control tokens alone then, but still matches
// user-defined ones, so the text is cut inside each of those.
func (m *Model) appendPlain(out []Token, text string) ([]Token, error) {
	start, from := 0, 0
	for {
		at, _, ok := m.specials.find(text, from)
		if !ok {
			return m.appendTokens(out, text[start:])
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		from = at + size
		var err error
		if out, err = m.appendTokens(out, text[start:from]); err != nil {
			return nil, err
		}
		start = from
	}
}

func (m *Model) appendTokens(out []Token, text string) ([]Token, error) {
	if text == "" {
		return out, nil
	}
	ctext := C.CString(text) // a NUL inside is fine: the length is passed
	defer C.free(unsafe.Pointer(ctext))
	// Byte-level BPE gives at most one token a byte.
	buf := make([]Token, len(text)+2)
	n := C.llama_tokenize(m.vocab, ctext, C.int32_t(len(text)), (*C.llama_token)(unsafe.Pointer(&buf[0])), C.int32_t(len(buf)),
		false, false)
	if n < 0 {
		return nil, &Error{Op: "tokenize", Code: int(n)}
	}
	return append(out, buf[:n]...), nil
}
