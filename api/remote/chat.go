package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/router"
)

const thinking = string(router.Thinking)

// answerReserve is the share of an answer that thoughts leave free where max_tokens bounds both, as in a worker of this
// daemon: a quarter, and no less than leastAnswer tokens.
const (
	answerReserve = 4
	leastAnswer   = 16
)

// bound is how much may be thought of an answer that has room for so many tokens, by the same rule as in a worker of
// this daemon.
func bound(c *dialect.Chat, room int) int {
	return max(0, min(c.Budget, room-max(leastAnswer, room/answerReserve)))
}

// chat writes a request down for a choice, whatever server it will go to.
func (p *prepared) chat(choice int, demand *generation.Demand) *dialect.Chat {
	d, req := p.decided, p.decided.Request
	c := &dialect.Chat{
		ID: d.Caller.ID, Messages: p.messages(), Begun: req.Prefill() != nil, Form: req.Form,
		Thinks: thinks(d), Budget: d.ThinkingBudget(), Sampling: d.Sampling(),
		Logprobs: req.Logprobs || demand.Logprobs || demand.FirstTop > 0, TopLogprobs: max(req.TopLogprobs, demand.FirstTop),
		MayRepeat: req.MayRepeat, CacheSalt: p.salt(), MinPixels: p.leastPixels(), VisionID: req.VisionID, Tools: req.Tools,
		Prediction: req.Prediction, Tier: string(req.Tier),
		Choice: dialect.Choice{Off: req.ToolsOff, Required: req.Choice.Required, Name: req.Choice.Name, Single: req.Choice.Single},
	}
	if req.MaxTokens != nil {
		c.MaxTokens = *req.MaxTokens
	}
	if choice > 0 {
		c.ID = fmt.Sprintf("%s-%d", c.ID, choice)
	}
	if choice > 0 && c.Sampling.Seed != nil {
		seed := *c.Sampling.Seed + uint64(choice)
		c.Sampling.Seed = &seed
	}
	return c
}

// salt keeps what is computed of the prompt to requests with the same one, by key where that is configured.
func (p *prepared) salt() string {
	d := p.decided
	if !p.backend.o.KeyedPrefixes {
		return d.Request.CacheSalt
	}
	sum := sha256.Sum256([]byte(d.Caller.Key + "\x00" + d.Request.CacheSalt))
	return hex.EncodeToString(sum[:])
}

// leastPixels is the area of the smallest picture, where that is less than servers leave pictures at by themselves; 0
// elsewhere, and where videos would be meant, too.
func (p *prepared) leastPixels() int {
	if len(p.decided.Request.Videos) > 0 {
		return 0
	}
	least := multimodal.DefaultPixelLimits().Min
	if v := p.decided.Info().Vision; v != nil && v.MinPixels > 0 {
		least = v.MinPixels
	}
	small := 0
	for i := range p.material.Images {
		if n := p.material.Images[i].Width * p.material.Images[i].Height; n < least && (small == 0 || n < small) {
			small = n
		}
	}
	return small
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
			to.Calls = append(to.Calls, dialect.Call{ID: call.ID, Name: call.Name, Arguments: call.Arguments})
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

// pictureTokens are what the request's pictures take of the prompt, and its videos.
func (p *prepared) pictureTokens() (images, videos int) {
	v := p.decided.Info().Vision
	for i := range p.material.Images {
		edge := v.TokenEdge()
		images += p.material.Images[i].Width * p.material.Images[i].Height / (edge * edge)
	}
	videos = p.material.Videos.Tokens()
	if !p.pictures.asVideos {
		images, videos = images+2*videos, 0 // both frames of a pair are pictures
	}
	return images, videos
}
