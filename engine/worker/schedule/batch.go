package schedule

// Part is what one sequence has in a batch: its token drawn last, or rows of one segment of its prompt.
type Part struct {
	Sequence *Sequence
	// Decode says that the first row is that of the token drawn last, and any others are of guesses at what follows.
	// Otherwise Rows of the Segment follow from Offset on.
	Decode                bool
	Segment, Offset, Rows int
	// At is the index of the first of the rows in the cache.
	At int
	// Draw asks for the logits of the last row, or of all with Decode: tokens are drawn from them.
	Draw bool
}

// TokenBatch is a batch of tokens: one of each sequence that decodes, and what is guessed to come behind it, in the
// order of admission, then as much prompt text as there is time for. It is empty where there is neither.
func (s *Scheduler) TokenBatch() []Part {
	batch, rows := s.decoding()
	within, rate := s.textShare(), s.costs.Prompt()
	most := s.most(rows > 0)
	for i, q := range s.waiting(false) {
		room := min(most, s.limits.BatchRows-rows)
		if room <= 0 || i > 0 && rate.Takes(1, float64(q.cached)) > within {
			break
		}
		part := q.part(s.rows(q, rate, room, rows, within))
		within -= rate.Takes(part.Rows, float64(q.cached))
		rows += part.Rows
		most -= part.Rows
		batch = append(batch, part)
	}
	return batch
}

// decoding is the parts of the sequences that decode. Guesses take what is left of the batch, and of the cells that
// nobody has or is about to need.
func (s *Scheduler) decoding() (batch []Part, rows int) {
	for _, q := range s.active {
		if q.phase == Decoding && len(batch) < s.limits.BatchRows {
			batch = append(batch, Part{Sequence: q, Decode: true, Rows: 1, At: q.cached, Draw: true})
		}
	}
	rows = len(batch)
	spare := s.limits.Cells - s.Cells() - s.tree.Stats().Parked - s.decodingRows()
	for i := range batch {
		p := &batch[i]
		n := max(0, min(p.Sequence.guesses, spare, s.limits.BatchRows-rows))
		p.Rows += n
		spare -= n
		rows += n
	}
	return batch, rows
}

// most bounds the prompt rows of a batch.
func (s *Scheduler) most(decoding bool) int {
	if decoding {
		return min(s.limits.BatchRows, s.limits.PrefillRows)
	}
	return s.limits.BatchRows
}

// ImageBatch is a batch of image rows, which cannot share one with tokens: of the sequence that comes first among those
// whose image is due, as many as there is time for. It is empty where there is none.
func (s *Scheduler) ImageBatch() []Part {
	waiting := s.waiting(true)
	if len(waiting) == 0 {
		return nil
	}
	q := waiting[0]
	return []Part{q.part(s.rows(q, s.costs.Image(), s.most(s.decodingRows() > 0), 0, s.share()))}
}

// part is the next rows of the prompt, so many of its segment.
func (q *Sequence) part(n int) Part {
	g, c := q.segments[q.prefill.segment], &q.prefill
	last := c.segment == len(q.segments)-1 && c.offset+n == g.Rows
	return Part{Sequence: q, Segment: c.segment, Offset: c.offset, Rows: n, At: q.cached, Draw: last}
}

// Runnable reports whether there is a batch to compute.
func (s *Scheduler) Runnable() bool {
	for _, q := range s.active {
		if _, due := s.due(q); due || q.phase == Decoding {
			return true
		}
	}
	return false
}

// Computed notes that the rows of a part are in the cache. A sequence whose part had Draw is told next what became of
// its logits: Drawn, Park or Remove.
func (s *Scheduler) Computed(p Part) {
	if p.Decode {
		p.Sequence.cached += p.Rows
		return
	}
	p.Sequence.advance(p.Rows)
	s.publish(p.Sequence)
}

// due is the segment that a prefilling sequence computes next, if it can: text always, an image once it is encoded, and
// neither while an older sequence computes the same rows.
func (s *Scheduler) due(q *Sequence) (g Segment, ok bool) {
	if q.phase != Prefilling || q.prefill.segment == len(q.segments) {
		return Segment{}, false
	}
	g = q.segments[q.prefill.segment]
	return g, (!g.Image || q.prefill.encoded[q.prefill.segment]) && !s.awaits(q)
}
