package video

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// inputPath is where a child finds the video: its standard input, but as a file that can be sought in.
const inputPath = "file:/proc/self/fd/0"

// sandboxes are the ways to try, the strongest first.
func sandboxes(o Options) []sandbox {
	none := sandbox{name: sandboxNone}
	if o.NoSandbox {
		return []sandbox{none}
	}
	var out []sandbox
	if path, err := exec.LookPath("bwrap"); err == nil {
		out = append(out, sandbox{name: sandboxBubblewrap, bubblewrap: path})
	}
	return append(out, sandbox{name: sandboxNamespaces}, none)
}

func (s sandbox) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if s.name == sandboxNamespaces {
		const nobody = 65534
		a.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getgid(), Size: 1}}
	}
	return a
}

// confine bounds what a child may take. It writes to pipes only, so files may have no size.
func confine(pid int, o Options) error {
	seconds := uint64((o.ProbeTimeout+o.DecodeTimeout).Seconds())*4 + 1
	for resource, limit := range map[int]uint64{
		unix.RLIMIT_AS:     uint64(o.Memory),
		unix.RLIMIT_CPU:    seconds, // of all its threads; the clock on the wall ends it earlier
		unix.RLIMIT_FSIZE:  0,
		unix.RLIMIT_CORE:   0,
		unix.RLIMIT_NOFILE: 64,
	} {
		err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: limit, Max: limit}, nil)
		if err != nil && !errors.Is(err, unix.ESRCH) { // it may have ended already
			return fmt.Errorf("limit the decoder: %w", err)
		}
	}
	return nil
}
