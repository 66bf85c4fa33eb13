package running

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestADaemonIsListedWhileItRuns(t *testing.T) {
	dir := t.TempDir()
	if got, err := List(dir); err != nil || len(got) != 0 {
		t.Fatalf("%v, %v", got, err)
	}
	d := Daemon{PID: os.Getpid(), URL: "http://127.0.0.1:8080", Keys: true, Started: time.Unix(1000, 0).UTC()}
	note, err := Write(dir, d)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := List(dir); err != nil || cmp.Diff([]Daemon{d}, got) != "" {
		t.Fatalf("%v, %v", got, err)
	}
	if err := note.Remove(); err != nil {
		t.Fatal(err)
	}
	if got, err := List(dir); err != nil || len(got) != 0 {
		t.Fatalf("%v, %v", got, err)
	}
}

func TestNotesLeftBehindAreRemoved(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(folder(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	// A process that runs and is no daemon may have got the number: 1 always runs.
	stale := filepath.Join(folder(dir), "1.json")
	if err := os.WriteFile(stale, []byte(`{"pid":1,"url":"http://127.0.0.1:1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := List(dir)
	if err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("it is still there")
	}
}

func TestAFolderOpenToOthersIsNotBelieved(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(folder(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder(dir), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := List(dir); err == nil {
		t.Error("listed")
	}
	if _, err := Write(dir, Daemon{PID: os.Getpid(), URL: "x"}); err == nil {
		t.Error("written")
	}
}
