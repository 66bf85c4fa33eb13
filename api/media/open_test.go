package media

import (
	"context"
	"errors"
	"image/color"
	"io"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/multimodal/video"
)

// noFFmpeg is a tool that reads animated WebP alone.
func noFFmpeg(t testing.TB) *video.Tool {
	t.Helper()
	tool, err := video.NewTool(context.Background(), video.Options{FFprobe: "/nonexistent/ffprobe"})
	if err != nil {
		t.Fatal(err)
	}
	return tool
}

// webp is an animation of 64 x 32 pixels that lasts for four frames of a tenth of a second.
func webp(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("../../multimodal/video/testdata/opaque.webp")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// videoFetcher is a VideoFetcher as a function.
type videoFetcher func(ctx context.Context, address string, w io.Writer) error

func (f videoFetcher) FetchInto(ctx context.Context, address string, w io.Writer) error {
	return f(ctx, address, w)
}

func TestListsOfFramesBecomeStampedPairs(t *testing.T) {
	m := &meter{}
	l := New(Options{Meter: m, Fetcher: fetcher(func(context.Context, string) ([]byte, error) {
		return pngBytes(t, 64, 32, color.Black), nil
	})})
	req := frames(pngURI(t, 64, 32), "http://example.com/black.png", pngURI(t, 64, 32))
	req.Videos[0].FPS = ptr(10.0)
	videos, err := l.OpenVideos(t.Context(), req, vision())
	if err != nil {
		t.Fatal(err)
	}
	defer videos.Close()
	if diff := cmp.Diff([][]string{{"<0.1 seconds>", "<0.2 seconds>"}}, videos.Stamps()); diff != "" {
		t.Error(diff)
	}
	if n := videos.Tokens(); n != 2*2 {
		t.Errorf("%d tokens", n)
	}
	pictures := videos.Images()
	videos.Decode(t.Context())
	const size = 3 * 64 * 32
	want := [][2]byte{{255, 0}, {255, 255}}
	for g, img := range pictures {
		rgb, err := img.Bytes(t.Context())
		if err != nil || !img.Pair || len(rgb) != 2*size || [2]byte{rgb[0], rgb[size]} != want[g] {
			t.Errorf("pair %d: %v, %d bytes, pair %v", g, err, len(rgb), img.Pair)
		}
	}
	if diff := cmp.Diff([]string{"image fetch", "video decode"}, m.ended()); diff != "" {
		t.Error(diff)
	}
}

func TestVideoFilesBecomeStampedPairs(t *testing.T) {
	m := &meter{}
	l := New(Options{Video: noFFmpeg(t), Meter: m, VideoFetcher: videoFetcher(func(_ context.Context, _ string, w io.Writer) error {
		_, err := w.Write(webp(t))
		return err
	})})
	req := &request.Request{Videos: []*request.Video{{URL: dataURI(webp(t))}, {URL: "http://example.com/a.webp"}}}
	req.VideoDefaults.Stamps = video.StampHMS
	videos, err := l.OpenVideos(t.Context(), req, vision())
	if err != nil {
		t.Fatal(err)
	}
	defer videos.Close()
	one := []string{"<00:00:00.1>", "<00:00:00.3>"}
	if diff := cmp.Diff([][]string{one, one}, videos.Stamps()); diff != "" {
		t.Error(diff)
	}
	pictures := videos.Images()
	videos.Decode(t.Context())
	for g, img := range pictures {
		if rgb, err := img.Bytes(t.Context()); err != nil || int64(len(rgb)) != img.Size() {
			t.Errorf("pair %d: %v", g, err)
		}
	}
	if diff := cmp.Diff([]string{"video decode", "video decode", "video fetch"}, m.ended()); diff != "" {
		t.Error(diff)
	}
}

func TestVideoFilesNeedTheirDecoder(t *testing.T) {
	if New(Options{}).TakesVideoFiles() || New(Options{Video: noFFmpeg(t)}).TakesVideoFiles() {
		t.Error("files are taken without ffmpeg")
	}
	mp4 := &request.Request{Videos: []*request.Video{{Path: "video", URL: dataURI([]byte("\x00\x00\x00\x18ftypisom and more that is of no use"))}}}
	_, err := New(Options{}).OpenVideos(t.Context(), mp4, vision())
	wantFault(t, err, fault.CodeUnsupported, "video", "this server takes no video files")
	_, err = New(Options{Video: noFFmpeg(t)}).OpenVideos(t.Context(), mp4, vision())
	wantFault(t, err, fault.CodeUnsupported, "video", "apt-get install ffmpeg")
}

func TestBadVideosNameTheirPlace(t *testing.T) {
	frame := pngURI(t, 64, 64)
	file := func(address string) *request.Request {
		return &request.Request{Videos: []*request.Video{{Path: "video", URL: address}}}
	}
	late := frames(frame, frame)
	late.VideoDefaults = request.VideoOptions{MinFrames: ptr(1000), Paths: optionPaths()}
	for name, c := range map[string]struct {
		req               *request.Request
		code, param, says string
	}{
		"no video":              {file("data:video/mp4;base64,AAAA"), fault.CodeVideo, "video", "known format"},
		"bad base64":            {file("data:video/mp4;base64,$$$"), fault.CodeVideo, "video", ""},
		"bad scheme":            {file("file:///etc/passwd"), fault.CodeVideo, "video", "data: URI or an http or https URL"},
		"no fetcher":            {file("http://127.0.0.1/a.mp4"), fault.CodeUnsupported, "video", "does not fetch URLs"},
		"too large":             {file(dataURI(make([]byte, 3000))), fault.CodeVideoSize, "video", ""},
		"a list of one frame":   {frames(frame), fault.CodeVideo, "video", "one frame"},
		"frames of two sizes":   {frames(frame, pngURI(t, 32, 64)), fault.CodeVideo, "video[1]", "one size"},
		"a frame that is none":  {frames(frame, "data:image/png;base64,AAAA"), fault.CodeVideo, "video[1]", ""},
		"a frame from nowhere":  {frames(frame, "http://127.0.0.1/a.png"), fault.CodeUnsupported, "video[1]", "send the image"},
		"options of all videos": {late, fault.CodeInvalidValue, "part.min_frames", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := New(Options{Video: noFFmpeg(t), Limits: Limits{Video: VideoLimits{DataBytes: 2900}}})
			videos, err := l.OpenVideos(t.Context(), c.req, vision())
			if videos != nil {
				t.Error("there is something to close")
			}
			wantFault(t, err, c.code, c.param, c.says)
		})
	}
}

