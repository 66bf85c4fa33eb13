package media

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal"
)

func TestPixelLimitsAreTheProjectorsThenTheOperatorsThenTheRequests(t *testing.T) {
	type limits = multimodal.PixelLimits
	qwen := multimodal.DefaultPixelLimits()
	for name, c := range map[string]struct {
		projector, operator limits
		least, most         *int
		want                limits
		refused             string // the member at fault
	}{
		"nobody says anything":         {want: qwen},
		"the projector":                {projector: limits{Min: 1024, Max: 4096}, want: limits{Min: 1024, Max: 4096}},
		"the operator":                 {projector: limits{Min: 1024, Max: 4096}, operator: limits{Min: 2048, Max: 9000}, want: limits{Min: 2048, Max: 9000}},
		"the operator's lower is more": {projector: limits{Min: 1024, Max: 4096}, operator: limits{Min: 8192}, want: limits{Min: 8192, Max: 8192}},
		"the operator's upper is less": {projector: limits{Min: 1024, Max: 4096}, operator: limits{Max: 512}, want: limits{Min: 512, Max: 512}},
		"a request narrows":            {least: ptr(100_000), most: ptr(200_000), want: limits{Min: 100_000, Max: 200_000}},
		"a request asks for less":      {most: ptr(1), want: limits{Min: 1, Max: 1}},
		"a lower limit alone":          {least: ptr(1), want: limits{Min: 1, Max: qwen.Max}},
		"at least too much":            {least: ptr(qwen.Max + 1), refused: "mm_processor_kwargs.min_pixels"},
		"at most too much":             {most: ptr(qwen.Max + 1), refused: "mm_processor_kwargs.max_pixels"},
		"both too much":                {least: ptr(qwen.Max + 1), most: ptr(qwen.Max + 1), refused: "mm_processor_kwargs.min_pixels"},
	} {
		t.Run(name, func(t *testing.T) {
			v := &engine.VisionInfo{MinPixels: c.projector.Min, MaxPixels: c.projector.Max}
			got, err := pixelLimits(&request.Request{MinPixels: c.least, MaxPixels: c.most}, v, c.operator)
			if c.refused != "" {
				wantFault(t, err, fault.CodeInvalidValue, c.refused, fmt.Sprintf("must be at most %d on this server", qwen.Max))
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%s %v", diff, err)
			}
		})
	}
}

