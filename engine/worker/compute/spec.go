package compute

import (
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/answer"
	"github.com/qwenvld/qwenvld/engine/worker/sampler"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
	"github.com/qwenvld/qwenvld/engine/worker/speculation"
)

// Segment is a run of a prompt: tokens or, with Rows set, an image or a frame pair.
type Segment struct {
	Tokens []int32
	// Image with Rows x Cols embedding rows.
	Image      *engine.Image
	Rows, Cols int
}

// Len is the number of cells the segment takes.
func (s *Segment) Len() int {
	if s.Image != nil {
		return s.Rows * s.Cols
	}
	return len(s.Tokens)
}

// Spec is what a Job is made of.
type Spec struct {
	ID string
	// Scope names those who may share rows with each other, Tenant those among whom time is shared. Weight is how much
	// of it is due to the job, 0 meaning 1.
	Scope, Tenant string
	Weight        float64
	// FirstBy is when nobody waits for the first token any more, zero where somebody always does.
	FirstBy  time.Time
	Segments []Segment
	// MaxTokens bounds the completion; prompt and MaxTokens together fit into the cells.
	MaxTokens   int
	Sampler     *sampler.Sampler
	Answer      *answer.Text
	Logprobs    bool
	TopLogprobs int
	// FirstTop asks for the log-probabilities of the first FirstTokens tokens with at least so many alternatives.
	FirstTop, FirstTokens int
	// RunningUsage adds what was used so far to each event.
	RunningUsage bool
	// MayRepeat lets an answer go on that only repeats itself.
	MayRepeat bool
	Thinking  Thinking
	// Constraint follows the answer after the think block, nil for free text.
	Constraint Constraint
	// Guesses tell what may come next, to be computed ahead; nil where nothing is.
	Guesses *speculation.Lookup
}

// Thinking bounds the think block of a job whose prompt opens one.
type Thinking struct {
	// Open means that the prompt ends inside the block.
	Open bool
	// EndTag is what closes blocks, nil for a prompt that never opened one. The answer cannot contain it unless the
	// model closed the block.
	EndTag *Tag
	// Limit in tokens, after which Close is forced into the sequence.
	Limit int
	// Close are the tokens that end the block.
	Close []int32
}

// prompt is what the scheduler knows of the segments, with what they are where rows may be shared.
func (s *Spec) prompt(share bool) []schedule.Segment {
	out := make([]schedule.Segment, len(s.Segments))
	for i := range s.Segments {
		out[i] = schedule.Segment{Rows: s.Segments[i].Len(), Image: s.Segments[i].Image != nil}
		if share {
			out[i].Items = s.Segments[i].items()
		}
	}
	return out
}

// promptUsage counts the cells of the prompt.
func (s *Spec) promptUsage() (u engine.Usage) {
	for i := range s.Segments {
		n := s.Segments[i].Len()
		u.PromptTokens += n
		switch img := s.Segments[i].Image; {
		case img == nil:
		case img.Pair:
			u.VideoTokens += n
		default:
			u.ImageTokens += n
		}
	}
	return u
}

// start is the first event of the job's stream.
func (s *Spec) start() *engine.Start {
	start := &engine.Start{Usage: s.promptUsage(), MaxTokens: s.MaxTokens}
	if t := &s.Thinking; t.Open {
		start.ThinkOpen, start.ThinkingBudget = true, t.Limit
	}
	return start
}
