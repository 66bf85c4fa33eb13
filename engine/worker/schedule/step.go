package schedule

import (
	"errors"
	"fmt"
)

// share is one sequence's part of a step.
type share struct {
	seq   *sequence
	from  int // index of its first row
	count int
	draw  bool // its last row has logits
}

// compute runs one step of tokens, then one of an image's rows, so that neither kind holds up the other.
func (l *Loop) compute() {
	l.resume()
	l.makeRoom()
	if rows, shares := l.tokenStep(); len(rows) > 0 {
		l.run(rows, shares)
	}
	if rows, shares := l.imageStep(); len(rows) > 0 {
		l.run(rows, shares)
	}
}

// makeRoom sees to it that every decoding sequence can take one more cell.
func (l *Loop) makeRoom() {
	for len(l.active) > 1 {
		need := l.used()
		for _, s := range l.active {
			if s.decoding {
				need++
			}
		}
		if need <= l.o.Cells {
			return
		}
		l.giveWay()
	}
}

// tokenStep gathers the next token of each decoding sequence and prompt text as far as it goes.
func (l *Loop) tokenStep() ([]Row, []share) {
	rows, shares := l.rows[:0], []share(nil)
	for _, s := range l.active {
		if s.decoding && s.parked == nil && len(rows) < l.o.BatchSize {
			shares = append(shares, share{s, len(rows), 1, true})
			rows = append(rows, s.nextRow())
		}
	}
	budget := l.o.BatchSize - len(rows)
	if len(rows) > 0 {
		budget = min(budget, l.o.PrefillChunk)
	}
	for _, s := range l.active {
		if image, ok := s.ready(); image || !ok || budget == 0 {
			continue
		}
		from := len(rows)
		rows = s.appendPrompt(rows, budget)
		n := len(rows) - from
		budget -= n
		shares = append(shares, share{s, from, n, rows[len(rows)-1].Logits})
	}
	l.rows = rows
	return rows, shares
}

// imageStep gathers rows of the oldest sequence whose image is due.
func (l *Loop) imageStep() ([]Row, []share) {
	n := l.o.BatchSize
	for _, s := range l.active {
		if s.decoding {
			n = min(n, l.o.PrefillChunk)
		}
	}
	for _, s := range l.active {
		if image, ok := s.ready(); image && ok {
			l.rows = s.appendPrompt(l.rows[:0], n)
			return l.rows, []share{{s, 0, len(l.rows), l.rows[len(l.rows)-1].Logits}}
		}
	}
	return nil, nil
}

// run decodes rows and lets each sequence go on.
func (l *Loop) run(rows []Row, shares []share) {
	if err := l.decoder.Decode(rows); err != nil {
		if errors.Is(err, ErrNoRoom) && len(l.active) > 1 {
			l.giveWay()
			return
		}
		err = fmt.Errorf("decode: %w", err)
		for _, sh := range shares {
			l.drop(sh.seq, err)
		}
		return
	}
	l.decoding.steps.Add(1)
	for _, sh := range shares {
		l.decoding.beats.Add(1)
		if sh.seq.decoding {
			sh.seq.filled++
		} else {
			sh.seq.advance(sh.count)
		}
		if sh.draw {
			l.draw(sh.seq, sh.from+sh.count-1)
		}
	}
}

func (l *Loop) draw(s *sequence, row int) {
	logits, err := l.decoder.Logits(row)
	switch {
	case err != nil:
		l.drop(s, err)
	case s.waits():
		s.park(logits)
	default:
		l.drawFrom(s, logits)
	}
}

// drawFrom draws the next token of s and reports whether s has left.
func (l *Loop) drawFrom(s *sequence, logits []float32) (left bool) {
	done, err := s.step(logits, l)
	if err != nil || done {
		l.drop(s, err)
		return true
	}
	return false
}
