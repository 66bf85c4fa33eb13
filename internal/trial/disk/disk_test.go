package disk

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

func TestAFullDiskTakesNothingUntilItIsEmptied(t *testing.T) {
	dir := t.TempDir()
	s, err := Mount(dir, "1m")
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Unmount(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Fill(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/a", []byte("x"), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("written to a full disk: %v", err)
	}
	if err := s.Empty(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/a", []byte("x"), 0o600); err != nil {
		t.Error(err)
	}
}
