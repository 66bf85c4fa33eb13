package tokenizer

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"
)

// Piece is a run of text. Special tokens are recognised in it only if it is Control.
type Piece struct {
	Text    string
	Control bool
}

// ErrTooMany means that a text has more tokens than were allowed.
var ErrTooMany = errors.New("the text has too many tokens")

// Encode gives the tokens of pieces as of one text: their borders leave no trace. Only Control pieces yield control or
// user-defined tokens; the same texts elsewhere become ordinary ones. It fails with ErrTooMany as soon as there must be
// more than limit tokens, and with the context's cause soon after that is done.
func (t *Tokenizer) Encode(ctx context.Context, pieces []Piece, limit int) ([]int32, error) {
	e := encoder{t: t, ctx: ctx, limit: limit}
	for _, p := range pieces {
		rest := p.Text
		for p.Control {
			at, text, ok := t.specials.find(rest)
			if !ok {
				break
			}
			e.plain = append(e.plain, rest[:at])
			if err := e.flush(); err != nil {
				return nil, err
			}
			e.out = append(e.out, t.specials.ids[text])
			rest = rest[at+len(text):]
		}
		e.plain = append(e.plain, rest)
	}
	if err := e.flush(); err != nil {
		return nil, err
	}
	if len(e.out) > limit {
		return nil, ErrTooMany
	}
	return e.out, nil
}

// encoder is one call of Encode.
type encoder struct {
	t     *Tokenizer
	ctx   context.Context //nolint:containedctx // lives as long as the call
	limit int
	plain []string // since the last special token
	out   []int32
}

// fits reports whether the tokens of so many bytes can be within the limit.
func (e *encoder) fits(size int) bool { return size <= (e.limit-len(e.out))*e.t.longest }

// flush appends the tokens of the text since the last special token.
func (e *encoder) flush() error {
	length := 0
	for _, p := range e.plain {
		length += len(p)
	}
	if !e.fits(length / maxShrink) {
		return ErrTooMany
	}
	text := strings.Join(e.plain, "")
	e.plain = e.plain[:0]
	if !utf8.ValidString(text) {
		text = string([]rune(text)) // each broken byte becomes U+FFFD, as in JSON
	}
	text, err := e.t.characters.compose(e.ctx, text)
	if err != nil {
		return err
	}
	if !e.fits(len(text)) {
		return ErrTooMany
	}
	check := 0
	for i := 0; i < len(text); {
		if i >= check {
			if e.ctx.Err() != nil {
				return context.Cause(e.ctx)
			}
			if !e.fits(len(text) - i) {
				return ErrTooMany
			}
			check = i + checkEvery
		}
		end := e.t.characters.wordEnd(text, i)
		if e.out, err = e.t.appendWord(e.ctx, e.out, text[i:end]); err != nil {
			return err
		}
		i = end
	}
	return nil
}

// appendWord appends the tokens of a word.
func (t *Tokenizer) appendWord(ctx context.Context, out []int32, word string) ([]int32, error) {
	switch {
	case len(word) == 1:
		return append(out, t.single[word[0]]), nil
	case len(word) > maxShort:
		return t.appendParts(ctx, out, word)
	}
	slot := t.cache.slot(word)
	if c := slot.Load(); c != nil && c.word == word {
		return append(out, c.tokens...), nil
	}
	before := len(out)
	out = t.appendShort(out, word)
	t.cache.put(slot, word, out[before:])
	return out, nil
}
