package llama

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReleasedPagesLeaveMemoryAndAreFoundAgain(t *testing.T) {
	page := os.Getpagesize()
	want := bytes.Repeat([]byte("weights "), 64*page/8)
	weights := filepath.Join(t.TempDir(), "a model.gguf")
	if err := os.WriteFile(weights, want, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.gguf")
	if err := os.Symlink(weights, link); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(link)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	mapped, err := unix.Mmap(int(file.Fd()), 0, len(want), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(mapped) }()
	if !bytes.Equal(mapped, want) {
		t.Fatal("the mapping does not show the file")
	}
	before := residentOf(t, weights)
	if got := releasePages(link); got != int64(len(want)) {
		t.Errorf("released %d bytes, want %d", got, len(want))
	}
	if after := residentOf(t, weights); before == 0 || after != 0 {
		t.Errorf("resident %d kB before and %d after", before, after)
	}
	if !bytes.Equal(mapped, want) {
		t.Error("the mapping does not show the file any more")
	}
}

func TestOnlySharedMappingsToReadOfTheFolderAreReleased(t *testing.T) {
	for _, tt := range []struct {
		line string
		ok   bool
	}{
		{"7f00-7fff r--s 00000000 08:01 7 /models/a.gguf", true},
		{"7f00-7fff r--s 00000000 08:01 7 /models/a b.gguf", true},
		{"7f00-7fff r--p 00000000 08:01 7 /models/a.gguf", false},
		{"7f00-7fff rw-s 00000000 08:01 7 /models/a.gguf", false},
		{"7f00-7fff r--s 00000000 08:01 7 /models/deeper/a.gguf", false},
		{"7f00-7fff r--s 00000000 08:01 7 /other/a.gguf", false},
		{"7f00-7fff r--s 00000000 00:00 0", false},
		{"7fff-7f00 r--s 00000000 08:01 7 /models/a.gguf", false},
		{"x-y r--s 00000000 08:01 7 /models/a.gguf", false},
		{"", false},
	} {
		start, end, ok := sharedMapping(tt.line, "/models")
		if ok != tt.ok || ok && (start != 0x7f00 || end != 0x7fff) {
			t.Errorf("sharedMapping(%q) = %#x, %#x, %v, want %v", tt.line, start, end, ok, tt.ok)
		}
	}
}

// residentOf is how many kilobytes of file are in this process's memory.
func residentOf(t *testing.T, file string) int {
	t.Helper()
	data, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := bytes.Cut(data, []byte(file+"\n"))
	if !found {
		t.Fatalf("%s is not mapped", file)
	}
	_, after, _ = bytes.Cut(after, []byte("Rss:"))
	n := 0
	for _, c := range bytes.TrimLeft(after, " ") {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + int(c-'0')
	}
	return n
}
