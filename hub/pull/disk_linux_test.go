package pull

import (
	"errors"
	"syscall"
	"testing"
)

func TestTheDiskIsLookedAtFirst(t *testing.T) {
	h, root := newHub(t), t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=900k"); err != nil {
		t.Skipf("no small file system can be made here: %v", err)
	}
	defer func() { _ = syscall.Unmount(root, 0) }()
	p := newPuller(t, h.Front.URL, root, nil)
	var space *SpaceError
	if _, err := p.Get(t.Context(), reference(t, "qwen3-vl:2b")); !errors.As(err, &space) || space.Needed != 1_000_002 || space.Dir != root {
		t.Errorf("%v", err)
	}
	if n := len(h.Requests()); n != 0 {
		t.Errorf("%d files were asked for", n)
	}
	// One variant fits.
	if _, err := p.Get(t.Context(), reference(t, "qwen3-vl:2b-instruct")); err != nil {
		t.Error(err)
	}
}
