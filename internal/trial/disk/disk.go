// Package disk has small file systems that can be filled to the last byte, for trials of what happens on a full disk.
//
// It must not know whose disk is filled.
package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrUnavailable says that no file system can be mounted here.
var ErrUnavailable = errors.New("a small file system cannot be mounted here")

// Small is such a file system.
type Small struct{ dir string }

// Mount puts a file system of a size such as 48m over a folder. That needs the right to mount; without it the error is
// ErrUnavailable.
func Mount(dir, size string) (*Small, error) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return &Small{dir}, nil
}

// Unmount takes it away with all that lies on it.
func (s *Small) Unmount() error {
	// What the daemon leaves mapped goes with its last process.
	if err := syscall.Unmount(s.dir, syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	return nil
}

func (s *Small) ballast() string { return filepath.Join(s.dir, "ballast") }

// Fill leaves no byte free.
func (s *Small) Fill() error {
	file, err := os.Create(s.ballast())
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	zeros := make([]byte, os.Getpagesize())
	for err == nil {
		_, err = file.Write(zeros)
	}
	err = errors.Join(err, file.Close())
	if !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("fill the disk: %w", err)
	}
	return nil
}

// Empty frees what Fill took.
func (s *Small) Empty() error {
	if err := os.Remove(s.ballast()); err != nil {
		return fmt.Errorf("empty the disk: %w", err)
	}
	return nil
}
