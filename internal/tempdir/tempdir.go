// Package tempdir makes temporary folders that can be told from those that a killed process left: each holds a lock for
// as long as its maker lives, which the system gives back whatever ends it.
//
// It must not remove what it did not make.
package tempdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockName is the file that is locked.
const lockName = ".lock"

// Dir is a temporary folder.
type Dir struct {
	// Path of the folder.
	Path string
	lock *os.File
}

// New makes a folder in parent (empty for the system's folder of temporary files), whose name begins with prefix. The
// caller must Close it.
func New(parent, prefix string) (*Dir, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	// Under another name until it is locked, so that nobody takes it for one that was left.
	hidden, err := os.MkdirTemp(parent, "."+prefix)
	if err != nil {
		return nil, fmt.Errorf("temporary folder: %w", err)
	}
	lock, err := locked(filepath.Join(hidden, lockName), os.O_CREATE)
	path := filepath.Join(parent, filepath.Base(hidden)[1:])
	if err == nil {
		err = os.Rename(hidden, path) //nolint:gosec // both in the folder that the operator names
	}
	if err != nil {
		if lock != nil {
			_ = lock.Close()
		}
		return nil, errors.Join(fmt.Errorf("temporary folder: %w", err), os.RemoveAll(hidden)) //nolint:gosec // as above
	}
	return &Dir{Path: path, lock: lock}, nil
}

// Close removes the folder with what is in it.
func (d *Dir) Close() error { return errors.Join(os.RemoveAll(d.Path), d.lock.Close()) }

// locked opens a file that nobody else has locked and locks it.
func locked(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|flags, 0o600) //nolint:gosec // a name of ours
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Clear removes the folders that New made in parent with prefix and whose makers are gone. It returns how many those
// were.
func Clear(parent, prefix string) (int, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	names, err := filepath.Glob(filepath.Join(parent, prefix+"*", lockName))
	if err != nil {
		return 0, fmt.Errorf("temporary folders: %w", err)
	}
	removed := 0
	var faults []error
	for _, name := range names {
		lock, err := locked(name, 0)
		if err != nil {
			continue // in use, another user's, or gone meanwhile
		}
		if err := os.RemoveAll(filepath.Dir(name)); err != nil {
			faults = append(faults, fmt.Errorf("temporary folder: %w", err))
		} else {
			removed++
		}
		_ = lock.Close()
	}
	return removed, errors.Join(faults...)
}
