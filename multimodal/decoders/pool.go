package decoders

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync"
	"syscall"

	"github.com/qwenvld/qwenvld/multimodal"
)

// Command is the program that calls Serve on its standard input and output.
type Command struct {
	Path string
	// Name is how the program is called in lists of processes; "" is by its path.
	Name string
	Args []string
	Env  []string
}

// Pool keeps processes, as many as there were jobs at a time. It is safe for concurrent use.
type Pool struct {
	command Command
	mu      sync.Mutex
	idle    []*child
	closed  bool
}

// New returns a Pool. Close must be called when no job runs any more.
func New(c Command) *Pool { return &Pool{command: c} }

// Warm starts a process, so that the first job does not wait for it and a program that does not start is noticed at
// once.
func (p *Pool) Warm() error {
	c, err := p.start()
	if err != nil {
		return err
	}
	p.give(c)
	return nil
}

// attempts is on how many new processes a job is tried that end under it.
const attempts = 2

// Run implements multimodal.DecoderOptions.Run. When ctx is done the process is ended at once. A job whose process ends
// is tried again, unless it has given a picture. Where processes end each time, that is the picture's fault, or, if
// somebody else ended them, multimodal.KindBusy.
func (p *Pool) Run(ctx context.Context, j *multimodal.Job, frame func(n int, img *multimodal.Image) error) error {
	for fresh := 0; ; {
		c, used, err := p.take()
		if err != nil {
			return err
		}
		given, err := p.runOn(ctx, c, j, frame)
		var died *diedError
		if !errors.As(err, &died) {
			return err
		}
		if !used { // another may have died while it was idle
			fresh++
		}
		if !given && fresh < attempts {
			continue
		}
		if died.killed {
			return multimodal.NewError(multimodal.KindBusy, err, "The process that decodes was ended from outside; try again soon.")
		}
		return multimodal.NewError(multimodal.KindCorrupt, err,
			"The image cannot be decoded: trying it ended the process that decodes.")
	}
}

// diedError is a process that ended, or spoke nonsense, in the middle of a job.
type diedError struct {
	err error
	// killed says that it was ended by a signal from outside, as the system ends who takes too much memory.
	killed bool
}

func (e *diedError) Error() string { return "decoder: " + e.err.Error() }

func (e *diedError) Unwrap() error { return e.err }

// runOn runs a job on c, which it gives back or ends. given is whether there was any picture.
func (p *Pool) runOn(
	ctx context.Context, c *child, j *multimodal.Job, frame func(n int, img *multimodal.Image) error,
) (given bool, err error) {
	stop := context.AfterFunc(ctx, c.kill)
	given, reusable, err := c.exchange(j, frame)
	killed := false
	if !stop() || !reusable {
		killed = c.end()
	} else {
		p.give(c)
	}
	if !reusable && ctx.Err() != nil {
		return given, context.Cause(ctx)
	}
	var died *diedError
	if errors.As(err, &died) {
		died.killed = killed && hungUp(died.err)
	}
	return given, err
}

// hungUp reports whether a conversation ended because the process did, in which case nothing that is done to it
// afterwards changes how it ended.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.EPIPE)
}

// take returns an idle process, or a new one.
func (p *Pool) take() (c *child, used bool, err error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c, p.idle = p.idle[n-1], p.idle[:n-1]
	}
	closed := p.closed
	p.mu.Unlock()
	switch {
	case c != nil:
		return c, true, nil
	case closed:
		return nil, false, errors.New("decoder: closed")
	}
	c, err = p.start()
	return c, false, err
}

func (p *Pool) give(c *child) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.idle = append(p.idle, c)
		return
	}
	c.end()
}

// Close ends all processes.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		c.end()
	}
	p.idle = nil
	return nil
}

// child is a process. One goroutine uses it at a time, but for kill.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (p *Pool) start() (*child, error) {
	cmd := exec.Command(p.command.Path, p.command.Args...) //nolint:gosec,noctx // our own binary; ended by kill
	cmd.Args[0] = cmp.Or(p.command.Name, p.command.Path)
	cmd.Env = p.command.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the daemon
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start a decoder: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start a decoder: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a decoder: %w", err)
	}
	return &child{cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

// exchange sends a job and takes what comes of it. given is whether there was any picture, reusable whether c is ready
// for the next job.
func (c *child) exchange(j *multimodal.Job, frame func(n int, img *multimodal.Image) error) (given, reusable bool, err error) {
	if err := writeJob(c.in, j); err != nil {
		return false, false, &diedError{err: err}
	}
	for {
		var a reply
		if err := readLine(c.out, &a); err != nil {
			return given, false, &diedError{err: err}
		}
		switch {
		case a.Fault != nil:
			return given, true, a.Fault.err()
		case a.Done:
			return given, true, nil
		}
		img, err := a.readImage(c.out, j)
		if err != nil {
			return given, false, &diedError{err: err}
		}
		given = true
		if err := frame(a.N, img); err != nil {
			return given, false, err
		}
	}
}

func (c *child) kill() { _ = c.cmd.Process.Kill() }

// end kills the process and waits for it. killed says that it ended by a signal that no fault of its own raises, which
// may have been this one.
func (c *child) end() (killed bool) {
	c.kill()
	_ = c.in.Close()
	_ = c.cmd.Wait()
	if c.cmd.ProcessState == nil {
		return false
	}
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && slices.Contains(
		[]syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}, status.Signal())
}
