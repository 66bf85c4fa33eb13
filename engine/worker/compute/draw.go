package compute

import "github.com/qwenvld/qwenvld/engine/worker/prefix"

// draw is a sequence whose next tokens are drawn, and what came of it.
type draw struct {
	s *sequence
	// rows are the logits of its last row, or of those of a token and the guesses behind it.
	rows [][]float32
	// at is the position of the first of the rows.
	at int32

	// used is how many of the rows hold: each of the others is of a guess that does not.
	used, drawn   int
	parked, ended bool
	err           error
}

// run draws a token from each row for as long as the next row is of that token, or keeps the logits where the token's
// mask is not ready. So every token is drawn as it would be from rows that are computed one by one. Draws of several
// sequences run at once: this touches nothing that they share.
func (d *draw) run(l *Loop) {
	g := d.s.answer
	before := len(g.output)
	for d.used < len(d.rows) && d.err == nil && !d.ended && !d.parked {
		if n := d.used; n > 0 && g.output[len(g.output)-1] != d.s.guesses[n-1] {
			break
		}
		logits := d.rows[d.used]
		d.used++
		if d.s.awaitsMask() {
			d.s.park(logits)
			d.parked = true
			break
		}
		d.ended, d.err = d.s.draw(logits, l)
	}
	d.drawn = len(g.output) - before
	if rejected := len(d.rows) - d.used; len(d.rows) > 1 {
		g.usePrediction(d.s.predicted, d.used-1, rejected)
	}
}

// drawAll draws the tokens of l.draws, on all cores, and tells the scheduler. Rows of guesses that do not hold leave
// the cache. Sequences that have drawn their last token are freed.
func (l *Loop) drawAll() {
	l.cores.Each(len(l.draws), l.drawOne)
	for i := range l.draws {
		d := &l.draws[i]
		if rejected := len(d.rows) - d.used; rejected > 0 {
			l.decoder.Remove(d.s.plan.Slot(), d.at+int32(d.used), prefix.ToEnd)
			d.s.plan.Rejected(rejected)
		}
		l.guessed.Add(uint64(len(d.rows) - 1))
		l.held.Add(uint64(d.used - 1))
		output := d.s.answer.output
		for _, token := range output[len(output)-d.drawn:] {
			d.s.plan.Drawn(token)
		}
		switch {
		case d.ended || d.err != nil:
			l.drop(d.s, d.err)
		case d.parked:
			d.s.plan.Park()
		}
	}
	clear(l.draws)
	l.draws = l.draws[:0]
}

// resumeParked goes on with the sequences whose masks have become ready.
func (l *Loop) resumeParked() {
	l.logits = l.logits[:0]
	for _, p := range l.plan.Active() {
		if s := l.sequences[p]; s.maskArrived() {
			l.logits = append(l.logits, s.parked)
			l.draws = append(l.draws, draw{s: s, rows: l.logits[len(l.logits)-1:]})
		}
	}
	l.drawAll()
}
