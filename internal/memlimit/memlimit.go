// Package memlimit finds how much memory the system allows this process's group, so that the garbage collector works
// harder before the kernel ends somebody.
//
// It must not set a limit itself: whoever asks knows what else lives in the group.
package memlimit

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// OfGroup is the memory limit in bytes of the control group that the process with this file system is in, or of one
// above it; 0 without one. root is the system's "/".
func OfGroup(root fs.FS) int64 {
	limit := int64(math.MaxInt64)
	data, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		// "0::/system.slice/qwenvld.service" (version 2) or "4:memory:/docker/1f2e" (version 1).
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		var base, file string
		switch {
		case fields[0] == "0" && fields[1] == "":
			base, file = "sys/fs/cgroup", "memory.max"
		case contains(fields[1], "memory"):
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// In a container the path may be the host's, which is not there; the container's own group is at the top.
		for at := path.Clean("/" + fields[2]); ; at = path.Dir(at) {
			limit = min(limit, read(root, path.Join(base, at, file)))
			if at == "/" {
				break
			}
		}
	}
	// Version 1 writes no limit as a number that no machine has.
	const none = 1 << 60
	if limit >= none {
		return 0
	}
	return limit
}

func contains(controllers, name string) bool {
	for controller := range strings.SplitSeq(controllers, ",") {
		if controller == name {
			return true
		}
	}
	return false
}

// read is the number in a file, the greatest without one ("max").
func read(root fs.FS, name string) int64 {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}
