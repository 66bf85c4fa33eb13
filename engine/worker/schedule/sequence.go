package schedule

import (
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/sampler"
	"github.com/qwenvld/qwenvld/multimodal"
)

// sequence is a job that holds cells. Only the loop touches it.
type sequence struct {
	job *Job
	id  int32
	// segments are the prompt and, after the sequence had to give way once, the tokens generated until then.
	segments  []Segment
	positions []multimodal.Position
	next      int32 // position of the first generated row

	// rows are the encoded images by segment, dropped once they are in the cache.
	rows map[int]encoded

	segment, offset int // what comes next of segments
	filled          int // cells taken so far
	pending         int32
	decoding        bool
	// following is the form's way to the next token where it takes time, parked the logits that wait for it.
	following *following
	parked    []float32

	usage    engine.Usage
	output   []int32 // generated tokens
	replayed int     // how many of them are part of segments
	forced   []int32 // tokens still to be forced
	thinking bool
	closedBy string
	// repetition is set where the answer was ended because it only repeated itself.
	repetition bool
	// fresh is set until a token after a forced end of thinking has been drawn: it must not end the answer.
	fresh    bool
	tail     []byte         // end of the answer, where a closing tag must not be completed
	withheld []engine.Token // of bytes not shown yet
	ends     []int          // offset after each withheld token
	produced int            // bytes of all tokens so far
}

// encoded are an image's embedding rows.
type encoded struct {
	rows  []float32
	width int
}

func newSequence(j *Job, id int32) *sequence {
	s := &sequence{job: j, id: id, segments: j.spec.Segments, thinking: j.spec.Thinking.Open, usage: j.promptUsage()}
	s.layout()
	if s.thinking && j.spec.Thinking.Limit <= 0 {
		s.closeThinking(closedByBudget)
	}
	return s
}

// layout computes positions from the segments and starts over with the cache.
func (s *sequence) layout() {
	spans := make([]multimodal.Span, len(s.segments))
	for i := range s.segments {
		g := &s.segments[i]
		if g.Image != nil {
			spans[i] = multimodal.Span{Rows: g.Rows, Cols: g.Cols}
		} else {
			spans[i] = multimodal.Span{Tokens: len(g.Tokens)}
		}
	}
	s.positions, s.next = multimodal.Positions(spans)
	s.rows = map[int]encoded{}
	s.segment, s.offset, s.filled, s.decoding, s.parked = 0, 0, 0, false, nil
}

// rewind forgets what is in the cache, so that the sequence can be computed again from its prompt and output.
func (s *sequence) rewind() {
	segments := append([]Segment(nil), s.job.spec.Segments...)
	if len(s.output) > 0 {
		segments = append(segments, Segment{Tokens: s.output})
	}
	s.replayed = len(s.output)
	s.segments = segments
	s.layout()
}

// cells the sequence takes now or will after its prefill.
func (s *sequence) cells() int { return max(len(s.positions), s.filled) }

// current is the segment that comes next, nil when all are in the cache.
func (s *sequence) current() *Segment {
	if s.segment == len(s.segments) {
		return nil
	}
	return &s.segments[s.segment]
}

// ready reports whether the next prompt rows can be computed: text always, an image once it is encoded.
func (s *sequence) ready() (image, ok bool) {
	g := s.current()
	if g == nil {
		return false, false
	}
	if g.Image == nil {
		return false, true
	}
	_, ok = s.rows[s.segment]
	return true, ok
}

// appendPrompt adds up to n rows of the current segment.
func (s *sequence) appendPrompt(rows []Row, n int) []Row {
	g := s.current()
	last := s.segment == len(s.segments)-1
	n = min(n, g.Len()-s.offset)
	e := s.rows[s.segment]
	for i := s.offset; i < s.offset+n; i++ {
		row := Row{Position: s.positions[s.filled+i-s.offset], Sequence: s.id, Logits: last && i == g.Len()-1}
		if g.Image != nil {
			row.Embedding = e.rows[i*e.width : (i+1)*e.width]
		} else {
			row.Token = g.Tokens[i]
		}
		rows = append(rows, row)
	}
	return rows
}

// advance takes note that n prompt rows are in the cache.
func (s *sequence) advance(n int) {
	s.offset += n
	s.filled += n
	if s.offset == s.current().Len() {
		delete(s.rows, s.segment)
		s.segment++
		s.offset = 0
	}
}

// nextRow is the row of the token that was drawn last.
func (s *sequence) nextRow() Row {
	p := s.next + int32(len(s.output)-1-s.replayed)
	return Row{Token: s.pending, Position: multimodal.Position{T: p, H: p, W: p}, Sequence: s.id, Logits: true}
}

// step draws or takes the next token after logits and reports whether the sequence is at its end.
func (s *sequence) step(logits []float32, l *Loop) (done bool, err error) {
	spec, v := &s.job.spec, l.vocab
	if late := s.following != nil; late {
		if err := s.followed(); err != nil {
			return false, err
		}
		if spec.Form.MustEnd() {
			s.finish(engine.FinishStop)
			return true, nil
		}
	}
	token, drawn, err := s.choose(logits, v)
	if err != nil {
		return false, err
	}
	if drawn && v.Ends(token) {
		if !s.thinking {
			s.finish(engine.FinishStop)
			return true, nil
		}
		// An answer that ends inside the think block would be empty.
		if s.closeThinking(closedByEnd); len(s.forced) == 0 {
			s.finish(engine.FinishStop)
			return true, nil
		}
		token, s.forced = s.forced[0], s.forced[1:]
	}
	formed := drawn && !s.thinking && spec.Form != nil
	if formed {
		l.follow(s, token)
	}
	s.output = append(s.output, token)
	s.usage.CompletionTokens++
	if s.thinking {
		s.usage.ReasoningTokens++
	}
	s.emit(token, logits, v)
	switch {
	case spec.Answer.Stopped() != "", formed && s.following == nil && spec.Form.MustEnd():
		s.finish(engine.FinishStop)
		return true, nil
	case s.usage.CompletionTokens >= spec.MaxTokens:
		s.finish(engine.FinishLength)
		return true, nil
	case s.repeats():
		s.repetition = true
		s.finish(engine.FinishLength)
		return true, nil
	}
	s.pending, s.decoding = token, true
	s.boundThinking()
	return false, nil
}

