package processes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"syscall"
)

// Busy are processes that keep processors busy, as another user's would: each in a session of its own and of the
// lowest priority.
type Busy struct {
	loops []*exec.Cmd
	hold  []io.Closer
}

// StartBusy starts n of program with arguments, which has to call Spin. They end with Stop, with ctx, and with this
// process, however that ends.
func StartBusy(ctx context.Context, n int, program string, arguments ...string) (*Busy, error) {
	b := &Busy{}
	for range n {
		c := exec.CommandContext(ctx, program, arguments...) //nolint:gosec // the caller names its own program
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		in, err := c.StdinPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("keep a processor busy: %w", err), b.Stop())
		}
		b.loops, b.hold = append(b.loops, c), append(b.hold, in)
	}
	return b, nil
}

// Stop ends them and waits for that.
func (b *Busy) Stop() error {
	var errs []error
	for i, c := range b.loops {
		_ = b.hold[i].Close()
		_ = c.Process.Kill()
		var exit *exec.ExitError
		if err := c.Wait(); err != nil && !errors.As(err, &exit) {
			errs = append(errs, fmt.Errorf("end a busy process: %w", err))
		}
	}
	b.loops, b.hold = nil, nil
	return errors.Join(errs...)
}

// Spin keeps one processor busy, at the lowest priority, until hold ends: the starter's end of that pipe is closed
// when the starter dies.
func Spin(hold io.Reader) error {
	runtime.LockOSThread() // the priority is this thread's, which ends with the goroutine
	const lowest = 19
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, lowest); err != nil {
		return fmt.Errorf("lower the priority: %w", err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = io.Copy(io.Discard, hold)
	}()
	for x := uint64(1); ; x = x*3 + 1 {
		select {
		case <-over:
			return nil
		default:
		}
	}
}