func TestFramesOfListsAreBoundedInBytes(t *testing.T) {
	frame := pngBytes(t, 64, 64, color.White)
	list := frames(slices.Repeat([]string{dataURI(frame)}, 4)...)
	limits := Limits{Video: VideoLimits{DataBytes: 3 * len(frame)}}
	_, err := New(Options{Limits: limits}).OpenVideos(t.Context(), list, vision())
	var e *fault.Error
	if !errors.As(err, &e) || e.Code != fault.CodeVideoSize || e.Param == "" {
		t.Errorf("a list: %v", err)
	}
	disk := video.NewDisk(t.TempDir(), int64(4*len(frame)))
	l := New(Options{Disk: disk})
	first, err := l.OpenVideos(t.Context(), list, vision())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = l.OpenVideos(t.Context(), list, vision()); !errors.As(err, &e) || e.Code != fault.CodeOverloaded {
		t.Errorf("a full disk: %v", err)
	}
	first.Close()
	again, err := l.OpenVideos(t.Context(), list, vision())
	if err != nil {
		t.Fatalf("after the first was closed: %v", err)
	}
	again.Close()
}

// Each fetch is answered when as many are under way as may be.
func TestFramesOfListsAreFetchedTogether(t *testing.T) {
	frame := pngBytes(t, 64, 64, color.White)
	var under sync.WaitGroup
	under.Add(framesAtOnce)
	l := New(Options{Fetcher: fetcher(func(context.Context, string) ([]byte, error) {
		under.Done()
		under.Wait()
		return frame, nil
	})})
	videos, err := l.OpenVideos(t.Context(), frames(slices.Repeat([]string{"http://example.com/"}, framesAtOnce)...), vision())
	if err != nil {
		t.Fatal(err)
	}
	videos.Close()
}

func TestFramesOfListsHaveOneDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Fetcher: fetcher(never)})
		_, err := l.OpenVideos(t.Context(), frames(slices.Repeat([]string{"http://example.com/"}, 9)...), vision())
		wantFault(t, err, fault.CodeVideoFetch, "video", "did not come in time")
	})
}

func TestOpeningEndsWithItsContext(t *testing.T) {
	gone := errors.New("the client is gone")
	for name, req := range map[string]*request.Request{
		"a file": {Videos: []*request.Video{{Path: "video", URL: "http://example.com/"}}},
		"a list": frames("http://example.com/", "http://example.com/"),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			stop := func(ctx context.Context) error {
				cancel(gone)
				_, err := never(ctx, "")
				return err
			}
			l := New(Options{
				Video:        noFFmpeg(t),
				Fetcher:      fetcher(func(ctx context.Context, _ string) ([]byte, error) { return nil, stop(ctx) }),
				VideoFetcher: videoFetcher(func(ctx context.Context, _ string, _ io.Writer) error { return stop(ctx) }),
			})
			if _, err := l.OpenVideos(ctx, req, vision()); !errors.Is(err, gone) {
				t.Error(err)
			}
		})
	}
}
