package compute

import (
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/prefix"
	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
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
		Preemptions: l.plan.Preemptions(),
	})
}

// Cells tells how those of the cache stand. It is safe for concurrent use.
func (l *Loop) Cells() engine.Cells { return *l.cells.Load() }

// reuse takes sequences over rows that others have computed.
func (l *Loop) reuse() {
	l.plan.Reuse()
	for _, p := range l.plan.Active() {
		l.reused(l.sequences[p])
	}
}

// reused takes note of rows that need not be computed: images among them need no encoding.
func (l *Loop) reused(s *sequence) {
	s.answer.usage.CachedTokens = s.plan.Reused()
	for segment, p := range s.pictures {
		if segment < s.plan.Segment() {
			l.release(p)
		}
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
