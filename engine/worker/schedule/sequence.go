package schedule

import (
	"fmt"
	"slices"
)

// Phase is where a sequence stands.
type Phase uint8

// Phases of a sequence; design.md has the picture.
const (
	// Queued holds no cells: it is new, or was preempted.
	Queued Phase = iota
	// Prefilling has a slot, and rows of its prompt are still to be computed.
	Prefilling
	// Decoding has drawn a token, whose row is computed next.
	Decoding
	// Parked has logits from which nothing can be drawn yet, and sits out batches.
	Parked
	// Ended is for good.
	Ended
)

func (p Phase) String() string {
	return [...]string{"queued", "prefilling", "decoding", "parked", "ended"}[p]
}

// transitions are the phases that may follow each.
var transitions = [...][]Phase{
	Queued:     {Prefilling, Ended},
	Prefilling: {Decoding, Parked, Queued, Ended},
	Decoding:   {Decoding, Parked, Queued, Ended},
	Parked:     {Decoding, Queued, Ended},
	Ended:      {},
}

// Segment is a run of a prompt: text, or one image.
type Segment struct {
	Rows  int
	Image bool
}

// Sequence is one request as the scheduler sees it.
type Sequence struct {
	prompt    []Segment
	maxTokens int
	generated int

	phase Phase
	slot  int32
	// segments are what prefilling computes: the prompt and, after a preemption, the tokens generated until then. rows are theirs together.
	segments []Segment
	rows     int
	// cached are the rows that lie in the KV cache.
	cached  int
	prefill cursor
}

// cursor is how far prefilling has come.
type cursor struct {
	segment, offset int
	// encoded says which images have rows.
	encoded []bool
}

// NewSequence returns a queued sequence of a prompt, which has rows, and at most maxTokens generated tokens.
func NewSequence(prompt []Segment, maxTokens int) *Sequence {
	q := &Sequence{prompt: slices.Clone(prompt), maxTokens: maxTokens}
	q.rewind()
	return q
}

// rewind begins the prompt anew, to which belongs by now what was generated.
func (q *Sequence) rewind() {
	q.segments = slices.Clone(q.prompt)
	if q.generated > 0 {
		q.segments = append(q.segments, Segment{Rows: q.generated})
	}
	q.rows = 0
	for _, g := range q.segments {
		q.rows += g.Rows
	}
	q.cached, q.prefill = 0, cursor{encoded: make([]bool, len(q.segments))}
}

// enter changes the phase. A change that design.md does not have is a fault of this package or its caller, after which nothing that is
// known about the cache holds: it ends the process.
func (q *Sequence) enter(p Phase) {
	if !slices.Contains(transitions[q.phase], p) {
		panic(fmt.Sprintf("schedule: a sequence goes from %v to %v", q.phase, p))
	}
	q.phase = p
	if p == Queued {
		q.rewind()
	}
}

// Phase is where the sequence stands.
func (q *Sequence) Phase() Phase { return q.phase }

// Slot is the number of the sequence in the KV cache, between its admission and its end or preemption.
func (q *Sequence) Slot() int32 { return q.slot }

// Cells is how many cells it takes, or will once its prompt is computed.
func (q *Sequence) Cells() int { return max(q.rows, q.cached) }

// Encoded notes that the image of a segment has rows.
func (q *Sequence) Encoded(segment int) { q.prefill.encoded[segment] = true }

// Drawn notes that a token was drawn from the logits of the last row; its own row comes next.
func (q *Sequence) Drawn() {
	q.enter(Decoding)
	q.generated++
}

// Park notes that nothing can be drawn from the logits of the last row yet.
func (q *Sequence) Park() { q.enter(Parked) }

// decodes reports whether the sequence is past its prompt and will take one more cell a token.
func (q *Sequence) decodes() bool { return q.phase == Decoding || q.phase == Parked }

// due is the segment that prefilling computes next, if it can: text always, an image once it is encoded.
func (q *Sequence) due() (g Segment, ok bool) {
	if q.phase != Prefilling || q.prefill.segment == len(q.segments) {
		return Segment{}, false
	}
	g = q.segments[q.prefill.segment]
	return g, !g.Image || q.prefill.encoded[q.prefill.segment]
}
