package compute

import (
	"context"
	"fmt"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// encodeBeside is a run on a device of its own, whose result the loop takes when it comes.
type encodeBeside struct {
	run    *schedule.Run
	cancel context.CancelFunc
}

// encodeResult is what became of one.
type encodeResult struct {
	run  *schedule.Run
	rows []float32
	took time.Duration
	err  error
}

// encode has pictures encoded: for a while, between two steps, where the encoder takes the processors that decode, else
// on a goroutine of its own until it is done.
func (l *Loop) encode(ctx context.Context) {
	if l.encoder == nil {
		return
	}
	for _, r := range l.plan.Abandoned() {
		l.abandon(r)
	}
	l.releaseClaims()
	l.seek(ctx)
	if l.beside != nil {
		return
	}
	run, within := l.plan.NextRun()
	if run == nil {
		return
	}
	if _, on := l.begun[run]; !on {
		l.begun[run] = time.Now()
	}
	if l.o.EncodesBeside {
		l.encodeBeside(ctx, run)
	} else {
		l.encodeSlice(ctx, run, within)
	}
}

// abandon ends a run that nobody waits for.
func (l *Loop) abandon(r *schedule.Run) {
	delete(l.begun, r)
	if e := l.encodings[r]; e != nil {
		_ = e.Close()
		delete(l.encodings, r)
	}
	if l.beside != nil && l.beside.run == r {
		l.beside.cancel()
	}
}

// images are those of the pictures of a run, whose pixels have come.
func (l *Loop) images(run *schedule.Run) (out []*engine.Image) {
	for _, p := range run.Pictures {
		w := p.Wanted()[0]
		out = append(out, l.sequences[w.Sequence].job.spec.Segments[w.Segment].Image)
	}
	return out
}

// encodeSlice goes on with a run for a while.
func (l *Loop) encodeSlice(ctx context.Context, run *schedule.Run, within time.Duration) {
	l.encoding.setBusy(true)
	defer l.encoding.setBusy(false)
	before := time.Now()
	e, done, err := l.encodings[run], false, error(nil)
	if e == nil {
		if e, err = l.encoder.Begin(l.images(run)); err == nil {
			l.encodings[run] = e
		}
	}
	if err == nil {
		done, err = e.Advance(ctx, within)
	}
	took := time.Since(before)
	if err == nil && !done {
		l.plan.Ran(run, took, false)
		return
	}
	r := encodeResult{run: run, took: took, err: err}
	if err == nil {
		r.rows = e.Rows()
	}
	if e != nil {
		_ = e.Close()
		delete(l.encodings, run)
	}
	l.encodedRun(ctx, r)
}

// encodeBeside computes a run from beginning to end on another goroutine.
func (l *Loop) encodeBeside(ctx context.Context, run *schedule.Run) {
	ctx, cancel := context.WithCancel(ctx)
	l.beside = &encodeBeside{run: run, cancel: cancel}
	images := l.images(run)
	l.encoding.setBusy(true)
	l.encoders.Go(func() {
		defer cancel()
		before := time.Now()
		r := encodeResult{run: run}
		r.rows, r.err = l.encodeWhole(ctx, images)
		r.took = time.Since(before)
		select {
		case l.encoded <- r:
		case <-l.stopped:
		}
	})
}

func (l *Loop) encodeWhole(ctx context.Context, images []*engine.Image) ([]float32, error) {
	e, err := l.encoder.Begin(images)
	if err != nil {
		return nil, err
	}
	defer func() { _ = e.Close() }()
	for done := false; !done; {
		if done, err = e.Advance(ctx, unbounded); err != nil {
			return nil, err
		}
	}
	return e.Rows(), nil
}

// unbounded is the time of an encode that takes nobody's.
const unbounded = time.Hour

// encodedBeside takes the result of a run that was computed beside the loop.
func (l *Loop) encodedBeside(ctx context.Context, r encodeResult) {
	l.beside = nil
	l.encoding.setBusy(false)
	l.encodedRun(ctx, r)
}

// encodedRun hands the rows of a run to those who wait for them.
func (l *Loop) encodedRun(ctx context.Context, r encodeResult) {
	l.encoding.steps.Add(1)
	l.plan.Ran(r.run, r.took, r.err == nil)
	l.plan.End(r.run)
	begun, now := l.begun[r.run], time.Now()
	delete(l.begun, r.run)
	if r.err != nil {
		if ctx.Err() == nil { // else the loop ends, and all of its jobs
			l.encodeFailed(r)
		}
		return
	}
	each := len(r.rows) / len(r.run.Pictures)
	for i, p := range r.run.Pictures {
		for _, w := range p.Wanted() {
			l.sequences[w.Sequence].timing.encoding(begun, now)
		}
		rows := rowcache.Pack(r.rows[i*each:(i+1)*each], each/p.Rows)
		l.encodedPictures.Add(1)
		l.hand(p, rows)
		l.shelve(ctx, p, rows)
	}
}

// encodeFailed ends the jobs that wait for a run without rows.
func (l *Loop) encodeFailed(r encodeResult) {
	err := fmt.Errorf("encode image: %w", r.err)
	for _, p := range r.run.Pictures {
		for _, w := range p.Wanted() {
			if s := l.sequences[w.Sequence]; s != nil {
				l.drop(s, err)
			}
		}
	}
}

// want gives a sequence the rows of an image whose pixels have come, and reports whether they are at hand. Otherwise it
// has them encoded.
func (l *Loop) want(s *sequence, segment int) (given bool) {
	p := s.pictures[segment]
	if p == nil || p.rows != nil || s.active() && segment < s.plan.Segment() {
		return false
	}
	if rows, ok := l.o.Rows.Take(p.key); ok {
		p.rows = rows
		s.plan.Encoded(segment)
		return true
	}
	g := &s.job.spec.Segments[segment]
	l.plan.Want(schedule.Want{Sequence: s.plan, Segment: segment}, schedule.Picture{
		Key: p.key, Width: g.Image.Width, Height: g.Image.Height, Rows: g.Len(), Memory: p.memory,
	})
	return false
}

// release gives the rows of an image back, which are not needed any more or can be had again.
func (l *Loop) release(p *arrival) {
	if p != nil && p.rows != nil {
		p.rows = nil
		l.o.Rows.Release(p.key)
	}
}
