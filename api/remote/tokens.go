package remote

import (
	"context"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
)

// Tokenize asks a server. Special tokens are recognised in all of the text as soon as a part of it is the template's.
func (e *texts) Tokenize(ctx context.Context, pieces []engine.Piece) ([]int32, error) {
	if !e.cluster.Can().Tokenizes {
		return nil, &engine.RequestError{Field: "prompt", Message: "the servers of this model do not tell its tokens"}
	}
	var out []int32
	var text strings.Builder
	special := slices.ContainsFunc(pieces, func(p engine.Piece) bool { return p.Kind == engine.PieceControl })
	flush := func() error {
		if text.Len() == 0 {
			return nil
		}
		ids, err := e.tokenize(ctx, text.String(), special)
		text.Reset()
		out = append(out, ids...)
		return err
	}
	for i := range pieces {
		switch p := &pieces[i]; p.Kind {
		case engine.PieceTokens:
			if err := flush(); err != nil {
				return nil, err
			}
			out = append(out, p.Tokens...)
		case engine.PieceControl, engine.PieceText, engine.PieceImage, engine.PieceVideo:
			text.WriteString(p.Text)
		}
	}
	return out, flush()
}

func (e *texts) tokenize(ctx context.Context, text string, special bool) ([]int32, error) {
	data, d, err := e.cluster.Ask(ctx, func(d *dialect.Dialect) string { return d.Paths.Tokenize },
		func(d *dialect.Dialect, model string) ([]byte, error) { return d.Tokenize(model, text, special, false) })
	if err != nil {
		return nil, explainText(err, "prompt")
	}
	return d.Tokens(data)
}

// bytesPerToken guesses the tokens of a text where nobody tells them.
const bytesPerToken = 3

// count is how many tokens a prompt is, by a guess where the servers do not tell.
func (e *texts) count(ctx context.Context, pieces []engine.Piece) (int, error) {
	if e.cluster.Can().Tokenizes {
		tokens, err := e.Tokenize(ctx, pieces)
		return len(tokens), err
	}
	return guess(pieces), nil
}

func guess(pieces []engine.Piece) int {
	n, tokens := 0, 0
	for i := range pieces {
		n += len(pieces[i].Text)
		tokens += len(pieces[i].Tokens)
	}
	return tokens + (n+bytesPerToken-1)/bytesPerToken
}

// maxTokenTexts bounds the tokens whose texts are asked for, each of which is a question.
const maxTokenTexts = 1024

// TokenBytes asks a server what the tokens stand for together, and which bytes the tokens of that text have. Where
// those are others, or the server does not tell, each is asked for by itself.
func (e *texts) TokenBytes(ctx context.Context, tokens []int32) ([][]byte, error) {
	can := e.cluster.Can()
	if !can.Tokenizes {
		return nil, &engine.RequestError{Field: "tokens", Message: "the servers of this model do not tell what tokens stand for"}
	}
	if can.Pieces && len(tokens) > 0 {
		switch pieces, err := e.pieces(ctx, tokens); {
		case err != nil:
			return nil, err
		case pieces != nil:
			return pieces, nil
		}
	}
	if len(tokens) > maxTokenTexts {
		return nil, &engine.RequestError{Field: "tokens", Message: "the servers of this model do not tell what so many tokens stand for"}
	}
	return e.eachText(ctx, tokens)
}

// pieces are the bytes of tokens that a text has; nil where the text that they stand for has others.
func (e *texts) pieces(ctx context.Context, tokens []int32) ([][]byte, error) {
	text, err := e.textOf(ctx, tokens)
	if err != nil {
		return nil, err
	}
	data, d, err := e.cluster.Ask(ctx, func(d *dialect.Dialect) string { return d.Paths.Tokenize },
		func(d *dialect.Dialect, model string) ([]byte, error) { return d.Tokenize(model, text, true, true) })
	if err != nil {
		return nil, explainText(err, "tokens")
	}
	ids, pieces, err := d.Pieces(data)
	if err != nil || !slices.Equal(ids, tokens) {
		return nil, nil //nolint:nilerr // an older server, which is asked for each
	}
	return pieces, nil
}

// eachText asks for each token by itself, since only so it is known which text is whose.
func (e *texts) eachText(ctx context.Context, tokens []int32) ([][]byte, error) {
	out := make([][]byte, len(tokens))
	for i := 0; i < len(tokens); {
		// A part of a character has no text: the tokens of one count together, as the first of them.
		const most = 8 // tokens of a character
		n := 1
		text, err := e.textOf(ctx, tokens[i:i+n])
		for err == nil && strings.Contains(text, replacement) && n < most && i+n < len(tokens) {
			n++
			text, err = e.textOf(ctx, tokens[i:i+n])
		}
		if err != nil {
			return nil, err
		}
		out[i] = []byte(text)
		i += n
	}
	return out, nil
}

const replacement = "\uFFFD"

func (e *texts) textOf(ctx context.Context, tokens []int32) (string, error) {
	data, d, err := e.cluster.Ask(ctx, func(d *dialect.Dialect) string { return d.Paths.Detokenize },
		func(d *dialect.Dialect, model string) ([]byte, error) { return d.Detokenize(model, tokens) })
	if err != nil {
		return "", explainText(err, "tokens")
	}
	return d.DetokenizedText(data)
}
