package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// pair writes a configuration with two of the small reference checkpoints. Those of the variants that are named hold values that are not
// numbers, which only their worker finds.
func pair(t *testing.T, broken ...string) string {
	t.Helper()
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString("models:\n- id: m\n  engine: {context_size: 512}\n")
	for variant, name := range map[string]string{"instruct": "dense-tied", "thinking": "dense-untied"} {
		reference, err := filepath.Abs("../testdata/reference/" + name)
		if err != nil {
			t.Fatal(err)
		}
		model := filepath.Join(reference, "model.gguf")
		if slices.Contains(broken, variant) {
			data, err := os.ReadFile(model)
			if err != nil {
				t.Fatal(err)
			}
			for i := len(data) / 2; i < len(data); i++ {
				data[i] = 0xff
			}
			model = filepath.Join(dir, variant+".gguf")
			if err := os.WriteFile(model, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintf(&text, "  %s: {model: %s, projector: %s/mmproj.gguf}\n", variant, model, reference)
	}
	file := filepath.Join(dir, "qwenvld.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestWeightsThatDoNotLoadAreToldAndTheOthersServe(t *testing.T) {
	d := start(t, "--config", pair(t, "thinking"))
	d.client = openai.NewClient(option.WithBaseURL(d.url+"/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0))
	eventually(t, func() bool {
		v := d.readiness().Variants
		return v["instruct"].Status == "ready" && v["thinking"].Status == "failed"
	})
	r := d.readiness()
	if why := r.Variants["thinking"].Error; r.Status != "degraded" || !strings.Contains(why, `"thinking.gguf"`) {
		t.Errorf("readiness %+v", r)
	}
	if n := strings.Count(d.logs(), "level=ERROR"); n != 1 || strings.Count(d.logs(), "thinking.gguf") != 1 {
		t.Errorf("%d errors in the log:\n%s", n, d.logs())
	}
	for model, ok := range map[string]bool{"m": true, "m-instruct": true, "m-thinking": false} {
		p := question(model, "hello")
		p.MaxTokens = openai.Int(3)
		_, err := d.client.Chat.Completions.New(timeout(t, patience), p)
		var e *openai.Error
		if refused := errors.As(err, &e) && e.StatusCode == http.StatusServiceUnavailable && e.Code == "model_unavailable"; ok != (err == nil) || !ok && !refused {
			t.Errorf("%s: %v", model, err)
		}
	}
	resp, err := http.Get(d.url + "/v1/models/m-thinking")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var card struct {
		Variants []struct{ Status, Error string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&card); err != nil || len(card.Variants) != 1 || card.Variants[0].Status != "failed" || card.Variants[0].Error == "" {
		t.Errorf("model card %+v, %v", card, err)
	}
	if err := d.stop(); err != nil {
		t.Errorf("exit: %v", err)
	}
}

func TestDaemonFailsWhenNothingCanBeServed(t *testing.T) {
	d := start(t, "--config", pair(t, "instruct", "thinking"))
	err := <-d.exited
	d.exited <- err
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("exit: %v", err)
	}
	log := d.logs()
	if n := strings.Count(log, "level=ERROR"); n != 2 || strings.Contains(log, "context canceled") {
		t.Errorf("%d errors in the log:\n%s", n, log)
	}
}

// A worker that does not answer, or computes without getting anywhere, gets no new requests, and one that stays so is replaced. The
// other variant answers meanwhile.
func TestWorkerThatStandsStillGetsNoRequestsAndIsReplaced(t *testing.T) {
	for name, stop := range map[string]func(t *testing.T, pid int){
		"process": func(t *testing.T, pid int) {
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		},
		"threads": stopBusiestThreads,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := serve(t)
			stream := begin(t, d, "qwen3-vl-instruct", 3500)
			pid := busiest(t, d.workers())
			stop(t, pid)
			eventually(t, func() bool { return d.readiness().Variants["instruct"].Status == "stalled" })
			if r := d.readiness(); r.Status != "degraded" || r.Variants["instruct"].Error == "" {
				t.Errorf("readiness %+v", r)
			}
			answer, err := d.client.Chat.Completions.New(timeout(t, patience), question("qwen3-vl", "hello"))
			if err != nil || answer.Model != "qwen3-vl-thinking" {
				t.Errorf("a routed request: %+v, %v", answer, err)
			}
			if err := finish(stream); err == nil || !strings.Contains(err.Error(), "unexpectedly") {
				t.Errorf("the stream in flight: %v", err)
			}
			d.ready()
			if slices.Contains(d.workers(), pid) {
				t.Error("the worker was not replaced")
			}
			if _, err := d.client.Chat.Completions.New(timeout(t, patience), question("qwen3-vl-instruct", "hello")); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// busiest is the process that computes now.
func busiest(t *testing.T, pids []int) (pid int) {
	before := map[int]int{}
	for _, p := range pids {
		before[p] = ticks(p, p)
	}
	eventually(t, func() bool {
		pid = slices.MaxFunc(pids, func(a, b int) int { return ticks(a, a) - before[a] - ticks(b, b) + before[b] })
		const enough = 20
		return ticks(pid, pid)-before[pid] > enough
	})
	return pid
}

// ticks of a thread of a process, or of the whole process where tid is pid.
func ticks(pid, tid int) int {
	path := fmt.Sprintf("/proc/%d/task/%d/stat", pid, tid)
	if tid == pid {
		path = fmt.Sprintf("/proc/%d/stat", pid)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	var user, system int
	fields := strings.Fields(rest)
	const utime = 11 // after the name
	fmt.Sscan(fields[utime], &user)
	fmt.Sscan(fields[utime+1], &system)
	return user + system
}

// stopBusiestThreads stops the two threads that compute most, as a debugger does, and leaves the others of the process running.
func stopBusiestThreads(t *testing.T, pid int) {
	var tids []int
	for _, task := range tasks(pid) {
		var tid int
		fmt.Sscan(task, &tid)
		if tid != pid { // which has the time of all
			tids = append(tids, tid)
		}
	}
	slices.SortFunc(tids, func(a, b int) int { return ticks(pid, b) - ticks(pid, a) })
	stopped := make(chan error, 2)
	var tracers sync.WaitGroup
	for _, tid := range tids[:2] {
		tracers.Go(func() {
			runtime.LockOSThread() // who traces must be the one who waits; the thread ends with the goroutine
			const seize, interrupt, wall = 0x4206, 0x4207, 0x40000000
			for _, request := range []uintptr{seize, interrupt} {
				if _, _, e := syscall.Syscall6(syscall.SYS_PTRACE, request, uintptr(tid), 0, 0, 0, 0); e != 0 {
					stopped <- e
					return
				}
			}
			var status syscall.WaitStatus
			_, err := syscall.Wait4(tid, &status, wall, nil)
			stopped <- err
			for err == nil && !status.Exited() && !status.Signaled() {
				_, err = syscall.Wait4(tid, &status, wall, nil)
			}
		})
	}
	t.Cleanup(tracers.Wait)
	for range 2 {
		if err := <-stopped; errors.Is(err, syscall.EPERM) {
			t.Skip("threads of other processes may not be stopped here")
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
