package video

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/multimodal"
)

func animatedGIF(t testing.TB, width, height, frames int) []byte {
	t.Helper()
	anim := &gif.GIF{Config: image.Config{Width: width, Height: height, ColorModel: color.Palette{color.White, color.Black}}}
	for range frames {
		anim.Image = append(anim.Image, image.NewPaletted(image.Rect(0, 0, 8, 8), color.Palette{color.White, color.Black}))
		anim.Delay = append(anim.Delay, 10)
	}
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, anim); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// box makes an ISO media box.
func box(name string, body ...[]byte) []byte {
	all := bytes.Join(body, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(all))), name...), all...)
}

// Each is refused, with the kind that the client is told, in bounded time, and nothing is left running.
func TestHostileFilesAreRefused(t *testing.T) {
	tool := newTool(t, Options{SourceFrames: 5000})
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"}
	good := makeVideo(t, "a.mp4", append(pattern("128x96", "25", "2"), x264...)...)
	front := makeVideo(t, "a.mp4", append(pattern("128x96", "25", "4"), append(x264, "-movflags", "+faststart")...)...)
	mkv := makeVideo(t, "a.mkv", append(pattern("128x96", "25", "4"), x264...)...)
	avi := makeVideo(t, "a.avi", append(pattern("128x96", "25", "4"), "-c:v", "mpeg4")...)
	junk := bytes.Repeat([]byte("ab\x00\xff\x17"), 40_000)
	playlist := "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\nhttp://127.0.0.1:1/x.ts\n#EXT-X-ENDLIST\n"
	cases := map[string]struct {
		data []byte
		kind multimodal.Kind
	}{
		"empty":                      {nil, multimodal.KindFormat},
		"a playlist":                 {[]byte(playlist), multimodal.KindFormat},
		"a concat script":            {[]byte("ffconcat version 1.0\nfile /etc/passwd\n"), multimodal.KindFormat},
		"a session description":      {[]byte("v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"), multimodal.KindFormat},
		"an image":                   {[]byte("\x89PNG\r\n\x1a\n" + strings.Repeat("x", 100)), multimodal.KindFormat},
		"a transport stream":         {bytes.Repeat(append([]byte{0x47}, make([]byte, 187)...), 50), multimodal.KindFormat},
		"a playlist behind a box":    {append(box("ftyp", []byte("isom\x00\x00\x02\x00isom")), playlist...), multimodal.KindCorrupt},
		"a box larger than the file": {append(box("ftyp", []byte("isom\x00\x00\x02\x00isom")), "\x7f\xff\xff\xffmoov"...), multimodal.KindFormat},
		"junk as mp4":                {append([]byte("\x00\x00\x00\x18ftypisom"), junk...), multimodal.KindCorrupt},
		"junk as matroska":           {append([]byte("\x1a\x45\xdf\xa3"), junk...), multimodal.KindCorrupt},
		"junk as avi":                {append([]byte("RIFF\xff\xff\xff\x7fAVI "), junk...), multimodal.KindFormat},
		"junk as gif":                {append([]byte("GIF89a"), junk...), multimodal.KindCorrupt},
		"junk as webp":               {append([]byte("RIFF\xff\xff\xff\x7fWEBP"), junk...), multimodal.KindCorrupt},
		"mp4 without its index":      {good[:len(good)/2], multimodal.KindCorrupt},
		"mp4 cut short":              {front[:len(front)*3/4], multimodal.KindCorrupt},
		"mkv cut short":              {mkv[:len(mkv)*3/4], multimodal.KindCorrupt},
		"avi cut short":              {avi[:len(avi)*3/4], multimodal.KindCorrupt},
		"sound alone":                {makeVideo(t, "a.mp4", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac"), multimodal.KindFormat},
		"one frame":                  {makeVideo(t, "a.mp4", append(pattern("128x96", "25", "0.04"), x264...)...), multimodal.KindSelection},
		"frames without a duration":  {makeVideo(t, "a.mkv", append(pattern("128x96", "25", "1"), append(x264, "-vf", "setpts=0", "-vsync", "passthrough")...)...), multimodal.KindSelection},
		"a gif with 16k sides":       {animatedGIF(t, 16384, 16384, 4), multimodal.KindCorrupt},
		"a gif of one frame":         {animatedGIF(t, 64, 64, 1), multimodal.KindSelection},
		"a gif of 49 million pixels": {animatedGIF(t, 7000, 7000, 4), multimodal.KindTooManyPixels},
		"large frames":               {makeVideo(t, "a.avi", "-f", "lavfi", "-i", "color=size=8192x8192:rate=1:duration=2", "-c:v", "mjpeg"), multimodal.KindTooManyPixels},
		"long and thin":              {makeVideo(t, "a.avi", "-f", "lavfi", "-i", "color=size=8192x32:rate=2:duration=2", "-c:v", "mjpeg"), multimodal.KindAspectRatio},
		"too many frames":            {makeVideo(t, "b.mp4", "-stream_loop", "119", "-i", write(t, t.TempDir(), good), "-c", "copy"), multimodal.KindTooLong},
		"a still webp":               {append([]byte("RIFF\x10\x00\x00\x00WEBPVP8L"), make([]byte, 30)...), multimodal.KindSelection},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			src, err := tryOpen(t, tool, c.data)
			if err != nil && src != nil {
				t.Errorf("an error and a source %T", src)
			}
			if err == nil {
				_, err = NewPlan(src, &Request{Factor: 32, Budget: DefaultPixelBudget()})
				_ = src.Close()
			}
			var media *multimodal.Error
			if !errors.As(err, &media) || media.Kind != c.kind {
				t.Errorf("%v (%v), want %s", err, errors.Unwrap(err), c.kind)
			}
			if took := time.Since(begun); took > time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
	if left := children(t); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// What is odd but whole is shown.
func TestOddVideosAreShown(t *testing.T) {
	tool := newTool(t, Options{})
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"}
	good := makeVideo(t, "a.mp4", append(pattern("64x48", "25", "4"), x264...)...)
	cases := map[string]struct {
		data   []byte
		frames int // shown
	}{
		"a hundred thousand frames":  {makeVideo(t, "b.mp4", "-stream_loop", "999", "-i", write(t, t.TempDir(), good), "-c", "copy"), 768},
		"a claim of 90,000 a second": {makeVideo(t, "a.mp4", append(pattern("64x48", "90000", "0.0005"), x264...)...), 4},
		"one frame in ten seconds":   {makeVideo(t, "a.mp4", append(pattern("64x48", "1/10", "50"), x264...)...), 5},
		"a gif":                      {animatedGIF(t, 40, 30, 12), 4},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			src := open(t, tool, c.data)
			plan, err := NewPlan(src, &Request{Factor: 32, Budget: PixelBudget{MinTotal: 4096, MaxTotal: 25165824, MaxFrame: 1024}})
			if err != nil || len(plan.Indices) != c.frames {
				t.Fatalf("%+v, %v", plan, err)
			}
			pairs := 0
			err = ReadPairs(context.Background(), src, plan, func(g int, rgb []byte) error {
				if g != pairs || len(rgb) != 6*plan.Width*plan.Height {
					t.Errorf("pair %d is number %d with %d bytes", pairs, g, len(rgb))
				}
				pairs++
				return nil
			})
			if err != nil || pairs != len(plan.Stamps) {
				t.Errorf("%d pairs, %v", pairs, err)
			}
			t.Logf("%d frames of %d in %v", len(plan.Indices), src.Info().Frames, time.Since(begun))
		})
	}
}

// Damage inside a file may cost frames, but neither the daemon nor its time.
func TestDamagedFilesEndInTime(t *testing.T) {
	tool := newTool(t, Options{DecodeTimeout: 10 * time.Second})
	good := makeVideo(t, "a.mp4", append(pattern("128x96", "25", "2"), "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-movflags", "+faststart")...)
	seed := uint32(1)
	for range 12 {
		data := bytes.Clone(good)
		for range 60 {
			seed = seed*1664525 + 1013904223
			data[int(seed>>8)%len(data)] ^= byte(seed >> 3)
		}
		src, err := tryOpen(t, tool, data)
		if err == nil {
			plan, perr := NewPlan(src, &Request{Factor: 32, Budget: DefaultPixelBudget()})
			if err = perr; err == nil {
				err = ReadPairs(context.Background(), src, plan, func(int, []byte) error { return nil })
			}
			_ = src.Close()
		}
		var media *multimodal.Error
		if err != nil && !errors.As(err, &media) {
			t.Errorf("%v", err)
		}
	}
	if left := children(t); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// The child of a sandbox sees no network but its own loopback.
func TestChildrenHaveNoNetwork(t *testing.T) {
	tool := newTool(t, Options{})
	if tool.Sandbox() == sandboxNone {
		t.Skip("this system lets nobody make namespaces")
	}
	t.Logf("sandbox: %s, ffmpeg %s", tool.Sandbox(), tool.Version())
	var seen string
	err := tool.run(context.Background(), job{program: "/bin/cat", args: []string{"/proc/net/dev"}, stdout: func(r io.Reader) error {
		data, err := io.ReadAll(r)
		seen = string(data)
		return err
	}})
	if lines := strings.Split(strings.TrimSpace(seen), "\n"); err != nil || len(lines) != 3 || !strings.Contains(lines[2], "lo:") {
		t.Errorf("%v\n%s", err, seen)
	}
}

func TestChildrenAreLimited(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux's shells bound a process's memory")
	}
	tool := newTool(t, Options{Memory: 1 << 30})
	var seen string
	// Of a grandchild, and at once: bwrap starts the decoder as its own child.
	err := tool.run(context.Background(), job{program: "/bin/sh", args: []string{"-c", "cat /proc/self/limits; echo x > /tmp/qwenvld-limit-test"}, stdout: func(r io.Reader) error {
		data, err := io.ReadAll(r)
		seen = string(data)
		return err
	}})
	var exit *exitError
	if !errors.As(err, &exit) {
		t.Errorf("a file was written: %v", err)
	}
	_ = os.Remove("/tmp/qwenvld-limit-test")
	for _, want := range []string{fmt.Sprintf("Max address space         %d", 1<<30), "Max file size             0", "Max open files            64"} {
		if !strings.Contains(seen, want) {
			t.Errorf("no %q in\n%s", want, seen)
		}
	}
}

func TestWithoutFFmpegOnlyItsFormatsAreRefused(t *testing.T) {
	tool, err := NewTool(context.Background(), Options{FFmpeg: "/nonexistent/ffmpeg"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryOpen(t, tool, animatedGIF(t, 8, 8, 3)); err == nil || !strings.Contains(err.Error(), "apt-get install ffmpeg") {
		t.Errorf("%v", err)
	}
}

func FuzzParseProbe(f *testing.F) {
	f.Add([]byte(`{"packets":[{"pts":0,"dts":0,"flags":"K_"},{"pts":512,"dts":512,"flags":"__"},{"dts":3,"flags":"_D"}],"programs":[],` +
		`"streams":[{"codec_name":"h264","width":320,"height":240,"pix_fmt":"yuv420p","avg_frame_rate":"30/1","time_base":"1/15360","nb_frames":"2",` +
		`"side_data_list":[{"rotation":-90}]}]}`))
	f.Add([]byte(`{"packets":[],"streams":[]}`))
	f.Add([]byte(`{"streams":[{"time_base":"0/0","avg_frame_rate":"1/-1"}],"packets":[{"pts":-9223372036854775808},{"pts":9223372036854775807}]}`))
	tool := &Tool{o: Options{}.withDefaults()}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseProbe(bytes.NewReader(data), 1000)
		if err != nil {
			return
		}
		c, err := tool.newClip(nil, "mov", p)
		if err != nil {
			return
		}
		if c.info.Frames < 1 || !(c.info.FPS > 0) || c.info.Width <= 0 || c.info.Height <= 0 {
			t.Fatalf("%+v", c.info)
		}
		plan, err := NewPlan(c, &Request{Factor: 32, Budget: DefaultPixelBudget()})
		if err != nil {
			return
		}
		for i, n := range plan.Indices {
			if n < 0 || n >= c.info.Frames || i > 0 && n < plan.Indices[i-1] {
				t.Fatalf("%v of %d", plan.Indices, c.info.Frames)
			}
		}
		c.segments(plan.Indices)
	})
}

func FuzzParseAnimation(f *testing.F) {
	f.Add([]byte("RIFF\x10\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x07\x00\x00\x07\x00\x00"))
	if data, err := os.ReadFile("testdata/transparent.webp"); err == nil {
		f.Add(data)
	}
	tool := newTool(f, Options{})
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := newAnimation(data)
		if err != nil || a.info.Frames == 0 || a.info.Width*a.info.Height > 1<<16 {
			return
		}
		a.tool = tool
		_ = a.Read(context.Background(), every(min(a.info.Frames, 4), 1), func(int, *multimodal.Image) error { return nil })
	})
}
