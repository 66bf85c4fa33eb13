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
	sandbox sandbox
	version string
	missing error  // why there is no ffmpeg, nil where it is there
	sync    string // the name of the option that passes frames on as they come
	threads int    // of a decoder
}

// NewTool finds the programs and what they can be confined with. Without them the Tool only opens what needs no ffmpeg:
// see Missing.
func NewTool(ctx context.Context, o Options) (*Tool, error) {
	o = o.withDefaults()
	t := &Tool{o: o, slots: semaphore.NewWeighted(int64(o.Children)), sync: "-fps_mode"}
	// Each keeps a frame or two, for which the address space is bounded.
	t.threads = min(max(2, runtime.NumCPU()/o.Children), 8)
	for _, program := range []*string{&t.o.FFmpeg, &t.o.FFprobe} {
		path, err := exec.LookPath(*program)
		if err != nil {
			t.missing = missingError(err)
			return t, nil
		}
		*program = path
	}
	for _, s := range sandboxes(o) {
		t.sandbox = s
		// The programs are dynamically linked to a hundred libraries: a confinement that hides one of them shows here.
		version, err := t.askVersion(ctx)
		if err == nil {
			t.version = version
			break
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if s.name == sandboxNone {
			t.missing = missingError(err)
		}
	}
	// The option has been called so since 5.1.
	var major, minor int
	if n, _ := fmt.Sscanf(t.version, "%d.%d", &major, &minor); n == 2 && (major < 5 || major == 5 && minor < 1) {
		t.sync = "-vsync"
	}
	return t, nil
}

// Missing is why video files cannot be decoded here, of KindNoDecoder; nil where they can.
func (t *Tool) Missing() error { return t.missing }

func missingError(cause error) error {
	return multimodal.NewError(multimodal.KindNoDecoder, cause, "This server cannot decode video files because ffmpeg is not installed; "+
		"its operator can install it (Debian, Ubuntu: apt-get install ffmpeg) and restart. Videos sent as a list of frames need no ffmpeg.")
}

// Disk is where its videos lie.
func (t *Tool) Disk() *Disk { return t.o.Disk }

// Version is ffmpeg's own, such as 5.1.9.
func (t *Tool) Version() string { return t.version }

// Sandbox names what children are confined with: bwrap, namespaces or none.
func (t *Tool) Sandbox() string { return t.sandbox.name }

func (t *Tool) askVersion(ctx context.Context) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, program := range []string{t.o.FFprobe, t.o.FFmpeg} {
		err = t.run(ctx, job{program: program, args: []string{"-version"}, stdout: func(r io.Reader) error {
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
func (t *Tool) run(ctx context.Context, j job) error {
	// The child is to die with the daemon, which the kernel ties to the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	child, kill := context.WithCancel(ctx)
	defer kill()
	path, args := t.sandbox.command(j.program, j.args)
	path, args = limited(path, args, t.o)
	cmd := exec.CommandContext(child, path, args...) //nolint:gosec // the operator's ffmpeg; files are handed over as descriptors
	cmd.Env = []string{"LC_ALL=C"}
	cmd.Dir = "/"
	if j.input != nil {
		cmd.Stdin = j.input
	}
	cmd.SysProcAttr = t.sandbox.attributes()
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
