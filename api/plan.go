package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/escalation"
)

// templates keeps one renderer for each chat template that was met.
type templates struct {
	mu    sync.Mutex
	byKey map[string]prompt.Renderer
}

func (t *templates) renderer(info *engine.Info) (prompt.Renderer, error) {
	key := info.ChatTemplate + "\x00" + strings.Join(info.SpecialTokens, "\x00")
	t.mu.Lock()
	defer t.mu.Unlock()
	if r, ok := t.byKey[key]; ok {
		return r, nil
	}
	r, err := prompt.Select(info.ChatTemplate, info.SpecialTokens)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	if t.byKey == nil {
		t.byKey = map[string]prompt.Renderer{}
	}
	t.byKey[key] = r
	return r, nil
}

// routed is a request whose variant is known.
type routed struct {
	req      *chatRequest
	decision router.Decision
	info     engine.Info
	// pictures are the request's images once they are decoded, for info's projector.
	pictures []engine.Image
	// conversation is what the decision is remembered under once the request is generated.
	conversation conversationKey
}

// decide asks the policy who answers req.
func (s *Server) decide(ctx context.Context, req *chatRequest, h http.Header) (*routed, error) {
	route, err := router.ParseRoute(h.Get(headerRoute))
	if err != nil {
		return nil, badField(headerRoute, codeInvalidValue, "%s", err)
	}
	forced, quality, err := s.namedVariant(req.Model)
	if err != nil {
		return nil, err
	}
	infos := s.loaded(ctx)
	if _, ok := infos[forced]; forced != "" && !ok {
		return nil, notLoaded(fmt.Sprintf("The model %q", req.Model), s.standing(ctx, forced).err())
	}
	in := router.Input{Controls: req.Controls}
	in.Controls.Model, in.Controls.Route, in.Controls.Quality = forced, route, quality
	_, in.Facts.Instruct = infos[router.Instruct]
	_, in.Facts.Thinking = infos[router.Thinking]
	in.Facts.ContextSize = infos[router.Thinking].ContextSize
	if req.MaxTokens != nil {
		in.Facts.MaxTokens = *req.MaxTokens
	}
	in.Facts.Tools = len(req.Tools) > 0 && !req.ToolsOff
	in.Facts.Schema = req.formed()
	turns := req.userTurns()
	if len(turns) > 0 {
		in.Features, in.History = turns[len(turns)-1], turns[:len(turns)-1]
	}
	before, after := keysOf(ctx, h, turns)
	in.Mode = s.conversations.mode(before)
	if in.Mode != nil && in.Mode.Variant != "" {
		in.Facts.Warm, in.Facts.WarmTokens = in.Mode.Variant, req.aboutTokens()
	}
	asked := s.cfg.Now()
	d, err := s.cfg.Router.Decide(&in)
	if err != nil {
		return nil, err
	}
	s.cfg.Metrics.Routed(s.cfg.Now().Sub(asked))
	return &routed{req: req, decision: d, info: infos[d.Variant], conversation: after}, nil
}

// plan is a request that is ready for its engine.
type plan struct {
	*routed
	id      string
	created int64
	model   string
	engine  engine.Engine
	// requests hold one for each answer that was asked for.
	requests []*engine.Request
	// videos are being decoded while the engine works.
	videos videoInputs
	// begun is what the engine made of the request, nil until it is known.
	begun *engine.Start
	// discarded counts the tokens of an answer that this one replaces.
	discarded int
}

// prepare renders the prompt first, which is cheap and finds most faults, then brings the images in.
func (s *Server) prepare(ctx context.Context, r *routed, requestID string) (*plan, error) {
	req, d := r.req, &r.decision
	if err := checkSight(r); err != nil {
		return nil, err
	}
	if err := checkLogitBias(req, r.info.VocabSize); err != nil {
		return nil, err
	}
	rendered, err := s.render(req, &r.info)
	if err != nil {
		return nil, err
	}
	p := &plan{
		routed: r, id: "chatcmpl-" + s.cfg.NewID(), created: s.cfg.Now().Unix(), model: s.modelID(d.Variant),
		engine: s.cfg.Engines[d.Variant],
	}
	request := &engine.Request{
		ID: requestID, Prompt: rendered.Pieces,
		Sampling: sampling(r.info.Sampling, d.Variant, len(req.Images)+len(req.Videos) > 0, &req.Sampling),
		Stop:     req.Stop, Logprobs: req.Logprobs, TopLogprobs: req.TopLogprobs, Form: req.Form,
		RunningUsage: req.RunningUsage, MayRepeat: req.MayRepeat, Thinking: thinking(&rendered, d.ThinkingBudget),
	}
	if req.MaxTokens != nil {
		request.MaxTokens = *req.MaxTokens
	}
	if len(req.Images) > 0 && r.pictures == nil {
		if r.pictures, err = s.images(ctx, r); err != nil {
			return nil, err
		}
	}
	request.Images = r.pictures
	if len(req.Videos) > 0 {
		if err := s.prepareVideos(ctx, p, request, rendered); err != nil {
			return nil, err
		}
	}
	if t := &s.thoughts; t.watches(p, recordOf(ctx)) && t.watch.Checks(escalation.CauseLogprob) {
		request.Logprobs = true
	}
	p.requests = several(request, max(1, req.Choices))
	return p, nil
}

