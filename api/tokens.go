package api

import (
	"context"
	"math"
	"net/http"
	"strings"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/multimodal"
)

// tokenizeReply has llama-server's and vLLM's members.
type tokenizeReply struct {
	Tokens      []any `json:"tokens"` // ids, or tokenPiece with with_pieces
	Count       int   `json:"count"`
	MaxModelLen int   `json:"max_model_len"`
}

type tokenPiece struct {
	ID    int32 `json:"id"`
	Piece any   `json:"piece"` // text, or bytes where it is part of a character
}

type detokenizeReply struct {
	Content string `json:"content"` // llama-server's name
	Prompt  string `json:"prompt"`  // vLLM's
}

// inputTokens is OpenAI's count, with what images take of it.
type inputTokens struct {
	Object      string        `json:"object"`
	InputTokens int           `json:"input_tokens"`
	Details     promptDetails `json:"input_tokens_details"`
}

// tokenize serves POST /tokenize for a text (content or prompt) or a conversation (messages and all that shapes its prompt). Image tokens
// are not text and are not listed.
func (s *Server) tokenize(w http.ResponseWriter, r *http.Request) error {
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	root, err := s.decoder.parse(body)
	if err != nil {
		return err
	}
	var pieces []engine.Piece
	var info engine.Info
	var eng engine.Engine
	d := s.decoder.newDecoder()
	rec := recordOf(r.Context())
	rec.counting = true
	withPieces := d.optionalFlag(root, "with_pieces", false)
	if present(root, "messages") != nil {
		req, err := s.decoder.decodeWithout(root, "with_pieces")
		if err != nil {
			return err
		}
		done, err := s.counting(r.Context(), req)
		if err != nil {
			return err
		}
		defer done()
		decided, err := s.decide(r.Context(), req, r.Header)
		if err != nil {
			return err
		}
		rendered, err := s.render(req, &decided.info)
		if err != nil {
			return err
		}
		if rendered, err = s.withStamps(r.Context(), decided, rendered); err != nil {
			return err
		}
		pieces = textPieces(rendered.Pieces)
		info, eng = decided.info, s.cfg.Engines[decided.decision.Variant]
	} else {
		if pieces, rec.prompt = d.textToTokenize(root); d.err != nil {
			return d.err
		}
		if err := s.enter(r.Context(), 1); err != nil {
			return err
		}
		if info, eng, err = s.anyEngine(r.Context(), d.optionalText(root, "model")); err != nil {
			return err
		}
	}
	if d.err != nil {
		return d.err
	}
	tokens, err := eng.Tokenize(r.Context(), pieces)
	if err != nil {
		return err
	}
	reply := tokenizeReply{Tokens: make([]any, len(tokens)), Count: len(tokens), MaxModelLen: info.ContextSize}
	for i, t := range tokens {
		reply.Tokens[i] = t
	}
	if withPieces {
		texts, err := eng.TokenBytes(r.Context(), tokens)
		if err != nil {
			return err
		}
		for i, t := range tokens {
			reply.Tokens[i] = tokenPiece{ID: t, Piece: textOrBytes(texts[i])}
		}
	}
	s.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, reply)
	return nil
}

// textToTokenize reads a body that has no messages. member is the one that carries the text.
func (d *decoder) textToTokenize(root *value) (pieces []engine.Piece, member string) {
	d.keys(root, "", "model", "content", "prompt", "add_special", "parse_special", "with_pieces", "add_special_tokens")
	text := d.eitherText(root, "content", "prompt")
	if member = "content"; present(root, "content") == nil {
		member = "prompt"
	}
	kind := engine.PieceText
	if d.optionalFlag(root, "parse_special", true) {
		kind = engine.PieceControl
	}
	return []engine.Piece{{Kind: kind, Text: text}}, member
}

// withStamps puts the timestamps of videos into a prompt, for which they are probed.
func (s *Server) withStamps(ctx context.Context, r *routed, rendered prompt.Rendered) (prompt.Rendered, error) {
	if len(r.req.Videos) == 0 {
		return rendered, nil
	}
	if err := checkSight(r); err != nil {
		return rendered, err
	}
	videos, err := s.openVideos(ctx, r)
	if err != nil {
		return rendered, err
	}
	defer videos.close()
	return rendered.WithFrames(videos.stamps(), len(r.req.Images)), nil
}

func textOrBytes(b []byte) any {
	if s := string(b); strings.ToValidUTF8(s, "") == s {
		return s
	}
	return byteList(b)
}

