package tempdir

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestMain(m *testing.M) {
	if parent := os.Getenv("TEMPDIR_TEST_PARENT"); parent != "" {
		d, err := New(parent, "qwenvld-")
		if err != nil {
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString(d.Path + "\n")
		select {}
	}
	m.Run()
}

// Of a daemon that was killed nothing is left after the next start; what is in use or was made by others stays.
func TestFoldersOfKilledProcessesAreCleared(t *testing.T) {
	parent := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), "TEMPDIR_TEST_PARENT="+parent)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	left := line[:len(line)-1]
	own, err := New(parent, "qwenvld-")
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(parent, "qwenvld-notes")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	if n, err := Clear(parent, "qwenvld-"); n != 0 || err != nil {
		t.Errorf("while all live: %d, %v", n, err)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if n, err := Clear(parent, "qwenvld-"); n != 1 || err != nil {
		t.Errorf("after one was killed: %d, %v", n, err)
	}
	for path, want := range map[string]bool{left: false, own.Path: true, foreign: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := own.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(own.Path); err == nil {
		t.Error("a closed folder is still there")
	}
}

func TestFoldersOfSocketsAreTheUsersAlone(t *testing.T) {
	parent := t.TempDir()
	if err := os.Chmod(parent, 0o777); err != nil {
		t.Fatal(err)
	}
	d, err := New(parent, "qwenvld-")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	info, err := os.Stat(d.Path)
	if err != nil {
		t.Fatal(err)
	}
	if others := info.Mode().Perm() & 0o077; others != 0 {
		t.Errorf("others may do %o with %s", others, d.Path)
	}
}
