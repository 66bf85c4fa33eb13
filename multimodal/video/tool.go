package video

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/multimodal/video/limits"
)

// Options bound what ffmpeg may do. Zero fields take the defaults named beside them; bounds without one those of
// limits.Default.
type Options struct {
	// FFmpeg and FFprobe are programs, by path or name (ffmpeg, ffprobe).
	FFmpeg, FFprobe string
	// SourcePixels bounds the area of a frame as stored, SourceFrames and Seconds a video's length.
	SourcePixels, SourceFrames int
	Seconds                    float64
	// Memory is the address space of a child in bytes.
	Memory int64
	// ProbeTimeout and DecodeTimeout bound the work on one video.
	ProbeTimeout, DecodeTimeout time.Duration
	// Children run at a time; others wait, for at most Wait.
	Children int
	Wait     time.Duration
	// Disk holds videos while they are read (limits.Default's bytes of the system's folder of temporary files).
	Disk *Disk
	// Images decodes what needs no ffmpeg (a Decoder of its own).
	Images *multimodal.Decoder
	// NoSandbox leaves children in the daemon's namespaces, even where others can be made.
	NoSandbox bool
}

func (o Options) withDefaults() Options {
	l := limits.Default()
	o.FFmpeg, o.FFprobe = cmp.Or(o.FFmpeg, "ffmpeg"), cmp.Or(o.FFprobe, "ffprobe")
	o.SourcePixels, o.SourceFrames = cmp.Or(o.SourcePixels, l.SourcePixels), cmp.Or(o.SourceFrames, l.SourceFrames)
	o.Seconds = cmp.Or(o.Seconds, l.Duration.Seconds())
	o.Memory = cmp.Or(o.Memory, l.Memory)
	o.ProbeTimeout, o.DecodeTimeout = cmp.Or(o.ProbeTimeout, l.ProbeTimeout), cmp.Or(o.DecodeTimeout, l.DecodeTimeout)
	o.Children, o.Wait = cmp.Or(o.Children, l.Decoders), cmp.Or(o.Wait, l.DecoderWait)
	if o.Disk == nil {
		o.Disk = NewDisk("", 0)
	}
	if o.Images == nil {
		o.Images = multimodal.NewDecoder(multimodal.DecoderOptions{})
	}
	return o
}

// Tool runs ffmpeg and ffprobe. It is safe for concurrent use and holds nothing that must be closed.
type Tool struct {
	o       Options
	slots   *semaphore.Weighted
	threads int // of a decoder
	known   atomic.Pointer[ffmpeg]
	asking  *semaphore.Weighted // of 1
}

// NewTool finds the programs and what they can be confined with. Without them the Tool only opens what needs no ffmpeg:
// see Missing.
func NewTool(ctx context.Context, o Options) (*Tool, error) {
	o = o.withDefaults()
	t := &Tool{o: o, slots: semaphore.NewWeighted(int64(o.Children)), asking: semaphore.NewWeighted(1)}
	// Each keeps a frame or two, for which the address space is bounded.
	t.threads = min(max(2, runtime.NumCPU()/o.Children), 8)
	f := &ffmpeg{}
	if f.missing = t.lookUp(); f.missing == nil {
		var err error
		if f, err = t.ask(ctx); err != nil {
			return nil, err
		}
	}
	t.known.Store(f)
	return t, nil
}

// Missing is why video files cannot be decoded here, of KindNoDecoder; nil where they can, or where ffmpeg is there and
// has not answered yet, which Open asks again.
func (t *Tool) Missing() error { return t.known.Load().missing }

// Disk is where its videos lie.
func (t *Tool) Disk() *Disk { return t.o.Disk }

// Version is ffmpeg's own, such as 5.1.9; empty where it has not answered yet.
func (t *Tool) Version() string { return t.known.Load().version }

// Sandbox names what children are confined with: bwrap, namespaces or none.
func (t *Tool) Sandbox() string { return t.known.Load().sandbox.name }

// job is one run of a child.
type job struct {
	program string
	args    []string
	input   *os.File // nil for none
	// stdout reads the output; when it returns, the child is ended. stderr gets lines, on another goroutine.
	stdout func(io.Reader) error
	stderr func(line string)
}

// exitError is a child that failed by itself.
type exitError struct {
	err  error
	tail string // the last lines of what it said, for logs
}

func (e *exitError) Error() string { return e.err.Error() + ": " + e.tail }

func (e *exitError) Unwrap() error { return e.err }

// acquire takes one of the places of children, which t.slots gets back. What others take of them is no fault of the
// video, so it is called before the time of decoding begins.
func (t *Tool) acquire(ctx context.Context) error {
	return multimodal.WaitFor(ctx, t.slots, 1, t.o.Wait)
}

// run starts a child and waits for its end: nothing of it is left when run returns. Cancelling ctx kills it at once.
// The caller holds a place.
func (t *Tool) run(ctx context.Context, j job) error { return t.runIn(ctx, t.known.Load().sandbox, j) }

func (t *Tool) runIn(ctx context.Context, s sandbox, j job) error {
	// The child is to die with the daemon, which the kernel ties to the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	child, kill := context.WithCancel(ctx)
	defer kill()
	path, args := s.command(j.program, j.args)
	path, args = limited(path, args, t.o)
	cmd := exec.CommandContext(child, path, args...) //nolint:gosec // the operator's ffmpeg; files are handed over as descriptors
	cmd.Env = []string{"LC_ALL=C"}
	cmd.Dir = "/"
	if j.input != nil {
		cmd.Stdin = j.input
	}
	cmd.SysProcAttr = s.attributes()
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", j.program, err)
	}
	messages, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", j.program, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", j.program, err)
	}
	var said tail
	var reading sync.WaitGroup
	reading.Go(func() { readLines(messages, &said, j.stderr) })
	err = j.stdout(out)
	// What the child still writes is not wanted.
	finished := err == nil
	if err != nil {
		kill()
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(out, 1<<20))
	if finished {
		// A child that goes on after its output ended, or was taken, would be waited for in vain.
		timer := time.AfterFunc(time.Second, kill)
		defer timer.Stop()
	}
	reading.Wait()
	exit := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errEnough):
		return nil
	case err != nil:
		if said.text() == "" {
			return err
		}
		return &exitError{err: err, tail: said.text()}
	case exit != nil:
		return &exitError{err: exit, tail: said.text()}
	}
	return nil
}

// errEnough ends a child whose further output is not needed.
var errEnough = errors.New("enough")

// readLines passes lines on and keeps the last ones. Over-long lines are cut.
func readLines(r io.Reader, said *tail, each func(string)) {
	in := bufio.NewReaderSize(r, 4096)
	for {
		line, more, err := in.ReadLine()
		if err != nil {
			return
		}
		text := string(line)
		for more && err == nil {
			_, more, err = in.ReadLine()
		}
		if each != nil {
			each(text)
		}
		said.add(text)
	}
}

// tail keeps the last lines.
type tail struct{ lines []string }

func (t *tail) add(line string) {
	const kept = 8
	if len(t.lines) == kept {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, line)
}

func (t *tail) text() string { return strings.Join(t.lines, "; ") }
