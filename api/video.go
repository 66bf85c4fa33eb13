package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/multimodal/video"
	"github.com/qwenvld/qwenvld/multimodal/video/limits"
)

// VideoFetcher brings in the bytes behind an http(s) URL, as Fetcher does, but into a file.
type VideoFetcher interface {
	FetchInto(ctx context.Context, url string, w io.Writer) error
}

// VideoLimits bound what videos may cost; requests can only ask for less. Zero fields take those of limits.Default.
type VideoLimits struct {
	// FPS and Frames bound what is shown of a video.
	FPS    float64
	Frames int
	// TotalPixels bounds the resized area of all frames of a video together.
	TotalPixels int
	// MinPixels and MaxPixels bound that of a frame; 0 is no bound of its own.
	MinPixels, MaxPixels int
	// DataBytes bounds the decoded bytes of a data URI, and those of all frames of a list.
	DataBytes int
	// FetchTimeout bounds the fetching of all frames of a list.
	FetchTimeout time.Duration
}

func (l VideoLimits) withDefaults() VideoLimits {
	def := limits.Default()
	setDefault(&l.FPS, def.FPS)
	setDefault(&l.Frames, def.Frames)
	setDefault(&l.TotalPixels, def.TotalPixels)
	setDefault(&l.DataBytes, int(def.Bytes))
	setDefault(&l.FetchTimeout, def.FetchTimeout)
	return l
}

// videoInput is a video on its way.
type videoInput struct {
	ref     *videoRef
	src     video.Source
	request video.Request
	auto    bool // its rate may be lowered
	plan    *video.Plan
	pairs   []*engine.Pixels
}

// videoInputs are the videos of a request. They must be closed.
type videoInputs []*videoInput

func (v videoInputs) close() {
	for _, in := range v {
		if in != nil && in.src != nil { // not all may have been begun with
			_ = in.src.Close() // its bytes are gone either way
		}
	}
}

// stamps are the texts of all pairs' times by video.
func (v videoInputs) stamps() [][]string {
	out := make([][]string, len(v))
	for i, in := range v {
		out[i] = in.plan.Stamps
	}
	return out
}

// tokens that the frames take, without stamps.
func (v videoInputs) tokens() int {
	n := 0
	for _, in := range v {
		n += len(in.plan.Stamps) * in.plan.Tokens
	}
	return n
}

