package compute

import (
	"context"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// Shelf has rows of pictures that other workers have encoded, or earlier ones. It is safe for concurrent use.
type Shelf interface {
	// Find gives the rows of a picture. Where it has none the caller is to encode it, and calls release when its rows
	// are saved or will not be; until then others wait for them. While another worker encodes the picture, busy is
	// called once and Find waits, and fails when ctx is done.
	Find(ctx context.Context, k rowcache.Key, busy func()) (rows *rowcache.Rows, release func(), err error)
	// Save keeps the rows of a picture.
	Save(ctx context.Context, k rowcache.Key, rows *rowcache.Rows) error
}

// sought is what is known of a picture that was looked for.
type sought struct {
	picture *schedule.Picture
	busy    bool           // another worker encodes it
	rows    *rowcache.Rows // or these are there, or it is to be encoded
	release func()         // afterwards
}

// seek has rows of pictures looked for on the shelf, beside the loop.
func (l *Loop) seek(ctx context.Context) {
	for p := l.plan.NextSought(); p != nil; p = l.plan.NextSought() {
		l.encoders.Go(func() {
			rows, release, err := l.o.Shelf.Find(ctx, p.Key, func() { l.tell(sought{picture: p, busy: true}) })
			if err != nil {
				l.o.Logger.Debug("rows are not looked for any more", "error", err)
			}
			if !l.tell(sought{picture: p, rows: rows, release: release}) && release != nil {
				release()
			}
		})
	}
}

// tell gives the loop what is known of a picture, unless it has ended.
func (l *Loop) tell(s sought) bool {
	select {
	case l.sought <- s:
		return true
	case <-l.stopped:
		return false
	}
}

// soughtCame goes on with a picture that was looked for.
func (l *Loop) soughtCame(s sought) {
	p := s.picture
	switch {
	case s.busy:
		l.plan.Elsewhere(p)
	case s.rows != nil && s.rows.Len() == p.Rows:
		l.fetched.Add(1)
		l.hand(p, s.rows)
		l.plan.Found(p)
	default:
		if s.release != nil {
			l.claims[p.Key] = s.release
		}
		l.plan.Here(p)
	}
}

// hand gives the rows of a picture to those who wait for them.
func (l *Loop) hand(p *schedule.Picture, rows *rowcache.Rows) {
	key := rowcache.Key(p.Key)
	l.o.Rows.Put(key, rows)
	for i, w := range p.Wanted() {
		if l.want(l.sequences[w.Sequence], w.Segment) && i > 0 {
			l.shared.Add(1)
		}
	}
	l.o.Rows.Release(key)
}

// shelve keeps the rows of a picture for others, which wait no longer then.
func (l *Loop) shelve(ctx context.Context, p *schedule.Picture, rows *rowcache.Rows) {
	release := l.claims[p.Key]
	delete(l.claims, p.Key)
	if l.o.Shelf == nil {
		return
	}
	l.encoders.Go(func() {
		if err := l.o.Shelf.Save(ctx, p.Key, rows); err != nil && ctx.Err() == nil {
			l.unsaved.Do(func() { l.o.Logger.Warn("rows of a picture are not shared with other workers", "error", err) })
		}
		if release != nil {
			release()
		}
	})
}

// releaseClaims lets others encode what this worker was to encode and for which nobody waits any more.
func (l *Loop) releaseClaims() {
	for key, release := range l.claims {
		if !l.plan.Underway(key) {
			release()
			delete(l.claims, key)
		}
	}
}

// Pictures tells where the rows of pictures came from. It is safe for concurrent use.
func (l *Loop) Pictures() engine.Pictures {
	return engine.Pictures{Encoded: l.encodedPictures.Load(), Memory: l.shared.Load(), Folder: l.fetched.Load()}
}
