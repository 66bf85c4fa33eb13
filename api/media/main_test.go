package media

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"image"
	"image/color"
	"image/png"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vision is a projector whose lower limit is one token, so that small pictures stay as they are.
func vision() *engine.VisionInfo {
	return &engine.VisionInfo{PatchSize: 16, MergeSize: 2, MinPixels: 1024, MaxPixels: 262144}
}

func pngBytes(t testing.TB, w, h int, c color.Color) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, c)
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func pngURI(t testing.TB, w, h int) string { return dataURI(pngBytes(t, w, h, color.White)) }

func dataURI(data []byte) string {
	return "data:application/octet-stream;base64," + base64.StdEncoding.EncodeToString(data)
}

// images is a request with these images, whose paths are image[0] and so on.
func images(addresses ...string) *request.Request {
	req := &request.Request{PromptParam: "messages"}
	for i, a := range addresses {
		req.Images = append(req.Images, &request.Image{Index: i, Path: at("image", i), URL: a})
	}
	return req
}

// frames is a request with one video, a list of these frames.
func frames(addresses ...string) *request.Request {
	v := &request.Video{Path: "video"}
	for i, a := range addresses {
		v.Frames = append(v.Frames, request.Image{Path: at("video", i), URL: a})
	}
	return &request.Request{PromptParam: "messages", Videos: []*request.Video{v}}
}

func at(name string, i int) string { return name + "[" + string(rune('0'+i)) + "]" }

// wantFault checks an error's code and the member it names.
func wantFault(t *testing.T, err error, code, param, says string) {
	t.Helper()
	var e *fault.Error
	if !errors.As(err, &e) || e.Code != code || e.Param != param || !strings.Contains(e.Message, says) {
		t.Errorf("got %#v, want %s at %q: %s", err, code, param, says)
	}
}

// meter notes the steps that ended.
type meter struct {
	mu    sync.Mutex
	steps []string
}

func (m *meter) Prepared(_ context.Context, medium, step string) (done func()) {
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.steps = append(m.steps, medium+" "+step)
	}
}

// ended lists the steps in the order of their names.
func (m *meter) ended() []string { return slices.Sorted(slices.Values(m.steps)) }

// fetcher is a Fetcher as a function.
type fetcher func(ctx context.Context, address string) ([]byte, error)

func (f fetcher) Fetch(ctx context.Context, address string) ([]byte, error) { return f(ctx, address) }

// never answers only when ctx is done.
func never(ctx context.Context, _ string) ([]byte, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func ptr[T any](v T) *T { return &v }
