package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/internal/testkit"
	"github.com/qwenvld/qwenvld/multimodal/video"
)

// withVideo gives a server ffmpeg.
func withVideo(c *Config) {
	tool, err := video.NewTool(context.Background(), video.Options{})
	if err == nil {
		err = tool.Missing()
	}
	if err != nil {
		panic(err)
	}
	c.Video = tool
}

// clip makes an MP4 of so many seconds.
var clips sync.Map

func clip(t testing.TB, size, rate, seconds string) string {
	t.Helper()
	key := size + rate + seconds
	if uri, ok := clips.Load(key); ok {
		return uri.(string)
	}
	path := filepath.Join(t.TempDir(), "clip.mp4")
	out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size="+size+":rate="+rate+":duration="+seconds,
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", path).CombinedOutput()
	if err != nil {
		t.Fatalf("these tests need ffmpeg, which `make setup` installs: %v %s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	uri := "data:video/mp4;base64," + base64.StdEncoding.EncodeToString(data)
	clips.Store(key, uri)
	return uri
}

type object = map[string]any

func watch(parts ...any) []any { return []any{object{"role": "user", "content": parts}} }

func textPart(s string) object { return object{"type": "text", "text": s} }

func videoPart(url string, more object) object {
	p := object{"type": "video_url", "video_url": object{"url": url}}
	for k, v := range more {
		p[k] = v
	}
	return p
}

// shown renders a prompt with sizes of pictures in place of their rows.
func shown(req *engine.Request) string {
	var b strings.Builder
	for _, p := range req.Prompt {
		if p.Kind != engine.PieceImage {
			b.WriteString(p.Text)
			continue
		}
		img := req.Images[p.Image]
		fmt.Fprintf(&b, "[%dx%d", img.Width, img.Height)
		if img.Pair {
			b.WriteString(" pair")
		}
		b.WriteString("]")
	}
	return strings.NewReplacer("<|vision_start|>", "(", "<|vision_end|>", ")", "<|im_start|>", "{", "<|im_end|>", "}").Replace(b.String())
}

const askOf = "{user\n%s}\n{assistant\n"

func TestVideosBecomeStampedPairsInTheirPlace(t *testing.T) {
	s := newSite(t, withVideo)
	uri := clip(t, "160x96", "10", "3")
	raw := strings.TrimPrefix(uri, "data:video/mp4;base64,")
	three := "<0.3 seconds>([160x96 pair])<1.4 seconds>([160x96 pair])<2.6 seconds>([160x96 pair])"
	frame := pngURI(t, 64, 64)
	cases := map[string]struct {
		parts []any
		want  string
		more  object
	}{
		"video_url":         {[]any{videoPart(uri, nil), textPart("What?")}, three + "What?", nil},
		"a string":          {[]any{object{"type": "video_url", "video_url": uri}, textPart("What?")}, three + "What?", nil},
		"input_video, data": {[]any{object{"type": "input_video", "input_video": object{"data": raw, "format": "mp4"}}, textPart("?")}, three + "?", nil},
		"input_video, url":  {[]any{object{"type": "input_video", "input_video": object{"url": uri}}, textPart("?")}, three + "?", nil},
		"video":             {[]any{object{"type": "video", "video": uri}, textPart("?")}, three + "?", nil},
		"fps":               {[]any{videoPart(uri, object{"fps": 1, "min_frames": 2})}, "<0.7 seconds>([160x96 pair])<2.9 seconds>([160x96 pair])", nil},
		"number of frames":  {[]any{videoPart(uri, object{"num_frames": 2})}, "<1.4 seconds>([160x96 pair])", nil},
		"options inside": {
			[]any{object{"type": "video_url", "video_url": object{"url": uri, "num_frames": 2, "timestamp_format": "hms"}}}, "<00:00:01.4>([160x96 pair])", nil,
		},
		"options of the request": {
			[]any{videoPart(uri, nil)}, "<1.4 seconds>([160x96 pair])", object{"mm_processor_kwargs": object{"num_frames": 2}},
		},
		"vLLM's options": {
			[]any{videoPart(uri, nil)}, "<1.4 seconds>([160x96 pair])", object{"media_io_kwargs": object{"video": object{"num_frames": 2}}},
		},
		"own options before the request's": {
			[]any{videoPart(uri, object{"num_frames": 2})}, "<1.4 seconds>([160x96 pair])", object{"mm_processor_kwargs": object{"fps": 1}},
		},
		"a part": {
			[]any{videoPart(uri, object{"video_start": 1, "video_end": 2, "num_frames": 3})}, "<1.2 seconds>([160x96 pair])<2.0 seconds>([160x96 pair])", nil,
		},
		"smaller": {[]any{videoPart(uri, object{"num_frames": 2, "max_pixels": 4096})}, "<1.4 seconds>([64x32 pair])", nil},
		"between": {
			[]any{textPart("A"), object{"type": "image_url", "image_url": object{"url": frame}}, videoPart(uri, object{"num_frames": 2}), textPart("B"), object{"type": "video", "video": []any{frame, frame, object{"url": frame}}, "fps": 4}},
			"A([64x64])<1.4 seconds>([160x96 pair])B<0.1 seconds>([64x64 pair])<0.5 seconds>([64x64 pair])", nil,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			body := object{"model": "qwen3-vl-instruct", "messages": watch(c.parts...)}
			for k, v := range c.more {
				body[k] = v
			}
			if got := s.ask(body); got.status != 200 {
				t.Fatalf("%s", got.body)
			}
			if diff := cmp.Diff(fmt.Sprintf(askOf, c.want), shown(s.instruct.Request(t))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func pngURI(t testing.TB, w, h int) string {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = byte(i) | 255*byte(i&3/3)
	}
	img.Set(1, 1, color.Black)
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(out.Bytes())
}

func TestVideosInToolResultsAndTheResponsesAPI(t *testing.T) {
	s := newSite(t, withVideo)
	uri := clip(t, "160x96", "10", "3")
	part := videoPart(uri, object{"num_frames": 2})
	got := s.ask(object{"model": "qwen3-vl-instruct", "messages": []any{
		object{"role": "user", "content": "Look."},
		object{"role": "assistant", "tool_calls": []any{object{"id": "c", "type": "function", "function": object{"name": "look", "arguments": "{}"}}}},
		object{"role": "tool", "tool_call_id": "c", "content": []any{part, textPart("seen")}},
	}})
	if want := "<tool_response>\n<1.4 seconds>([160x96 pair])seen\n</tool_response>"; got.status != 200 || !strings.Contains(shown(s.instruct.Request(t)), want) {
		t.Errorf("%d %s", got.status, shown(s.instruct.Request(t)))
	}
	for _, p := range []object{
		{"type": "input_video", "video_url": uri, "num_frames": 2},
		{"type": "video_url", "video_url": object{"url": uri, "num_frames": 2}},
	} {
		got = s.post("/v1/responses", object{"model": "qwen3-vl-instruct", "input": []any{object{"role": "user", "content": []any{p, object{"type": "input_text", "text": "?"}}}}})
		if want := fmt.Sprintf(askOf, "<1.4 seconds>([160x96 pair])?"); got.status != 200 || shown(s.instruct.Request(t)) != want {
			t.Errorf("%s: %s", got.body, shown(s.instruct.Request(t)))
		}
	}
}

func TestBadVideosNameTheirPlace(t *testing.T) {
	s := newSite(t, func(c *Config) {
		withVideo(c)
		c.Media.Video = VideoLimits{Frames: 16, MaxPixels: 65536, MinPixels: 1024, FPS: 8}
		c.Limits.Videos = 2
	})
	uri := clip(t, "160x96", "10", "3")
	const part = "messages[0].content[0]"
	const url = part + ".video_url.url"
	one := clip(t, "64x64", "1", "1")
	data, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(uri, "data:video/mp4;base64,"))
	cut := "data:video/mp4;base64," + base64.StdEncoding.EncodeToString(data[:len(data)*2/3])
	frame := pngURI(t, 64, 64)
	broken := frame[:len(frame)-60]
	with := func(more object) any { return videoPart(uri, more) }
	list := func(frames ...any) any {
		frames = append([]any{}, frames...)
		return object{"type": "video", "video": frames}
	}
	cases := map[string]struct {
		part   any
		status int
		code   string
		param  string
	}{
		"no video":             {videoPart("data:video/mp4;base64,AAAA", nil), 400, fault.CodeVideo, url},
		"bad base64":           {videoPart("data:video/mp4;base64,$$$", nil), 400, fault.CodeVideo, url},
		"bad scheme":           {videoPart("file:///etc/passwd", nil), 400, fault.CodeVideo, url},
		"no fetcher":           {videoPart("http://127.0.0.1/a.mp4", nil), 400, fault.CodeUnsupported, url},
		"a playlist":           {videoPart("data:video/mp4,%23EXTM3U%0Afile:///etc/passwd", nil), 400, fault.CodeVideo, url},
		"cut short":            {videoPart(cut, nil), 400, fault.CodeVideo, url},
		"one frame":            {videoPart(one, nil), 400, fault.CodeVideo, url},
		"empty":                {videoPart("", nil), 400, fault.CodeInvalidValue, url},
		"nothing":              {object{"type": "video_url"}, 400, fault.CodeMissing, part + ".video_url"},
		"no url":               {object{"type": "video_url", "video_url": object{}}, 400, fault.CodeMissing, url},
		"a number":             {object{"type": "video_url", "video_url": 3}, 400, fault.CodeInvalidValue, part + ".video_url"},
		"unknown option":       {with(object{"speed": 2}), 400, fault.CodeUnknown, part + ".speed"},
		"fps of 0":             {with(object{"fps": 0}), 400, fault.CodeInvalidValue, part + ".fps"},
		"fps beyond":           {with(object{"fps": 9}), 400, fault.CodeInvalidValue, part + ".fps"},
		"fps as a word":        {with(object{"fps": "fast"}), 400, fault.CodeInvalidValue, part + ".fps"},
		"fps and frames":       {with(object{"fps": 1, "num_frames": 3}), 400, fault.CodeInvalidValue, part + ".num_frames"},
		"too many frames":      {with(object{"num_frames": 17}), 400, fault.CodeInvalidValue, part + ".num_frames"},
		"one frame asked for":  {with(object{"num_frames": 1}), 400, fault.CodeInvalidValue, part + ".num_frames"},
		"max_frames beyond":    {with(object{"max_frames": 17}), 400, fault.CodeInvalidValue, part + ".max_frames"},
		"min above max":        {with(object{"min_frames": 9, "max_frames": 8}), 400, fault.CodeInvalidValue, part + ".min_frames"},
		"max_pixels beyond":    {with(object{"max_pixels": 65537}), 400, fault.CodeInvalidValue, part + ".max_pixels"},
		"min_pixels below":     {with(object{"min_pixels": 1000}), 400, fault.CodeInvalidValue, part + ".min_pixels"},
		"min above max_pixels": {with(object{"min_pixels": 5000, "max_pixels": 4096}), 400, fault.CodeInvalidValue, part + ".min_pixels"},
		"total beyond":         {with(object{"total_pixels": 25165825}), 400, fault.CodeInvalidValue, part + ".total_pixels"},
		"end before start":     {with(object{"video_start": 2, "video_end": 1}), 400, fault.CodeInvalidValue, part + ".video_end"},
		"start behind":         {with(object{"video_start": 5}), 400, fault.CodeVideo, url},
		"negative start":       {with(object{"video_start": -1}), 400, fault.CodeInvalidValue, part + ".video_start"},
		"unknown stamps":       {with(object{"timestamp_format": "frames"}), 400, fault.CodeInvalidValue, part + ".timestamp_format"},
		"option twice":         {object{"type": "video_url", "fps": 1, "video_url": object{"url": uri, "fps": 1}}, 400, fault.CodeInvalidValue, part + ".video_url.fps"},
		"url and data":         {object{"type": "input_video", "input_video": object{"url": uri, "data": "AAAA"}}, 400, fault.CodeInvalidValue, part + ".input_video.data"},
		"no frames":            {list(), 400, fault.CodeInvalidValue, part + ".video"},
		"a list of one frame":  {list(frame), 400, fault.CodeVideo, part + ".video"},
		"frames of two sizes":  {list(frame, pngURI(t, 32, 64)), 400, fault.CodeVideo, part + ".video[1]"},
		"a frame that is none": {list(frame, "data:image/png;base64,AAAA"), 400, fault.CodeVideo, part + ".video[1]"},
		"a damaged frame":      {list(frame, broken), 400, fault.CodeVideo, part + ".video"},
		"frames and sampling":  {object{"type": "video", "video": []any{frame, frame}, "max_frames": 4}, 400, fault.CodeUnsupported, part + ".max_frames"},
		"frames and auto":      {object{"type": "video", "video": []any{frame, frame}, "fps": "auto"}, 400, fault.CodeUnsupported, part + ".fps"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := s.ask(object{"messages": watch(c.part, textPart("?"))})
			if code, param, _ := got.failure(t); got.status != c.status || code != c.code || param != c.param {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	got := s.ask(object{"messages": watch(with(nil), with(nil), with(nil))})
	if _, param, _ := got.failure(t); got.status != 400 || param != "messages[0].content[2].video_url.url" {
		t.Errorf("three videos: %s", got.body)
	}
	got = s.ask(object{"messages": []any{object{"role": "system", "content": []any{with(nil)}}, object{"role": "user", "content": "hi"}}})
	if got.status != 400 {
		t.Errorf("in a system message: %s", got.body)
	}
	for _, more := range []object{{"mm_processor_kwargs": object{"video_start": 1}}, {"media_io_kwargs": object{"audio": object{}}}} {
		more["messages"] = watch(with(nil))
		if got := s.ask(more); got.status != 400 {
			t.Errorf("%v: %s", more, got.body)
		}
	}
	s.instruct.Model.Vision, s.thinking.Model.Vision = nil, nil
	s.known()
	if got := s.ask(object{"messages": watch(with(nil))}); got.status != 400 {
		t.Errorf("without a projector: %s", got.body)
	}
}

func TestWithoutFFmpegOnlyFramesAreTaken(t *testing.T) {
	tool, err := video.NewTool(context.Background(), video.Options{FFprobe: "/nonexistent/ffprobe"})
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, func(c *Config) { c.Video = tool })
	got := s.ask(object{"messages": watch(videoPart(clip(t, "160x96", "10", "3"), nil))})
	if code, _, message := got.failure(t); got.status != 400 || code != fault.CodeUnsupported || !strings.Contains(message, "apt-get install ffmpeg") {
		t.Errorf("%d %s", got.status, got.body)
	}
	frame := pngURI(t, 64, 64)
	if got := s.ask(object{"messages": watch(object{"type": "video", "video": []any{frame, frame}})}); got.status != 200 {
		t.Errorf("%s", got.body)
	}
}

// The cost is known before anything is decoded; a rate of auto is lowered to what fits.
func TestVideosThatDoNotFit(t *testing.T) {
	s := newSite(t, withVideo)
	uri := clip(t, "320x192", "10", "40") // 60 tokens a pair and its stamp: 80 frames at 2 fps
	s.instruct.Model.ContextSize = 2000
	s.known()
	const url = "messages[0].content[0].video_url.url"
	ask := func(more object, top object) (reply, string) {
		body := object{"model": "qwen3-vl-instruct", "max_tokens": 200, "messages": watch(videoPart(uri, more), textPart("What?"))}
		for k, v := range top {
			body[k] = v
		}
		got := s.ask(body)
		if got.status == 200 {
			return got, ""
		}
		_, _, message := got.failure(t)
		return got, message
	}
	got, message := ask(nil, nil)
	var rate float64
	_, tail, _ := strings.Cut(message, "largest fps that fits is ")
	if _, err := fmt.Sscanf(tail, "%g", &rate); err != nil || got.status != 400 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if code, param, _ := got.failure(t); code != fault.CodeContextLength || param != url || !strings.Contains(message, "2400 of 80 video frames") {
		t.Errorf("%s", got.body)
	}
	if s.instruct.Last() != nil {
		t.Error("the engine was asked")
	}
	// What is said to fit does, and a little more does not.
	if got, _ := ask(object{"fps": rate}, nil); got.status != 200 {
		t.Errorf("fps %v: %s", rate, got.body)
	}
	if got, _ := ask(object{"fps": rate * 1.15}, nil); got.status != 400 {
		t.Errorf("fps %v fits too", rate*1.15)
	}
	if got, _ := ask(object{"fps": "auto"}, nil); got.status != 200 {
		t.Fatalf("%s", got.body)
	}
	pairs := 0
	for _, img := range s.instruct.Request(t).Images {
		if img.Pair {
			pairs++
		}
	}
	if pairs < 15 || pairs > 30 {
		t.Errorf("%d pairs at fps auto", pairs)
	}
	// Without max_tokens some room is left; what more is asked for than fits is cut, and takes no more than half from
	// the video.
	if got, _ := ask(object{"fps": "auto"}, object{"max_tokens": nil}); got.status != 200 {
		t.Errorf("%s", got.body)
	}
	if got, _ := ask(object{"fps": "auto"}, object{"max_tokens": 1_000_000}); got.status != 200 {
		t.Errorf("%s", got.body)
	}
}

func TestInputTokensCountVideosAsGenerationDoes(t *testing.T) {
	s := newSite(t, withVideo)
	uri := clip(t, "160x96", "10", "3")
	body := object{"model": "qwen3-vl-instruct", "messages": watch(videoPart(uri, nil), textPart("What?"))}
	var count struct {
		InputTokens int `json:"input_tokens"`
		Details     struct {
			VideoTokens int `json:"video_tokens"`
			ImageTokens int `json:"image_tokens"`
		} `json:"input_tokens_details"`
	}
	got := s.post("/v1/chat/completions/input_tokens", body)
	got.json(t, &count)
	// The fake engine takes each byte of text for a token.
	text := len("<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\nWhat?") + 3*len("<0.3 seconds><|vision_start|><|vision_end|>")
	if got.status != 200 || count.Details.VideoTokens != 3*15 || count.Details.ImageTokens != 0 || count.InputTokens != text+3*15 {
		t.Errorf("%s, want %d of text", got.body, text)
	}
	got = s.post("/v1/responses/input_tokens", object{"model": "qwen3-vl-instruct", "input": []any{object{"role": "user", "content": []any{videoPart(uri, nil), object{"type": "input_text", "text": "What?"}}}}})
	got.json(t, &count)
	if count.Details.VideoTokens != 45 || count.InputTokens != text+45 {
		t.Errorf("%s", got.body)
	}
	got = s.post("/tokenize", body)
	var tokens struct{ Count int }
	got.json(t, &tokens)
	if tokens.Count != text {
		t.Errorf("%s", got.body)
	}
}

// files is a VideoFetcher that knows some.
type files map[string]string

func (f files) FetchInto(ctx context.Context, url string, w io.Writer) error {
	data, ok := f[url]
	if !ok {
		<-ctx.Done() // an endless stream
		return context.Cause(ctx)
	}
	_, err := io.WriteString(w, data)
	return err
}

func TestVideosAreFetched(t *testing.T) {
	data, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(clip(t, "160x96", "10", "3"), "data:video/mp4;base64,"))
	s := newSite(t, func(c *Config) {
		withVideo(c)
		c.VideoFetcher = files{"https://example.com/a.mp4": string(data), "https://example.com/b.mp4": "<html>"}
	})
	if got := s.ask(object{"messages": watch(videoPart("https://example.com/a.mp4", nil))}); got.status != 200 {
		t.Errorf("%s", got.body)
	}
	got := s.ask(object{"messages": watch(videoPart("https://example.com/b.mp4", nil))})
	if code, _, _ := got.failure(t); got.status != 400 || code != fault.CodeVideo {
		t.Errorf("%s", got.body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/chat/completions", strings.NewReader(
		`{"model":"qwen3-vl","messages":[{"role":"user","content":[{"type":"video_url","video_url":"https://example.com/endless"}]}]}`))
	req.Header.Set("Content-Type", "application/json")
	if _, err := http.DefaultTransport.RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// A client that leaves while its video is decoded takes the decoder with it.
func TestLeavingEndsTheDecoder(t *testing.T) {
	s := newSite(t, withVideo)
	uri := clip(t, "1280x720", "30", "20")
	before := decoders(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body := `{"model":"qwen3-vl-instruct","messages":[{"role":"user","content":[{"type":"video_url","max_pixels":2048,"video_url":"` + uri + `"}]}]}`
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/chat/completions", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	done := make(chan error, 1)
	go func() {
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	testkit.Eventually(t, "the decoder", func() bool { return decoders(t) > before })
	cancel()
	<-done
	testkit.Eventually(t, "the decoder's end", func() bool { return decoders(t) <= before })
}

// decoders counts ffmpeg's processes below this one.
func decoders(t *testing.T) int {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, dir := range dirs {
		data, err := os.ReadFile(dir)
		if err == nil && bytes.Contains(data, []byte("(ffmpeg)")) && bytes.Contains(data, fmt.Appendf(nil, " %d ", os.Getpid())) {
			n++
		}
	}
	return n
}
