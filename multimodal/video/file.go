package video

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/multimodal/video/limits"
)

// Disk is where media lie while they are read, within a bound over all of them.
type Disk struct {
	dir  string
	most int64 // bytes in all
	used atomic.Int64
}

// NewDisk keeps at most so many bytes, 0 for those of limits.Default, in files in dir, empty for the system's folder of
// temporary files.
func NewDisk(dir string, most int64) *Disk {
	return &Disk{dir: dir, most: cmp.Or(most, limits.Default().Disk)}
}

// NewFile makes an empty file. The caller must close it, or hand it to Open.
func (d *Disk) NewFile() (*File, error) {
	f, err := os.CreateTemp(d.dir, temporary)
	if err != nil {
		return nil, keepError(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("keep a video: %w", err), f.Close())
	}
	return &File{f: f, disk: d}, nil
}

// keepError is why a video's bytes could not be kept: KindBusy where the file system is full, which is no fault of the
// video.
func keepError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return multimodal.NewError(multimodal.KindBusy, err, "The server has no room on its disk for videos at the moment.")
	}
	return fmt.Errorf("keep a video: %w", err)
}

// temporary is the name that files have for an instant.
const temporary = ".qwenvld-video-*"

// take reserves n bytes, or fails with KindBusy: whoever waited here would keep what it has, as would all others.
func (d *Disk) take(n int64) error {
	if d.used.Add(n) <= d.most {
		return nil
	}
	d.used.Add(-n)
	return multimodal.NewError(multimodal.KindBusy, nil, "The server holds as many videos as it can; try again soon.")
}

// File is a video's bytes on disk, in a file without a name: it is gone when it is closed, and when the daemon dies.
// One goroutine uses it at a time, but for Close.
type File struct {
	f     *os.File
	disk  *Disk
	size  int64
	close sync.Once
}

// Write implements io.Writer. It fails with KindBusy where the disk's bound is reached, or the disk is full.
func (f *File) Write(p []byte) (int, error) {
	if err := f.disk.take(int64(len(p))); err != nil {
		return 0, err
	}
	n, err := f.f.Write(p)
	f.disk.used.Add(int64(n - len(p)))
	f.size += int64(n)
	if err != nil {
		return n, keepError(err)
	}
	return n, nil
}

// Size in bytes.
func (f *File) Size() int64 { return f.size }

// Close deletes the bytes.
func (f *File) Close() (err error) {
	f.close.Do(func() {
		err = f.f.Close()
		f.disk.used.Add(-f.size)
	})
	return err
}

// part returns n bytes from offset on.
func (f *File) part(offset, n int64) ([]byte, error) {
	buf := make([]byte, n)
	if _, err := f.f.ReadAt(buf, offset); err != nil {
		return nil, fmt.Errorf("read a video: %w", err)
	}
	return buf, nil
}

// head returns up to n bytes from the beginning.
func (f *File) head(n int64) ([]byte, error) { return f.part(0, min(n, f.size)) }

// NewFile makes an empty file for a video's bytes. The caller must close it, or hand it to Open.
func (t *Tool) NewFile() (*File, error) { return t.o.Disk.NewFile() }
