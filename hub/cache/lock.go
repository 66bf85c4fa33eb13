package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/qwenvld/qwenvld/hub"
)

// lockInterval is how often a lock that another process holds is tried again: the system tells nobody that it is free.
const lockInterval = 200 * time.Millisecond

// Lock keeps other processes, Hugging Face's tools included, from fetching the same file. The system gives it back
// whatever ends the process.
type Lock struct{ file *os.File }

// Release gives the lock back.
func (l *Lock) Release() { _ = l.file.Close() }

// Lock waits for the lock of f. waiting, if set, is called once where another process holds it.
func (r *Repo) Lock(ctx context.Context, f hub.File, waiting func()) (*Lock, error) {
	for tries := 0; ; tries++ {
		lock, err := r.tryLock(f.SHA256)
		if lock != nil || err != nil {
			return lock, err
		}
		if tries == 0 && waiting != nil {
			waiting()
		}
		again := time.NewTimer(lockInterval)
		select {
		case <-ctx.Done():
			again.Stop()
			return nil, context.Cause(ctx)
		case <-again.C:
		}
	}
}

// tryLock is nil where another process has the lock.
func (r *Repo) tryLock(sum string) (*Lock, error) {
	for _, dir := range []string{r.locks, filepath.Join(r.dir, "blobs")} {
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // as Hugging Face's tools make them
			return nil, fmt.Errorf("cache: %w", err)
		}
	}
	file, err := os.OpenFile(filepath.Join(r.locks, sum+".lock"), os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // as above
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return &Lock{file}, nil
	}
	_ = file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, nil
	}
	return nil, fmt.Errorf("cache: lock: %w", err)
}
