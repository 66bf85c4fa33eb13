package compute

// draw is a sequence whose next token is drawn, and what came of it.
type draw struct {
	s      *sequence
	logits []float32

	parked, ended bool
	err           error
}

// run draws the token, or keeps the logits where the token's mask is not ready. Draws of several sequences run at
// once: it touches nothing that they share.
func (d *draw) run(l *Loop) {
	if d.s.awaitsMask() {
		d.s.park(d.logits)
		d.parked = true
		return
	}
	d.ended, d.err = d.s.draw(d.logits, l)
}

// drawAll draws the tokens of l.draws, on all cores, and tells the scheduler. Sequences that have drawn their last
// token are freed.
func (l *Loop) drawAll() {
	l.cores.Each(len(l.draws), l.drawOne)
	for i := range l.draws {
		d := &l.draws[i]
		switch {
		case d.parked:
			d.s.plan.Park()
		case d.ended || d.err != nil:
			l.drop(d.s, d.err)
		default:
			d.s.plan.Drawn(d.s.answer.output[len(d.s.answer.output)-1])
		}
	}
	clear(l.draws)
	l.draws = l.draws[:0]
}

// resumeParked goes on with the sequences whose masks have become ready.
func (l *Loop) resumeParked() {
	for _, p := range l.plan.Active() {
		if s := l.sequences[p]; s.maskArrived() {
			l.draws = append(l.draws, draw{s: s, logits: s.parked})
		}
	}
	l.drawAll()
}
