// Package schedule decides what a worker computes next: which requests share the KV cache, which prompt rows go between two
// decode steps, whose next token is drawn, who has to wait or give way.
//
// One goroutine (Loop.Run) owns the model's context and every sequence; everything else talks to it through Jobs. The package
// knows the model only through small interfaces, so that it is tested with the race detector and without C++. It must not
// tokenise, read files or speak HTTP.
package schedule

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/answer"
	"github.com/qwenvld/qwenvld/engine/worker/sampler"
	"github.com/qwenvld/qwenvld/multimodal"
)

// Row is one input of a decode step: a token, or an embedding row when Embedding is set. Steps never mix the two.
type Row struct {
	Token     int32
	Embedding []float32
	Position  multimodal.Position
	Sequence  int32
	// Logits asks for the row's logits.
	Logits bool
}

// Decoder computes rows against the KV cache. Only the loop calls it.
type Decoder interface {
	// Decode computes rows; at most Options.BatchSize of them. ErrNoRoom means that nothing was computed.
	Decode(rows []Row) error
	// Logits of row i of the last Decode, valid until the next one.
	Logits(i int) ([]float32, error)
	// Remove forgets a sequence.
	Remove(sequence int32)
}

// Encoder turns images into embedding rows. It is called from other goroutines than the decoder, one at a time.
type Encoder interface {
	Encode(ctx context.Context, img *engine.Image) (rows []float32, width int, err error)
}

// Vocabulary knows tokens. It is safe for concurrent use.
type Vocabulary interface {
	// Bytes of a token as shown to the client: none for control tokens.
	Bytes(token int32) []byte
	// Ends reports whether the token ends an answer.
	Ends(token int32) bool
	// EndTokens are all tokens for which Ends is true.
	EndTokens() []int32
}

// ErrNoRoom means that the KV cache has no free cells for a batch.
var ErrNoRoom = errors.New("no free cells in the KV cache")

// Options size a Loop.
type Options struct {
	// Cells of the KV cache that all sequences share, at least the context of one.
	Cells int
	// MaxSequences decode together.
	MaxSequences int
	// BatchSize bounds the rows of one step, PrefillChunk the prompt rows of a step that also decodes.
	BatchSize, PrefillChunk int
	// MaxQueue bounds the jobs that wait for a sequence.
	MaxQueue int
	Logger   *slog.Logger
}

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
	ID       string
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
	// Form follows the answer after the think block, nil for free text.
	Form Form
}

// Thinking bounds the think block of a job whose prompt opens one.
type Thinking struct {
	// Open means that the prompt ends inside the block.
	Open bool
	// EndTag is what closes blocks, nil for a prompt that never opened one. Unless the model wrote it itself, the answer cannot.
	EndTag *Tag
	// Limit in tokens, after which Close is forced into the sequence.
	Limit int
	// Close are the tokens that end the block.
	Close []int32
}

// Job is a request on its way through the loop.
type Job struct {
	spec   Spec
	prompt int // cells
	images int // cells of images
	videos int // cells of videos

	ctx    context.Context //nolint:containedctx // lives as long as the job
	cancel context.CancelFunc
	leave  func() // gives the place in the queue back
	out    mailbox
}

func (j *Job) start() *engine.Start {
	s := &engine.Start{Usage: j.promptUsage(), MaxTokens: j.spec.MaxTokens}
	if t := &j.spec.Thinking; t.Open {
		s.ThinkOpen, s.ThinkingBudget = true, t.Limit
	}
	return s
}

func (j *Job) promptUsage() engine.Usage {
	return engine.Usage{PromptTokens: j.prompt, ImageTokens: j.images, VideoTokens: j.videos}
}

// mailbox passes events from the loop, which must never wait, to the job's reader. It holds at most one event a token, and the first.
type mailbox struct {
	mu     sync.Mutex
	events []engine.Event
	err    error
	closed bool
	ready  chan struct{} // capacity 1
}

func (m *mailbox) put(ev engine.Event) {
	m.mu.Lock()
	m.events = append(m.events, ev)
	m.mu.Unlock()
	m.signal()
}

func (m *mailbox) close(err error) {
	m.mu.Lock()
	if !m.closed {
		m.closed, m.err = true, err
	}
	m.mu.Unlock()
	m.signal()
}

func (m *mailbox) signal() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// take returns what has gathered; closed means that nothing more will come.
func (m *mailbox) take() (events []engine.Event, closed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	events, m.events = m.events, nil
	return events, m.closed, m.err
}

// Events blocks for the next events. done comes with the last ones; an error that ended the job comes after them.
func (j *Job) Events(ctx context.Context) (events []engine.Event, done bool, err error) {
	for {
		events, closed, err := j.out.take()
		if len(events) > 0 {
			// An error is told by the next call, after the events before it.
			return events, closed && err == nil, nil
		}
		if closed {
			return nil, true, err
		}
		select {
		case <-j.out.ready:
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
	}
}

// Cancel gives the job up and waits until the loop has freed its sequence, which it does before the next step.
func (j *Job) Cancel() {
	j.cancel()
	for done := false; !done; {
		_, done, _ = j.Events(context.Background())
	}
}
