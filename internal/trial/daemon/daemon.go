// Package daemon runs a qwenvld for a trial and looks at it from outside: at its processes, at its readiness, and at
// what it holds of memory, descriptors and files.
//
// It must not ask for answers, nor judge what it sees.
package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options say what is run.
type Options struct {
	Binary string
	// Config is the configuration's file, "" for none.
	Config string
	// Args are further arguments of serve.
	Args []string
	// Dir is the folder below which all that the daemon writes lies, its temporary files in TempDir.
	Dir string
	// Environ is the environment that the daemon inherits.
	Environ []string
	// Unit are variables that a service manager sets beyond those.
	Unit []string
	// Socket is a listening socket that the daemon is handed, as by systemd. Without one it listens on a free port of
	// this machine.
	Socket *os.File
}

// TempDir is where a daemon of Dir keeps temporary files.
func (o *Options) TempDir() string { return filepath.Join(o.Dir, "tmp") }

// Daemon is a running qwenvld.
type Daemon struct {
	// URL is where it serves.
	URL     string
	options Options
	cmd     *exec.Cmd
	exited  chan struct{}
	err     error // why it exited; valid after exited is closed

	mu  sync.Mutex
	log []string // its last lines
}

// keptLines is how much of a daemon's log is kept, its notes of requests left out.
const keptLines = 60

var address = regexp.MustCompile(`address=(https?://\S+)`)

// Start runs a daemon and returns when it listens. The caller must Stop or Kill it.
func Start(ctx context.Context, o *Options) (*Daemon, error) {
	d := &Daemon{options: *o, exited: make(chan struct{})}
	if err := os.MkdirAll(o.TempDir(), 0o700); err != nil {
		return nil, fmt.Errorf("make the daemon's folder: %w", err)
	}
	d.cmd = o.command()
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	found := make(chan string, 1)
	go d.follow(stderr, found)
	const patience = time.Minute
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case d.URL = <-found:
		return d, nil
	case <-d.exited:
		return nil, fmt.Errorf("the daemon ended at once: %w\n%s", d.err, d.Log())
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timer.C:
		err = fmt.Errorf("the daemon does not serve after %v:\n%s", patience, d.Log())
	}
	d.Kill()
	return nil, err
}

// command is the daemon's process. Where it is handed a socket, a shell stands in front that knows the process id which
// the daemon will have.
func (o *Options) command() *exec.Cmd {
	args := []string{"serve"}
	if o.Config != "" {
		args = append(args, "--config", o.Config)
	}
	args = append(args, o.Args...)
	var c *exec.Cmd
	if o.Socket == nil {
		args = append(args, "--listen", "127.0.0.1:0")
		c = exec.Command(o.Binary, args...) //nolint:gosec,noctx // the binary under trial; ended by signals
	} else {
		handOver := append([]string{"-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`, o.Binary}, args...)
		c = exec.Command("/bin/sh", handOver...) //nolint:gosec,noctx // as above
		c.ExtraFiles = []*os.File{o.Socket}
	}
	c.Env = append(append([]string(nil), o.Environ...), "TMPDIR="+o.TempDir(), "XDG_CACHE_HOME="+filepath.Join(o.Dir, "cache"))
	c.Env = append(c.Env, o.Unit...)
	// Ctrl-C is for the trial, which then ends the daemon.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return c
}

// follow keeps the log's last lines, and sends the first address in it.
func (d *Daemon) follow(stderr io.Reader, found chan<- string) {
	lines := bufio.NewReader(stderr)
	told := false
	for {
		line, err := lines.ReadString('\n')
		if line != "" && !strings.Contains(line, " msg=request ") {
			d.mu.Lock()
			d.log = append(d.log, line)
			if len(d.log) > keptLines {
				d.log = d.log[1:]
			}
			d.mu.Unlock()
		}
		if m := address.FindStringSubmatch(line); m != nil && !told {
			found <- m[1]
			told = true
		}
		if err != nil {
			break
		}
	}
	d.err = d.cmd.Wait()
	close(d.exited)
}

// Log is the end of what the daemon has logged.
func (d *Daemon) Log() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.log, "")
}

// PID is the daemon's process.
func (d *Daemon) PID() int { return d.cmd.Process.Pid }

// Signal sends s to the daemon.
func (d *Daemon) Signal(s syscall.Signal) error {
	if err := d.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signal the daemon: %w", err)
	}
	return nil
}

// Exited is closed when the daemon has ended.
func (d *Daemon) Exited() <-chan struct{} { return d.exited }

// Stop ends the daemon with SIGTERM and returns how it exited.
func (d *Daemon) Stop(ctx context.Context) error {
	if err := d.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-d.exited:
		return d.err
	case <-ctx.Done():
		d.Kill()
		return fmt.Errorf("the daemon does not end: %w", context.Cause(ctx))
	}
}

// Kill ends the daemon with SIGKILL and waits for that.
func (d *Daemon) Kill() {
	_ = d.cmd.Process.Kill()
	<-d.exited
}
