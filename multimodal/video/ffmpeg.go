package video

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/qwenvld/qwenvld/multimodal"
)

// ffmpeg is what is known of the programs.
type ffmpeg struct {
	sandbox sandbox
	version string
	sync    string // the name of the option that passes frames on as they come
	missing error  // why they cannot be used, nil where they can
	silence error  // why nothing is known of them yet, though they are there
}

// answerTime is how long they may take to tell their version.
const answerTime = 10 * time.Second

// lookUp makes paths of the names of the programs.
func (t *Tool) lookUp() error {
	for _, program := range []*string{&t.o.FFmpeg, &t.o.FFprobe} {
		path, err := exec.LookPath(*program)
		if err != nil {
			return cannot(err, "ffmpeg is not installed; its operator can install it (Debian, Ubuntu: apt-get install ffmpeg) and restart.")
		}
		*program = path
	}
	return nil
}

// cannot tells clients why video files cannot be decoded.
func cannot(cause error, why string) error {
	return multimodal.NewError(multimodal.KindNoDecoder, cause,
		"This server cannot decode video files because "+why+" Videos sent as a list of frames need no ffmpeg.")
}

// ask has the programs tell their version in each confinement, the strongest first: they are dynamically linked to a
// hundred libraries, and a confinement that hides one of them shows here. One in which they did not answer in time may
// work: a busy machine is no reason for a weaker one.
func (t *Tool) ask(ctx context.Context) (*ffmpeg, error) {
	f := &ffmpeg{sync: "-fps_mode"}
	for _, s := range sandboxes(t.o) {
		f.sandbox = s
		version, err := t.askVersion(ctx, s)
		switch {
		case err == nil:
			f.version, f.missing = version, nil
			// The option has been called so since 5.1.
			var major, minor int
			if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n == 2 && (major < 5 || major == 5 && minor < 1) {
				f.sync = "-vsync"
			}
			return f, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM):
			f.missing = nil
			f.silence = multimodal.NewError(multimodal.KindBusy, err, "This server's ffmpeg does not answer; try again soon.")
			return f, nil
		}
		f.missing = cannot(err, "its ffmpeg does not work; its operator finds the reason in the log.")
	}
	return f, nil
}

// ready is nil where the programs can be used. Those that have not answered yet are asked again, by one caller for all
// that wait.
func (t *Tool) ready(ctx context.Context) error {
	before := t.known.Load()
	if before.silence == nil {
		return before.missing
	}
	if err := t.asking.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer t.asking.Release(1)
	if t.known.Load() == before {
		f, err := t.ask(ctx)
		if err != nil {
			return err
		}
		t.known.Store(f)
	}
	f := t.known.Load()
	return cmp.Or(f.silence, f.missing)
}

func (t *Tool) askVersion(ctx context.Context, s sandbox) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, min(answerTime, t.o.ProbeTimeout))
	defer cancel()
	for _, program := range []string{t.o.FFprobe, t.o.FFmpeg} {
		err = t.runIn(ctx, s, job{program: program, args: []string{"-version"}, stdout: func(r io.Reader) error {
			text, err := io.ReadAll(io.LimitReader(r, 1<<16))
			line, _, _ := strings.Cut(string(text), "\n")
			fields := strings.Fields(line)
			if len(fields) < 3 || fields[1] != "version" {
				return fmt.Errorf("%s: unknown output %.40q", program, line)
			}
			version, _, _ = strings.Cut(strings.TrimPrefix(fields[2], "n"), "-")
			return err
		}})
		if err != nil {
			return "", err
		}
	}
	return version, nil
}
