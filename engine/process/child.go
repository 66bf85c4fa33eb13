package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
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

	"golang.org/x/sys/unix"

	"github.com/qwenvld/qwenvld/engine/wire"
	"github.com/qwenvld/qwenvld/internal/tempdir"
)

// Command is the program to run as a worker. It finds its listening socket as file descriptor 3, reads Config as the first line
// of its standard input and exits when that ends, writes wire.Hello lines to its standard output and logs to standard error.
type Command struct {
	Path string
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

// DirPrefix is how the names of the folders begin that sockets lie in, among the system's temporary files (tempdir.Clear).
const DirPrefix = "qwenvld-"

// startChild starts c. The caller must call stop.
func startChild(c Command, logger *slog.Logger) (_ *child, err error) {
	dir, err := tempdir.New("", DirPrefix)
	if err != nil {
		return nil, fmt.Errorf("worker socket: %w", err)
	}
	p := &child{
		dir: dir, socket: filepath.Join(dir.Path, "worker.sock"), logger: logger,
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

func (p *child) readHello(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var h wire.Hello
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
			p.logger.Warn("worker wrote to its standard output", "line", lines.Text())
			continue
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
	}
	_, _ = io.Copy(io.Discard, r)
}

// maxLogLine bounds a line of the worker's log.
const maxLogLine = 64 << 10

func (p *child) readLog(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLogLine)
	for lines.Scan() {
		line := lines.Text()
		if relay(p.logger, line) > slog.LevelDebug {
			p.tail.add(line)
		}
	}
	_, _ = io.Copy(io.Discard, r)
}

// relay logs a line of the worker's and returns its level. What slog wrote there keeps its level and attributes. Other lines
// come from C code, which mostly writes them before it ends the process.
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

// ready waits for the worker's weights.
func (p *child) ready(ctx context.Context) error {
	for {
		select {
		case h := <-p.hello:
			switch h.State {
			case wire.StateReady:
				return nil
			case wire.StateFailed:
				return &loadError{h.Error}
			case wire.StateLoading:
				p.logger.Debug("loading", "progress", h.Progress)
			}
		case <-p.exited:
			return p.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// loadError is what a worker says of weights that it cannot load.
type loadError struct{ reason string }

func (e *loadError) Error() string { return e.reason }

// stop ends the process: politely by closing its input, after patience by force. It waits for the end.
func (p *child) stop(patience time.Duration) {
	_ = p.stdin.Close()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		p.logger.Warn("worker did not stop in time and is killed", "patience", patience)
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	_ = p.dir.Close()
}

// tail keeps the last lines of a log. What Go's runtime writes about a crash (it catches C's signals too) is kept out but for
// its first line: the lines before say what went wrong.
type tail struct {
	mu    sync.Mutex
	lines []string
	crash string
}

const tailLines = 12

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.crash != "" {
		return
	}
	if strings.HasPrefix(line, "SIG") || strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
		t.crash = line
	}
	if len(t.lines) == tailLines {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, line)
}

// read returns the lines, and the signal that Go's runtime reported, if it did.
func (t *tail) read() (text string, crash syscall.Signal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range []syscall.Signal{syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL} {
		if strings.HasPrefix(t.crash, unix.SignalName(s)) {
			crash = s
		}
	}
	return strings.Join(t.lines, "\n"), crash
}

// exitCause explains the end of a process in words.
func exitCause(err error, log *tail) error {
	if err == nil {
		return errors.New("the worker ended by itself")
	}
	cause := err.Error()
	text, signal := log.read()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			signal = status.Signal()
		}
	}
	if signal != 0 {
		cause = signalCause(signal)
	}
	if text != "" {
		cause += "; its last lines:\n" + text
	}
	return errors.New("the worker ended: " + cause)
}

func signalCause(s syscall.Signal) string {
	switch s {
	case syscall.SIGKILL:
		return "killed, perhaps because memory ran out"
	case syscall.SIGABRT:
		return "ggml gave up (out of memory, or an internal error)"
	case syscall.SIGILL:
		return "illegal instruction: the binary was built for another processor"
	case syscall.SIGSEGV, syscall.SIGBUS:
		return "crashed with a memory fault"
	default:
		return "signal " + s.String()
	}
}
