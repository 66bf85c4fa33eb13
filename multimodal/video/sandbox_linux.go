package video

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
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

// limited wraps a command line so that it starts with bounds on what it may take, which its own children inherit: set
// from outside after the start, they could come too late for the program that bwrap starts. The output is a pipe, so
// files may have no size.
func limited(path string, args []string, o Options) (string, []string) {
	seconds := int64((o.ProbeTimeout+o.DecodeTimeout).Seconds())*4 + 1 // of all its threads; the clock on the wall ends it earlier
	const files = 64
	script := fmt.Sprintf(`ulimit -v %d && ulimit -t %d && ulimit -f 0 && ulimit -c 0 && ulimit -n %d && exec "$0" "$@"`,
		o.Memory/1024, seconds, files)
	return "/bin/sh", append([]string{"-c", script, path}, args...)
}
