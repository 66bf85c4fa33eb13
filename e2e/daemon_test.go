package e2e

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
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
	// http and key are how its health is asked for.
	http *http.Client
	key  string

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
	d := &daemon{t: t, exited: make(chan error, 1), http: http.DefaultClient}
	d.cmd = exec.Command(binary(t), append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	// Only the test of draining waits for it, with a setting of its own.
	d.cmd.Env = append([]string{"QWENVLD_DRAIN_DELAY=0s"}, os.Environ()...)
	d.cmd.Env = append(d.cmd.Env, "XDG_CACHE_HOME="+t.TempDir(), "TMPDIR="+shortDir(t))
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
		lines := bufio.NewReader(stderr)
		for {
			line, err := lines.ReadString('\n')
			fmt.Fprint(&d.log, line)
			if m := address.FindStringSubmatch(line); m != nil {
				found <- m[1]
			}
			if err != nil {
				break
			}
		}
		d.exited <- d.cmd.Wait()
	}()
	t.Cleanup(func() {
		d.stop()
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.logs())
		}
	})
	select {
	case d.url = <-found:
	case err := <-d.exited:
		t.Fatalf("ended with %v:\n%s", err, d.logs())
	case <-time.After(patience):
		t.Fatalf("not serving after %v:\n%s", patience, d.logs())
	}
	return d
}

// shortDir is a folder in which the path of a socket stays within the system's limit, whatever the test's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e-") //nolint:usetesting // t.TempDir names the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// serve starts the daemon and waits until it is ready.
func serve(t *testing.T, args ...string) *daemon {
	t.Helper()
	d := start(t, args...)
	d.ready()
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
	case <-time.After(patience):
		_ = d.cmd.Process.Kill()
		d.t.Errorf("did not stop in %v", patience)
		return fmt.Errorf("killed")
	}
}

// readiness is what the daemon says of itself and of each variant.
type readiness struct {
	Status   string
	Variants map[string]struct{ Status, Error string }
}

// readiness asks the daemon; the zero value is no answer.
func (d *daemon) readiness() (r readiness) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/health/ready", http.NoBody)
	if err != nil {
		d.t.Fatal(err)
	}
	if d.key != "" {
		req.Header.Set("X-Api-Key", d.key)
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return r
	}
	defer resp.Body.Close()
	_ = json.NewDecoder(resp.Body).Decode(&r)
	return r
}

// ready waits until every variant can answer. That one of two can is not enough to ask for the other.
func (d *daemon) ready() {
	d.t.Helper()
	eventually(d.t, func() bool { return d.readiness().Status == "ready" })
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

// patience is for machines that are busy with other things. No test waits for so long unless it fails.
const patience = 2 * time.Minute

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	late, look := time.NewTimer(patience), time.NewTicker(10*time.Millisecond)
	defer late.Stop()
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-late.C:
			t.Fatalf("it did not happen in %v", patience)
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
