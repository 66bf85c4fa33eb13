package schedule

import (
	"fmt"
	"slices"
	"time"

	"github.com/qwenvld/qwenvld/engine/worker/prefix"
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
	// Items are what the rows are of, one for a token or an image. Without them, the rows are shared with nobody.
	Items []prefix.Item
}

// Request is what a sequence is made of.
type Request struct {
	// Scope names those who may share rows with each other, Tenant those among whom time is shared fairly.
	Scope, Tenant string
	// Weight is how much of the time is due to it, 0 meaning 1: with twice the weight it waits half as long.
	Weight float64
	// Prompt has rows, and MaxTokens bound what is generated.
	Prompt    []Segment
	MaxTokens int
}

// Sequence is one request as the scheduler sees it.
type Sequence struct {
	scope     string
	owner     string // the tenant's name
	weight    float64
	prompt    []Segment
	maxTokens int
	generated int
	// items are the prompt and what was generated, nil where nothing is shared. Of these, the prefilled come before the
	// first token that is drawn next.
	items     []prefix.Item
	prefilled int

	// number counts sequences as they come, date says when it is due, preemptions how often it was sent back.
	number      int
	date        time.Duration
	cost        time.Duration // of its prompt, as it was when it came
	encoded     time.Duration // when its last image is due
	preemptions int
	tenant      *tenant

	phase Phase
	slot  int32
	// hold is what the sequence has in common with others, while it has a slot.
	hold *prefix.Hold
	// leader was to compute the first led rows of the prompt when the sequence was given its slot, nil where nobody
	// was.
	leader *Sequence
	led    int
	// admissions count how often it was given a slot, reused the rows that it found when it was the first time.
	admissions, reused int
	// segments are what prefilling computes: the prompt and, after a preemption, the tokens generated until then. rows
	// are theirs together.
	segments []Segment
	rows     int
	// cached are the rows that lie in the KV cache.
	cached  int
	prefill cursor
	// guesses are rows that would be computed behind that of the token drawn last.
	guesses int
}

// cursor is how far prefilling has come.
type cursor struct {
	segment, offset int
	// encoded says which images have rows.
	encoded []bool
}

// NewSequence returns a sequence that is to be queued.
func NewSequence(r Request) *Sequence {
	q := &Sequence{
		scope: r.Scope, owner: r.Tenant, weight: r.Weight, prompt: slices.Clone(r.Prompt), maxTokens: r.MaxTokens,
	}
	if q.weight <= 0 {
		q.weight = 1
	}
	for i := range r.Prompt {
		q.items = append(q.items, r.Prompt[i].Items...)
	}
	q.rewind()
	return q
}

// shares reports whether the rows may be shared with others.
func (q *Sequence) shares() bool { return q.items != nil }

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
	q.cached, q.prefill, q.prefilled = 0, cursor{encoded: make([]bool, len(q.segments))}, len(q.items)
}

// enter changes the phase. A change that design.md does not have is a fault of this package or its caller, after which
// nothing that is known about the cache holds: it ends the process.
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

// Cells is how many cells it takes, or will once its prompt is computed, some of which may be shared.
func (q *Sequence) Cells() int { return max(q.rows, q.cached) }

// own is how many of its cells are in no hold.
func (q *Sequence) own() int { return q.Cells() - q.hold.Rows() }

// Reused is how many rows it did not have to compute, because others had.
func (q *Sequence) Reused() int { return q.reused }

// Segment is the one whose rows come next. All before it are in the cache.
func (q *Sequence) Segment() int { return q.prefill.segment }

// Encoded notes that the image of a segment has rows.
func (q *Sequence) Encoded(segment int) { q.prefill.encoded[segment] = true }

// Identified notes what the image of a segment is, which could not be told before.
func (q *Sequence) Identified(segment int, image *prefix.Image) {
	if !q.shares() {
		return
	}
	at := 0
	for i := range segment {
		at += len(q.prompt[i].Items)
	}
	q.items[at] = prefix.Item{Image: image}
}

// Drawn notes that a token was drawn from the logits of the last row; its own row comes next.
func (q *Sequence) Drawn(token int32) {
	q.enter(Decoding)
	q.generated++
	if q.shares() {
		q.items = append(q.items, prefix.Item{Token: token})
	}
}

// Guess asks for so many rows of the next batch, behind that of the token drawn last, for tokens that are guessed to
// follow it. They are computed as far as there is room.
func (q *Sequence) Guess(rows int) { q.guesses = rows }

// Rejected notes that the last rows computed were of guesses that did not hold. They are in the cache no more.
func (q *Sequence) Rejected(rows int) { q.cached -= rows }

// Park notes that nothing can be drawn from the logits of the last row yet.
func (q *Sequence) Park() { q.enter(Parked) }

// decodes reports whether the sequence is past its prompt and will take one more cell a token.
func (q *Sequence) decodes() bool { return q.phase == Decoding || q.phase == Parked }

// advance takes the cursor over so many rows.
func (q *Sequence) advance(rows int) {
	q.cached += rows
	c := &q.prefill
	for c.offset += rows; c.segment < len(q.segments) && c.offset >= q.segments[c.segment].Rows; c.segment++ {
		c.offset -= q.segments[c.segment].Rows
	}
}
