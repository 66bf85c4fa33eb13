package api

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal"
)

// lowDetailPixels is the area that detail low allows an image: 512 by 512, 256 tokens with Qwen3-VL.
const lowDetailPixels = 512 * 512

// MediaLimits bound what images may cost. Zero fields take the defaults named beside them.
type MediaLimits struct {
	// Pixels replaces the projector's limits on the area an image is resized to, in pixels; a zero field leaves its limit.
	Pixels multimodal.PixelLimits
	// DataBytes bounds the decoded bytes of a data URI (32 MiB).
	DataBytes int
	// Video bounds videos.
	Video VideoLimits
}

func (l MediaLimits) withDefaults() MediaLimits {
	setDefault(&l.DataBytes, 32<<20)
	l.Video = l.Video.withDefaults()
	return l
}

// images fetches, decodes and resizes the request's images, in their order.
func (s *Server) images(ctx context.Context, r *routed) ([]engine.Image, error) {
	out := make([]engine.Image, len(r.req.Images))
	var tokens atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for i := range r.req.Images {
		g.Go(func() error {
			ref := r.req.Images[i]
			in, err := s.imageInput(r, ref)
			if err != nil {
				return err
			}
			// Resized pixels are held until the engine has them, so their sum is bounded by the context.
			in.reserve = func(area int) error {
				n := tokens.Add(int64(area / (in.factor * in.factor)))
				if n > int64(r.info.ContextSize) {
					return badField("messages", codeContextLength,
						"This model's context holds %d tokens; the images alone have at least %d.", r.info.ContextSize, n)
				}
				return nil
			}
			img, err := s.image(ctx, in)
			if err != nil {
				return imageError(ref.Path, err)
			}
			out[i] = img
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// imageInput is one image on its way.
type imageInput struct {
	ref     *imageRef
	limits  multimodal.PixelLimits
	factor  int // edge in pixels that sizes are multiples of
	reserve func(area int) error
}

func (s *Server) imageInput(r *routed, ref *imageRef) (*imageInput, error) {
	limits, err := s.pixelLimits(r.req, r.info.Vision)
	if err != nil {
		return nil, err
	}
	if ref.Low {
		limits.Max = min(limits.Max, lowDetailPixels)
		limits.Min = min(limits.Min, limits.Max)
	}
	return &imageInput{ref: ref, limits: limits, factor: r.info.Vision.PatchSize * r.info.Vision.MergeSize}, nil
}

func (s *Server) image(ctx context.Context, in *imageInput) (engine.Image, error) {
	data, err := s.imageBytes(ctx, in.ref.URL)
	if err != nil {
		return engine.Image{}, err
	}
	return s.decodeAndResize(ctx, data, in)
}

func (s *Server) imageBytes(ctx context.Context, url string) ([]byte, error) {
	scheme, _, _ := strings.Cut(url, ":")
	switch strings.ToLower(scheme) {
	case "data":
		data, _, err := multimodal.ParseDataURI(url, s.cfg.Media.DataBytes)
		return data, err
	case "http", "https":
		if s.cfg.Fetcher == nil {
			return nil, &Error{
				Status: http.StatusBadRequest, Type: typeInvalidRequest, Code: codeUnsupported,
				Message: "This server does not fetch URLs; send the image as a data: URI.",
			}
		}
		defer s.cfg.Metrics.Prepared(metrics.Image, metrics.Fetch)()
		return s.cfg.Fetcher.Fetch(ctx, url)
	default:
		return nil, &Error{
			Status: http.StatusBadRequest, Type: typeInvalidRequest, Code: codeImage,
			Message: "An image must be a data: URI or an http or https URL.",
		}
	}
}

// pixelLimits are those on the resized area: the projector's, which the operator may replace, narrowed by the request. A smaller picture
// than the projector asks for costs nobody anything, so a request may ask for it; a larger one than is allowed is refused.
func (s *Server) pixelLimits(req *chatRequest, v *engine.VisionInfo) (multimodal.PixelLimits, error) {
	l := multimodal.DefaultPixelLimits()
	if v.MinPixels > 0 {
		l.Min = v.MinPixels
	}
	if v.MaxPixels > 0 {
		l.Max = v.MaxPixels
	}
	own := s.cfg.Media.Pixels
	if own.Min > 0 {
		l.Min, l.Max = own.Min, max(l.Max, own.Min)
	}
	if own.Max > 0 {
		l.Max = own.Max
	}
	const path = "mm_processor_kwargs"
	for name, p := range map[string]*int{".min_pixels": req.MinPixels, ".max_pixels": req.MaxPixels} {
		if p != nil && *p > l.Max {
			return l, badField(path+name, codeInvalidValue, "must be at most %d on this server", l.Max)
		}
	}
	if req.MaxPixels != nil {
		l.Max = *req.MaxPixels
	}
	if req.MinPixels != nil {
		l.Min = *req.MinPixels
	}
	l.Min = min(l.Min, l.Max)
	return l, nil
}
