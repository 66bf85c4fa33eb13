package daemon

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Variants are the names of a pair's two weights.
func Variants() []string { return []string{"instruct", "thinking"} }

// Workers are the processes that hold weights, by the variant whose file they have mapped.
func (d *Daemon) Workers() map[string]int {
	out := map[string]int{}
	for _, pid := range d.children("worker") {
		maps, err := os.ReadFile(proc(pid, "maps"))
		if err != nil {
			continue // it has ended meanwhile
		}
		for _, variant := range Variants() {
			if bytes.Contains(maps, []byte("/"+variant+".gguf")) {
				out[variant] = pid
			}
		}
	}
	return out
}

// Decoders are the processes that decode pictures.
func (d *Daemon) Decoders() []int { return d.children("decode") }

// children are the daemon's processes that run a command of it.
func (d *Daemon) children(command string) []int {
	var out []int
	lists, err := filepath.Glob(proc(d.PID(), "task/*/children"))
	if err != nil {
		return nil
	}
	for _, name := range lists {
		data, err := os.ReadFile(name) //nolint:gosec // below /proc
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(data)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				continue
			}
			line, err := os.ReadFile(proc(pid, "cmdline"))
			if err == nil && bytes.Contains(line, []byte("\x00"+command+"\x00")) {
				out = append(out, pid)
			}
		}
	}
	return out
}

func proc(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

// Alive tells whether a process is there, be it as a zombie.
func Alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// Ticks are how much processor time a process has had, in hundredths of a second; 0 where it has ended.
func Ticks(pid int) int {
	data, err := os.ReadFile(proc(pid, "stat"))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), ") ") // the name may hold spaces
	const user, system = 11, 12
	fields := strings.Fields(rest)
	if len(fields) <= system {
		return 0
	}
	u, _ := strconv.Atoi(fields[user])
	s, _ := strconv.Atoi(fields[system])
	return u + s
}

// Resident is how many bytes of a process are in memory, those of files that it has mapped included; 0 where it has
// ended.
func Resident(pid int) int64 {
	data, err := os.ReadFile(proc(pid, "statm"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	const resident = 1
	if len(fields) <= resident {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[resident], 10, 64)
	return pages * int64(os.Getpagesize())
}

func countEntries(pattern string) int {
	names, _ := filepath.Glob(pattern)
	return len(names)
}