// repeats reports whether an answer has gone on repeating itself for so long that it will not end by itself.
func (s *sequence) repeats() bool {
	if s.thinking || s.job.spec.MayRepeat || len(s.forced) > 0 {
		return false
	}
	const every = 32
	answer := s.output[s.usage.ReasoningTokens:]
	return len(answer)%every == 0 && answerLoops(answer)
}

// boundThinking closes a think block that has used up its budget or only repeats itself.
func (s *sequence) boundThinking() {
	if !s.thinking || len(s.forced) > 0 {
		return
	}
	switch n := s.usage.ReasoningTokens; {
	case n >= s.job.spec.Thinking.Limit:
		s.closeThinking(closedByBudget)
	case n%loopEvery == 0 && loops(s.output):
		s.closeThinking(closedByLoop)
	}
}

// choose returns the next token and whether the model drew it.
func (s *sequence) choose(logits []float32, v Vocabulary) (token int32, drawn bool, err error) {
	if len(s.forced) > 0 {
		token, s.forced = s.forced[0], s.forced[1:]
		s.job.spec.Sampler.Accept(token)
		return token, false, nil
	}
	var limits sampler.Limits
	if form := s.job.spec.Form; form != nil && !s.thinking {
		limits.Allowed = form.Allowed()
		if form.MayEnd() {
			limits.Also = v.EndTokens()
		}
	}
	limits.Banned = s.banned(v)
	token, err = s.job.spec.Sampler.Sample(logits, limits)
	return token, true, err
}

// banned are tokens that must not come next, whatever the form: an end right after a forced end of thinking, and another closing tag
// in an answer that the model did not itself begin by one. Under a form only the tag's own token is, which no form needs; text that
// spells it may be part of the form.
func (s *sequence) banned(v Vocabulary) (out []int32) {
	if s.fresh {
		out, s.fresh = v.EndTokens(), false
	}
	tag := s.job.spec.Thinking.EndTag
	switch {
	case tag == nil || s.thinking || s.closedBy == closedByModel:
		return out
	case s.job.spec.Form != nil && s.job.spec.Form.Allowed() != nil:
		return append(out[:len(out):len(out)], tag.whole...)
	}
	return append(out[:len(out):len(out)], tag.banned(s.tail)...)
}

// Who closed the think block.
const (
	closedByModel  = "model"
	closedByBudget = "budget"
	closedByLoop   = "loop"
	closedByEnd    = "end_token"
)

func (s *sequence) closeThinking(by string) {
	s.forced = append([]int32(nil), s.job.spec.Thinking.Close...)
	s.closedBy, s.fresh = by, true
	if len(s.forced) == 0 {
		s.thinking = false
	}
}

// emit passes on the text that token completes.
func (s *sequence) emit(token int32, logits []float32, v Vocabulary) {
	spec := &s.job.spec
	b := v.Bytes(token)
	s.produced += len(b)
	if tag := spec.Thinking.EndTag; tag != nil && !s.thinking {
		s.tail = tag.keep(s.tail, b)
	}
	switch first := len(s.output) <= spec.FirstTokens; {
	case first:
		s.withhold(token, b, logits, max(spec.TopLogprobs, spec.FirstTop), v)
	case spec.Logprobs:
		s.withhold(token, b, logits, spec.TopLogprobs, v)
	}
	text := spec.Answer.Add(b)
	if s.thinking && !spec.Answer.Thinking() {
		s.thinking = false
		if s.closedBy == "" {
			s.closedBy = closedByModel
		}
	}
	s.post(text, spec.Answer.Released(), nil)
}

func (s *sequence) withhold(token int32, b []byte, logits []float32, top int, v Vocabulary) {
	own, others := sampler.Logprobs(logits, token, top)
	for i := range others {
		others[i].Bytes = v.Bytes(others[i].ID)
	}
	s.withheld = append(s.withheld, engine.Token{ID: token, Bytes: b, Logprob: own, Top: others})
	s.ends = append(s.ends, s.produced)
}

// post sends an event with the tokens that end within the first shown bytes. Nothing is sent when there is nothing to say.
func (s *sequence) post(text string, shown int, result *engine.Result) {
	n := 0
	for n < len(s.ends) && s.ends[n] <= shown {
		n++
	}
	if text == "" && n == 0 && result == nil {
		return
	}
	ev := engine.Event{Text: text, Tokens: s.withheld[:n:n], Result: result}
	if s.job.spec.RunningUsage {
		u := s.usage
		ev.Usage = &u
	}
	s.job.out.put(ev)
	s.withheld, s.ends = s.withheld[n:], s.ends[n:]
}

// finish sends what was held back and the result.
func (s *sequence) finish(reason engine.FinishReason) {
	text := s.job.spec.Answer.Close()
	s.post(text, s.job.spec.Answer.Released(), &engine.Result{
		FinishReason: reason, StopString: s.job.spec.Answer.Stopped(), Usage: s.usage, ThinkingClosedBy: s.closedBy,
		Repetition: s.repetition,
	})
	s.job.out.close(nil)
}
