package e2e

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// binary is the daemon under test; `make test` builds it.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("QWENVLD_BINARY")
	if path == "" {
		path = "../bin/qwenvld"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	return path
}

// daemon is a running qwenvld serve.
type daemon struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	client openai.Client
	exited chan error

	out output
	log output
}

// output collects what a process writes while others read it.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

var address = regexp.MustCompile(`address=(https?://\S+)`)

// start starts the daemon on a free port and waits until it listens.
func start(t *testing.T, args ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, exited: make(chan error, 1)}
	d.cmd = exec.Command(binary(t), append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	d.cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir(), "TMPDIR="+t.TempDir())
	d.cmd.Stdout = &d.out
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			fmt.Fprintln(&d.log, lines.Text())
			if m := address.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
		d.exited <- d.cmd.Wait()
	}()
	t.Cleanup(func() { d.stop() })
	select {
	case d.url = <-found:
	case err := <-d.exited:
		t.Fatalf("ended with %v:\n%s", err, d.logs())
	case <-time.After(20 * time.Second):
		t.Fatalf("not serving after 20 s:\n%s", d.logs())
	}
	return d
}

// serve starts the daemon and waits until it is ready.
func serve(t *testing.T, args ...string) *daemon {
	t.Helper()
	d := start(t, args...)
	eventually(t, func() bool { return d.status("/health/ready") == `"ready"` })
	d.client = openai.NewClient(option.WithBaseURL(d.url+"/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0))
	return d
}

func (d *daemon) logs() string { return d.log.String() }

// stop ends the daemon with SIGTERM and returns its exit error.
func (d *daemon) stop() error {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-d.exited:
		d.exited <- err
		return err
	case <-time.After(20 * time.Second):
		_ = d.cmd.Process.Kill()
		d.t.Error("did not stop in 20 s")
		return fmt.Errorf("killed")
	}
}

var statusMember = regexp.MustCompile(`"status":("\w+")`)

// status is the status member of a health reply, empty when there is none.
func (d *daemon) status(path string) string {
	resp, err := http.Get(d.url + path)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	line, _ := bufio.NewReader(resp.Body).ReadString('}')
	if m := statusMember.FindStringSubmatch(line); m != nil {
		return m[1]
	}
	return ""
}

// workers are the process ids of the daemon's children that hold weights; others decode pictures.
func (d *daemon) workers() []int {
	var out []int
	for _, task := range tasks(d.cmd.Process.Pid) {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", d.cmd.Process.Pid, task))
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(data)) {
			var pid int
			fmt.Sscan(f, &pid)
			if line, _ := os.ReadFile("/proc/" + f + "/cmdline"); strings.Contains(string(line), "\x00worker") {
				out = append(out, pid)
			}
		}
	}
	return out
}

func tasks(pid int) []string {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen in 20 s")
		}
	}
}

// photo is a data URI of a real image.
func photo(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("../testdata/media/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(data)
}

func timeout(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
