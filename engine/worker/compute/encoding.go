package compute

import (
	"context"
	"sync"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// encodeResult is what became of an image.
type encodeResult struct {
	seq       *sequence
	admission int
	segment   int
	encodedImage
	err error
}

// startEncoding encodes the images of s one after the other, beside the decoding.
func (l *Loop) startEncoding(ctx context.Context, s *sequence) {
	var segments []int
	for i := range s.prefill.segments {
		if s.prefill.segments[i].Image != nil && i >= s.plan.Segment() {
			segments = append(segments, i)
		}
	}
	if len(segments) == 0 {
		return
	}
	job, admission, prompt := s.job, s.admission, s.prefill.segments
	l.encoders.Go(func() {
		// The job may be given up, or the loop may end.
		jctx, cancel := context.WithCancel(job.ctx)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		for _, segment := range segments {
			r := encodeResult{seq: s, admission: admission, segment: segment}
			var needed bool
			r.encodedImage, needed, r.err = l.encode(jctx, r, prompt[segment].Image)
			if !needed && r.err == nil {
				continue
			}
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

// encode gives the rows of an image unless they turn out not to be needed.
func (l *Loop) encode(ctx context.Context, r encodeResult, img *engine.Image) (e encodedImage, needed bool, err error) {
	// Frames still being decoded must not hold up the pictures of others.
	rgb, err := img.Bytes(ctx)
	if err != nil {
		return e, true, err
	}
	key := rowcache.KeyOf(img.Width, img.Height, img.Pair, rgb)
	if l.o.Branches > 0 {
		needed, err := l.mustEncode(ctx, identifiedImage{seq: r.seq, admission: r.admission, segment: r.segment, key: key})
		if err != nil || !needed {
			return e, needed, err
		}
	}
	if err := l.waiting.acquire(ctx); err != nil {
		return e, true, err
	}
	defer l.waiting.release()
	l.encoding.setBusy(true)
	defer l.encoding.setBusy(false)
	e.rows, e.width, err = l.encoder.Encode(ctx, img, key)
	l.encoding.steps.Add(1)
	return e, true, err
}

// takeRows hands the rows of an image to its sequence.
func (l *Loop) takeRows(ctx context.Context, r encodeResult) {
	s := r.seq
	switch {
	case ctx.Err() != nil: // the encoding ended because the loop does
	case !l.current(s, r.admission): // it has ended or was preempted meanwhile
	case r.err != nil:
		l.drop(s, r.err)
	case r.segment < s.plan.Segment(): // others have computed it meanwhile
	default:
		s.prefill.images[r.segment] = r.encodedImage
		s.plan.Encoded(r.segment)
	}
}

// awaitEncoders waits for all goroutines that encode, of which some wait to be heard.
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

// encoderQueue lets one goroutine encode at a time, in the order that the scheduler decides.
type encoderQueue struct {
	mu    sync.Mutex
	order schedule.Encodes[*encoderTicket]
}

// encoderTicket is an image that waits; granted is closed when the encoder is its own.
type encoderTicket struct{ granted chan struct{} }

// acquire waits for the encoder, which release must give back. An error is that of ctx.
func (e *encoderQueue) acquire(ctx context.Context) error {
	t := &encoderTicket{make(chan struct{})}
	e.mu.Lock()
	e.order.Add(t)
	e.grantNext()
	e.mu.Unlock()
	select {
	case <-t.granted:
		return nil
	case <-ctx.Done():
	}
	e.mu.Lock()
	if !e.order.Drop(t) { // it was granted all the same
		e.order.Done()
		e.grantNext()
	}
	e.mu.Unlock()
	return context.Cause(ctx)
}

func (e *encoderQueue) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.order.Done()
	e.grantNext()
}

// grantNext is called with mu locked.
func (e *encoderQueue) grantNext() {
	if t, ok := e.order.Next(); ok {
		close(t.granted)
	}
}
