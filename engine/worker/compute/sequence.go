package compute

import (
	"time"

	"github.com/qwenvld/qwenvld/engine/worker/schedule"
	"github.com/qwenvld/qwenvld/multimodal"
)

// sequence is a job with what its phase in the schedule needs. Only the loop touches it.
type sequence struct {
	job    *Job
	plan   *schedule.Sequence
	answer *generation
	timing timing
	// pictures are its images by segment, as soon as their pixels have come.
	pictures map[int]*arrival

	// prefill is of use from admission to preemption: the positions of decoded rows follow from it too.
	prefill prefill
	// mask is being built for the next token, nil where that takes no time.
	mask *maskBuild
	// parked are the logits that wait for mask, while the phase is Parked. Their room is used again.
	parked []float32
	// guesses are what may follow the token drawn last, as of the last step. The first predicted are of a prediction.
	guesses   []int32
	predicted int
}

// prefill are the rows of a prompt.
type prefill struct {
	// segments are the prompt and, after a preemption, the tokens generated until then, which replayed counts.
	segments  []Segment
	positions []multimodal.Position
	next      int32 // position of the first generated row
	replayed  int
}

// newSequence makes the sequence of a job, which may share rows with others or not.
func newSequence(j *Job, share bool) *sequence {
	plan := schedule.NewSequence(schedule.Request{
		Scope: j.spec.Scope, Tenant: j.spec.Tenant, Weight: j.spec.Weight, Prompt: j.spec.prompt(share), MaxTokens: j.spec.MaxTokens,
	})
	return &sequence{
		job: j, plan: plan, timing: timing{taken: j.taken}, answer: newGeneration(&j.spec, &j.out, &j.hurried),
		pictures: map[int]*arrival{},
	}
}

// active reports whether the sequence has a slot.
func (s *sequence) active() bool { return s.plan.Phase() != schedule.Queued }

// begin lays out the prompt, after the sequence was admitted.
func (s *sequence) begin() {
	p := &s.prefill
	p.segments = s.job.spec.Segments
	if p.replayed = len(s.answer.output); p.replayed > 0 {
		p.segments = append(p.segments[:len(p.segments):len(p.segments)], Segment{Tokens: s.answer.output})
	}
	spans := make([]multimodal.Span, len(p.segments))
	for i := range p.segments {
		if g := &p.segments[i]; g.Image != nil {
			spans[i] = multimodal.Span{Rows: g.Rows, Cols: g.Cols}
		} else {
			spans[i] = multimodal.Span{Tokens: len(g.Tokens)}
		}
	}
	p.positions, p.next = multimodal.Positions(spans)
}

// rewind forgets what was computed, after the sequence was preempted. A mask that is being built is of use later.
func (s *sequence) rewind() { s.prefill, s.parked, s.guesses = prefill{}, nil, nil }

// appendRows adds the rows of a part of s. There is one of an image at most in a batch.
func (l *Loop) appendRows(rows []Row, s *sequence, part *schedule.Part) []Row {
	p := &s.prefill
	if part.Decode {
		output := s.answer.output
		at := p.next + int32(len(output)-1-p.replayed)
		token := output[len(output)-1]
		for i := range int32(part.Rows) {
			if i > 0 {
				token = s.guesses[i-1]
			}
			rows = append(rows, Row{
				Token: token, Position: multimodal.Position{T: at + i, H: at + i, W: at + i}, Sequence: s.plan.Slot(), Logits: true,
			})
		}
		return rows
	}
	g, values, width := &p.segments[part.Segment], []float32(nil), 0
	if g.Image != nil {
		image := s.pictures[part.Segment].rows
		width = image.Width()
		l.values = image.AppendTo(l.values[:0], part.Offset, part.Offset+part.Rows)
		values = l.values
	}
	for i := range part.Rows {
		row := Row{Position: p.positions[part.At+i], Sequence: s.plan.Slot(), Logits: part.Draw && i == part.Rows-1}
		if g.Image != nil {
			row.Embedding = values[i*width : (i+1)*width]
		} else {
			row.Token = g.Tokens[part.Offset+i]
		}
		rows = append(rows, row)
	}
	return rows
}

// computed lets the rows of an image go that are in the cache.
func (l *Loop) computed(s *sequence, part *schedule.Part) {
	if !part.Decode && part.Offset+part.Rows == s.prefill.segments[part.Segment].Len() {
		l.release(s.pictures[part.Segment])
	}
}

// draw draws or takes the next token after logits and reports whether the answer is at its end.
func (s *sequence) draw(logits []float32, l *Loop) (ended bool, err error) {
	g := s.answer
	if len(g.output) == 0 {
		g.events.timing = s.timing.firstToken(time.Now())
	}
	if late := s.mask != nil; late {
		if err := s.takeMask(); err != nil {
			return false, err
		}
		if g.mustEnd() {
			return g.stop(), nil
		}
	}
	token, drawn, ended, err := g.choose(logits, l.vocab)
	if err != nil {
		return false, err
	}
	if ended {
		return g.stop(), nil
	}
	bound := drawn && g.constrained()
	if bound {
		l.advanceMask(s, token)
	}
	// While the constraint takes the token in, nothing may ask it whether the answer must end.
	return g.add(token, logits, l.vocab, bound && s.mask == nil), nil
}
