package video

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/multimodal"
)

// allFrames decodes everything in order with a plain command line.
func allFrames(t *testing.T, data []byte, size int) [][]byte {
	t.Helper()
	// Through a file: some containers cannot be read from a pipe.
	f, err := NewDisk(t.TempDir(), 0).NewFile()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ffmpeg", "-v", "error", "-i", "file:/proc/self/fd/0", "-vsync", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
	cmd.Stdin = f.f
	out, err := cmd.Output()
	if err != nil || len(out)%size != 0 {
		t.Fatalf("%d bytes: %v", len(out), err)
	}
	return slices.Collect(slices.Chunk(out, size))
}

func every(n, step int) []int {
	var out []int
	for i := 0; i < n; i += step {
		out = append(out, i)
	}
	return out
}

// Whatever is sought or skipped, the frames are those that a decoder going through the whole file gives.
func TestFramesAreThoseOfTheWholeFile(t *testing.T) {
	tool := newTool(t, Options{})
	x264 := []string{"-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-threads", "1"}
	cases := []struct {
		name, file string
		args       []string
		frames     int
		fps        float64
		timed      bool // frames have times of their own
	}{
		{"mp4 with reordered frames", "a.mp4", append(pattern("320x240", "30", "4"), append(x264, "-g", "12", "-bf", "3")...), 120, 30, false},
		{"mp4, one key frame", "a.mp4", append(pattern("128x96", "25", "3"), append(x264, "-g", "1000")...), 75, 25, false},
		{"mp4, index at the end", "a.mp4", append(pattern("128x96", "25", "1"), append(x264, "-movflags", "0")...), 25, 25, false},
		{"mp4, fragments", "a.mp4", append(pattern("128x96", "25", "2"), append(x264, "-g", "10", "-movflags", "frag_keyframe+empty_moov")...), 50, 25, false},
		{"mov, ntsc rate", "a.mov", append(pattern("160x120", "30000/1001", "2"), append(x264, "-g", "15")...), 60, 30000.0 / 1001, false},
		{"mkv", "a.mkv", append(pattern("160x120", "24", "3"), append(x264, "-g", "10")...), 72, 24, false},
		{"webm vp9", "a.webm", append(pattern("160x120", "20", "2"), "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "9"), 40, 20, false},
		{"webm vp8", "a.webm", append(pattern("160x120", "20", "2"), "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "9"), 40, 20, false},
		{"avi mpeg4", "a.avi", append(pattern("160x120", "25", "2"), "-c:v", "mpeg4", "-g", "10"), 50, 25, false},
		{"avi mpeg4 with reordered frames", "a.avi", append(pattern("160x120", "25", "2"), "-c:v", "mpeg4", "-g", "10", "-bf", "2"), 50, 25, false},
		{"gif", "a.gif", pattern("160x120", "10", "2"), 20, 10, false},
		{"hevc", "a.mp4", append(pattern("160x120", "25", "2"), "-c:v", "libx265", "-x265-params", "log-level=error:keyint=10", "-preset", "ultrafast"), 50, 25, false},
		{"mp4 that starts late", "a.mp4", append(pattern("128x96", "25", "2"), append(x264, "-g", "10", "-output_ts_offset", "7.5")...), 50, 25, false},
		{"mp4 with sound", "a.mp4", append(append(pattern("128x96", "25", "2"), "-f", "lavfi", "-i", "sine=duration=2"), append(x264, "-c:a", "aac")...), 50, 25, false},
		{"variable rate", "a.mkv", append(pattern("128x96", "30", "4"), append(x264, "-g", "10", "-vf", "select='not(mod(n,7))+lt(n,20)'", "-vsync", "vfr")...), 35, 0, true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			data := makeVideo(t, tc.file, tc.args...)
			src := open(t, tool, data)
			info := src.Info()
			if info.Frames != tc.frames || (info.Times != nil) != tc.timed || !tc.timed && math.Abs(info.FPS-tc.fps) > 1e-6 {
				t.Fatalf("%d frames at %v a second, times %v", info.Frames, info.FPS, info.Times)
			}
			all := allFrames(t, data, 3*info.Width*info.Height)
			for _, wanted := range [][]int{
				every(info.Frames, 1), every(info.Frames, 13),
				{0, info.Frames - 1},
				{info.Frames / 2},
				{info.Frames - 1},
				{5, 5, 6, 6, 17},
				{11, 12, 13},
			} {
				readAndCompare(t, src, wanted, all)
			}
		})
	}
}

func readAndCompare(t *testing.T, src Source, wanted []int, all [][]byte) {
	t.Helper()
	n := 0
	err := src.Read(context.Background(), wanted, func(i int, img *multimodal.Image) error {
		if i != n {
			t.Errorf("frame %d of %v came as number %d", n, wanted, i)
		}
		n++
		if !bytes.Equal(img.RGB, all[wanted[i]]) {
			is := slices.IndexFunc(all, func(f []byte) bool { return bytes.Equal(f, img.RGB) })
			t.Errorf("of %d frames from %d on, frame %d is frame %d", len(wanted), wanted[0], wanted[i], is)
		}
		return nil
	})
	if err != nil || n != len(wanted) {
		t.Errorf("of %d frames from %d on came %d: %v, %v", len(wanted), wanted[0], n, err, errors.Unwrap(err))
	}
}

// Skipping must be decided by what it saves, and must not change what is seen.
func TestSparseFramesAreSought(t *testing.T) {
	tool := newTool(t, Options{})
	data := makeVideo(t, "a.mp4", append(pattern("320x240", "30", "60"),
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-pix_fmt", "yuv420p")...)
	src := open(t, tool, data).(*clip)
	all := allFrames(t, data, 3*320*240)
	wanted := []int{3, 900, 905, 1790}
	if s := src.exactSegments(wanted); len(s) != 3 || !s[1].seek || s[0].seek {
		t.Errorf("%+v", s)
	}
	readAndCompare(t, src, wanted, all)
	if s := src.exactSegments(every(1800, 15)); len(s) != 1 {
		t.Errorf("%d children for frames that are close together", len(s))
	}
	// Key frames alone, when all that is wanted are key frames and many.
	keys := every(1800, 60)
	if s := src.segments(keys); len(s) != 1 || !s[0].keysOnly {
		t.Errorf("%+v", s)
	}
	readAndCompare(t, src, keys, all)
	// More than one child's command line holds.
	readAndCompare(t, src, every(1800, 3), all)
}

// When exactly these frames would take too long, the key frames beside them are shown.
func TestLongSparseVideosTakeKeyFrames(t *testing.T) {
	tool := &Tool{o: Options{}.withDefaults()}
	film := func(minutes, keys int) *clip {
		c := &clip{tool: tool, seekable: true, info: Info{Width: 1920, Height: 1080, Frames: minutes * 60 * 25, FPS: 25}}
		for i := range c.info.Frames {
			c.packets = append(c.packets, packet{time: int64(i), key: i%keys == 0})
		}
		return c
	}
	cases := map[string]struct {
		minutes, keys int // key frames come every so many frames
		wanted        func(frames int) []int
		moved         int // frames that none is moved further than, 0 for not at all
	}{
		"two hours":                         {120, 250, func(n int) []int { return linspace(0, n, 768) }, 125},
		"an hour":                           {60, 250, func(n int) []int { return linspace(0, n, 768) }, 125},
		"an hour with few key frames":       {60, 1000, func(n int) []int { return linspace(0, n, 768) }, 0},
		"ten minutes, in time":              {10, 250, func(n int) []int { return linspace(0, n, 768) }, 0},
		"ten minutes with many key frames":  {10, 25, func(n int) []int { return linspace(0, n, 768) }, 13},
		"a dense part":                      {120, 250, func(int) []int { return linspace(0, 20_000, 768) }, 0},
		"a few frames, which cost little":   {120, 250, func(int) []int { return []int{7, 100_007} }, 0},
		"all frames between two key frames": {120, 250, func(int) []int { return every(250, 1) }, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := film(tc.minutes, tc.keys)
			wanted := tc.wanted(c.info.Frames)
			got := c.Reach(wanted)
			if tc.moved == 0 {
				if !slices.Equal(got, wanted) {
					t.Error("frames were moved")
				}
				return
			}
			if !c.onlyKeys(got) || !slices.IsSorted(got) {
				t.Fatal("not key frames")
			}
			for i := range got {
				most := tc.moved
				if wanted[i] > c.info.Frames-tc.keys {
					most = tc.keys // no key frame follows
				}
				if d := got[i] - wanted[i]; d > most || d < -most {
					t.Fatalf("frame %d became %d", wanted[i], got[i])
				}
			}
			if s := c.segments(got); !s[0].keysOnly {
				t.Errorf("%+v", s)
			}
		})
	}
}

// Frames have the colours that went in, by whichever matrix and range a file says that it was coded; without a word it is BT.601, also
// in large pictures, as with the decoders that transformers uses.
func TestColoursAreAsTheFileSays(t *testing.T) {
	tool := newTool(t, Options{})
	colours := [][3]byte{{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 0}, {128, 0, 128}, {255, 128, 0}, {0, 0, 0}, {255, 255, 255}}
	const bar, height = 64, 64
	width := bar * len(colours)
	raw := make([]byte, 0, 3*width*height)
	for range height {
		for _, c := range colours {
			raw = append(raw, bytes.Repeat(c[:], bar)...)
		}
	}
	in := filepath.Join(t.TempDir(), "in.rgb")
	if err := os.WriteFile(in, bytes.Repeat(raw, 4), 0o600); err != nil {
		t.Fatal(err)
	}
	x264 := []string{"-c:v", "libx264", "-crf", "4", "-pix_fmt", "yuv420p"}
	tagged := func(matrix, name, ranges string) []string {
		return append(x264, "-vf", "scale=out_color_matrix="+matrix+":out_range="+ranges, "-colorspace", name, "-color_range", ranges)
	}
	for name, args := range map[string][]string{
		"without tags": x264, "bt601": tagged("bt601", "smpte170m", "tv"), "bt709": tagged("bt709", "bt709", "tv"),
		"bt2020": tagged("bt2020", "bt2020nc", "tv"), "full range": tagged("bt709", "bt709", "pc"),
		"without tags in HD": append(x264, "-vf", "scale=1280:720:flags=neighbor"), "4:4:4": {"-c:v", "libx264", "-crf", "4", "-pix_fmt", "yuv444p"},
		"rgb": {"-c:v", "libx264rgb", "-crf", "0"}, "ten bits": {"-c:v", "libx264", "-crf", "4", "-pix_fmt", "yuv420p10le"},
	} {
		t.Run(name, func(t *testing.T) {
			size := fmt.Sprintf("%dx%d", width, height)
			data := makeVideo(t, "a.mp4", append([]string{"-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", "4", "-i", in}, args...)...)
			src := open(t, tool, data)
			err := src.Read(context.Background(), []int{0}, func(_ int, img *multimodal.Image) error {
				for i, c := range colours {
					x := (2*i + 1) * img.Width / (2 * len(colours))
					got := img.RGB[3*(img.Height/2*img.Width+x):][:3]
					for k := range c {
						if d := int(got[k]) - int(c[k]); d < -5 || d > 5 {
							t.Errorf("%v became %v", c, got)
							break
						}
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// A phone's film held upright: the file is landscape with a mark to turn it.
func TestRotationIsApplied(t *testing.T) {
	tool := newTool(t, Options{})
	flat := makeVideo(t, "a.mp4", append(pattern("160x96", "10", "1"), "-c:v", "libx264", "-pix_fmt", "yuv420p")...)
	for angle, size := range map[string][2]int{"90": {96, 160}, "180": {160, 96}, "270": {96, 160}, "-90": {96, 160}} {
		t.Run(angle, func(t *testing.T) {
			dir := t.TempDir()
			turned := makeVideo(t, "b.mp4", "-i", write(t, dir, flat), "-c", "copy", "-metadata:s:v:0", "rotate="+angle)
			src := open(t, tool, turned)
			if w, h := src.Info().Width, src.Info().Height; w != size[0] || h != size[1] {
				t.Fatalf("%d x %d", w, h)
			}
			readAndCompare(t, src, []int{0, 4, 9}, allFrames(t, turned, 3*160*96))
		})
	}
}

func TestTransparencyIsLaidOverWhite(t *testing.T) {
	tool := newTool(t, Options{})
	anim := &gif.GIF{}
	for range 5 {
		frame := image.NewPaletted(image.Rect(0, 0, 64, 48), color.Palette{color.RGBA{}, color.RGBA{R: 255, A: 255}})
		for y := 8; y < 24; y++ {
			for x := 8; x < 24; x++ {
				frame.SetColorIndex(x, y, 1)
			}
		}
		anim.Image, anim.Delay = append(anim.Image, frame), append(anim.Delay, 20)
	}
	var data bytes.Buffer
	if err := gif.EncodeAll(&data, anim); err != nil {
		t.Fatal(err)
	}
	src := open(t, tool, data.Bytes())
	err := src.Read(context.Background(), []int{0, 3}, func(_ int, img *multimodal.Image) error {
		corner, box := img.RGB[:3], img.RGB[3*(12*64+12):][:3]
		if !bytes.Equal(corner, []byte{255, 255, 255}) || box[0] < 240 || box[1] > 15 {
			t.Errorf("corner %v, box %v", corner, box)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCancellingKillsTheChildAtOnce(t *testing.T) {
	tool := newTool(t, Options{})
	data := makeVideo(t, "a.mp4", append(pattern("1280x720", "30", "20"), "-c:v", "libx264", "-preset", "ultrafast", "-g", "1000", "-pix_fmt", "yuv420p")...)
	src := open(t, tool, data)
	begun := time.Now()
	if err := src.Read(context.Background(), []int{0, 599}, func(int, *multimodal.Image) error { return nil }); err != nil {
		t.Fatal(err)
	}
	whole := time.Since(begun)
	gone := errors.New("the client is gone")
	ctx, cancel := context.WithCancelCause(context.Background())
	var at time.Time
	err := src.Read(ctx, []int{0, 599}, func(n int, _ *multimodal.Image) error {
		at = time.Now()
		cancel(gone)
		return nil
	})
	if took := time.Since(at); !errors.Is(err, gone) || took > whole/3 {
		t.Errorf("%v after %v, to the end it takes %v", err, took, whole)
	}
	if left := children(t); left != "" {
		t.Errorf("left behind: %s", left)
	}
	// An error of the one who takes the frames does the same.
	enough := errors.New("no room")
	if err := src.Read(context.Background(), []int{0, 599}, func(int, *multimodal.Image) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	if left := children(t); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// A child that held its last frame back, in a thread or a buffer, would decode everything behind it first.
func TestNothingBehindTheLastFrameIsDecoded(t *testing.T) {
	tool := newTool(t, Options{})
	data := makeVideo(t, "a.mp4", append(pattern("1280x720", "30", "20"), "-c:v", "libx264", "-preset", "ultrafast", "-g", "1000", "-pix_fmt", "yuv420p")...)
	src := open(t, tool, data)
	cost := func(wanted ...int) time.Duration {
		before := childrenTime(t)
		if err := src.Read(context.Background(), wanted, func(int, *multimodal.Image) error { return nil }); err != nil {
			t.Fatal(err)
		}
		return childrenTime(t) - before
	}
	if few, all := cost(0, 5), cost(599); few > all/2 {
		t.Errorf("the first frames took %v of the processor, all %v", few, all)
	}
}

// childrenTime is what all children that have ended took of the processors.
func childrenTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestDecodingHasATimeLimit(t *testing.T) {
	tool := newTool(t, Options{DecodeTimeout: 50 * time.Millisecond})
	data := makeVideo(t, "a.mp4", append(pattern("1280x720", "30", "20"), "-c:v", "libx264", "-preset", "ultrafast", "-g", "1000", "-pix_fmt", "yuv420p")...)
	src := open(t, tool, data)
	err := src.Read(context.Background(), []int{599}, func(int, *multimodal.Image) error { return nil })
	var media *multimodal.Error
	if !errors.As(err, &media) || media.Kind != multimodal.KindDecodeTime {
		t.Errorf("%v", err)
	}
	if left := children(t); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// children lists the child processes of this one.
func children(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", "ps -o pid=,args= --ppid $PPID | grep -v 'ps -o' | grep -v 'sh -c' || true").CombinedOutput()
	if err != nil {
		t.Fatal(fmt.Errorf("%w: %s", err, out))
	}
	return strings.TrimSpace(string(out))
}
