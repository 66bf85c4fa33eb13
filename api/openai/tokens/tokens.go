// Package tokens serves what llama-server and vLLM have for looking at tokens: POST /tokenize and POST /detokenize.
//
// It must not generate anything, nor know another surface: how a conversation is read is given to it.
package tokens

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/openai/wire"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
)

// Core knows the tokens of texts and prompts.
type Core interface {
	Decide(ctx context.Context, req *request.Request, caller *generation.Caller) (*generation.Decided, error)
	PromptTokens(ctx context.Context, d *generation.Decided, pieces bool) (*generation.Tokens, error)
	TextTokens(ctx context.Context, caller *generation.Caller, model, text string, special, pieces bool) (*generation.Tokens, error)
	TokenBytes(ctx context.Context, caller *generation.Caller, model string, ids []int32) ([][]byte, error)
}

// Options are what a Handler needs.
type Options struct {
	Trip *surface.Trip
	Core Core
	// Conversation reads a body that has messages. others are members that are read here.
	Conversation func(body *jsonbody.Value, others ...string) (*request.Request, error)
}

// Handler serves the surface.
type Handler struct{ o Options }

// New returns a Handler.
func New(o Options) *Handler { return &Handler{o} }

// tokenizeReply has llama-server's and vLLM's members.
type tokenizeReply struct {
	Tokens      []any `json:"tokens"` // ids, or piece with with_pieces
	Count       int   `json:"count"`
	MaxModelLen int   `json:"max_model_len"`
}

// piece is a token with what it stands for.
type piece struct {
	ID    int32 `json:"id"`
	Piece any   `json:"piece"` // text, or bytes where it is part of a character
}

const withPieces = "with_pieces"

// Tokenize serves POST /tokenize for a text (content or prompt) or a conversation (messages and all that shapes its
// prompt). Image tokens are not text and are not listed.
func (h *Handler) Tokenize(w http.ResponseWriter, r *http.Request) error {
	caller := h.o.Trip.Caller(r)
	body, err := h.o.Trip.Body(w, r)
	if err != nil {
		return err
	}
	web.RecordOf(r.Context()).Counting = true
	var found *generation.Tokens
	if jsonbody.Present(body, "messages") != nil {
		found, err = h.conversation(r.Context(), body, caller)
	} else {
		found, err = h.text(r.Context(), body, caller)
	}
	if err != nil {
		return err
	}
	reply := tokenizeReply{Tokens: make([]any, len(found.IDs)), Count: len(found.IDs), MaxModelLen: found.ContextSize}
	for i, id := range found.IDs {
		if reply.Tokens[i] = id; found.Bytes != nil {
			reply.Tokens[i] = piece{ID: id, Piece: textOrBytes(found.Bytes[i])}
		}
	}
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, reply)
	return nil
}

func (h *Handler) conversation(ctx context.Context, body *jsonbody.Value, caller *generation.Caller) (*generation.Tokens, error) {
	d := h.o.Trip.Policy.NewBuilder("messages")
	pieces := d.OptionalFlag(body, "", withPieces)
	if err := d.Failure(); err != nil {
		return nil, err
	}
	req, err := h.o.Conversation(body, withPieces)
	if err != nil {
		return nil, err
	}
	decided, err := h.o.Core.Decide(ctx, req, caller)
	if err != nil {
		return nil, err
	}
	return h.o.Core.PromptTokens(ctx, decided, pieces)
}

func (h *Handler) text(ctx context.Context, body *jsonbody.Value, caller *generation.Caller) (*generation.Tokens, error) {
	d := h.o.Trip.Policy.NewBuilder("")
	d.Keys(body, "", "model", "content", "prompt", "add_special", "parse_special", withPieces, "add_special_tokens")
	text, member := eitherText(d, body, "content", "prompt")
	special := true
	if m := jsonbody.Present(body, "parse_special"); m != nil {
		special = d.Flag(m, "parse_special")
	}
	pieces := d.OptionalFlag(body, "", withPieces)
	model := d.OptionalText(body, "", "model")
	if err := d.Failure(); err != nil {
		return nil, err
	}
	web.RecordOf(ctx).Prompt = member
	return h.o.Core.TextTokens(ctx, caller, model, text, special, pieces)
}

// eitherText reads the one of two members that is there, and tells which.
func eitherText(d *request.Builder, body *jsonbody.Value, a, b string) (text, member string) {
	x, y := jsonbody.Present(body, a), jsonbody.Present(body, b)
	switch {
	case x == nil && y == nil:
		d.Fail(a, fault.CodeMissing, "one of %s, %s and messages is required", a, b)
		return "", a
	case x != nil && y != nil:
		d.Fail(b, fault.CodeInvalidValue, "contradicts %s; send one of them", a)
		return "", b
	case x != nil:
		return d.Text(x, a), a
	}
	return d.Text(y, b), b
}

func textOrBytes(b []byte) any {
	if s := string(b); strings.ToValidUTF8(s, "") == s {
		return s
	}
	return wire.ByteList(b)
}

// Detokenize serves POST /detokenize.
func (h *Handler) Detokenize(w http.ResponseWriter, r *http.Request) error {
	caller := h.o.Trip.Caller(r)
	body, err := h.o.Trip.Body(w, r)
	if err != nil {
		return err
	}
	rec := web.RecordOf(r.Context())
	rec.Prompt, rec.Counting = "tokens", true
	d := h.o.Trip.Policy.NewBuilder("tokens")
	d.Keys(body, "", "model", "tokens")
	var ids []int32
	if list := jsonbody.Present(body, "tokens"); list == nil {
		d.Fail("tokens", fault.CodeMissing, "tokens is required")
	} else if d.Want(list, "tokens", jsonbody.Array) {
		for i := range list.Items {
			ids = append(ids, int32(d.Integer(&list.Items[i], jsonbody.At("tokens", i), 0, math.MaxInt32)))
		}
	}
	model := d.OptionalText(body, "", "model")
	if err := d.Failure(); err != nil {
		return err
	}
	pieces, err := h.o.Core.TokenBytes(r.Context(), caller, model, ids)
	if err != nil {
		return err
	}
	text := strings.ToValidUTF8(string(bytes.Join(pieces, nil)), "\uFFFD")
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, struct {
		Content string `json:"content"` // llama-server's name
		Prompt  string `json:"prompt"`  // vLLM's
	}{text, text})
	return nil
}
