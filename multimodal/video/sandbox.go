package video

import (
	"path/filepath"
	"strings"
	"syscall"
)

// Names of sandboxes, from the strongest.
const (
	sandboxBubblewrap = "bwrap"      // sees only programs and libraries, no network, no other process
	sandboxNamespaces = "namespaces" // no network, no rights over the daemon's user
	sandboxNone       = "none"       // limits of memory, time and files only
)

// sandbox is a way to start a child.
type sandbox struct {
	name       string
	bubblewrap string // path of bwrap
}

// command wraps a program's command line.
func (s sandbox) command(program string, args []string) (path string, wrapped []string) {
	if s.bubblewrap == "" {
		return program, args
	}
	own := []string{"--unshare-all", "--die-with-parent", "--clearenv", "--chdir", "/", "--proc", "/proc", "--dev", "/dev"}
	for _, dir := range []string{"/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives"} {
		own = append(own, "--ro-bind-try", dir, dir)
	}
	// A program outside /usr brings its folder, and its lib folder if it has one.
	if dir := filepath.Dir(program); !strings.HasPrefix(dir, "/usr/") && dir != "/bin" {
		lib := filepath.Join(filepath.Dir(dir), "lib")
		own = append(own, "--ro-bind", dir, dir, "--ro-bind-try", lib, lib)
	}
	own = append(own, "--", program)
	return s.bubblewrap, append(own, args...)
}

// killGroup ends a child and what it started.
func killGroup(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }
