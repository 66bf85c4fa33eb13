// Package processes looks after the processes of servers under test: it pauses those that are not tested at the
// moment, tells the memory that they hold, and keeps processors busy beside them.
//
// It must not start or end a server, nor know what one is asked.
package processes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Tree is a process with all of its children, theirs included. They are looked up anew each time, on Linux in /proc.
type Tree struct {
	root int
	proc fs.FS
}

// NewTree is the tree below the process pid.
func NewTree(pid int) (*Tree, error) {
	t := &Tree{root: pid, proc: os.DirFS("/proc")}
	pids, err := t.pids()
	if err != nil {
		return nil, err
	}
	if len(pids) == 0 {
		return nil, fmt.Errorf("there is no process %d", pid)
	}
	return t, nil
}

// pids are all processes of the tree, parents before their children.
func (t *Tree) pids() ([]int, error) {
	entries, err := fs.ReadDir(t.proc, ".")
	if err != nil {
		return nil, fmt.Errorf("look for processes, which needs Linux: %w", err)
	}
	children := map[int][]int{}
	alive := false
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		_, parent, err := t.stat(pid)
		if err != nil {
			continue // it has ended meanwhile
		}
		alive = alive || pid == t.root
		children[parent] = append(children[parent], pid)
	}
	if !alive {
		return nil, nil
	}
	out := []int{t.root}
	for i := 0; i < len(out); i++ {
		out = append(out, children[out[i]]...)
	}
	return out, nil
}

// stat reads a line such as "17 (name with) spaces) S 1 ...": a process's state and its parent.
func (t *Tree) stat(pid int) (state string, parent int, err error) {
	data, err := fs.ReadFile(t.proc, path.Join(strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", 0, err
	}
	line := string(data)
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	const needed = 2
	if len(fields) < needed {
		return "", 0, fmt.Errorf("process %d has no parent", pid)
	}
	parent, err = strconv.Atoi(fields[1])
	return fields[0], parent, err
}

// Pause stops all processes of the tree until Resume, and returns when they stand. A child that is born meanwhile is
// stopped as well.
func (t *Tree) Pause(ctx context.Context) error {
	for {
		pids, err := t.pids()
		if err != nil {
			return err
		}
		more := false
		for _, pid := range pids {
			if state, _, err := t.stat(pid); err != nil || strings.ContainsAny(state, "TtZX") {
				continue // it stands, or has ended
			}
			if err := signal(pid, syscall.SIGSTOP); err != nil {
				return errors.Join(fmt.Errorf("pause process %d: %w", pid, err), t.Resume())
			}
			more = true
		}
		if !more {
			return nil
		}
		const soon = 2 * time.Millisecond // a process has to be given a processor to stand still
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), t.Resume())
		case <-time.After(soon):
		}
	}
}

// Resume has all processes of the tree go on.
func (t *Tree) Resume() error {
	pids, err := t.pids()
	for _, pid := range pids {
		if e := signal(pid, syscall.SIGCONT); e != nil {
			err = errors.Join(err, fmt.Errorf("resume process %d: %w", pid, e))
		}
	}
	return err
}

// signal takes a process that has ended for one that obeys.
func signal(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
