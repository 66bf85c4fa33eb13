package compute

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/parallel"
	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
	"github.com/qwenvld/qwenvld/engine/worker/speculation"
)

// Loop runs jobs. Its methods other than Run are safe for concurrent use.
type Loop struct {
	o       Options
	decoder Decoder
	encoder Encoder // nil without a projector
	vocab   Vocabulary

	places  *semaphore.Weighted // for jobs that wait or run
	submit  chan *Job
	encoded chan encodeResult
	arrived chan arrivedImage
	sought  chan sought
	wake    chan struct{} // capacity 1: a job was cancelled, or a mask is ready
	stopped chan struct{}

	decoding, encoding pulse
	cells              atomic.Pointer[engine.Cells]
	guessed, held      atomic.Uint64 // tokens
	// encodedPictures and fetched count pictures, shared how often rows were at hand.
	encodedPictures, fetched, shared atomic.Uint64
	unsaved                          sync.Once // tells that rows could not be saved

	encoders sync.WaitGroup // goroutines that wait for pixels, look for rows, save them or encode beside the loop
	builders sync.WaitGroup // goroutines that build masks
	building chan struct{}  // holds a value for each mask that is being built; its capacity bounds them

	// Only Run's goroutine uses what follows.
	plan      *schedule.Scheduler
	sequences map[*schedule.Sequence]*sequence
	rows      []Row
	logits    [][]float32 // of those rows that tokens are drawn from
	draws     []draw
	cores     *parallel.Pool
	drawOne   func(i int) // of draws
	values    []float32   // of image rows in a batch
	encodings map[*schedule.Run]Encoding
	begun     map[*schedule.Run]time.Time // when the encode of a run was begun with
	beside    *encodeBeside               // nil while no run is computed beside the loop
	claims    map[[32]byte]func()         // of pictures that are encoded here; others wait until the function is called
	worth     sharer
	guessing  []*sequence // those with guesses, which have these chances and get these shares
	chances   [][]float64
	shares    []int
}

// New returns a Loop. encoder is nil when the model sees no images.
func New(o Options, d Decoder, e Encoder, v Vocabulary) *Loop {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Rows == nil {
		o.Rows = rowcache.New(0)
	}
	o.EncodesBeside = e != nil && e.Beside()
	o.Shelved = o.Shelf != nil
	l := &Loop{
		o: o, decoder: d, encoder: e, vocab: v,
		places: semaphore.NewWeighted(int64(o.MaxQueue + o.Sequences)),
		submit: make(chan *Job), encoded: make(chan encodeResult), arrived: make(chan arrivedImage),
		sought: make(chan sought), claims: map[[32]byte]func(){},
		wake: make(chan struct{}, 1), stopped: make(chan struct{}),
		building: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		worth:    &speculation.Controller{},
		plan:     schedule.New(o.Limits), sequences: map[*schedule.Sequence]*sequence{},
		encodings: map[*schedule.Run]Encoding{}, begun: map[*schedule.Run]time.Time{},
	}
	l.drawOne = func(i int) { l.draws[i].run(l) }
	l.countCells()
	return l
}

// Submit queues a job. It fails with engine.ErrOverloaded when the queue is full, with engine.ErrUnavailable after the
// loop has ended. The caller reads Events to the end or cancels ctx.
func (l *Loop) Submit(ctx context.Context, spec Spec) (*Job, error) {
	j := &Job{spec: spec, taken: time.Now(), out: mailbox{ready: make(chan struct{}, 1)}}
	start := spec.start()
	if prompt := start.Usage.PromptTokens; prompt == 0 || prompt+spec.MaxTokens > l.o.Cells || spec.MaxTokens <= 0 {
		return nil, fmt.Errorf("prompt of %d and completion of %d do not fit into %d cells", prompt, spec.MaxTokens, l.o.Cells)
	}
	if !l.places.TryAcquire(1) {
		return nil, engine.ErrOverloaded
	}
	j.leave = sync.OnceFunc(func() { l.places.Release(1) })
	j.ctx, j.cancel = context.WithCancel(ctx)
	context.AfterFunc(j.ctx, l.nudge)
	j.out.put(engine.Event{Start: start})
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

// Run computes until ctx is done; jobs that are left end with engine.ErrUnavailable. A decoder that fails for another
// reason than a full cache ends the jobs of that batch only.
func (l *Loop) Run(ctx context.Context) {
	l.cores = parallel.New(min(runtime.GOMAXPROCS(0), l.o.Sequences))
	defer l.cores.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		close(l.stopped)
		for _, s := range l.sequences {
			s.job.end(engine.ErrUnavailable)
		}
		l.encoders.Wait()
		l.builders.Wait()
		for _, e := range l.encodings {
			_ = e.Close()
		}
	}()
	defer l.decoding.setBusy(false)
	for ctx.Err() == nil {
		l.decoding.setBusy(true)
		l.collect(ctx)
		l.dropGivenUp()
		l.admit()
		l.step()
		l.encode(ctx)
	}
}

