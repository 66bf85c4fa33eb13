// Package running notes where the daemons of this user serve, so that commands on the same machine find the one that
// runs without being told its address: health checks of a container, whose command line they do not see, and the
// terminal's client.
//
// A note lasts as long as its daemon: the daemon holds a lock on it, which ends with the process however that ends. The
// package must not speak to daemons.
package running

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Daemon is one that runs.
type Daemon struct {
	PID int `json:"pid"`
	// URL is where it can be reached from this machine: http://127.0.0.1:8080, or unix:/path/of.sock.
	URL string `json:"url"`
	// Keys tells that it wants an API key.
	Keys bool `json:"keys"`
	// Started is when it began to serve.
	Started time.Time `json:"started"`
}

// suffix of a note's file; others are still being written.
const suffix = ".json"

// Note is a daemon's note while it runs.
type Note struct {
	file *os.File
	name string
}

// folder is the notes' folder below dir, of this user alone.
func folder(dir string) string { return filepath.Join(dir, "run-qwenvld-"+strconv.Itoa(os.Getuid())) }

// Write notes d below dir until Remove, or the end of the process.
func Write(dir string, d Daemon) (*Note, error) {
	dir = folder(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("note where the daemon runs: %w", err)
	}
	if err := own(dir); err != nil {
		return nil, fmt.Errorf("note where the daemon runs: %w", err)
	}
	file, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return nil, fmt.Errorf("note where the daemon runs: %w", err)
	}
	n := &Note{file: file, name: filepath.Join(dir, strconv.Itoa(d.PID)+suffix)}
	// Locked and whole before it has the name that others look for.
	err = lock(file)
	if err == nil {
		err = json.NewEncoder(file).Encode(d)
	}
	if err == nil {
		err = os.Rename(file.Name(), n.name)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		_ = file.Close()
		return nil, fmt.Errorf("note where the daemon runs: %w", err)
	}
	return n, nil
}

// Remove ends the note.
func (n *Note) Remove() error {
	// Gone before the lock is, so that nobody finds it stale meanwhile.
	return errors.Join(os.Remove(n.name), n.file.Close())
}

// List is the daemons that are noted below dir and run. Notes that a daemon left behind are removed.
func List(dir string) ([]Daemon, error) {
	dir = folder(dir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = own(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("find running daemons: %w", err)
	}
	var out []Daemon
	for _, e := range entries {
		if filepath.Ext(e.Name()) != suffix {
			continue
		}
		if d, ok := read(filepath.Join(dir, e.Name())); ok {
			out = append(out, d)
		}
	}
	return out, nil
}

// read reads the note of a daemon that runs.
func read(name string) (d Daemon, ok bool) {
	file, err := os.OpenFile(name, os.O_RDWR|unix.O_NOFOLLOW, 0) //nolint:gosec // in a folder of this user's
	if err != nil {
		return d, false
	}
	defer func() { _ = file.Close() }()
	if lock(file) == nil {
		_ = os.Remove(name) // nobody holds it: its daemon has ended
		return d, false
	}
	return d, json.NewDecoder(file).Decode(&d) == nil && d.URL != ""
}

func lock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// own refuses a folder that somebody else has laid: what it says would lead this user's keys astray.
func own(dir string) error {
	var s unix.Stat_t
	if err := unix.Lstat(dir, &s); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if int(s.Uid) != os.Getuid() || s.Mode&unix.S_IFMT != unix.S_IFDIR || s.Mode&0o077 != 0 {
		return fmt.Errorf("%s is not a folder of this user's alone", dir)
	}
	return nil
}
