package remote

import (
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
)

// meter counts an answer's tokens. What the server says counts where it can be true; otherwise each event is a token,
// as with nearly all servers.
type meter struct {
	// images and videos are what this daemon counted of the prompt's pictures, or a qwenvld, which knows.
	images, videos int
	knows          bool
	// most is how many tokens the answer may have, 0 for no bound.
	most int

	// prompt and cached are what the server said of the prompt, guess what is assumed where it said nothing.
	prompt, cached, guess int
	// done are the tokens of requests before this one, for the same answer; thought those of them that were thoughts.
	done, thought int
	// accepted and rejected are those of a prediction in all requests for the answer, as servers told.
	accepted, rejected int
	// told is what the server said of this request, counted and counting what came.
	told              *engine.Usage
	counted, thoughts int
	// atThoughts is what the server had counted when the thoughts ended.
	atThoughts int
}

// look takes in what came with the first token.
func (m *meter) look(s *upstream.Stream) {
	if u := s.Told(); u != nil {
		m.prompt, m.cached = max(u.PromptTokens, 0), clamp(u.CachedTokens, u.PromptTokens)
		m.see(u)
	}
}

// add takes in an event; thinking says that it is about thoughts.
func (m *meter) add(d *dialect.Delta, thinking bool) {
	if d.Text != "" || d.Thoughts != "" || d.Calls != nil {
		m.counted++
		if thinking {
			m.thoughts++
		}
	}
	if u := d.Usage; u != nil {
		m.told = u
		m.see(u)
		if (m.done == 0 || m.prompt == 0) && u.PromptTokens > m.done { // the prompt of a second request has what the first gave
			m.prompt = u.PromptTokens - m.done
			m.cached = clamp(u.CachedTokens, m.prompt)
		}
		if thinking {
			m.atThoughts = m.completion()
		}
	}
}

// see takes in what a server tells of the prompt's pictures.
func (m *meter) see(u *engine.Usage) {
	if n := u.ImageTokens + u.VideoTokens; m.knows && n <= u.PromptTokens && min(u.ImageTokens, u.VideoTokens) >= 0 {
		m.images, m.videos = u.ImageTokens, u.VideoTokens
	}
}

// next begins another request for the same answer.
func (m *meter) next() {
	u := m.usage()
	m.done, m.thought = u.CompletionTokens, u.ReasoningTokens
	m.accepted, m.rejected = u.AcceptedPrediction, u.RejectedPrediction
	m.told, m.counted, m.thoughts, m.atThoughts = nil, 0, 0, 0
}

// completion is how many tokens this request has made.
func (m *meter) completion() int {
	if m.told == nil {
		return m.counted
	}
	n := m.told.CompletionTokens
	// Several tokens may come in an event, but no event without one, and no more than were asked for.
	if n < m.counted/2 || m.most > 0 && n > m.most || n < 0 {
		return m.counted
	}
	return n
}

// reasoning is how many of them are thoughts.
func (m *meter) reasoning() int {
	n := max(m.thoughts, m.atThoughts)
	if m.told != nil && m.told.ReasoningTokens > 0 {
		n = m.told.ReasoningTokens
	}
	return clamp(n, m.completion())
}

// promptTokens is how long the prompt is, as far as is known.
func (m *meter) promptTokens() int {
	if m.prompt == 0 {
		return m.guess
	}
	return m.prompt
}

func (m *meter) usage() engine.Usage {
	u := engine.Usage{
		PromptTokens: m.promptTokens(), CachedTokens: m.cached, ImageTokens: m.images, VideoTokens: m.videos,
		CompletionTokens: m.done + m.completion(), ReasoningTokens: m.thought + m.reasoning(),
		AcceptedPrediction: m.accepted, RejectedPrediction: m.rejected,
	}
	if m.told != nil {
		u.AcceptedPrediction += clamp(m.told.AcceptedPrediction, m.completion())
		u.RejectedPrediction += max(m.told.RejectedPrediction, 0)
	}
	return u
}

func clamp(n, high int) int { return max(0, min(n, high)) }

// room is how many tokens an answer may get, of which so many are asked for (0 for any number), the server tells told
// (0 where it does not) and the context leaves left.
func room(asked, told, left int) int {
	if told == 0 {
		told = max(1, left)
	}
	if asked == 0 {
		return told
	}
	return min(asked, told)
}