// thinking tells the engine of the prompt's think block. Whether the block is open when the answer begins is the engine's to say.
func thinking(r *prompt.Rendered, budget int) engine.Thinking {
	if !r.ThinkOpen && !r.ThinkClosed {
		return engine.Thinking{}
	}
	return engine.Thinking{
		Open: r.ThinkOpen, Closed: r.ThinkClosed, Empty: budget == 0, Budget: budget,
		CloseText: prompt.ThinkCutShort, EmptyText: prompt.ThinkEmpty, EndTag: prompt.ThinkEnd,
	}
}

// checkSight refuses pictures for a model that sees none.
func checkSight(r *routed) error {
	const why = "this model has no vision projector"
	switch {
	case r.info.Vision != nil:
	case len(r.req.Images) > 0:
		return badField(r.req.Images[0].Path, codeUnsupported, why)
	case len(r.req.Videos) > 0:
		return badField(r.req.Videos[0].Path, codeUnsupported, why)
	}
	return nil
}

// prepareVideos opens the videos and puts them into the prompt. They are decoded once the plan is carried out; until then the caller
// closes p.videos.
func (s *Server) prepareVideos(ctx context.Context, p *plan, request *engine.Request, rendered prompt.Rendered) error {
	videos, err := s.openVideos(ctx, p.routed)
	if err != nil {
		return err
	}
	rendered.Pieces = request.Prompt
	full, err := s.fitVideos(ctx, p.routed, rendered, videos, request.Images)
	if err != nil {
		videos.close()
		return err
	}
	p.videos = videos
	request.Prompt = full.Pieces
	request.Images = append(request.Images[:len(request.Images):len(request.Images)], videos.images()...)
	return nil
}

// several gives n requests that differ in their ids and seeds. Prompt and images are shared.
func several(first *engine.Request, n int) []*engine.Request {
	out := []*engine.Request{first}
	for i := 1; i < n; i++ {
		other := *first
		other.ID = fmt.Sprintf("%s-%d", first.ID, i)
		if first.Sampling.Seed != nil {
			other.Sampling.Seed = ptr(*first.Sampling.Seed + uint64(i))
		}
		out = append(out, &other)
	}
	return out
}

func checkLogitBias(req *chatRequest, vocab int) error {
	for id := range req.Sampling.LogitBias {
		if vocab > 0 && int(id) >= vocab {
			return badField("logit_bias", codeInvalidValue, "token ids must be below %d", vocab)
		}
	}
	return nil
}

// render turns the messages into a prompt, and what the template would drop into an error.
func (s *Server) render(req *chatRequest, info *engine.Info) (prompt.Rendered, error) {
	renderer, err := s.templates.renderer(info)
	if err != nil {
		return prompt.Rendered{}, err
	}
	begun := req.prefill()
	c := conversation(req)
	if begun != nil {
		c.Messages = c.Messages[:len(c.Messages)-1]
	}
	rendered, err := prompt.Show(renderer, c)
	var refused *prompt.ConversationError
	if errors.As(err, &refused) {
		return rendered, badField(refused.Param, codeUnsupported, "%s", refused.Reason)
	}
	if err != nil {
		return rendered, fmt.Errorf("render the prompt: %w", err)
	}
	if n := rendered.Images(); n != len(req.Images) {
		return rendered, badField(req.promptParam(), codeUnsupported, "The chat template shows %d of %d images.", n, len(req.Images))
	}
	if n := rendered.Videos(); n != len(req.Videos) {
		return rendered, badField(req.promptParam(), codeUnsupported, "The chat template shows %d of %d videos.", n, len(req.Videos))
	}
	if begun != nil {
		rendered = begun.begin(rendered)
	}
	return rendered, nil
}

func conversation(req *chatRequest) *prompt.Conversation {
	c := &prompt.Conversation{Messages: make([]prompt.Message, len(req.Messages)), AddGenerationPrompt: true, AddVisionID: req.VisionID}
	if !req.ToolsOff {
		c.Tools = req.Tools
	}
	for i := range req.Messages {
		m := &req.Messages[i]
		out := prompt.Message{Role: string(m.Role), ReasoningContent: m.Reasoning, ToolCallID: m.ToolCallID, Path: m.Path}
		if m.IsText {
			out.Content = prompt.TextContent(m.Text)
		} else {
			parts := make([]prompt.Part, len(m.Parts))
			for j, p := range m.Parts {
				parts[j] = prompt.Part{Kind: prompt.PartText, Text: p.Text}
				switch {
				case p.Image != nil:
					parts[j] = prompt.Part{Kind: prompt.PartImage, Media: p.Image.Index}
				case p.Video != nil:
					parts[j] = prompt.Part{Kind: prompt.PartVideo, Media: p.Video.Index}
				}
			}
			out.Content = prompt.ListContent(parts...)
		}
		for _, call := range m.ToolCalls {
			out.ToolCalls = append(out.ToolCalls, prompt.ToolCall{ID: call.ID, Name: call.Name, Arguments: call.Arguments})
		}
		c.Messages[i] = out
	}
	return c
}
