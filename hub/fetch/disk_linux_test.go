package fetch

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/qwenvld/qwenvld/hub/hubtest"
)

func TestAFullDiskEndsADownloadAtOnce(t *testing.T) {
	r := newRig(t, Options{})
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("no small file system can be made here: %v", err)
	}
	defer func() { _ = syscall.Unmount(dir, 0) }()
	r.path = filepath.Join(dir, "x.incomplete")
	if err := r.download(t.Context()); !errors.Is(err, syscall.ENOSPC) || len(r.Requests()) != 1 {
		t.Errorf("%v after %d requests", err, len(r.Requests()))
	}
	// Once there is room it goes on.
	kept, err := os.ReadFile(r.path)
	if err != nil || len(kept) == 0 {
		t.Fatal(err)
	}
	r.path = filepath.Join(t.TempDir(), "x.incomplete")
	if err := os.WriteFile(r.path, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	r.check(t, r.download(t.Context()))
	if offset := hubtest.Offset(r.Requests()[1]); offset != len(kept) {
		t.Errorf("went on at %d, not %d", offset, len(kept))
	}
}
