package decoders

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
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

// Run implements multimodal.DecoderOptions.Run. When ctx is done the process is ended at once.
func (p *Pool) Run(ctx context.Context, j *multimodal.Job, frame func(n int, img *multimodal.Image) error) error {
	for {
		c, used, err := p.take()
		if err != nil {
			return err
		}
		answered, err := p.runOn(ctx, c, j, frame)
		var died *diedError
		switch {
		case errors.As(err, &died) && used && !answered:
			continue // it may have died while it was idle
		case errors.As(err, &died):
			return multimodal.NewError(multimodal.KindCorrupt, err,
				"The image cannot be decoded: trying it ended the process that decodes.")
		}
		return err
	}
}

// diedError is a process that ended, or spoke nonsense, in the middle of a job.
type diedError struct{ err error }

func (e *diedError) Error() string { return "decoder: " + e.err.Error() }

func (e *diedError) Unwrap() error { return e.err }

// runOn runs a job on c, which it gives back or ends. answered is whether there was any reply.
func (p *Pool) runOn(
	ctx context.Context, c *child, j *multimodal.Job, frame func(n int, img *multimodal.Image) error,
) (answered bool, err error) {
	stop := context.AfterFunc(ctx, c.kill)
	answered, reusable, err := c.exchange(j, frame)
	if !stop() || !reusable {
		c.end()
	} else {
		p.give(c)
	}
	if !reusable && ctx.Err() != nil {
		return answered, context.Cause(ctx)
	}
	return answered, err
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

// exchange sends a job and takes what comes of it. answered is whether there was any reply, reusable whether c is ready
// for the next job.
func (c *child) exchange(j *multimodal.Job, frame func(n int, img *multimodal.Image) error) (answered, reusable bool, err error) {
	if err := writeJob(c.in, j); err != nil {
		return false, false, &diedError{err}
	}
	for {
		var a reply
		if err := readLine(c.out, &a); err != nil {
			return answered, false, &diedError{err}
		}
		answered = true
		switch {
		case a.Fault != nil:
			return true, true, a.Fault.err()
		case a.Done:
			return true, true, nil
		}
		img, err := a.readImage(c.out, j)
		if err != nil {
			return true, false, &diedError{err}
		}
		if err := frame(a.N, img); err != nil {
			return true, false, err
		}
	}
}

func (c *child) kill() { _ = c.cmd.Process.Kill() }

// end kills the process and waits for it.
func (c *child) end() {
	c.kill()
	_ = c.in.Close()
	_ = c.cmd.Wait()
}
