package rowfolder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
)

// some are rows that can be told from others.
func some(n int, first float32) *rowcache.Rows {
	values := make([]float32, n)
	for i := range values {
		values[i] = first + float32(i)/4
	}
	return rowcache.Pack(values, 2)
}

func open(t *testing.T, o Options, tower byte) *Folder {
	t.Helper()
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 20
	}
	f, err := Open(o, Tower{tower})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// find gives the first value of the rows that are found, or -1; a claim is given up at once.
func find(t *testing.T, f *Folder, k rowcache.Key) float32 {
	t.Helper()
	rows, release, err := f.Find(t.Context(), k, func() { t.Error("somebody else encodes") })
	switch {
	case err != nil:
		t.Fatal(err)
	case rows == nil:
		release()
		return -1
	}
	return rows.AppendTo(nil, 0, 1)[0]
}

func save(t *testing.T, f *Folder, k rowcache.Key, rows *rowcache.Rows) {
	t.Helper()
	if err := f.Save(t.Context(), k, rows); err != nil {
		t.Fatal(err)
	}
}

func TestAWorkerFindsWhatAnotherOfItsTowerHasSaved(t *testing.T) {
	dir := t.TempDir()
	a, b, other := open(t, Options{Path: dir}, 1), open(t, Options{Path: dir}, 1), open(t, Options{Path: dir}, 2)
	save(t, a, rowcache.Key{7}, some(20, 3))
	if got := find(t, b, rowcache.Key{7}); got != 3 {
		t.Errorf("%g", got)
	}
	if find(t, b, rowcache.Key{8}) != -1 || find(t, other, rowcache.Key{7}) != -1 {
		t.Error("rows of another picture, or of another tower")
	}
}

func TestRowsAreWrittenWhereSomebodyHasAUseForThem(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("workers do not know of each other")
	}
	for name, c := range map[string]struct {
		lasts, company bool
		kept           bool
	}{
		"alone": {}, "with another": {company: true, kept: true}, "in a folder that lasts": {lasts: true, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Path: t.TempDir(), Lasts: c.lasts}
			f := open(t, o, 1)
			_ = open(t, o, 2)
			if c.company {
				_ = open(t, o, 1)
			}
			save(t, f, rowcache.Key{1}, some(4, 1))
			if kept := find(t, f, rowcache.Key{1}) == 1; kept != c.kept {
				t.Errorf("kept: %v", kept)
			}
		})
	}
}

