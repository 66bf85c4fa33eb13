package process

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/qwenvld/qwenvld/engine/wire"
	"github.com/qwenvld/qwenvld/internal/tempdir"
)

// Command is the program to run as a worker. It finds its listening socket as file descriptor 3, reads Config as the
// first line of its standard input and exits when that ends, writes wire.Hello lines to its standard output and logs to
// standard error.
type Command struct {
	Path string
	// Name is how the program is called in lists of processes; "" is by its path.
	Name string
	Args []string
	Env  []string
	// Config is one JSON value.
	Config json.RawMessage
}

// child is one running worker process.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	socket string // path
	dir    *tempdir.Dir
	logger *slog.Logger

	tail   tail
	output sync.WaitGroup // goroutines that read its output
	hello  chan wire.Hello
	exited chan struct{}
	err    error // why it exited; valid after exited is closed
}

// DirPrefix is how the names of the folders begin that sockets lie in, below SocketFolder (tempdir.Clear).
const DirPrefix = "qwenvld-"

// SocketFolder is where the folders of sockets are made: with the system's temporary files, or in /tmp where their
// folder's name is so long that the system would not take a socket's path.
func SocketFolder() string {
	// The shortest limit of any system is 103 characters (sockaddr_un); the rest of a path is the prefix, a number and
	// a name.
	const limit, rest = 103, len("/" + DirPrefix + "4294967295/" + socketName)
	if dir := os.TempDir(); len(dir)+rest <= limit {
		return dir
	}
	return "/tmp"
}

const socketName = "worker.sock"

// startChild starts c. The caller must call stop.
func startChild(c Command, logger *slog.Logger) (_ *child, err error) {
	dir, err := tempdir.New(SocketFolder(), DirPrefix)
	if err != nil {
		return nil, fmt.Errorf("worker socket: %w", err)
	}
	p := &child{
		dir: dir, socket: filepath.Join(dir.Path, socketName), logger: logger,
		hello: make(chan wire.Hello, 1), exited: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			_ = dir.Close()
		}
	}()
	listening, err := listen(p.socket)
	if err != nil {
		return nil, fmt.Errorf("worker socket: %w", err)
	}
	defer func() { _ = listening.Close() }()

	p.cmd = exec.Command(c.Path, c.Args...) //nolint:gosec,noctx // our own binary; stopped by closing its input first
	p.cmd.Args[0] = cmp.Or(c.Name, c.Path)
	p.cmd.Env = c.Env
	p.cmd.ExtraFiles = []*os.File{listening}
	// A group of its own: Ctrl-C in a terminal must reach the daemon only, which drains before it stops workers.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	p.output.Go(func() { p.readHello(stdout) })
	p.output.Go(func() { p.readLog(stderr) })
	go p.wait()
	// A worker that dies at once breaks the pipe; its exit says more.
	_, _ = p.stdin.Write(append(append([]byte(nil), c.Config...), '\n'))
	return p, nil
}

// listen makes a unix socket and returns its descriptor for the child; the file stays when it is closed here.
func listen(path string) (*os.File, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	defer func() { _ = l.Close() }()
	return l.File()
}

// wait reaps the process after its output has been read, as os/exec demands.
func (p *child) wait() {
	p.output.Wait()
	err := p.cmd.Wait()
	p.err = exitCause(err, &p.tail)
	close(p.exited)
}

// maxLine bounds a line of what the worker writes.
const maxLine = 64 << 10

func (p *child) readHello(r io.Reader) {
	eachLine(r, maxLine, func(line string) {
		var h wire.Hello
		if err := json.Unmarshal([]byte(line), &h); err != nil {
			p.logger.Warn("worker wrote to its standard output", "line", line)
			return
		}
		if h.Protocol != wire.Version {
			h = wire.Hello{State: wire.StateFailed, Error: fmt.Sprintf(
				"worker speaks protocol %d, the daemon %d: was the binary replaced while running?", h.Protocol, wire.Version)}
		}
		// Only the latest matters.
		select {
		case <-p.hello:
		default:
		}
		p.hello <- h
	})
}

func (p *child) readLog(r io.Reader) {
	eachLine(r, maxLine, func(line string) {
		if relay(p.logger, line) > slog.LevelDebug {
			p.tail.add(line)
		}
	})
}

// relay logs a line of the worker's and returns its level. What slog wrote there keeps its level and attributes. Other
// lines come from C code, which mostly writes them before it ends the process.
func relay(logger *slog.Logger, line string) slog.Level {
	var entry map[string]any
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &entry) != nil {
		logger.Warn("worker", "line", line)
		return slog.LevelWarn
	}
	var level slog.Level
	text, _ := entry[slog.LevelKey].(string)
	_ = level.UnmarshalText([]byte(text)) // info when it is none
	message, _ := entry[slog.MessageKey].(string)
	var attrs []any
	for _, key := range slices.Sorted(maps.Keys(entry)) {
		if key != slog.LevelKey && key != slog.MessageKey && key != slog.TimeKey {
			attrs = append(attrs, key, entry[key])
		}
	}
	logger.Log(context.Background(), level, message, attrs...) //nolint:sloglint // the worker's message, passed on
	return level
}

// ready waits for the worker's weights, and tells how far they are. It fails when nothing has moved for patience.
func (p *child) ready(ctx context.Context, patience time.Duration, progress func(float32)) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	last := wire.Hello{Stage: "starting"}
	for {
		select {
		case last = <-p.hello:
		case <-p.exited:
			// What it said last explains more than its end.
			select {
			case last = <-p.hello:
			default:
				return p.err
			}
		case <-timer.C:
			return fmt.Errorf("loading has made no progress for %v (%s, %.0f%%)", patience, last.Stage, 100*last.Progress)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		timer.Reset(patience)
		switch last.State {
		case wire.StateReady:
			return nil
		case wire.StateFailed:
			return &loadError{last.Error}
		case wire.StateLoading:
			p.logger.Debug("loading", "stage", last.Stage, "progress", last.Progress)
			progress(last.Progress)
		}
	}
}

// loadError is what a worker says of weights that it cannot load.
type loadError struct{ reason string }

func (e *loadError) Error() string { return e.reason }

// stop ends the process: politely by closing its input, after patience by force, at once where there is none. It waits
// for the end.
func (p *child) stop(patience time.Duration) {
	_ = p.stdin.Close()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		if patience > 0 {
			p.logger.Warn("worker did not stop in time and is killed", "patience", patience)
		}
		p.kill()
	}
	_ = p.dir.Close()
}

// unkillable is how long a process may take to end that was killed. The system ends none that waits inside a driver or
// for a lost file server, and what it holds up must not be the daemon.
const unkillable = 10 * time.Second

// kill ends the process by force and waits for the end.
func (p *child) kill() {
	_ = p.cmd.Process.Kill()
	timer := time.NewTimer(unkillable)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		p.logger.Error("worker does not end although it was killed and is left behind", "pid", p.cmd.Process.Pid)
	}
}
