package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/tokenizer"
	"github.com/qwenvld/qwenvld/engine/worker/compute"
)

// segments tokenises the runs of text between images. It ends when the prompt is seen not to fit, or with ctx.
func (w *weights) segments(ctx context.Context, req *engine.Request) ([]compute.Segment, error) {
	s := segmenter{weights: w, ctx: ctx, limit: engine.CountedContexts * w.config.ContextSize}
	info := engine.Info{TokenBytes: w.text.MaxTextBytes()}
	if info.Exceeds(req.Prompt, s.limit) {
		return nil, s.tooLong()
	}
	for i := range req.Prompt {
		err := s.add(req, &req.Prompt[i])
		if errors.Is(err, tokenizer.ErrTooMany) {
			return nil, s.tooLong()
		}
		if err != nil {
			return nil, err
		}
	}
	if err := s.flush(); errors.Is(err, tokenizer.ErrTooMany) {
		return nil, s.tooLong()
	} else if err != nil {
		return nil, err
	}
	if len(s.out) == 0 {
		return nil, &engine.RequestError{Field: "prompt", Message: "is empty"}
	}
	return s.out, nil
}

// segmenter makes segments of a prompt's pieces.
type segmenter struct {
	*weights
	ctx   context.Context //nolint:containedctx // the request's, for one call of segments
	limit int             // of cells
	out   []compute.Segment
	run   []tokenizer.Piece // text since the last image
}

func (s *segmenter) tooLong() error {
	return &engine.ContextLengthError{PromptTokens: s.limit, More: true, ContextSize: s.config.ContextSize}
}

func (s *segmenter) flush() error {
	if len(s.run) == 0 {
		return nil
	}
	tokens, err := s.text.Encode(s.ctx, s.run, s.limit-cells(s.out))
	if err != nil {
		return err
	}
	if len(tokens) > 0 {
		s.out = append(s.out, compute.Segment{Tokens: tokens})
	}
	s.run = s.run[:0]
	return nil
}

func (s *segmenter) add(req *engine.Request, p *engine.Piece) error {
	switch p.Kind {
	case engine.PieceControl, engine.PieceText:
		s.run = append(s.run, textPiece(p))
		return nil
	case engine.PieceTokens, engine.PieceImage:
	default:
		return &engine.RequestError{Field: "prompt", Message: fmt.Sprintf("unknown kind of piece %q", p.Kind)}
	}
	if err := s.flush(); err != nil {
		return err
	}
	segment := compute.Segment{Tokens: p.Tokens}
	err := s.checkTokens("prompt", p.Tokens)
	if p.Kind == engine.PieceImage {
		segment, err = s.image(req, p.Image)
	}
	s.out = append(s.out, segment)
	return err
}

func textPiece(p *engine.Piece) tokenizer.Piece {
	return tokenizer.Piece{Text: p.Text, Control: p.Kind == engine.PieceControl}
}

// tokenize makes tokens of text pieces that are not to be answered.
func (w *weights) tokenize(ctx context.Context, pieces []engine.Piece) ([]int32, error) {
	text := make([]tokenizer.Piece, len(pieces))
	for i := range pieces {
		if p := &pieces[i]; p.Kind != engine.PieceControl && p.Kind != engine.PieceText {
			return nil, &engine.RequestError{Field: "pieces", Message: fmt.Sprintf("%q is not text", p.Kind)}
		}
		text[i] = textPiece(&pieces[i])
	}
	limit := (&engine.Info{ContextSize: w.config.ContextSize}).TextTokens()
	tokens, err := w.text.Encode(ctx, text, limit)
	if errors.Is(err, tokenizer.ErrTooMany) {
		return nil, &engine.ContextLengthError{PromptTokens: limit, More: true, ContextSize: w.config.ContextSize}
	}
	return tokens, err
}

// template gives the tokens of text that the daemon wrote itself.
func (w *weights) template(text string) ([]int32, error) {
	return w.text.Encode(context.Background(), []tokenizer.Piece{{Text: text, Control: true}}, w.config.ContextSize)
}

func (w *weights) tokenBytes(tokens []int32) ([][]byte, error) {
	if err := w.checkTokens("tokens", tokens); err != nil {
		return nil, err
	}
	out := make([][]byte, len(tokens))
	for i, t := range tokens {
		out[i] = []byte(w.text.Bytes(t))
	}
	return out, nil
}

func (w *weights) checkTokens(field string, tokens []int32) error {
	for _, t := range tokens {
		if t < 0 || int(t) >= w.text.Size() {
			return &engine.RequestError{Field: field, Message: fmt.Sprintf("%d is not a token: ids are below %d", t, w.text.Size())}
		}
	}
	return nil
}
