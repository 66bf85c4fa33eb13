package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/qwenvld/qwenvld/engine"
)

// Loop runs jobs. Its methods other than Run are safe for concurrent use.
type Loop struct {
	o       Options
	decoder Decoder
	encoder Encoder // nil without a projector
	vocab   Vocabulary

	places  *semaphore.Weighted // jobs that wait or run
	submit  chan *Job
	encoded chan encodeResult
	wake    chan struct{} // capacity 1: a job was cancelled
	stopped chan struct{}

	decoding, encodes pulse

	// Only Run's goroutine uses what follows.
	queue    []*waiting
	active   []*sequence // in order of admission
	free     []int32     // sequence ids
	encoders sync.WaitGroup
	encoding chan struct{} // capacity 1: the turn to encode
	forming  chan struct{} // the turns to follow a form beside the loop
	helpers  sync.WaitGroup
	rows     []Row
}

// waiting is a job without a sequence: a new one, or one that had to give way and keeps its state.
type waiting struct {
	job *Job
	seq *sequence
}

func (w *waiting) cells() int {
	if w.seq != nil {
		return w.seq.job.prompt + len(w.seq.output)
	}
	return w.job.prompt
}

type encodeResult struct {
	seq     *sequence
	segment int
	encoded
	err error
}

// headroom is how many free cells beyond its prompt a job is admitted with, so that it does not have to give way at once.
const headroom = 64

// New returns a Loop. encoder is nil when the model sees no images.
func New(o Options, d Decoder, e Encoder, v Vocabulary) *Loop {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Loop{
		o: o, decoder: d, encoder: e, vocab: v,
		places: semaphore.NewWeighted(int64(o.MaxQueue + o.MaxSequences)),
		submit: make(chan *Job), encoded: make(chan encodeResult), wake: make(chan struct{}, 1), stopped: make(chan struct{}),
		encoding: make(chan struct{}, 1), forming: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
	}
	for id := o.MaxSequences - 1; id >= 0; id-- {
		l.free = append(l.free, int32(id))
	}
	return l
}

// Submit queues a job. It fails with engine.ErrOverloaded when the queue is full, with engine.ErrUnavailable after the loop
// has ended. The caller reads Events to the end or cancels ctx.
func (l *Loop) Submit(ctx context.Context, spec Spec) (*Job, error) {
	j := &Job{spec: spec, out: mailbox{ready: make(chan struct{}, 1)}}
	for i := range spec.Segments {
		n := spec.Segments[i].Len()
		j.prompt += n
		if spec.Segments[i].Image != nil {
			if spec.Segments[i].Image.Pair {
				j.videos += n
			} else {
				j.images += n
			}
		}
	}
	if j.prompt == 0 || j.prompt+spec.MaxTokens > l.o.Cells || spec.MaxTokens <= 0 {
		return nil, fmt.Errorf("schedule: prompt of %d and completion of %d do not fit into %d cells", j.prompt, spec.MaxTokens, l.o.Cells)
	}
	if !l.places.TryAcquire(1) {
		return nil, engine.ErrOverloaded
	}
	j.leave = sync.OnceFunc(func() { l.places.Release(1) })
	j.ctx, j.cancel = context.WithCancel(ctx)
	context.AfterFunc(j.ctx, l.nudge)
	j.out.put(engine.Event{Start: j.start()})
	select {
	case l.submit <- j:
		return j, nil
	case <-ctx.Done():
		j.end(context.Cause(ctx))
		return nil, context.Cause(ctx)
	case <-l.stopped:
		j.end(engine.ErrUnavailable)
		return nil, engine.ErrUnavailable
	}
}

func (l *Loop) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run computes until ctx is done; jobs that are left end with engine.ErrUnavailable. A decoder that fails for another reason
// than room ends the jobs of that step only.
func (l *Loop) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		close(l.stopped)
		for _, s := range l.active {
			s.job.end(engine.ErrUnavailable)
		}
		for _, w := range l.queue {
			w.job.end(engine.ErrUnavailable)
		}
		l.awaitEncoders()
		l.helpers.Wait()
	}()
	defer l.decoding.work(false)
	for ctx.Err() == nil {
		l.decoding.work(true)
		l.collect(ctx)
		l.sweep()
		l.admit(ctx)
		l.compute()
	}
}

func (l *Loop) awaitEncoders() {
	done := make(chan struct{})
	go func() {
		l.encoders.Wait()
		close(done)
	}()
	for {
		select {
		case <-l.encoded:
		case <-done:
			return
		}
	}
}

func (j *Job) end(err error) {
	j.out.close(err)
	j.cancel()
	j.leave()
}

