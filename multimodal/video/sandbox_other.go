//go:build !linux

package video

import "syscall"

// inputPath is where a child finds the video: its standard input, but as a file that can be sought in.
const inputPath = "file:/dev/fd/0"

func sandboxes(Options) []sandbox { return []sandbox{{name: sandboxNone}} }

func (sandbox) attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// limited does nothing: not every system bounds a process's memory. Time and the size of the output still are.
func limited(path string, args []string, _ Options) (string, []string) { return path, args }
