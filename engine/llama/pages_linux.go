package llama

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releasePages takes the pages of mapped weights files beside file out of this process's resident memory and returns
// how many bytes were mapped. Loading reads every page, but most weights are used from copies in another layout. What
// is used from the mapping is found again in the page cache at its first use, so calling this is safe at any time.
func releasePages(file string) int64 {
	file, err := filepath.EvalSymlinks(file)
	if err != nil {
		return 0
	}
	if file, err = filepath.Abs(file); err != nil {
		return 0
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return 0
	}
	defer func() { _ = maps.Close() }()
	released := int64(0)
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		start, end, ok := sharedMapping(lines.Text(), filepath.Dir(file))
		if !ok {
			continue
		}
		// The system call by its number: the range is not Go's memory, and no Go pointer should be made of it.
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_DONTNEED); errno == 0 {
			released += int64(end - start)
		}
	}
	return released
}

// sharedMapping reads a line of /proc/self/maps. It is ok if the line is of a file in folder that is mapped shared and
// only to be read, as libllama maps weights.
func sharedMapping(line, folder string) (start, end uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || fields[1] != "r--s" {
		return 0, 0, false
	}
	_, path, found := strings.Cut(line, "/")
	if !found || filepath.Dir("/"+path) != folder {
		return 0, 0, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	first, err := strconv.ParseUint(from, 16, 64)
	if err != nil {
		return 0, 0, false
	}
	last, err := strconv.ParseUint(to, 16, 64)
	if err != nil {
		return 0, 0, false
	}
	return uintptr(first), uintptr(last), last > first
}
