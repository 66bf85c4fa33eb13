package media

import (
	"cmp"
	"context"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal"
)

// lowDetailPixels is the area that detail low allows an image: 512 by 512, 256 tokens with Qwen3-VL.
const lowDetailPixels = 512 * 512

// Images fetches, decodes and resizes the request's images, several at a time, and returns them in their order, with
// what became of each. Their
// resized pixels are held until the engine has them, so what they come to in tokens may not be more than contextSize:
// an image beyond that is refused before it is decoded.
func (l *Loader) Images(
	ctx context.Context, req *request.Request, v *engine.VisionInfo, contextSize int,
) ([]engine.Image, []Seen, error) {
	if len(req.Images) == 0 {
		return nil, nil, nil
	}
	size, err := l.sizer(req, v)
	if err != nil {
		return nil, nil, err
	}
	out, seen := make([]engine.Image, len(req.Images)), make([]Seen, len(req.Images))
	held := tokenBudget{contextSize: contextSize, param: cmp.Or(req.PromptParam, "messages")}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for i, ref := range req.Images {
		g.Go(func() (err error) {
			if out[i], seen[i], err = l.image(ctx, ref, size, &held); err != nil {
				return fault.Image(ref.Path, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	return out, seen, nil
}

func (l *Loader) image(
	ctx context.Context, ref *request.Image, size sizer, held *tokenBudget,
) (engine.Image, Seen, error) {
	data, err := l.pictureBytes(ctx, ref.URL)
	if err != nil {
		return engine.Image{}, Seen{}, err
	}
	seen, err := size.resized(data, ref.Low)
	if err != nil {
		return engine.Image{}, Seen{}, err
	}
	if err := held.take(seen.Tokens); err != nil {
		return engine.Image{}, Seen{}, err
	}
	defer l.o.Meter.Prepared(ctx, mediumImage, stepDecode)()
	img, err := l.o.Images.Decode(ctx, data, seen.ResizedWidth, seen.ResizedHeight)
	if err != nil {
		return engine.Image{}, Seen{}, err
	}
	return engine.Image{Width: img.Width, Height: img.Height, RGB: img.RGB}, seen, nil
}

// See tells from an image's header what becomes of it. req is the image's request.
func (l *Loader) See(ctx context.Context, req *request.Request, ref *request.Image, v *engine.VisionInfo) (Seen, error) {
	size, err := l.sizer(req, v)
	if err != nil {
		return Seen{}, err
	}
	data, err := l.pictureBytes(ctx, ref.URL)
	if err != nil {
		return Seen{}, fault.Image(ref.Path, err)
	}
	seen, err := size.resized(data, ref.Low)
	if err != nil {
		return Seen{}, fault.Image(ref.Path, err)
	}
	return seen, nil
}

// tokenBudget adds up what images that are held take of a context.
type tokenBudget struct {
	contextSize int
	// param is the member of the request that the prompt came in, for the error.
	param string
	taken atomic.Int64
}

// take adds an image's tokens, or refuses them where there are more than the context holds.
func (b *tokenBudget) take(tokens int) error {
	n := b.taken.Add(int64(tokens))
	if n > int64(b.contextSize) {
		return fault.Field(b.param, fault.CodeContextLength,
			"This model's context holds %d tokens; the images alone have at least %d.", b.contextSize, n)
	}
	return nil
}

// sizer chooses the sizes of a request's images.
type sizer struct {
	limits multimodal.PixelLimits
	edge   int // of a token's square, in pixels
}

func (l *Loader) sizer(req *request.Request, v *engine.VisionInfo) (sizer, error) {
	limits, err := pixelLimits(req, v, l.o.Limits.Pixels)
	return sizer{limits: limits, edge: v.TokenEdge()}, err
}

// resized reads an image's header and returns what becomes of it. low is of an image with detail low.
func (s sizer) resized(data []byte, low bool) (Seen, error) {
	limits := s.limits
	if low {
		limits.Max = min(limits.Max, lowDetailPixels)
		limits.Min = min(limits.Min, limits.Max)
	}
	width, height, _, err := multimodal.DecodeSize(data)
	if err != nil {
		return Seen{}, err
	}
	h, w, err := multimodal.SmartResize(height, width, s.edge, limits)
	if err != nil {
		return Seen{}, err
	}
	return Seen{Width: width, Height: height, ResizedWidth: w, ResizedHeight: h, Tokens: s.tokens(w, h)}, nil
}

func (s sizer) tokens(w, h int) int { return w * h / (s.edge * s.edge) }

// PixelLimits are the bounds of the area that images are resized to, where their request says nothing of it.
func (l *Loader) PixelLimits(v *engine.VisionInfo) multimodal.PixelLimits {
	limits, _ := pixelLimits(&request.Request{}, v, l.o.Limits.Pixels) // it refuses requests only
	return limits
}

const (
	// firstLook is how many bytes of a picture are looked at for its size, furtherLook how many where its header is
	// longer: that of a photograph often has a smaller picture in it.
	firstLook, furtherLook = 4 << 10, 128 << 10
)

// Foresee is how many tokens those of a request's images have whose size its own bytes tell, and how many images they
// are. Nothing is fetched, and of each only the beginning is looked at.
func (l *Loader) Foresee(req *request.Request, v *engine.VisionInfo) (tokens, images int) {
	size, err := l.sizer(req, v)
	if err != nil || size.edge == 0 { // which is told when they are brought in
		return 0, 0
	}
	for _, ref := range req.Images {
		for _, n := range []int{firstLook, furtherLook} {
			head := multimodal.DataURIHead(ref.URL, n)
			if seen, err := size.resized(head, ref.Low); err == nil {
				tokens += seen.Tokens
				images++
				break
			}
			if len(head) < n/2 { // that was all
				break
			}
		}
	}
	return tokens, images
}

// LeastTokens is how many tokens each image of a request has, at least.
func (l *Loader) LeastTokens(req *request.Request, v *engine.VisionInfo) int {
	limits, err := pixelLimits(req, v, l.o.Limits.Pixels)
	edge := v.TokenEdge()
	if err != nil || edge == 0 { // which is told when they are brought in
		return 1
	}
	return max(1, limits.Min/(edge*edge))
}

// pixelLimits are those on the resized area of the request's images: the projector's, which the operator may replace by
// operators, narrowed by the request. A smaller picture than the projector asks for costs nobody anything, so a request
// may ask for it; a larger one than is allowed is refused.
func pixelLimits(
	req *request.Request, v *engine.VisionInfo, operators multimodal.PixelLimits,
) (multimodal.PixelLimits, error) {
	limits := multimodal.DefaultPixelLimits()
	if v.MinPixels > 0 {
		limits.Min = v.MinPixels
	}
	if v.MaxPixels > 0 {
		limits.Max = v.MaxPixels
	}
	if operators.Min > 0 {
		limits.Min, limits.Max = operators.Min, max(limits.Max, operators.Min)
	}
	if operators.Max > 0 {
		limits.Max = operators.Max
	}
	for _, asked := range []struct {
		path  string
		value *int
	}{
		{"mm_processor_kwargs.min_pixels", req.MinPixels},
		{"mm_processor_kwargs.max_pixels", req.MaxPixels},
	} {
		if asked.value != nil && *asked.value > limits.Max {
			return limits, fault.Field(
				asked.path, fault.CodeInvalidValue, "must be at most %d on this server", limits.Max)
		}
	}
	if req.MaxPixels != nil {
		limits.Max = *req.MaxPixels
	}
	if req.MinPixels != nil {
		limits.Min = *req.MinPixels
	}
	limits.Min = min(limits.Min, limits.Max)
	return limits, nil
}
