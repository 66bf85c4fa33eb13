package process

import (
	"errors"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// tail keeps the last lines of a log. What Go's runtime writes about a crash (it catches C's signals too) is kept out
// but for its first line: the lines before say what went wrong.
type tail struct {
	mu    sync.Mutex
	lines []string
	crash string
}

const (
	tailLines = 12
	// tailHead stands before them in an error.
	tailHead = "; its last lines:"
)

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
func exitCause(err error, output *tail) error {
	if err == nil {
		return errors.New("the worker ended by itself")
	}
	cause := err.Error()
	text, reported := output.read()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			reported = status.Signal()
		}
	}
	if reported != 0 {
		cause = signalCause(reported)
	}
	if text != "" {
		cause += tailHead + "\n" + text
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
