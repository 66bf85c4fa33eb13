package decoders

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/internal/hostile"
	"github.com/qwenvld/qwenvld/multimodal"
)

func TestMain(m *testing.M) {
	if os.Getenv("DECODERS_TEST_CHILD") != "" {
		dieIfTold(os.Getenv("DECODERS_TEST_KILLED"))
		if Serve(context.Background(), os.Stdin, os.Stdout) != nil {
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// always has each process killed.
const always = "always"

// dieIfTold ends a process in the middle of a job, as from outside: each one, or only the first that finds no file of
// the name there.
func dieIfTold(told string) {
	if told == "" {
		return
	}
	if told != always {
		f, err := os.OpenFile(told, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return
		}
		_ = f.Close()
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func pool(t testing.TB, env ...string) *Pool {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := New(Command{Path: self, Env: append(append(os.Environ(), "DECODERS_TEST_CHILD=1"), env...)})
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// collect runs a job and keeps what comes of it.
func collect(run func(context.Context, *multimodal.Job, func(int, *multimodal.Image) error) error, j *multimodal.Job) (out []multimodal.Image, err error) {
	err = run(context.Background(), j, func(n int, img *multimodal.Image) error {
		if n != len(out) {
			return errors.New("out of order")
		}
		out = append(out, multimodal.Image{Width: img.Width, Height: img.Height, RGB: bytes.Clone(img.RGB)})
		return nil
	})
	return out, err
}

// What comes back is what decoding here gives: pixels, and errors with their kinds and words.
func TestJobsGiveWhatTheyGiveHere(t *testing.T) {
	p := pool(t)
	for name, j := range map[string]*multimodal.Job{
		"as it is":       {Data: sample(t, "page.png"), MaxPixels: 1 << 20},
		"resized":        {Data: sample(t, "orientation-6.jpg"), MaxPixels: 1 << 20, Width: 64, Height: 96},
		"an animation":   {Data: hostile.AnimatedWebP(40, 30, 5), MaxPixels: 1 << 20, Width: 32, Height: 32, Frames: []int{0, 3, 3, 4}},
		"no image":       {Data: []byte("text"), MaxPixels: 1 << 20},
		"nothing":        {MaxPixels: 1 << 20},
		"damaged":        {Data: sample(t, "page.png")[:500], MaxPixels: 1 << 20},
		"too large":      {Data: sample(t, "page.png"), MaxPixels: 100},
		"many scans":     {Data: hostile.ProgressiveJPEG(64, 64, 5000), MaxPixels: 1 << 20},
		"no such frames": {Data: sample(t, "page.png"), MaxPixels: 1 << 20, Frames: []int{1}},
	} {
		want, wantErr := collect(func(ctx context.Context, j *multimodal.Job, frame func(int, *multimodal.Image) error) error {
			return j.Run(ctx, frame)
		}, j)
		got, err := collect(p.Run, j)
		if len(got) != len(want) {
			t.Errorf("%s: %d pictures, want %d", name, len(got), len(want))
			continue
		}
		for i := range got {
			if got[i].Width != want[i].Width || got[i].Height != want[i].Height || !bytes.Equal(got[i].RGB, want[i].RGB) {
				t.Errorf("%s: picture %d differs", name, i)
			}
		}
		var a, b *multimodal.Error
		if errors.As(err, &a) != errors.As(wantErr, &b) || a != nil && (a.Kind != b.Kind || a.Message != b.Message) {
			t.Errorf("%s: %v, want %v", name, err, wantErr)
		}
	}
	if len(p.idle) != 1 {
		t.Errorf("%d processes, one is enough", len(p.idle))
	}
}

// A hundred million pixels in 36 bytes cannot be stopped from within: their decoder has read all when it begins.
func TestLeavingEndsTheProcess(t *testing.T) {
	p := pool(t)
	if err := p.Warm(); err != nil {
		t.Fatal(err)
	}
	pid := p.idle[0].cmd.Process.Pid
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(gone) })
	j := &multimodal.Job{Data: hostile.LosslessWebP(10000, 10000), MaxPixels: 1 << 30, Width: 64, Height: 64}
	if err := p.Run(ctx, j, func(int, *multimodal.Image) error { return nil }); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d: %v", pid, err)
	}
	if _, err := collect(p.Run, &multimodal.Job{Data: sample(t, "page.png"), MaxPixels: 1 << 20}); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

// A daemon that dies takes its decoders with it, in the middle of a picture too.
func TestTheProcessEndsWithItsInput(t *testing.T) {
	c, err := pool(t).start()
	if err != nil {
		t.Fatal(err)
	}
	defer c.end()
	if err := writeJob(c.in, &multimodal.Job{Data: hostile.LosslessWebP(10000, 10000), MaxPixels: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	if err := c.in.Close(); err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(c.out); bytes.Contains(said, []byte("width")) || err != nil {
		t.Errorf("it went on to the end: %q, %v", said, err)
	}
}

// Whatever ends an idle process, the next job does not notice; who gives up in the middle leaves nothing behind.
func TestDeadProcessesAreReplaced(t *testing.T) {
	p := pool(t)
	page := &multimodal.Job{Data: sample(t, "page.png"), MaxPixels: 1 << 20}
	if _, err := collect(p.Run, page); err != nil {
		t.Fatal(err)
	}
	idle := p.idle[0]
	idle.kill()
	if _, err := idle.cmd.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := collect(p.Run, page); err != nil {
		t.Errorf("after one died: %v", err)
	}
	enough := errors.New("enough")
	film := &multimodal.Job{Data: hostile.AnimatedWebP(64, 64, 50), MaxPixels: 1 << 20, Frames: []int{0, 1, 2, 49}}
	if err := p.Run(t.Context(), film, func(int, *multimodal.Image) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	if _, err := collect(p.Run, page); err != nil {
		t.Errorf("after one was given up: %v", err)
	}
}

// A program that ends at once is no decoder; the picture is refused after one try with a fresh process.
// A picture does not pay for a process that somebody else ended under it: it is tried once more, and otherwise the
// server is at fault.
func TestAPictureIsNotToBlameForAProcessThatIsKilled(t *testing.T) {
	page := &multimodal.Job{Data: sample(t, "page.png"), MaxPixels: 1 << 20}
	once := pool(t, "DECODERS_TEST_KILLED="+filepath.Join(t.TempDir(), "killed"))
	if got, err := collect(once.Run, page); err != nil || len(got) != 1 {
		t.Errorf("killed once: %d pictures, %v", len(got), err)
	}
	_, err := collect(pool(t, "DECODERS_TEST_KILLED="+always).Run, page)
	var media *multimodal.Error
	if !errors.As(err, &media) || media.Kind != multimodal.KindBusy {
		t.Errorf("killed each time: %v", err)
	}
}

func TestAProgramThatEndsIsAFault(t *testing.T) {
	p := New(Command{Path: "/bin/true"})
	defer p.Close()
	_, err := collect(p.Run, &multimodal.Job{Data: sample(t, "page.png"), MaxPixels: 1 << 20})
	var media *multimodal.Error
	if !errors.As(err, &media) || media.Kind != multimodal.KindCorrupt {
		t.Errorf("%v", err)
	}
	if err := New(Command{Path: "/nonexistent"}).Warm(); err == nil {
		t.Error("a program that is not there was started")
	}
}

func TestJobsRunBesideEachOther(t *testing.T) {
	p := pool(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				if _, err := collect(p.Run, &multimodal.Job{Data: sample(t, "rgb.png"), MaxPixels: 1 << 20, Width: 32, Height: 32}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := len(p.idle); n < 1 || n > 8 {
		t.Errorf("%d processes", n)
	}
}

// BenchmarkRun is what a process of its own costs, beside decoding here.
func BenchmarkRun(b *testing.B) {
	p := pool(b)
	here := func(ctx context.Context, j *multimodal.Job, frame func(int, *multimodal.Image) error) error {
		return j.Run(ctx, frame)
	}
	for name, j := range map[string]*multimodal.Job{
		"photo of 640x427": {Data: sample(b, "rocket.jpg"), MaxPixels: 1 << 24, Width: 640, Height: 416},
		"a dot":            {Data: sample(b, "palette_color.png"), MaxPixels: 1 << 24, Width: 32, Height: 32},
	} {
		for place, run := range map[string]func(context.Context, *multimodal.Job, func(int, *multimodal.Image) error) error{"here": here, "apart": p.Run} {
			b.Run(name+"/"+place, func(b *testing.B) {
				for b.Loop() {
					if err := run(context.Background(), j, func(int, *multimodal.Image) error { return nil }); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
