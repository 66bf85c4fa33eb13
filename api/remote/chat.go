package remote

import (
	"encoding/json"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/router"
)

const thinking = string(router.Thinking)

// answerReserve is the share of an answer that thoughts leave free where max_tokens bounds both, as in a worker of this
// daemon: a quarter, and no less than leastAnswer tokens.
const (
	answerReserve = 4
	leastAnswer   = 16
)

// chat writes a request down for a choice, whatever server it will go to.
func (p *prepared) chat(choice int, demand *generation.Demand) *dialect.Chat {
	d, req := p.decided, p.decided.Request
	c := &dialect.Chat{
		ID: d.Caller.ID, Messages: p.messages(), Begun: req.Prefill() != nil, Form: req.Form,
		Thinks: thinks(d), Budget: d.ThinkingBudget(), Sampling: d.Sampling(),
		Logprobs: req.Logprobs || demand.Logprobs || demand.FirstTop > 0, TopLogprobs: max(req.TopLogprobs, demand.FirstTop),
		MayRepeat: req.MayRepeat, CacheSalt: req.CacheSalt, VisionID: req.VisionID, Tools: req.Tools,
		Choice: dialect.Choice{Off: req.ToolsOff, Required: req.Choice.Required, Name: req.Choice.Name, Single: req.Choice.Single},
	}
	if req.MaxTokens != nil {
		c.MaxTokens = *req.MaxTokens
		c.Budget = min(c.Budget, c.MaxTokens-max(leastAnswer, c.MaxTokens/answerReserve))
		c.Budget = max(c.Budget, 0)
	}
	if choice > 0 && c.Sampling.Seed != nil {
		seed := *c.Sampling.Seed + uint64(choice) //nolint:gosec // answers are few
		c.Sampling.Seed = &seed
	}
	return c
}

func (p *prepared) messages() []dialect.Message {
	req := p.decided.Request
	out := make([]dialect.Message, len(req.Messages))
	for i := range req.Messages {
		m := &req.Messages[i]
		to := dialect.Message{Role: string(m.Role), Thoughts: m.Reasoning, CallID: m.ToolCallID}
		if m.IsText {
			to.Parts = []dialect.Part{{Text: m.Text}}
		}
		for j := range m.Parts {
			to.Parts = append(to.Parts, p.parts(&m.Parts[j])...)
		}
		for _, call := range m.ToolCalls {
			to.Calls = append(to.Calls, dialect.Call{ID: call.ID, Name: call.Name, Arguments: argumentsOf(call.Arguments)})
		}
		out[i] = to
	}
	return out
}

// parts are a part of a message as it is sent; the pictures must have been written.
func (p *prepared) parts(part *request.Part) []dialect.Part {
	switch {
	case part.Image != nil:
		return []dialect.Part{{Image: p.pictures.images[part.Image.Index]}}
	case part.Video != nil:
		return p.pictures.videos[part.Video.Index]
	}
	return []dialect.Part{{Text: part.Text}}
}

// argumentsOf is the text of a call's arguments, which clients send as a string or as the object itself.
func argumentsOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// imageTokens are what the request's pictures take of the prompt, and its videos.
func (p *prepared) pictureTokens() (images, videos int) {
	v := p.decided.Info().Vision
	for i := range p.material.Images {
		edge := v.PatchSize * v.MergeSize
		images += p.material.Images[i].Width * p.material.Images[i].Height / (edge * edge)
	}
	videos = p.material.Videos.Tokens()
	if !p.pictures.asVideos {
		images, videos = images+2*videos, 0 // both frames of a pair are pictures
	}
	return images, videos
}
