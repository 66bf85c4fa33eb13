package api

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal"
)

// photo is a request with images from ../testdata or given as URLs.
func photo(t *testing.T, more map[string]any, urls ...string) map[string]any {
	t.Helper()
	var parts []any
	for _, u := range urls {
		if !strings.Contains(u, ":") {
			data, err := os.ReadFile(u)
			if err != nil {
				t.Fatal(err)
			}
			u = "data:image/png;base64," + base64.StdEncoding.EncodeToString(data)
		}
		parts = append(parts, map[string]any{"type": "image_url", "image_url": map[string]any{"url": u}})
	}
	parts = append(parts, map[string]any{"type": "text", "text": "What is it?"})
	body := map[string]any{"messages": []any{map[string]any{"role": "user", "content": parts}}}
	for k, v := range more {
		body[k] = v
	}
	return body
}

func TestImagesReachTheEngineResizedAndInOrder(t *testing.T) {
	s := newSite(t, nil)
	got := s.ask(photo(t, nil, "../multimodal/testdata/page.png", "../multimodal/testdata/palette_color.png"))
	if got.status != 200 {
		t.Fatalf("%s", got.body)
	}
	req := s.instruct.Last()
	if req == nil {
		req = s.thinking.Request(t)
	}
	var sizes []string
	for _, img := range req.Images {
		sizes = append(sizes, fmt.Sprintf("%dx%d", img.Width, img.Height))
		if len(img.RGB) != 3*img.Width*img.Height {
			t.Errorf("%d bytes", len(img.RGB))
		}
	}
	if diff := cmp.Diff([]string{"384x192", "32x32"}, sizes); diff != "" {
		t.Error(diff)
	}
	var order []int
	for _, p := range req.Prompt {
		if p.Kind == engine.PieceImage {
			order = append(order, p.Image)
		}
	}
	if diff := cmp.Diff([]int{0, 1}, order); diff != "" {
		t.Error(diff)
	}
}

// The projector's own limits are 1,024 and 262,144 pixels here; page.png has 384 x 191.
func TestPixelLimitsAreTheOperatorsThenTheRequests(t *testing.T) {
	const page, dot = "../multimodal/testdata/page.png", "../multimodal/testdata/palette_color.png"
	for name, c := range map[string]struct {
		own       multimodal.PixelLimits
		projector int // its lower limit
		asked     map[string]any
		file      string
		want      string // size, or the member at fault
	}{
		"the projector's":                    {file: page, projector: 1024, want: "384x192"},
		"a lower one of the operator":        {own: multimodal.PixelLimits{Min: 1024}, projector: 65536, file: dot, want: "32x32"},
		"without it":                         {projector: 65536, file: dot, want: "256x256"},
		"a higher one of the operator":       {own: multimodal.PixelLimits{Min: 147456}, projector: 1024, file: dot, want: "384x384"},
		"above what the projector asks for":  {own: multimodal.PixelLimits{Min: 409600}, projector: 1024, file: dot, want: "640x640"},
		"an upper one of the operator":       {own: multimodal.PixelLimits{Max: 16384}, projector: 1024, file: page, want: "160x64"},
		"asked to be small":                  {projector: 65536, asked: map[string]any{"min_pixels": 1}, file: dot, want: "32x32"},
		"asked to be large":                  {projector: 1024, asked: map[string]any{"min_pixels": 65536}, file: dot, want: "256x256"},
		"asked to be at most so large":       {projector: 1024, asked: map[string]any{"max_pixels": 16384}, file: page, want: "160x64"},
		"at most less than the lower limit":  {projector: 65536, asked: map[string]any{"max_pixels": 16384}, file: page, want: "160x64"},
		"asked to be larger than is allowed": {projector: 1024, asked: map[string]any{"max_pixels": 1 << 24}, file: page, want: "max_pixels"},
		"and at least that":                  {projector: 1024, asked: map[string]any{"min_pixels": 1 << 24}, file: page, want: "min_pixels"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(conf *Config) { conf.Media.Pixels = c.own })
			s.instruct.Model.Vision.MinPixels = c.projector
			s.known()
			body := map[string]any{"model": "qwen3-vl-instruct"}
			if c.asked != nil {
				body["mm_processor_kwargs"] = c.asked
			}
			got := s.ask(photo(t, body, c.file))
			if got.status != 200 {
				if _, param, _ := got.failure(t); got.status != 400 || param != "mm_processor_kwargs."+c.want {
					t.Errorf("%d %s", got.status, got.body)
				}
				return
			}
			if img := s.instruct.Request(t).Images[0]; fmt.Sprintf("%dx%d", img.Width, img.Height) != c.want {
				t.Errorf("%d x %d", img.Width, img.Height)
			}
		})
	}
}

func TestBadImagesNameTheirPlace(t *testing.T) {
	s := newSite(t, nil)
	const at = "messages[0].content[1].image_url.url"
	for url, want := range map[string]struct {
		status int
		code   string
	}{
		"data:image/png;base64,AAAA":         {400, fault.CodeImage},
		"data:image/png;base64,$$$":          {400, fault.CodeImage},
		"ftp://example.com/a.png":            {400, fault.CodeImage},
		"http://127.0.0.1/a.png":             {400, fault.CodeUnsupported}, // no fetcher in this server
		"data:image/png;base64,iVBORw0KGgo=": {400, fault.CodeImage},
	} {
		got := s.ask(photo(t, nil, "../multimodal/testdata/page.png", url))
		if code, param, _ := got.failure(t); got.status != want.status || code != want.code || param != at {
			t.Errorf("%s: %d %s", url, got.status, got.body)
		}
	}
	s.instruct.Model.Vision, s.thinking.Model.Vision = nil, nil
	s.known()
	got := s.ask(photo(t, nil, "../multimodal/testdata/page.png"))
	if code, _, _ := got.failure(t); got.status != 400 || code != fault.CodeUnsupported {
		t.Errorf("a text model: %d %s", got.status, got.body)
	}
}

func TestImagesThatFillTheContextAreRefusedBeforeDecoding(t *testing.T) {
	s := newSite(t, nil)
	s.instruct.Model.ContextSize, s.thinking.Model.ContextSize = 50, 50
	s.known()
	got := s.ask(photo(t, nil, "../multimodal/testdata/page.png"))
	if code, _, _ := got.failure(t); got.status != 400 || code != fault.CodeContextLength {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestImageMemoryFaultsNameTheImage(t *testing.T) {
	s := newSite(t, nil)
	s.instruct.Refuse = &engine.ImageMemoryError{Image: 1, NeededBytes: 5 << 20, LimitBytes: 1 << 20}
	page := "../multimodal/testdata/page.png"
	got := s.ask(photo(t, map[string]any{"model": "qwen3-vl-instruct"}, page, page))
	if code, param, message := got.failure(t); code != fault.CodeImageMemory || param != "messages[0].content[1].image_url.url" || !strings.Contains(message, "5 MiB") {
		t.Errorf("%d %s", got.status, got.body)
	}
}
