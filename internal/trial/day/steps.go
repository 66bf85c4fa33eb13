package day

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/qwenvld/qwenvld/internal/trial/daemon"
	"github.com/qwenvld/qwenvld/internal/trial/disk"
	"github.com/qwenvld/qwenvld/internal/trial/traffic"
)

// errNot is what should have been.
var errNot = errors.New("not as it should be")

// begin starts a daemon on the machine's socket as the unit says.
func (t *day) begin(ctx context.Context) (*daemon.Daemon, error) {
	if err := t.unit.folders(); err != nil {
		return nil, err
	}
	if err := t.unit.runs(ctx, "ExecStartPre", t.Environ, 0); err != nil {
		return nil, err
	}
	args, err := t.unit.serves()
	if err != nil {
		return nil, err
	}
	return daemon.Start(ctx, &daemon.Options{
		Binary: t.unit.below("/usr/local/bin/qwenvld"), Args: args, Dir: t.unit.below("/run"), Environ: t.Environ,
		Unit: t.unit.environ(), Socket: t.socket,
	})
}

// awaitWeights waits until both weights of d are loaded. Its log tells: who else accepts from the same socket might
// answer a question.
func awaitWeights(ctx context.Context, d *daemon.Daemon) error {
	err := daemon.Await(ctx, time.Minute, func() bool {
		return strings.Count(d.Log(), "model is ready") >= len(daemon.Variants())
	})
	if err != nil {
		return fmt.Errorf("the weights are not loaded: %w", err)
	}
	return nil
}

// start writes a first configuration and starts the service.
func (t *day) start(ctx context.Context) (err error) {
	if t.keys, err = newKeyring(ctx, t, "alice"); err != nil {
		return err
	}
	if err := t.configure(t.keys.entries()); err != nil {
		return err
	}
	if t.d, err = t.begin(ctx); err != nil {
		return err
	}
	t.client = traffic.NewClient(t.d.URL, t.keys.current)
	return awaitWeights(ctx, t.d)
}

func (t *day) configFile() string { return t.unit.below("/etc/qwenvld/qwenvld.yaml") }

// configure writes the configuration.
func (t *day) configure(keys string) error {
	text := keys + "drain_delay: 500ms\npublic: true\nresponses: {path: " + t.unit.below("/var/lib/qwenvld/responses.db") + "}\n"
	if err := os.WriteFile(t.configFile(), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

func (t *day) reload(ctx context.Context) error {
	return t.unit.runs(ctx, "ExecReload", t.Environ, t.d.PID())
}

// rotate exchanges the clients' key: both hold for a while, then the old one does not any more.
func (t *day) rotate(ctx context.Context) error {
	next, err := newKeyring(ctx, t, "bob")
	if err != nil {
		return err
	}
	if err := t.configure(t.keys.entries() + strings.TrimPrefix(next.entries(), "keys:\n")); err != nil {
		return err
	}
	if err := t.reload(ctx); err != nil {
		return err
	}
	if err := t.awaitStatus(ctx, next, http.StatusOK); err != nil {
		return fmt.Errorf("the new key: %w", err)
	}
	old := t.keys.replace(next)
	daemon.Pause(ctx, time.Second) // requests with the old key are on their way
	if err := t.configure(next.entries()); err != nil {
		return err
	}
	if err := t.reload(ctx); err != nil {
		return err
	}
	if err := t.awaitStatus(ctx, old, http.StatusUnauthorized); err != nil {
		return fmt.Errorf("the old key: %w", err)
	}
	return nil
}

// awaitStatus waits until a request with a key gets a status.
func (t *day) awaitStatus(ctx context.Context, k *keyring, want int) error {
	got := 0
	err := daemon.Await(ctx, time.Minute, func() bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.d.URL+"/v1/models", http.NoBody)
		if err != nil {
			return false
		}
		req.Header.Set("Authorization", "Bearer "+k.current())
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		got = resp.StatusCode
		return resp.Body.Close() == nil && got == want
	})
	if err != nil {
		return fmt.Errorf("status %d, not %d: %w", got, want, err)
	}
	return nil
}

