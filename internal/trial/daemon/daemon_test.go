package daemon

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMetricsAreAddedUp(t *testing.T) {
	const text = `# HELP go_goroutines Number of goroutines.
go_goroutines 42
go_goroutines_other 7
qwenvld_kv_cells{model="m",state="live",variant="instruct"} 3
qwenvld_kv_cells{model="m",state="free",variant="instruct"} 90
qwenvld_kv_cells{model="m",state="live",variant="thinking"} 4
`
	for want, got := range map[int]int{
		42: sum([]byte(text), "go_goroutines"), 7: sum([]byte(text), "qwenvld_kv_cells", `state="live"`), 97: sum([]byte(text), "qwenvld_kv_cells"),
		0: sum([]byte(text), "qwenvld_none"),
	} {
		if got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
}

// fake is a program in place of the daemon: it says where it serves and waits for SIGTERM.
func fake(t *testing.T, script string) *Options {
	t.Helper()
	path := t.TempDir() + "/q"
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return &Options{Binary: path, Dir: t.TempDir(), Environ: os.Environ()}
}

func TestADaemonIsStartedAndEnded(t *testing.T) {
	o := fake(t, `trap 'exit 0' TERM
echo "level=INFO msg=serving address=http://127.0.0.1:1 $1 $TMPDIR" >&2
echo "level=INFO msg=request path=/" >&2
while :; do sleep 0.05; done`)
	d, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if log := d.Log(); d.URL != "http://127.0.0.1:1" || !strings.Contains(log, "serve "+o.TempDir()) || strings.Contains(log, "request") {
		t.Errorf("%s: %s", d.URL, log)
	}
	if Resident(d.PID()) == 0 || !Alive(d.PID()) || len(d.Workers()) > 0 || len(d.Decoders()) > 0 {
		t.Error("the process is not looked at")
	}
	if err := d.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	<-d.Exited()
	if Ticks(d.PID()) != 0 || Resident(d.PID()) != 0 {
		t.Error("what has ended still takes something")
	}
}

func TestADaemonThatDoesNotStartOrEndIsTold(t *testing.T) {
	var exit *exec.ExitError
	if _, err := Start(t.Context(), fake(t, "echo no such key >&2; exit 3")); !errors.As(err, &exit) || !strings.Contains(err.Error(), "no such key") {
		t.Errorf("%v", err)
	}
	d, err := Start(t.Context(), fake(t, "trap '' TERM\necho address=http://127.0.0.1:1 >&2\nwhile :; do sleep 0.05; done"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("too late"))
	if err := d.Stop(ctx); err == nil || !strings.Contains(err.Error(), "too late") {
		t.Errorf("%v", err)
	}
	<-d.Exited()
}

func TestWaitingEnds(t *testing.T) {
	looks := 0
	if err := Await(t.Context(), time.Minute, func() bool { looks++; return looks == 3 }); err != nil {
		t.Error(err)
	}
	if err := Await(t.Context(), time.Millisecond, func() bool { return false }); !errors.Is(err, errLate) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	Pause(ctx, time.Hour)
	if err := Await(ctx, time.Hour, func() bool { return false }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestFilesOfAFolderAreCountedButForKeptRows(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b/c", keptRows + "1/rows-1/x.rows"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if n := countFiles(dir); n != 2 {
		t.Errorf("%d files", n)
	}
	if n := countFiles(dir + "/none"); n != 0 {
		t.Errorf("%d files in no folder", n)
	}
}
