package generation

import (
	"context"
	"errors"
	"sync"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/engine"
)

// localRun is a request that is ready for the engine.
type localRun struct {
	backend *Local
	decided *Decided
	// requests hold one for each answer that was asked for.
	requests []*engine.Request
	// videos are decoded while the engine works.
	videos *media.Videos
	// plain says that there is no chat template.
	plain bool
}

// Start has the engine work and the videos decoded.
func (p *localRun) Start(ctx context.Context, d Demand) Events {
	by, _ := ctx.Deadline()
	for _, r := range p.requests {
		r.FirstBy = by
		r.FirstTop, r.FirstTokens = d.FirstTop, d.FirstTokens
		r.Logprobs = r.Logprobs || d.Logprobs
		r.Thinking.Now = d.Now
	}
	w := startWork(ctx, p.open, newAnswers(p.decided, len(p.requests), p.backend.newID, p.plain), d.Places, p.videos.Decode, p.videos.Close)
	w.explain = p.explain
	return w
}

func (p *localRun) open(ctx context.Context, choice int) (engine.Stream, error) {
	return p.backend.engine.Generate(ctx, p.requests[choice])
}

// Close gives back the videos of a request that is not started.
func (p *localRun) Close() { p.videos.Close() }

// explain names the image at fault by its path in the request.
func (p *localRun) explain(err error) error {
	if err == nil {
		return nil
	}
	var memory *engine.ImageMemoryError
	if !errors.As(err, &memory) || memory.Image < 0 {
		return err
	}
	return fault.Image(p.picturePath(memory.Image), err)
}

// picturePath is where picture i of the engine's request came from: images first, then the pairs of videos.
func (p *localRun) picturePath(i int) string {
	images := p.decided.Request.Images
	if i < len(images) {
		return images[i].Path
	}
	return p.videos.PicturePath(i - len(images))
}

// pixels keeps a request's images for a second attempt with the other variant, which wants the same where its projector
// is the same.
type pixels struct {
	mu     sync.Mutex
	images []engine.Image
	vision engine.VisionInfo
	// seen and videos are what became of them, once that is known.
	seen   []media.Seen
	videos []media.SeenVideo
}

// noteVideos keeps what became of the videos.
func (p *pixels) noteVideos(videos []media.SeenVideo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.videos = videos
}

// became is what became of images and videos, as far as that is known.
func (p *pixels) became() ([]media.Seen, []media.SeenVideo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen, p.videos
}

// of brings the images in unless they are there.
func (p *pixels) of(ctx context.Context, l *media.Loader, d *Decided) ([]engine.Image, error) {
	if len(d.Request.Images) == 0 {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.images != nil && p.vision == *d.info.Vision {
		return p.images, nil
	}
	images, seen, err := l.Images(ctx, d.Request, d.info.Vision, d.info.ContextSize)
	if err != nil {
		return nil, err
	}
	p.images, p.seen, p.vision = images, seen, *d.info.Vision
	return images, nil
}