// What a picture will take is told from the beginning of its bytes, and is what it takes.
func TestTokensOfPicturesAreForeseen(t *testing.T) {
	l := New(Options{})
	v := vision()
	whole := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("..", "..", "multimodal", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	jpeg := whole("orientation-6.jpg")
	photo := slices.Concat(jpeg[:2], segments(100<<10), jpeg[2:]) // as those with a smaller picture in their header
	for name, data := range map[string][]byte{
		"png": pngBytes(t, 640, 480, color.Black), "jpeg, turned": jpeg, "gif": whole("first-frame.gif"), "webp": whole("lossless.webp"),
		"a long header": photo,
	} {
		req := images(dataURI(data))
		want, err := l.See(t.Context(), req, req.Images[0], v)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if tokens, n := l.Foresee(req, v); tokens != want.Tokens || n != 1 {
			t.Errorf("%s: %d tokens of %d, want %d", name, tokens, n, want.Tokens)
		}
	}
	several := images(pngURI(t, 64, 64), "https://example.com/b.png", dataURI([]byte("no picture")), pngURI(t, 64, 64), "data:,x", dataURI(photo[:3000]))
	if tokens, n := l.Foresee(several, v); tokens != 8 || n != 2 {
		t.Errorf("%d tokens of %d", tokens, n)
	}
	if tokens, n := l.Foresee(several, &engine.VisionInfo{}); tokens != 0 || n != 0 {
		t.Errorf("of an unknown tower: %d tokens of %d", tokens, n)
	}
}

// segments are some of a JPEG's that tell nothing, of so many bytes in all.
func segments(n int) (out []byte) {
	const longest = 0xfff0
	for ; n > 0; n -= longest {
		size := min(n, longest)
		out = append(out, 0xff, 0xe2, byte(size>>8), byte(size))
		out = append(out, make([]byte, size-2)...)
	}
	return out
}

func BenchmarkForesee(b *testing.B) {
	l, v := New(Options{}), vision()
	noise := pngBytes(b, 64, 64, color.Black)
	req := images()
	for i := range 32 {
		req.Images = append(req.Images, &request.Image{Index: i, URL: dataURI(slices.Concat(noise, make([]byte, 1<<20)))})
	}
	b.ReportAllocs()
	for b.Loop() {
		l.Foresee(req, v)
	}
}

func TestImagesAreResizedInTheirOrder(t *testing.T) {
	m := &meter{}
	l := New(Options{Meter: m, Fetcher: fetcher(func(_ context.Context, address string) ([]byte, error) {
		if address != "HTTPS://example.com/b.png" {
			return nil, errors.New("another address")
		}
		return pngBytes(t, 96, 32, color.Black), nil
	})})
	req := images(pngURI(t, 64, 64), "HTTPS://example.com/b.png", pngURI(t, 30, 700), pngURI(t, 1024, 1024), pngURI(t, 1024, 1024))
	req.Images[4].Low = true
	v := vision()
	v.MaxPixels = 2 << 20
	got, seen, err := l.Images(t.Context(), req, v, 2000)
	if err != nil {
		t.Fatal(err)
	}
	var sizes []string
	for i, img := range got {
		sizes = append(sizes, fmt.Sprintf("%dx%d", img.Width, img.Height))
		if len(img.RGB) != 3*img.Width*img.Height {
			t.Errorf("%d bytes", len(img.RGB))
		}
		header, err := l.See(t.Context(), req, req.Images[i], v)
		if err != nil || header.Tokens != img.Width*img.Height/1024 || header != seen[i] {
			t.Errorf("image %d: %+v by its header, %+v when decoded, %v", i, header, seen[i], err)
		}
	}
	if diff := cmp.Diff([]string{"64x64", "96x32", "32x704", "1024x1024", "512x512"}, sizes); diff != "" {
		t.Error(diff)
	}
	want := slices.Concat(slices.Repeat([]string{"image decode"}, 5), slices.Repeat([]string{"image fetch"}, 2))
	if diff := cmp.Diff(want, m.ended()); diff != "" {
		t.Error(diff)
	}
}

func TestARequestWithoutImagesHasNone(t *testing.T) {
	if got, _, err := New(Options{}).Images(t.Context(), &request.Request{}, vision(), 1); len(got) > 0 || err != nil {
		t.Errorf("%v %v", got, err)
	}
}

func TestBadImagesNameTheirPlace(t *testing.T) {
	l := New(Options{Limits: Limits{DataBytes: 1000}})
	good := pngURI(t, 32, 32)
	for bad, want := range map[string]struct{ code, says string }{
		"data:image/png;base64,AAAA":         {fault.CodeImage, "format"},
		"data:image/png;base64,$$$":          {fault.CodeImage, "base64"},
		dataURI(make([]byte, 1001)):          {fault.CodeImageMemory, "1000"},
		"ftp://example.com/a.png":            {fault.CodeImage, "data: URI or an http or https URL"},
		"http://127.0.0.1/a.png":             {fault.CodeUnsupported, "does not fetch URLs"},
		dataURI([]byte("\x89PNG\r\n\x1a\n")): {fault.CodeImage, ""},
	} {
		req := images(good, bad)
		_, _, err := l.Images(t.Context(), req, vision(), 1000)
		wantFault(t, err, want.code, "image[1]", want.says)
		_, err = l.See(t.Context(), req, req.Images[1], vision())
		wantFault(t, err, want.code, "image[1]", want.says)
	}
}

// What images come to together is known from their headers: the one too many is not decoded.
func TestImagesThatFillTheContextAreRefused(t *testing.T) {
	m := &meter{}
	l := New(Options{Meter: m})
	req := images(pngURI(t, 64, 64), pngURI(t, 64, 64))
	req.PromptParam = "input"
	if _, _, err := l.Images(t.Context(), req, vision(), 8); err != nil {
		t.Errorf("8 tokens in 8: %v", err)
	}
	m.steps = nil
	_, _, err := l.Images(t.Context(), req, vision(), 7)
	wantFault(t, err, fault.CodeContextLength, "input", "holds 7 tokens; the images alone have at least 8.")
	if len(m.steps) > 1 {
		t.Errorf("%v", m.steps)
	}
	req.PromptParam = ""
	_, _, err = l.Images(t.Context(), req, vision(), 1)
	wantFault(t, err, fault.CodeContextLength, "messages", "")
}

func TestImagesOfACancelledRequestEndWithItsCause(t *testing.T) {
	gone := errors.New("the client is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	l := New(Options{Fetcher: fetcher(func(ctx context.Context, address string) ([]byte, error) {
		cancel(gone)
		return never(ctx, address)
	})})
	if _, _, err := l.Images(ctx, images("http://example.com/"), vision(), 100); !errors.Is(err, gone) {
		t.Errorf("while fetching: %v", err)
	}
	if _, _, err := l.Images(ctx, images(pngURI(t, 64, 64)), vision(), 100); !errors.Is(err, gone) {
		t.Errorf("while decoding: %v", err)
	}
}

func TestModelsWithoutSightRefuseMedia(t *testing.T) {
	both := images("data:,")
	both.Videos = frames("data:,").Videos
	for name, c := range map[string]struct {
		req  *request.Request
		path string
	}{"images": {images("data:,"), "image[0]"}, "videos": {frames("data:,"), "video"}, "both": {both, "image[0]"}} {
		t.Run(name, func(t *testing.T) {
			wantFault(t, CheckSight(c.req, nil), fault.CodeUnsupported, c.path, "this model has no vision projector")
			if err := CheckSight(c.req, vision()); err != nil {
				t.Errorf("with a projector: %v", err)
			}
		})
	}
	if err := CheckSight(&request.Request{}, nil); err != nil {
		t.Error(err)
	}
}
