package compute

import (
	"context"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
)

// arrival is an image of a sequence whose pixels have come.
type arrival struct {
	key    rowcache.Key
	memory int64          // that the encoder takes for it
	rows   *rowcache.Rows // in use by the sequence, nil before they are encoded and after they are in the KV cache
}

// arrivedImage is an image whose pixels have come, or will not.
type arrivedImage struct {
	seq     *sequence
	segment int
	key     rowcache.Key
	memory  int64
	err     error
}

// awaitPixels has the loop told of each image of s when its pixels have come, in their order.
func (l *Loop) awaitPixels(ctx context.Context, s *sequence) {
	segments := s.job.spec.Segments
	l.encoders.Go(func() {
		// The job may be given up, or the loop may end.
		jctx, cancel := context.WithCancel(s.job.ctx)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		for i := range segments {
			if segments[i].Image == nil {
				continue
			}
			a := arrivedImage{seq: s, segment: i}
			a.key, a.memory, a.err = l.identify(jctx, s.job.spec.Scope, segments[i].Image)
			select {
			case l.arrived <- a:
			case <-l.stopped:
				return
			}
			if a.err != nil {
				return
			}
		}
	})
}

// identify waits for the pixels of an image.
func (l *Loop) identify(ctx context.Context, scope string, img *engine.Image) (key rowcache.Key, memory int64, err error) {
	rgb, err := img.Bytes(ctx)
	if err != nil {
		return key, 0, err
	}
	key = rowcache.KeyOf(scope, img.Width, img.Height, img.Pair, rgb)
	memory, err = l.encoder.Memory(img.Width, img.Height)
	return key, memory, err
}

// pixelsCame takes note of what an image is. Its rows may be in the cache already, behind those that the sequence
// begins with.
func (l *Loop) pixelsCame(a arrivedImage) {
	s := a.seq
	switch {
	case l.sequences[s.plan] == nil: // it has ended meanwhile
		return
	case a.err != nil:
		l.drop(s, a.err)
		return
	}
	s.pictures[a.segment] = &arrival{key: a.key, memory: a.memory}
	s.plan.Identified(a.segment, s.job.spec.Segments[a.segment].item(a.key))
	if s.active() {
		l.reuse()
	}
	if l.want(s, a.segment) {
		l.shared.Add(1)
	}
}