// mistake has a configuration reloaded that cannot be read: the reload says so, and all stays as it was.
func (t *day) mistake(ctx context.Context) error {
	if err := t.configure("keys: [\n"); err != nil {
		return err
	}
	if t.reload(ctx) == nil {
		return fmt.Errorf("%w: a reload takes a configuration that cannot be read", errNot)
	}
	if err := t.awaitStatus(ctx, t.keys, http.StatusOK); err != nil {
		return fmt.Errorf("the key that held before: %w", err)
	}
	return t.configure(t.keys.entries())
}

// fill leaves the service no room for what it keeps, and then gives it room again.
func (t *day) fill(ctx context.Context, small *disk.Small) error {
	if err := small.Fill(); err != nil {
		return err
	}
	const while = 3 * time.Second
	daemon.Pause(ctx, while)
	return small.Empty()
}

// end asks a daemon to end, and it is an error where systemd would have to kill it.
func (t *day) end(ctx context.Context, d *daemon.Daemon) error {
	patience, err := t.unit.patience()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := d.Stop(limited); err != nil {
		return fmt.Errorf("the service ends badly: %w\n%s", err, d.Log())
	}
	return nil
}

// restart ends the service and starts it again. Who connects meanwhile waits in its socket.
func (t *day) restart(ctx context.Context) (err error) {
	if err := t.end(ctx, t.d); err != nil {
		return err
	}
	if t.d, err = t.begin(ctx); err != nil {
		return err
	}
	return awaitWeights(ctx, t.d)
}

// replace installs the program again, over the one that runs, and ends a worker: the daemon starts another of itself.
func (t *day) replace(ctx context.Context) error {
	if err := t.run(ctx, []string{"install", "-m", "755", "bin/qwenvld", "/usr/local/bin/"}); err != nil {
		return err
	}
	before := t.d.Workers()["instruct"]
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		return fmt.Errorf("end a worker: %w", err)
	}
	own, err := os.Stat(fmt.Sprintf("/proc/%d/exe", t.d.PID()))
	if err != nil {
		return fmt.Errorf("look at the daemon's program: %w", err)
	}
	err = daemon.Await(ctx, time.Minute, func() bool {
		pid := t.d.Workers()["instruct"]
		return pid != 0 && pid != before
	})
	if err != nil {
		return fmt.Errorf("wait for another worker: %w", err)
	}
	program, err := os.Stat(fmt.Sprintf("/proc/%d/exe", t.d.Workers()["instruct"]))
	if err != nil {
		return fmt.Errorf("look at the worker's program: %w", err)
	}
	if !os.SameFile(own, program) {
		return fmt.Errorf("%w: the daemon runs a worker of another program than its own", errNot)
	}
	return nil
}

// upgrade starts another daemon on the same socket and ends the first when the other has its weights.
func (t *day) upgrade(ctx context.Context) error {
	next, err := t.begin(ctx)
	if err != nil {
		return err
	}
	old := t.d
	t.d = next
	if err := awaitWeights(ctx, next); err != nil {
		old.Kill()
		return err
	}
	return t.end(ctx, old)
}

// stop ends the service and looks for what it has left.
func (t *day) stop(ctx context.Context) error {
	if err := t.end(ctx, t.d); err != nil {
		return err
	}
	t.d = nil
	if pids := running(t.Dir); len(pids) > 0 {
		return fmt.Errorf("%w: processes %v are left", errNot, pids)
	}
	left := 0
	err := filepath.WalkDir(t.unit.below("/run/tmp"), func(_ string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			left++
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("look for temporary files: %w", err)
	}
	if left > 0 {
		return fmt.Errorf("%w: %d temporary files are left", errNot, left)
	}
	t.note = "no process and no temporary file is left"
	return nil
}

// running are the processes whose program lies below a folder.
func running(dir string) (pids []string) {
	programs, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range programs {
		if program, err := os.Readlink(link); err == nil && strings.HasPrefix(program, dir+"/") {
			pids = append(pids, filepath.Base(filepath.Dir(link)))
		}
	}
	return pids
}