// collect takes in what came from outside, and waits for it while there is nothing to compute.
func (l *Loop) collect(ctx context.Context) {
	block := !l.busy()
	for {
		if block {
			l.decoding.work(false)
			select {
			case j := <-l.submit:
				l.queue = append(l.queue, &waiting{job: j})
			case r := <-l.encoded:
				l.takeRows(ctx, r)
			case <-l.wake:
			case <-ctx.Done():
			}
			l.decoding.work(true)
			block = false
			continue
		}
		select {
		case j := <-l.submit:
			l.queue = append(l.queue, &waiting{job: j})
		case r := <-l.encoded:
			l.takeRows(ctx, r)
		case <-l.wake:
		default:
			return
		}
	}
}

// busy reports whether a step can be computed now.
func (l *Loop) busy() bool {
	return slices.ContainsFunc(l.active, func(s *sequence) bool {
		_, ok := s.ready()
		return ok || s.decoding && s.parked == nil || s.parked != nil && !s.waits()
	})
}

func (l *Loop) takeRows(ctx context.Context, r encodeResult) {
	if ctx.Err() != nil { // the encoding ended because the loop does
		return
	}
	if !slices.Contains(l.active, r.seq) {
		return // gone or given way meanwhile
	}
	if r.err != nil {
		l.drop(r.seq, r.err)
		return
	}
	r.seq.rows[r.segment] = r.encoded
}

// sweep frees the sequences of jobs that were given up.
func (l *Loop) sweep() {
	for _, s := range slices.Clone(l.active) {
		if s.job.ctx.Err() != nil {
			l.drop(s, context.Cause(s.job.ctx))
		}
	}
	l.queue = slices.DeleteFunc(l.queue, func(w *waiting) bool {
		if w.job.ctx.Err() == nil {
			return false
		}
		w.job.end(context.Cause(w.job.ctx))
		return true
	})
}

// drop frees s; a nil err means that it has finished.
func (l *Loop) drop(s *sequence, err error) {
	l.release(s)
	s.job.end(err)
}

func (l *Loop) release(s *sequence) {
	l.decoder.Remove(s.id)
	l.free = append(l.free, s.id)
	l.active = slices.DeleteFunc(l.active, func(o *sequence) bool { return o == s })
}

func (l *Loop) used() int {
	n := 0
	for _, s := range l.active {
		n += s.cells()
	}
	return n
}

// admit gives sequences to waiting jobs, first come first served: a large one is not overtaken for ever.
func (l *Loop) admit(ctx context.Context) {
	for len(l.queue) > 0 && len(l.free) > 0 {
		w := l.queue[0]
		need := w.cells() + min(headroom, w.job.spec.MaxTokens)
		if need > l.o.Cells-l.used() && len(l.active) > 0 {
			return
		}
		l.queue = l.queue[1:]
		id := l.free[len(l.free)-1]
		l.free = l.free[:len(l.free)-1]
		s := w.seq
		if s == nil {
			s = newSequence(w.job, id)
		} else {
			s.id = id
			s.rewind()
		}
		l.active = append(l.active, s)
		l.startEncoding(ctx, s)
	}
}

// giveWay takes the youngest sequence's cells; it starts over from the head of the queue.
func (l *Loop) giveWay() {
	s := l.active[len(l.active)-1]
	l.o.Logger.Debug("sequence gives way", "request_id", s.job.spec.ID, "cells", s.cells())
	l.release(s)
	// A copy, so that rows of images still being encoded for the old one find nobody.
	again := *s
	l.queue = slices.Insert(l.queue, 0, &waiting{job: s.job, seq: &again})
}

// startEncoding encodes the images of s one after the other, beside the decoding. One image of all requests is encoded at a
// time, so that requests with many images take turns.
func (l *Loop) startEncoding(ctx context.Context, s *sequence) {
	type task struct {
		segment int
		image   *engine.Image
	}
	var tasks []task
	for i := range s.segments {
		if img := s.segments[i].Image; img != nil {
			tasks = append(tasks, task{i, img})
		}
	}
	if len(tasks) == 0 {
		return
	}
	job := s.job
	l.encoders.Go(func() {
		// The job may be given up, or the loop may end.
		jctx, cancel := context.WithCancel(job.ctx)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		for _, t := range tasks {
			r := l.encode(jctx, t.image)
			r.seq, r.segment = s, t.segment
			select {
			case l.encoded <- r:
			case <-l.stopped:
				return
			}
			if r.err != nil {
				return
			}
		}
	})
}

func (l *Loop) encode(ctx context.Context, img *engine.Image) (r encodeResult) {
	// Frames still being decoded must not hold up the pictures of others.
	if _, r.err = img.Bytes(ctx); r.err != nil {
		return r
	}
	select {
	case l.encoding <- struct{}{}:
	case <-ctx.Done():
		r.err = context.Cause(ctx)
		return r
	}
	defer func() { <-l.encoding }()
	l.encodes.work(true)
	defer l.encodes.work(false)
	r.rows, r.width, r.err = l.encoder.Encode(ctx, img)
	l.encodes.steps.Add(1)
	return r
}