func TestASecondWorkerWaitsForTheFirst(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("workers do not know of each other")
	}
	for name, saved := range map[string]bool{"until it has saved": true, "until it has given up": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a, b := open(t, Options{Path: dir}, 1), open(t, Options{Path: dir}, 1)
			k := rowcache.Key{5}
			_, release, err := a.Find(t.Context(), k, func() {})
			if err != nil || release == nil {
				t.Fatalf("%v", err)
			}
			busy := make(chan struct{})
			got := make(chan *rowcache.Rows, 1)
			go func() {
				rows, own, _ := b.Find(t.Context(), k, func() { close(busy) })
				if own != nil {
					own()
				}
				got <- rows
			}()
			<-busy
			if _, own, _ := b.Find(t.Context(), rowcache.Key{6}, func() { t.Error("nobody encodes another picture") }); own != nil {
				own()
			}
			if saved {
				save(t, a, k, some(4, 9))
			}
			release()
			if rows := <-got; (rows != nil) != saved {
				t.Errorf("found %v", rows)
			}
		})
	}
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("workers do not know of each other")
	}
	dir := t.TempDir()
	a, b := open(t, Options{Path: dir}, 1), open(t, Options{Path: dir}, 1)
	if _, release, err := a.Find(t.Context(), rowcache.Key{1}, func() {}); err != nil || release == nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, _, err := b.Find(ctx, rowcache.Key{1}, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// bytesOf are those of all rows in a folder.
func bytesOf(t *testing.T, dir string) (total int64, names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		total += info.Size()
		names = append(names, d.Name())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return total, names
}

func TestTheBytesOfAllWorkersAreBounded(t *testing.T) {
	dir := t.TempDir()
	size := encodedSize(some(100, 0))
	o := Options{Path: dir, MaxBytes: 3*size + 5, Lasts: true}
	a, b := open(t, o, 1), open(t, o, 2)
	stamp := time.Now().Add(-time.Hour)
	for i := range byte(3) {
		f := []*Folder{a, b}[i%2]
		save(t, f, rowcache.Key{i}, some(100, 0))
		stamp = stamp.Add(time.Minute)
		if err := os.Chtimes(f.file(f.name(rowcache.Key{i})), stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	if find(t, a, rowcache.Key{0}) != 0 { // by which it is used, and another the oldest
		t.Fatal("the first is gone")
	}
	save(t, b, rowcache.Key{9}, some(100, 0))
	if total, names := bytesOf(t, dir); total > o.MaxBytes {
		t.Errorf("%d bytes: %v", total, names)
	}
	if find(t, a, rowcache.Key{0}) != 0 || find(t, b, rowcache.Key{1}) != -1 || find(t, a, rowcache.Key{2}) != 0 || find(t, b, rowcache.Key{9}) != 0 {
		t.Error("not the one that was used longest ago has gone")
	}
	save(t, a, rowcache.Key{10}, some(1000, 0))
	if find(t, a, rowcache.Key{10}) != -1 || find(t, b, rowcache.Key{9}) != 0 {
		t.Error("rows that are too large have displaced others")
	}
}

// Whatever byte of a file is another, or however short it is, it is no rows and goes away.
func TestDamagedFilesAreNoRows(t *testing.T) {
	f := open(t, Options{Path: t.TempDir(), Lasts: true}, 1)
	k := rowcache.Key{1}
	path := f.file(f.name(k))
	save(t, f, k, some(10, 1))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := find(t, f, k); got != -1 {
			t.Errorf("%s: %g", what, got)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s stays", what)
		}
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 4
		check(fmt.Sprintf("byte %d", i), bad)
		check(fmt.Sprintf("the first %d bytes", i), good[:i])
	}
	other := slices.Concat(encode(f.name(rowcache.Key{2}), some(10, 1)))
	check("another picture's file", other)
	save(t, f, k, some(10, 1))
	if find(t, f, k) != 1 {
		t.Error("nothing can be saved where something was damaged")
	}
}

func TestNobodyElseCanReadTheRows(t *testing.T) {
	dir := t.TempDir()
	f := open(t, Options{Path: filepath.Join(dir, "new", "deep"), Lasts: true}, 1)
	save(t, f, rowcache.Key{1}, some(10, 1))
	err := filepath.WalkDir(filepath.Join(dir, "new"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := d.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := os.Chmod(f.path, 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Path: filepath.Dir(f.path), MaxBytes: 1}, Tower{}); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("a folder that others can enter: %v", err)
	}
	elsewhere := t.TempDir()
	if err := os.Symlink(t.TempDir(), filepath.Join(elsewhere, below)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Path: elsewhere, MaxBytes: 1}, Tower{}); err == nil {
		t.Error("a link is followed")
	}
}

// TestMain plays a worker that is killed while it encodes and writes.
func TestMain(m *testing.M) {
	if path := os.Getenv("ROWFOLDER_TEST_PATH"); path != "" {
		playKilled(path)
	}
	os.Exit(m.Run())
}

func playKilled(path string) {
	f, err := Open(Options{Path: path, MaxBytes: 1 << 20, Lasts: true}, Tower{1})
	if err != nil {
		os.Exit(1)
	}
	if _, release, err := f.Find(context.Background(), rowcache.Key{1}, func() {}); err != nil || release == nil {
		os.Exit(1)
	}
	if _, err := f.exclusive(context.Background()); err != nil {
		os.Exit(1)
	}
	if err := os.WriteFile(filepath.Join(f.path, incoming), make([]byte, 1000), 0o600); err != nil {
		os.Exit(1)
	}
	_, _ = os.Stdout.WriteString("ready\n")
	select {}
}

func TestAKilledWorkerKeepsNobody(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	child := exec.Command(self)
	child.Env = append(os.Environ(), "ROWFOLDER_TEST_PATH="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	f := open(t, Options{Path: dir, Lasts: true}, 1)
	if runtime.GOOS == "linux" {
		ctx, cancel := context.WithCancel(t.Context())
		if _, _, err := f.Find(ctx, rowcache.Key{1}, cancel); err == nil {
			t.Error("nobody waits for the one that encodes")
		}
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if find(t, f, rowcache.Key{1}) != -1 {
		t.Error("rows of one that was killed")
	}
	save(t, f, rowcache.Key{1}, some(10, 1))
	if _, names := bytesOf(t, dir); slices.Contains(names, incoming) || find(t, f, rowcache.Key{1}) != 1 {
		t.Errorf("%v", names)
	}
}

func TestAFullFolderIsAnErrorAndNoRows(t *testing.T) {
	f := open(t, Options{Path: t.TempDir(), Lasts: true}, 1)
	// What is in the way of the file stands for a disk that has no room.
	if err := os.MkdirAll(filepath.Join(f.path, incoming, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(t.Context(), rowcache.Key{1}, some(10, 1)); err == nil {
		t.Error("no error")
	}
	if find(t, f, rowcache.Key{1}) != -1 {
		t.Error("rows that were not written")
	}
}

func FuzzDecode(f *testing.F) {
	name := Name{1}
	f.Add(encode(name, some(10, 1)))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := decode(name, data)
		if err == nil && string(encode(name, rows)) != string(data) {
			t.Errorf("%x becomes other rows", data)
		}
	})
}