// collect takes in what came from outside, and waits for it while there is nothing to compute.
func (l *Loop) collect(ctx context.Context) {
	if !l.runnable() {
		l.decoding.setBusy(false)
		select {
		case j := <-l.submit:
			l.enqueue(ctx, j)
		case r := <-l.encoded:
			l.encodedBeside(ctx, r)
		case a := <-l.arrived:
			l.pixelsCame(a)
		case a := <-l.sought:
			l.soughtCame(a)
		case <-l.wake:
		case <-ctx.Done():
		}
		l.decoding.setBusy(true)
	}
	for {
		select {
		case j := <-l.submit:
			l.enqueue(ctx, j)
		case r := <-l.encoded:
			l.encodedBeside(ctx, r)
		case a := <-l.arrived:
			l.pixelsCame(a)
		case a := <-l.sought:
			l.soughtCame(a)
		case <-l.wake:
		default:
			return
		}
	}
}

func (l *Loop) enqueue(ctx context.Context, j *Job) {
	s := newSequence(j, l.o.Branches > 0)
	l.sequences[s.plan] = s
	l.plan.Enqueue(s.plan)
	l.awaitPixels(ctx, s)
}

// runnable reports whether there is something to compute or to draw.
func (l *Loop) runnable() bool {
	if l.plan.Runnable() || l.beside == nil && l.plan.Encodes() || l.plan.Seeks() {
		return true
	}
	return slices.ContainsFunc(l.plan.Active(), func(p *schedule.Sequence) bool { return l.sequences[p].maskArrived() })
}

// dropGivenUp frees the sequences of jobs that were given up, and of those whose answers cannot begin in time.
func (l *Loop) dropGivenUp() {
	for _, p := range slices.Concat(l.plan.Active(), l.plan.Queued()) {
		s := l.sequences[p]
		by := s.job.spec.FirstBy
		switch {
		case s.job.ctx.Err() != nil:
			l.drop(s, context.Cause(s.job.ctx))
		case !by.IsZero() && l.plan.Late(p, time.Until(by)):
			l.drop(s, engine.ErrLate)
		}
	}
}

// drop frees s; a nil err means that its answer is complete.
func (l *Loop) drop(s *sequence, err error) {
	l.plan.Remove(s.plan)
	l.updateCache()
	delete(l.sequences, s.plan)
	for _, p := range s.pictures {
		l.release(p)
	}
	s.job.end(err)
}

func (l *Loop) admit() {
	for _, p := range l.plan.Admit() {
		s := l.sequences[p]
		s.timing.admitted(time.Now())
		s.begin()
		l.reused(s)
		for segment := range s.pictures {
			if l.want(s, segment) {
				l.shared.Add(1)
			}
		}
	}
}

// preempted frees the cells of a sequence that the scheduler has taken them from.
func (l *Loop) preempted(p *schedule.Sequence) {
	s := l.sequences[p]
	l.o.Logger.Debug("sequence is preempted", "request_id", s.job.spec.ID, "generated", len(s.answer.output))
	l.updateCache()
	s.rewind()
	for _, p := range s.pictures {
		l.release(p)
	}
}
