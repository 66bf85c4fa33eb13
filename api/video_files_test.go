package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/multimodal/video"
)

// film runs ffmpeg and returns the file it made as a data URI that says nothing of its type; args end before the file's
// name.
func film(t testing.TB, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("ffmpeg", append(append([]string{"-v", "error"}, args...), path)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %v: %v %s", args, err, out)
	}
	return dataURI(t, path)
}

func dataURI(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return "data:application/octet-stream;base64," + base64.StdEncoding.EncodeToString(data)
}

// Whatever the container, the same film becomes the same pairs.
func TestContainersAreTaken(t *testing.T) {
	s := newSite(t, withVideo)
	pattern := []string{"-f", "lavfi", "-i", "testsrc2=size=160x96:rate=10:duration=3"}
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"}
	vp8 := []string{"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"}
	flat := filepath.Join(t.TempDir(), "flat.mp4")
	if out, err := exec.Command("ffmpeg", append(slices.Concat([]string{"-v", "error"}, pattern, x264), flat)...).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	const three = "<0.3 seconds>([160x96 pair])<1.4 seconds>([160x96 pair])<2.6 seconds>([160x96 pair])"
	cases := map[string]struct{ uri, want string }{
		"mp4":  {film(t, "a.mp4", slices.Concat(pattern, x264)...), three},
		"mov":  {film(t, "a.mov", slices.Concat(pattern, x264)...), three},
		"mkv":  {film(t, "a.mkv", slices.Concat(pattern, x264)...), three},
		"webm": {film(t, "a.webm", slices.Concat(pattern, vp8)...), three},
		"avi":  {film(t, "a.avi", append(pattern, "-c:v", "mpeg4")...), three},
		"gif":  {film(t, "a.gif", pattern...), three},
		"webp": {dataURI(t, "../multimodal/video/testdata/opaque.webp"), "<0.1 seconds>([64x32 pair])<0.3 seconds>([64x32 pair])"},
		"turned": {
			film(t, "b.mp4", "-i", flat, "-c", "copy", "-metadata:s:v:0", "rotate=90"), strings.ReplaceAll(three, "160x96", "96x160"),
		},
		// Frames at 0, 0.1, 0.2, 0.3, 0.4, 2 and 2.9 seconds, of which six are shown. By the mean rate the stamps were
		// 0.2, 1.3 and 2.4.
		"a variable rate": {
			film(t, "c.mkv", append(slices.Concat(pattern, x264), "-vf", "select='lt(n,5)+eq(n,20)+eq(n,29)'", "-vsync", "vfr")...),
			"<0.1 seconds>([160x96 pair])<0.3 seconds>([160x96 pair])<2.5 seconds>([160x96 pair])",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := s.ask(object{"model": "qwen3-vl-instruct", "messages": watch(videoPart(c.uri, nil))})
			if got.status != 200 {
				t.Fatalf("%s", got.body)
			}
			if is := shown(s.instruct.Request(t)); is != fmt.Sprintf(askOf, c.want) {
				t.Errorf("%s", is)
			}
		})
	}
}

// A stream without an end is cut off where the server's limit lies, whether it is a video or not.
func TestEndlessVideosAreRefused(t *testing.T) {
	gone := make(chan struct{}, 1)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		block := append([]byte("\x00\x00\x00\x18ftypisom"), bytes.Repeat([]byte{7}, 1<<16)...)
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				break
			}
		}
		gone <- struct{}{}
	}))
	defer origin.Close()
	fetcher := multimodal.NewFetcher(multimodal.FetcherOptions{
		AllowedHosts: []string{strings.TrimPrefix(origin.URL, "http://")}, MaxBytes: 1 << 20, Timeout: 10 * time.Second,
	})
	defer fetcher.Close()
	s := newSite(t, func(c *Config) {
		withVideo(c)
		c.VideoFetcher = fetcher
	})
	begun := time.Now()
	got := s.ask(object{"messages": watch(videoPart(origin.URL+"/film.mp4", nil))})
	if code, param, _ := got.failure(t); got.status != http.StatusRequestEntityTooLarge || code != fault.CodeVideoSize || param == "" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("took %v", took)
	}
	<-gone
}

