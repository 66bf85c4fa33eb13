package media

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/multimodal/video"
)

const (
	// videosAtOnce is how many videos of a request are brought in at a time.
	videosAtOnce = 2
	// framesAtOnce is how many frames of a list are fetched at a time.
	framesAtOnce = 8
)

// OpenVideos brings the request's videos in, probes them and chooses what is shown of them. Nothing is decoded. The
// caller closes them; where OpenVideos fails there is nothing to close.
func (l *Loader) OpenVideos(ctx context.Context, req *request.Request, v *engine.VisionInfo) (_ *Videos, err error) {
	out := &Videos{videos: make([]*openVideo, len(req.Videos)), meter: l.o.Meter}
	defer func() {
		if err != nil {
			out.Close()
		}
	}()
	// The options of all are checked before the first is fetched.
	for i, ref := range req.Videos {
		o := ref.Over(req.VideoDefaults)
		wanted, err := l.o.Limits.Video.admit(ref, &o, v.TokenEdge())
		if err != nil {
			return nil, err
		}
		out.videos[i] = &openVideo{ref: ref, wanted: wanted, auto: o.AutoFPS && ref.Frames == nil}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(videosAtOnce)
	for _, in := range out.videos {
		g.Go(func() error { return l.open(ctx, in) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// open brings one video in and plans it.
func (l *Loader) open(ctx context.Context, in *openVideo) (err error) {
	if in.ref.Frames != nil {
		if in.source, err = l.frameList(ctx, in); err != nil {
			return err
		}
	} else if in.source, err = l.videoFile(ctx, in.ref); err != nil {
		return fault.Video(in.ref.Path, err)
	}
	return in.choose()
}

// frameList brings in the pictures of a list, several at a time and all within one deadline. They are decoded later.
func (l *Loader) frameList(ctx context.Context, in *openVideo) (_ video.Source, err error) {
	frames, limits := in.ref.Frames, &l.o.Limits.Video
	pictures, err := video.NewPictures(l.o.Disk, len(frames), int64(limits.DataBytes))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = pictures.Close() // its bytes are gone either way
		}
	}()
	late := fault.Video(in.ref.Path, multimodal.NewError(
		multimodal.KindTimeout, nil, "The frames of the video did not come in time."))
	ctx, cancel := context.WithTimeoutCause(ctx, limits.FetchTimeout, late)
	defer cancel()
	if err := l.fetchFrames(ctx, frames, pictures); err != nil {
		return nil, err
	}
	src, at, err := video.NewList(pictures, in.wanted.Sampling.FPS, l.o.Images)
	if err != nil {
		return nil, fault.Video(frames[at].Path, err)
	}
	return src, nil
}

// fetchFrames puts all frames of a list into pictures.
func (l *Loader) fetchFrames(ctx context.Context, frames []request.Image, pictures *video.Pictures) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(framesAtOnce)
	for i, f := range frames {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			data, err := l.pictureBytes(ctx, f.URL)
			if err != nil {
				return fault.Image(f.Path, err)
			}
			return fault.Video(f.Path, pictures.Put(i, data))
		})
	}
	return g.Wait()
}

// videoFile brings a file in and probes it.
func (l *Loader) videoFile(ctx context.Context, ref *request.Video) (video.Source, error) {
	if l.o.Video == nil {
		return nil, fault.Field(ref.Path, fault.CodeUnsupported, "this server takes no video files")
	}
	f, err := l.o.Video.NewFile()
	if err != nil {
		return nil, err
	}
	if err := l.writeVideo(ctx, ref, f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l.o.Video.Open(ctx, f)
}

// writeVideo writes a video's bytes, as they were sent, to w.
func (l *Loader) writeVideo(ctx context.Context, ref *request.Video, w io.Writer) error {
	switch schemeOf(ref.URL) {
	case schemeData:
		data, _, err := multimodal.ParseDataURI(ref.URL, l.o.Limits.Video.DataBytes)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	case schemeHTTP, schemeHTTPS:
		if l.o.VideoFetcher == nil {
			return fault.Field(ref.Path, fault.CodeUnsupported,
				"This server does not fetch URLs; send the video as a data: URI.")
		}
		defer l.o.Meter.Prepared(ctx, mediumVideo, stepFetch)()
		return l.o.VideoFetcher.FetchInto(ctx, ref.URL, w)
	default:
		return fault.Field(ref.Path, fault.CodeVideo, "A video must be a data: URI or an http or https URL.")
	}
}
