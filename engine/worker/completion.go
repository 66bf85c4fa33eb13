package worker

import (
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/compute"
)

// A think block leaves a quarter of the completion, and at least minReserve tokens, for the answer.
const (
	reserveShare = 4
	minReserve   = 16
)

// completionLimit is how many tokens the completion may have: as many as were asked for, or what the context leaves.
func (w *weights) completionLimit(prompt, asked int) (int, error) {
	rest := w.config.ContextSize - prompt
	switch {
	case rest < 1:
		return 0, &engine.ContextLengthError{PromptTokens: prompt, ContextSize: w.config.ContextSize}
	case asked > 0:
		return min(asked, rest), nil
	}
	return rest, nil
}

// boundCompletion sets how long the completion may get and how much of it the think block may take. Where no thoughts
// are wanted, or none would fit, the prompt ends with an empty block.
func (w *weights) boundCompletion(spec *compute.Spec, req *engine.Request) (err error) {
	t := &req.Thinking
	if (t.Open || t.Closed) && t.EndTag == "" || t.Open && (t.CloseText == "" || t.EmptyText == "") {
		return &engine.RequestError{Field: "thinking", Message: "an open think block needs close_text, empty_text and end_tag"}
	}
	if t.Open {
		if spec.Thinking, err = w.thinking(req, cells(spec.Segments)); err != nil {
			return err
		}
	}
	if t.Open && !spec.Thinking.Open {
		empty, err := w.template(t.EmptyText)
		if err != nil {
			return err
		}
		spec.Segments = append(spec.Segments, compute.Segment{Tokens: empty})
	}
	if t.Open || t.Closed {
		spec.Thinking.EndTag = w.tag(t.EndTag)
	}
	spec.MaxTokens, err = w.completionLimit(cells(spec.Segments), req.MaxTokens)
	return err
}

// thinking says when the block that a prompt of so many tokens opens is closed, and with which tokens. It is not open
// where there is nothing to think with.
func (w *weights) thinking(req *engine.Request, prompt int) (compute.Thinking, error) {
	t := &req.Thinking
	if t.Empty {
		return compute.Thinking{}, nil
	}
	maxTokens, err := w.completionLimit(prompt, req.MaxTokens)
	if err != nil {
		return compute.Thinking{}, err
	}
	closing, err := w.template(t.CloseText)
	if err != nil {
		return compute.Thinking{}, err
	}
	limit := maxTokens - len(closing) - max(minReserve, maxTokens/reserveShare)
	if limit <= 0 {
		return compute.Thinking{}, nil
	}
	if t.Budget > 0 {
		limit = min(limit, t.Budget)
	}
	return compute.Thinking{Open: true, Limit: limit, Close: closing}, nil
}

// tag is a text that answers are kept from; the vocabulary is searched once for each.
func (w *weights) tag(text string) *compute.Tag {
	w.tagsMu.Lock()
	defer w.tagsMu.Unlock()
	if t, ok := w.tags[text]; ok {
		return t
	}
	t := compute.NewTag(text, w.model.VocabSize(), w.Bytes)
	if w.tags == nil {
		w.tags = map[string]*compute.Tag{}
	}
	w.tags[text] = t
	return t
}