// What the index of a file tells is refused before anything is decoded, with what is allowed.
func TestVideosBeyondLimitsAreRefused(t *testing.T) {
	s := newSite(t, func(c *Config) {
		tool, err := video.NewTool(context.Background(), video.Options{SourcePixels: 20_000, SourceFrames: 90, Seconds: 4})
		if err != nil {
			panic(err)
		}
		c.Video = tool
	})
	for name, c := range map[string]struct{ size, rate, seconds, says string }{
		"too large": {"176x128", "10", "2", "20000 in all"}, "too many frames": {"64x48", "30", "3.5", "90 frames"}, "too long": {"64x48", "2", "6", "4 are allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.ask(object{"messages": watch(videoPart(clip(t, c.size, c.rate, c.seconds), nil))})
			code, _, message := got.failure(t)
			if got.status != http.StatusRequestEntityTooLarge || code != fault.CodeVideoSize || !strings.Contains(message, c.says) {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
}

// What others took is nobody's fault: frames of lists wait for the memory that images wait for, and are told to come
// again.
func TestPicturesThatWaitInVainAreToldToComeAgain(t *testing.T) {
	s := newSite(t, func(c *Config) {
		held := make(chan struct{})
		c.Images = multimodal.NewDecoder(multimodal.DecoderOptions{
			AtOnce: 1, Wait: 50 * time.Millisecond, Run: func(ctx context.Context, _ *multimodal.Job, _ func(int, *multimodal.Image) error) error {
				close(held)
				<-ctx.Done()
				return context.Cause(ctx)
			},
		})
		data, err := os.ReadFile("../multimodal/testdata/page.png")
		if err != nil {
			panic(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var other sync.WaitGroup
		other.Go(func() { _, _ = c.Images.Decode(ctx, data, 0, 0) })
		t.Cleanup(func() { cancel(); other.Wait() })
		<-held
	})
	frame := pngURI(t, 64, 64)
	for name, body := range map[string]object{
		"a list of frames": {"messages": watch(object{"type": "video", "video": []any{frame, frame}})},
		"an image":         photo(t, nil, frame),
	} {
		got := s.ask(body)
		if code, _, _ := got.failure(t); got.status != http.StatusServiceUnavailable || code != fault.CodeOverloaded || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

// The first has an option that is out of range, the second is not looked at any more.
func TestBadOptionsAmongSeveralVideosAreBadRequests(t *testing.T) {
	s := newSite(t, withVideo)
	good, bad := videoPart("data:video/mp4;base64,AAAA", nil), videoPart("data:video/mp4;base64,AAAA", object{"min_frames": 100_000})
	for _, parts := range [][]any{{bad, good}, {good, bad}} {
		got := s.ask(object{"messages": []any{object{"role": "user", "content": append(parts, object{"type": "text", "text": "?"})}}})
		if code, param, _ := got.failure(t); got.status != http.StatusBadRequest || code != fault.CodeInvalidValue || !strings.HasSuffix(param, ".min_frames") {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
}

// Together the frames of a list may have as many bytes as a file, and all that is held at a time has its bound too.
func TestFramesOfListsAreBoundedInBytes(t *testing.T) {
	frame := pngURI(t, 64, 64)
	ask := func(change func(*Config)) reply {
		return newSite(t, change).ask(object{"messages": watch(object{"type": "video", "video": []any{frame, frame, frame, frame}})})
	}
	got := ask(func(c *Config) { c.Media.Video.DataBytes = 3 * len(frame) * 3 / 4 })
	if code, param, _ := got.failure(t); got.status != http.StatusRequestEntityTooLarge || code != fault.CodeVideoSize || param == "" {
		t.Errorf("a list: %d %s", got.status, got.body)
	}
	got = ask(func(c *Config) { c.Disk = video.NewDisk(t.TempDir(), int64(2*len(frame))) })
	if code, _, _ := got.failure(t); got.status != http.StatusServiceUnavailable || code != fault.CodeOverloaded || got.header.Get("Retry-After") == "" {
		t.Errorf("the disk: %d %s", got.status, got.body)
	}
}

// picturesAtOnce is how many frames of a list are fetched at a time.
const picturesAtOnce = 8

// Frames are fetched several at a time, within one deadline.
func TestFramesOfListsAreFetchedTogether(t *testing.T) {
	frame, err := os.ReadFile("../multimodal/testdata/page.png")
	if err != nil {
		t.Fatal(err)
	}
	var waiting sync.WaitGroup
	waiting.Add(picturesAtOnce) // each is answered when that many have been asked for
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/never" {
			<-r.Context().Done()
			return
		}
		waiting.Done()
		waiting.Wait()
		_, _ = w.Write(frame)
	}))
	defer origin.Close()
	fetcher := multimodal.NewFetcher(multimodal.FetcherOptions{AllowedHosts: []string{strings.TrimPrefix(origin.URL, "http://")}})
	defer fetcher.Close()
	list := func(path string) object {
		urls := make([]any, picturesAtOnce)
		for i := range urls {
			urls[i] = fmt.Sprintf("%s%s?%d", origin.URL, path, i)
		}
		return object{"messages": watch(object{"type": "video", "video": urls})}
	}
	s := newSite(t, func(c *Config) { c.Fetcher = fetcher })
	if got := s.ask(list("/frame")); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	s = newSite(t, func(c *Config) {
		c.Fetcher = fetcher
		c.Media.Video.FetchTimeout = 50 * time.Millisecond
	})
	got := s.ask(list("/never"))
	if code, _, _ := got.failure(t); got.status != http.StatusBadRequest || code != fault.CodeVideoFetch && code != fault.CodeImageFetch {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestMessagesSayWhereVideosGo(t *testing.T) {
	s := newSite(t, withVideo)
	for _, kind := range []string{"video", "video_url", "input_video"} {
		got := s.post("/v1/messages", object{"model": "qwen3-vl", "max_tokens": 9, "messages": watch(object{"type": kind})})
		var e anthropicError
		got.json(t, &e)
		if got.status != 400 || !strings.Contains(e.Error.Message, "/v1/chat/completions") || *e.Error.Param != "messages[0].content[0].type" {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
}

func TestModelCardsTellOfVideo(t *testing.T) {
	for want, change := range map[string]func(*Config){"text image video": withVideo, "text image": nil} {
		var c modelCard
		newSite(t, change).get("/v1/models/qwen3-vl").json(t, &c)
		if got := strings.Join(c.Modalities, " "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
