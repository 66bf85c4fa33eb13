package rowfolder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
)

// Save keeps the rows of a picture, unless nobody else would have a use for them. Rows that are larger than the folder
// may be are not kept.
func (f *Folder) Save(ctx context.Context, k rowcache.Key, rows *rowcache.Rows) error {
	size := encodedSize(rows)
	if size > f.most || !f.lasts && f.alone() {
		return nil
	}
	done, err := f.exclusive(ctx)
	if err != nil {
		return fmt.Errorf("save rows: %w", err)
	}
	defer done()
	n := f.name(k)
	if _, err := os.Lstat(f.file(n)); err == nil {
		return nil
	}
	if err := f.makeRoom(size); err != nil {
		return fmt.Errorf("save rows: %w", err)
	}
	if err := f.write(n, encode(n, rows)); err != nil {
		return fmt.Errorf("save rows: %w", err)
	}
	return nil
}

// exclusive waits until nobody else writes, for a while.
func (f *Folder) exclusive(ctx context.Context) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	file, err := f.lockFile(writing) // opened for each lock: two goroutines would have that of one open file together
	if err != nil {
		return nil, err
	}
	again := time.NewTicker(poll)
	defer again.Stop()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(err, file.Close())
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), file.Close())
		}
	}
}

// makeRoom removes what was used longest ago until so many bytes more may be there. Who calls it writes alone, so that
// a file that was not finished is of one who was killed.
func (f *Folder) makeRoom(size int64) error {
	if err := os.Remove(filepath.Join(f.path, incoming)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return err
	}
	var kept []os.FileInfo
	total := size
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasSuffix(e.Name(), suffix) || !info.Mode().IsRegular() {
			continue // gone meanwhile, or not ours
		}
		kept = append(kept, info)
		total += info.Size()
	}
	slices.SortFunc(kept, func(a, b os.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range kept {
		if total <= f.most {
			break
		}
		if err := os.Remove(filepath.Join(f.path, info.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		total -= info.Size()
	}
	return nil
}

// write puts a file in its place once it is whole.
func (f *Folder) write(n Name, data []byte) error {
	path := filepath.Join(f.path, incoming)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600) //nolint:gosec // in a folder of ours
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(path, f.file(n))
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
