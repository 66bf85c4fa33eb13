package compute

import (
	"context"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/prefix"
	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// updateCache does with the cache what the scheduler has decided.
func (l *Loop) updateCache() {
	for _, op := range l.plan.Ops() {
		if op.Share {
			l.decoder.Share(op.From, op.To, op.P0, op.P1)
		} else {
			l.decoder.Remove(op.From, op.P0, op.P1)
		}
	}
	l.countCells()
}

func (l *Loop) countCells() {
	live, shared := l.plan.Cells(), l.plan.Shared()
	l.cells.Store(&engine.Cells{
		Live: live, Parked: shared.Parked, Free: max(0, l.o.Cells-live-shared.Parked), Evicted: shared.Evicted,
	})
}

// Cells tells how those of the cache stand. It is safe for concurrent use.
func (l *Loop) Cells() engine.Cells { return *l.cells.Load() }

// reuse takes sequences over rows that others have computed.
func (l *Loop) reuse() {
	l.plan.Reuse()
	for _, p := range l.plan.Active() {
		l.sequences[p].reused()
	}
}

// reused takes note of rows that need not be computed: images among them need no encoding.
func (s *sequence) reused() {
	s.answer.usage.CachedTokens = s.plan.Reused()
	for segment := range s.prefill.images {
		if segment < s.plan.Segment() {
			delete(s.prefill.images, segment)
		}
	}
}

// identifiedImage is an image of a sequence whose pixels have come. The loop says whether it is still to be encoded.
type identifiedImage struct {
	seq       *sequence
	admission int
	segment   int
	key       rowcache.Key
	needed    chan<- bool // has room for the answer
}

// identify takes note of what an image is, and of whether its rows and those before it are known.
func (l *Loop) identify(i identifiedImage) {
	s := i.seq
	if !l.current(s, i.admission) {
		i.needed <- false
		return
	}
	g := &s.prefill.segments[i.segment]
	s.plan.Identified(i.segment, g.item(i.key))
	l.reuse()
	i.needed <- s.plan.Segment() <= i.segment
}

// current reports whether s still has the cells that it was given at an admission.
func (l *Loop) current(s *sequence, admission int) bool {
	return l.sequences[s.plan] != nil && s.plan.Phase() != schedule.Queued && s.admission == admission
}

// mustEncode identifies an image and asks the loop whether it needs its rows.
func (l *Loop) mustEncode(ctx context.Context, i identifiedImage) (bool, error) {
	needed := make(chan bool, 1)
	i.needed = needed
	select {
	case l.seen <- i:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-l.stopped:
		return false, engine.ErrUnavailable
	}
	select {
	case n := <-needed:
		return n, nil
	case <-l.stopped:
		return false, engine.ErrUnavailable
	}
}

// item is an image as others may have it, too; with the zero key as nobody else.
func (s *Segment) item(key rowcache.Key) *prefix.Image {
	return &prefix.Image{Key: key, Rows: s.Len(), Span: int32(max(s.Rows, s.Cols))}
}

// items are what the segment's rows are of.
func (s *Segment) items() []prefix.Item {
	if s.Image != nil {
		return []prefix.Item{{Image: s.item(rowcache.Key{})}}
	}
	out := make([]prefix.Item, len(s.Tokens))
	for i, t := range s.Tokens {
		out[i].Token = t
	}
	return out
}
