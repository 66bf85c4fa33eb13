package media

import (
	"context"
	"fmt"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal/video"
)

// Videos are the videos of one request: open, probed, and with what is shown of them chosen. A nil *Videos is that of a
// request without any. Their order is Fit, Images, Decode, Close, each called by one goroutine; what they are may be
// asked meanwhile by others, since Decode changes nothing of it.
type Videos struct {
	videos []*openVideo
	meter  Meter
}

// openVideo is one of a request's videos.
type openVideo struct {
	ref    *request.Video
	wanted video.Request
	auto   bool // whether Fit may lower its rate
	// source and plan are nil until the video is brought in.
	source video.Source
	plan   *video.Plan
	// pixels of the pairs, nil until Images has promised them.
	pixels []*engine.Pixels
}

// choose plans what is shown, as wanted says.
func (in *openVideo) choose() (err error) {
	in.plan, err = video.NewPlan(in.source, &in.wanted)
	return fault.Video(in.ref.Path, err)
}

// tokens is what its frames take of the prompt, without their stamps.
func (in *openVideo) tokens() int { return len(in.plan.Stamps) * in.plan.Tokens }

// all lists the videos, also those of a nil *Videos.
func (v *Videos) all() []*openVideo {
	if v == nil {
		return nil
	}
	return v.videos
}

// Close gives up what the videos hold. Nothing may be decoding them.
func (v *Videos) Close() {
	for _, in := range v.all() {
		if in != nil && in.source != nil { // where one failed, others were not begun with
			_ = in.source.Close() // its bytes are gone either way
		}
	}
}

// Stamps are the texts of all pairs' times by video.
func (v *Videos) Stamps() [][]string {
	out := make([][]string, len(v.all()))
	for i, in := range v.all() {
		out[i] = in.plan.Stamps
	}
	return out
}

// Tokens is what the frames take of the prompt, without their stamps.
func (v *Videos) Tokens() int {
	n := 0
	for _, in := range v.all() {
		n += in.tokens()
	}
	return n
}

// pairs is how many frame pairs are shown.
func (v *Videos) pairs() int {
	n := 0
	for _, in := range v.all() {
		n += len(in.plan.Stamps)
	}
	return n
}

// PicturePath is the place in the request that pair i came from, counted over all videos; "" where there are not so
// many pairs.
func (v *Videos) PicturePath(i int) string {
	for _, in := range v.all() {
		if i < len(in.plan.Stamps) {
			return in.ref.Path
		}
		i -= len(in.plan.Stamps)
	}
	return ""
}

// Images are the pairs as the engine takes them. Their pixels are still to come: whoever calls Images must also call
// Decode, which hands them over. From now on what is shown stays as it is.
func (v *Videos) Images() []engine.Image {
	var out []engine.Image
	for _, in := range v.all() {
		in.promise()
		for _, pixels := range in.pixels {
			out = append(out, engine.Image{Width: in.plan.Width, Height: in.plan.Height, Pair: true, Later: pixels})
		}
	}
	return out
}

// promise makes the pixels that the pairs are to have, once.
func (in *openVideo) promise() {
	if in.pixels != nil {
		return
	}
	in.pixels = make([]*engine.Pixels, len(in.plan.Stamps))
	for g := range in.pixels {
		in.pixels[g] = engine.NewPixels()
	}
}

// Decode decodes the frames and hands each pair on as soon as it is whole. It fails nobody but those who wait for
// pairs: where one does not come, they are told why. It ends soon after ctx is done.
func (v *Videos) Decode(ctx context.Context) {
	var failed error
	for _, in := range v.all() {
		if failed == nil {
			decoded := v.meter.Prepared(ctx, mediumVideo, stepDecode)
			failed = in.decode(ctx)
			decoded()
		}
		if failed != nil {
			in.breakPromises(failed)
		}
	}
}

// breakPromises tells those who wait for pairs that have not come why they will not.
func (in *openVideo) breakPromises(why error) {
	for _, pixels := range in.pixels {
		pixels.Set(nil, why)
	}
}

func (in *openVideo) decode(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decoding a video panicked: %v", p)
		}
	}()
	err = video.ReadPairs(ctx, in.source, in.plan, func(g int, rgb []byte) error {
		in.pixels[g].Set(rgb, nil)
		return nil
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fault.Video(in.ref.Path, err)
}