// detokenize serves POST /detokenize.
func (s *Server) detokenize(w http.ResponseWriter, r *http.Request) error {
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	root, err := s.decoder.parse(body)
	if err != nil {
		return err
	}
	d := s.decoder.newDecoder()
	d.keys(root, "", "model", "tokens")
	rec := recordOf(r.Context())
	rec.prompt, rec.counting = "tokens", true
	var tokens []int32
	if list := present(root, "tokens"); list == nil {
		d.fail("tokens", codeMissing, "tokens is required")
	} else if d.want(list, "tokens", kindArray) {
		for i := range list.items {
			tokens = append(tokens, int32(d.integer(&list.items[i], index("tokens", i), 0, math.MaxInt32)))
		}
	}
	model := d.optionalText(root, "model")
	if d.err != nil {
		return d.err
	}
	if err := s.enter(r.Context(), 1); err != nil {
		return err
	}
	_, eng, err := s.anyEngine(r.Context(), model)
	if err != nil {
		return err
	}
	pieces, err := eng.TokenBytes(r.Context(), tokens)
	if err != nil {
		return err
	}
	var text []byte
	for _, p := range pieces {
		text = append(text, p...)
	}
	valid := strings.ToValidUTF8(string(text), "\uFFFD")
	s.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, detokenizeReply{Content: valid, Prompt: valid})
	return nil
}

// countInput serves POST /v1/chat/completions/input_tokens: what the prompt of a request would take. Pixels are not decoded.
func (s *Server) countInput(w http.ResponseWriter, r *http.Request) error {
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	req, err := s.decoder.decode(body)
	if err != nil {
		return err
	}
	return s.tellInputTokens(w, r, req)
}

// tellInputTokens answers with what the prompt of req would take.
func (s *Server) tellInputTokens(w http.ResponseWriter, r *http.Request, req *chatRequest) error {
	rec := recordOf(r.Context())
	rec.prompt, rec.counting = req.promptParam(), true
	done, err := s.counting(r.Context(), req)
	if err != nil {
		return err
	}
	defer done()
	decided, err := s.decide(r.Context(), req, r.Header)
	if err != nil {
		return publicError(r.Context(), err)
	}
	rec.decision = &decided.decision
	count, err := s.inputTokens(r.Context(), decided)
	if err != nil {
		return publicError(r.Context(), err)
	}
	setRouteHeaders(w, decided)
	s.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, count)
	return nil
}

func (s *Server) inputTokens(ctx context.Context, r *routed) (*inputTokens, error) {
	if err := checkSight(r); err != nil {
		return nil, err
	}
	rendered, err := s.render(r.req, &r.info)
	if err != nil {
		return nil, err
	}
	out := &inputTokens{Object: "response.input_tokens"}
	if len(r.req.Videos) > 0 {
		videos, err := s.openVideos(ctx, r)
		if err != nil {
			return nil, err
		}
		defer videos.close()
		rendered = rendered.WithFrames(videos.stamps(), len(r.req.Images))
		out.Details.VideoTokens = videos.tokens()
		out.InputTokens = videos.tokens()
	}
	var run []engine.Piece
	flush := func() error {
		tokens, err := s.cfg.Engines[r.decision.Variant].Tokenize(ctx, run)
		out.InputTokens += len(tokens)
		run = run[:0]
		return err
	}
	for _, p := range rendered.Pieces {
		if p.Kind != engine.PieceImage {
			run = append(run, p)
			continue
		}
		if p.Image >= len(r.req.Images) {
			continue // a frame pair, between marks of its own
		}
		if err := flush(); err != nil {
			return nil, err
		}
		n, err := s.imageTokens(ctx, r, r.req.Images[p.Image])
		if err != nil {
			return nil, err
		}
		out.InputTokens += n
		out.Details.ImageTokens += n
	}
	return out, flush()
}

// imageTokens counts from an image's header.
func (s *Server) imageTokens(ctx context.Context, r *routed, ref *imageRef) (int, error) {
	in, err := s.imageInput(r, ref)
	if err != nil {
		return 0, err
	}
	data, err := s.imageBytes(ctx, ref.URL)
	if err != nil {
		return 0, imageError(ref.Path, err)
	}
	width, height, _, err := multimodal.DecodeSize(data)
	if err != nil {
		return 0, imageError(ref.Path, err)
	}
	h, w, err := multimodal.SmartResize(height, width, in.factor, in.limits)
	if err != nil {
		return 0, imageError(ref.Path, err)
	}
	return h * w / (in.factor * in.factor), nil
}

// anyEngine is the engine that a model id names, or the first that is loaded: both variants have one vocabulary.
func (s *Server) anyEngine(ctx context.Context, model string) (engine.Info, engine.Engine, error) {
	if model == "" {
		model = modelAuto
	}
	info, eng, _, err := s.textEngine(ctx, model)
	return info, eng, err
}

func (d *decoder) optionalFlag(v *value, key string, def bool) bool {
	if m := present(v, key); m != nil {
		return d.flag(m, key)
	}
	return def
}

func (d *decoder) optionalText(v *value, key string) string {
	if m := present(v, key); m != nil {
		return d.text(m, key)
	}
	return ""
}

// eitherText reads the one of two members that is there.
func (d *decoder) eitherText(v *value, a, b string) string {
	x, y := present(v, a), present(v, b)
	switch {
	case x == nil && y == nil:
		d.fail(a, codeMissing, "one of %s, %s and messages is required", a, b)
		return ""
	case x != nil && y != nil:
		d.fail(b, codeInvalidValue, "contradicts %s; send one of them", a)
		return ""
	case x != nil:
		return d.text(x, a)
	}
	return d.text(y, b)
}
