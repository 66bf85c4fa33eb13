package video

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// File is a video's bytes on disk, in a file without a name: it is gone when it is closed, and when the daemon dies.
type File struct {
	f    *os.File
	size int64
}

// newFile makes an empty file in dir.
func newFile(dir string) (*File, error) {
	f, err := os.CreateTemp(dir, ".qwenvld-video-*")
	if err != nil {
		return nil, fmt.Errorf("keep a video: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("keep a video: %w", err), f.Close())
	}
	return &File{f: f}, nil
}

// Write implements io.Writer.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.f.Write(p)
	f.size += int64(n)
	return n, err
}

// Size in bytes.
func (f *File) Size() int64 { return f.size }

// Close deletes the bytes.
func (f *File) Close() error { return f.f.Close() }

// head returns up to n bytes from the beginning.
func (f *File) head(n int) ([]byte, error) {
	buf := make([]byte, n)
	got, err := f.f.ReadAt(buf, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read a video: %w", err)
	}
	return buf[:got], nil
}

// NewFile makes an empty file for a video's bytes. The caller must close it, or hand it to Open.
func (t *Tool) NewFile() (*File, error) { return newFile(t.o.TempDir) }