// openVideos brings the request's videos in, probes them and chooses what is shown. Nothing is decoded. The caller closes them.
func (s *Server) openVideos(ctx context.Context, r *routed) (_ videoInputs, err error) {
	out := make(videoInputs, len(r.req.Videos))
	defer func() {
		if err != nil {
			out.close()
		}
	}()
	factor := r.info.Vision.PatchSize * r.info.Vision.MergeSize
	for i := range r.req.Videos {
		ref := r.req.Videos[i]
		out[i] = &videoInput{ref: ref}
		out[i].request, out[i].auto, err = s.videoRequest(ref, ref.over(r.req.VideoDefaults), factor)
		if err != nil {
			return out, err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for _, in := range out {
		g.Go(func() error { return s.openVideo(gctx, in) })
	}
	return out, g.Wait()
}

func (s *Server) openVideo(ctx context.Context, in *videoInput) (err error) {
	if in.ref.Frames != nil {
		if in.src, err = s.frameList(ctx, in); err != nil {
			return err
		}
	} else if in.src, err = s.videoFile(ctx, in.ref); err != nil {
		return videoError(in.ref.Path, err)
	}
	in.plan, err = video.NewPlan(in.src, &in.request)
	return videoError(in.ref.Path, err)
}

// picturesAtOnce is how many frames of a list are fetched at a time.
const picturesAtOnce = 8

// frameList brings in the pictures of a list, several at a time. They are decoded later.
func (s *Server) frameList(ctx context.Context, in *videoInput) (_ video.Source, err error) {
	frames, limits := in.ref.Frames, &s.cfg.Media.Video
	pictures, err := video.NewPictures(s.cfg.Disk, len(frames), int64(limits.DataBytes))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = pictures.Close()
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, limits.FetchTimeout, videoError(in.ref.Path, multimodal.NewError(
		multimodal.KindTimeout, nil, "The frames of the video did not come in time.")))
	defer cancel()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(picturesAtOnce)
	for i, f := range frames {
		g.Go(func() error {
			if gctx.Err() != nil {
				return context.Cause(gctx)
			}
			data, err := s.imageBytes(gctx, f.URL)
			if err != nil {
				return imageError(f.Path, err)
			}
			return videoError(f.Path, pictures.Put(i, data))
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	src, at, err := video.NewList(pictures, in.request.Sampling.FPS, s.cfg.Images)
	if err != nil {
		return nil, videoError(frames[at].Path, err)
	}
	return src, nil
}

func (s *Server) videoFile(ctx context.Context, ref *videoRef) (video.Source, error) {
	if s.cfg.Video == nil {
		return nil, badField(ref.Path, codeUnsupported, "this server takes no video files")
	}
	f, err := s.cfg.Video.NewFile()
	if err != nil {
		return nil, err
	}
	if err := s.fillVideo(ctx, ref, f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s.cfg.Video.Open(ctx, f)
}

func (s *Server) fillVideo(ctx context.Context, ref *videoRef, f io.Writer) error {
	scheme, _, _ := strings.Cut(ref.URL, ":")
	switch strings.ToLower(scheme) {
	case "data":
		data, _, err := multimodal.ParseDataURI(ref.URL, s.cfg.Media.Video.DataBytes)
		if err == nil {
			_, err = f.Write(data)
		}
		return err
	case "http", "https":
		if s.cfg.VideoFetcher == nil {
			return badField(ref.Path, codeUnsupported, "This server does not fetch URLs; send the video as a data: URI.")
		}
		defer s.cfg.Metrics.Prepared(metrics.Video, metrics.Fetch)()
		return s.cfg.VideoFetcher.FetchInto(ctx, ref.URL, f)
	default:
		return badField(ref.Path, codeVideo, "A video must be a data: URI or an http or https URL.")
	}
}

// videoRequest checks what a client asks of a video against what the server allows.
func (s *Server) videoRequest(ref *videoRef, o videoOptions, factor int) (video.Request, bool, error) {
	limits := &s.cfg.Media.Video
	budget := video.DefaultPixelBudget()
	budget.MaxTotal = min(budget.MaxTotal, limits.TotalPixels)
	budget.MinTotal = min(budget.MinTotal, budget.MaxTotal)
	budget.MinFrame, budget.MaxFrame = limits.MinPixels, limits.MaxPixels
	out := video.Request{Factor: factor, Budget: budget, Stamps: o.Stamps}
	if out.Stamps == "" {
		out.Stamps = video.StampSeconds
	}
	frame := limits.MaxPixels
	if frame == 0 {
		frame = budget.MaxTotal
	}
	sampling := video.Sampling{MaxFrames: limits.Frames, End: o.End}
	c := rangeCheck{paths: o.paths}
	c.count(optNumFrames, o.NumFrames, 2, limits.Frames, &sampling.NumFrames)
	c.count(optMaxFrames, o.MaxFrames, 2, limits.Frames, &sampling.MaxFrames)
	c.count(optMinFrames, o.MinFrames, 1, sampling.MaxFrames, &sampling.MinFrames)
	c.count(optTotalPixels, o.TotalPixels, budget.MinTotal, budget.MaxTotal, &out.Budget.MaxTotal)
	c.count(optMaxPixels, o.MaxPixels, max(1, limits.MinPixels), frame, &out.Budget.MaxFrame)
	if out.Budget.MaxFrame > 0 {
		frame = out.Budget.MaxFrame
	}
	c.count(optMinPixels, o.MinPixels, max(1, limits.MinPixels), frame, &out.Budget.MinFrame)
	if o.FPS != nil {
		if *o.FPS > limits.FPS && ref.Frames == nil {
			c.fail(optFPS, "must be at most %v on this server, or auto", limits.FPS)
		}
		sampling.FPS = *o.FPS
	}
	if o.Start != nil {
		sampling.Start = *o.Start
		if o.End != nil && *o.End <= *o.Start {
			c.fail(optEnd, "must be later than video_start")
		}
	}
	// A server may allow fewer frames, or a lower rate, than the defaults.
	sampling.MinFrames = min(sampling.WithDefaults().MinFrames, sampling.MaxFrames)
	if sampling.FPS == 0 {
		sampling.FPS = min(video.DefaultFPS, limits.FPS)
	}
	if n := len(ref.Frames); n > 0 {
		if n > limits.Frames {
			return out, false, badField(ref.Path, codeInvalidValue, "a video may have at most %d frames", limits.Frames)
		}
		sampling.NumFrames = n
	}
	out.Sampling = sampling
	if c.err != nil {
		return out, false, c.err
	}
	return out, o.AutoFPS && ref.Frames == nil, nil
}

// rangeCheck keeps the first option that is out of its range.
type rangeCheck struct {
	paths map[string]string
	err   *Error
}

func (c *rangeCheck) fail(name, format string, args ...any) {
	if c.err == nil {
		c.err = badField(c.paths[name], codeInvalidValue, format, args...)
	}
}

func (c *rangeCheck) count(name string, v *int, low, high int, into *int) {
	if v == nil {
		return
	}
	if *v < low || *v > high {
		c.fail(name, "must be between %d and %d on this server", low, high)
	}
	*into = *v
}

// decode decodes the frames and hands each pair on as soon as it is whole. Whoever waits for a pair that does not come is told
// why. It ends soon after ctx is done.
func (v videoInputs) decode(ctx context.Context, m *metrics.Metrics) {
	var failed error
	for _, in := range v {
		err := failed
		if err == nil {
			decoded := m.Prepared(metrics.Video, metrics.Decode)
			err = in.decode(ctx)
			decoded()
		}
		if err != nil {
			for _, p := range in.pairs {
				p.Set(nil, err)
			}
			failed = err
		}
	}
}

func (in *videoInput) decode(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decoding a video panicked: %v", p)
		}
	}()
	err = video.ReadPairs(ctx, in.src, in.plan, func(g int, rgb []byte) error {
		in.pairs[g].Set(rgb, nil)
		return nil
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return videoError(in.ref.Path, err)
}

// images are the pairs as the engine takes them, whose pixels are still to come.
func (v videoInputs) images() []engine.Image {
	var out []engine.Image
	for _, in := range v {
		in.pairs = make([]*engine.Pixels, len(in.plan.Stamps))
		for g := range in.pairs {
			in.pairs[g] = engine.NewPixels()
			out = append(out, engine.Image{Width: in.plan.Width, Height: in.plan.Height, Pair: true, Later: in.pairs[g]})
		}
	}
	return out
}

// videoError explains err about the video at path; nil stays nil.
func videoError(path string, err error) error {
	var media *multimodal.Error
	var known *Error
	if err == nil || errors.As(err, &known) || !errors.As(err, &media) {
		return err
	}
	e := &Error{
		Status: http.StatusBadRequest, Type: typeInvalidRequest, Code: codeVideo, Param: path, Message: media.Message, cause: err,
	}
	switch media.Kind {
	case multimodal.KindBusy:
		return unavailable(codeOverloaded, media.Message, err)
	case multimodal.KindTooManyBytes, multimodal.KindTooManyPixels, multimodal.KindTooLong:
		e.Status, e.Code = http.StatusRequestEntityTooLarge, codeVideoSize
	case multimodal.KindDecodeTime:
		e.Code = codeVideoSize
	case multimodal.KindFetch, multimodal.KindTimeout:
		e.Code = codeVideoFetch
	case multimodal.KindForbidden:
		e.Code = codeVideoForbidden
	case multimodal.KindNoDecoder:
		e.Code = codeUnsupported
	case multimodal.KindURL, multimodal.KindFormat, multimodal.KindCorrupt, multimodal.KindAspectRatio, multimodal.KindSelection:
	}
	return e
}
