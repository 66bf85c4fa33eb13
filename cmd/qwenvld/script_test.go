package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/hub/hubtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"qwenvld": main})
}

// fakeDaemon answers questions by telling what it was asked. One about "for ever" it begins to answer and never ends.
type fakeDaemon struct {
	server *httptest.Server
	begun  chan struct{} // gets an element when an endless answer has begun
	left   chan struct{} // and when its client is gone
}

func newFakeDaemon() *fakeDaemon {
	d := &fakeDaemon{begun: make(chan struct{}, 8), left: make(chan struct{}, 8)}
	d.server = httptest.NewServer(d)
	return d
}

func (d *fakeDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var req struct {
		Messages []struct {
			Role    string `json:"role"`
			Content any    `json:"content"`
		} `json:"messages"`
		Think  *bool `json:"enable_thinking"`
		Stream bool  `json:"stream"`
	}
	if err := json.Unmarshal(body, &req); err != nil || r.URL.Path != "/v1/chat/completions" {
		http.NotFound(w, r)
		return
	}
	if r.Header.Get("Authorization") == "Bearer wrong" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":{"message":"Send a valid API key."}}`)
		return
	}
	var heard []string
	for _, m := range req.Messages {
		parts, ok := m.Content.([]any)
		if !ok {
			parts = []any{map[string]any{"type": "text", "text": m.Content}}
		}
		for _, p := range parts {
			part := p.(map[string]any)
			if part["type"] == "text" {
				heard = append(heard, fmt.Sprintf("%s %q", m.Role, part["text"]))
			} else {
				address := part[part["type"].(string)].(map[string]any)["url"].(string)
				before, _, _ := strings.Cut(address, ",")
				heard = append(heard, m.Role+" "+before)
			}
		}
	}
	answer := strings.Join(heard, ", ")
	if !req.Stream {
		fmt.Fprintf(w, `{"choices":[{"message":{"content":%q}}]}`, answer)
		return
	}
	send := func(format string, args ...any) {
		fmt.Fprintf(w, "data: "+format+"\n\n", args...)
		_ = http.NewResponseController(w).Flush()
	}
	send(`{"model":"m-x","choices":[{"delta":{"content":""}}],"routing":{"source":"router","score":0.7,"threshold":0.5,"reasons":["sum"]}}`)
	if req.Think != nil && *req.Think {
		send(`{"choices":[{"delta":{"reasoning_content":"Hm."}}]}`)
	}
	if strings.Contains(answer, "for ever") && !strings.Contains(answer, "for ever\", ") {
		send(`{"choices":[{"delta":{"content":"I beg"}}]}`)
		d.begun <- struct{}{}
		<-r.Context().Done()
		d.left <- struct{}{}
		return
	}
	quoted, _ := json.Marshal(answer)
	send(`{"choices":[{"delta":{"content":%s}}]}`, quoted)
	send(`{"choices":[{"delta":{},"finish_reason":"length"}]}`)
	send(`{"choices":[],"usage":{"completion_tokens":5}}`)
	send(`[DONE]`)
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			d := newFakeDaemon()
			e.Values["daemon"], e.Values["held"] = d, make(chan struct{})
			e.Setenv("QWENVLD_URL", d.server.URL)
			e.Setenv("FAKE", strings.TrimPrefix(d.server.URL, "http://"))
			e.Setenv("TMPDIR", e.WorkDir)
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, ".cache"))
			e.Defer(d.server.Close)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":      exits,
			"hub":        startHub,
			"eventually": eventually,
			"says":       says,
			// release lets a hub that was held go on.
			"release": func(ts *testscript.TestScript, _ bool, _ []string) { close(ts.Value("held").(chan struct{})) },
			// begun waits until an endless answer has begun, left until its client is gone.
			"begun": func(ts *testscript.TestScript, _ bool, _ []string) { await(ts, ts.Value("daemon").(*fakeDaemon).begun) },
			"left":  func(ts *testscript.TestScript, _ bool, _ []string) { await(ts, ts.Value("daemon").(*fakeDaemon).left) },
		},
	})
}

// startHub starts a hub on which the built-in pair is qwen3-vl:2b. It drops the first connections. A hub that is "held"
// sends no files before it is released.
func startHub(ts *testscript.TestScript, _ bool, args []string) {
	h := hubtest.New()
	for _, variant := range []string{"Instruct", "Thinking"} {
		repo := "Qwen/Qwen3-VL-2B-" + variant + "-GGUF"
		for name, file := range map[string]string{
			"Qwen3VL-2B-" + variant + "-Q4_K_M.gguf": strings.ToLower(variant), "mmproj-Qwen3VL-2B-" + variant + "-F16.gguf": "projector",
		} {
			content, err := os.ReadFile(filepath.Join("..", "..", "internal", "demopair", "weights", file+".gguf"))
			ts.Check(err)
			h.Add(repo, name, content)
		}
	}
	held := ts.Value("held").(chan struct{})
	if len(args) == 0 {
		close(held)
	}
	h.SetFault(func(w http.ResponseWriter, r *http.Request, content []byte, n int) bool {
		select {
		case <-held:
		case <-r.Context().Done():
			return true
		}
		if n <= 2 {
			hubtest.Break(w, r, content, 1<<20)
		}
		return false
	})
	ts.Setenv("HF_ENDPOINT", h.Front.URL)
	ts.Defer(h.Close)
}

func await(ts *testscript.TestScript, c <-chan struct{}) {
	select {
	case <-c:
	case <-time.After(time.Minute):
		ts.Fatalf("it did not happen")
	}
}

// exits CODE PROGRAM ARGS... runs a program that must end with an exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	var exit *exec.ExitError
	if err = ts.Exec(args[1], args[2:]...); !errors.As(err, &exit) {
		ts.Fatalf("it ended with %v, want the exit code %d", err, code)
	} else if exit.ExitCode() != code {
		ts.Fatalf("it ended with the exit code %d, want %d", exit.ExitCode(), code)
	}
}

// says TEXT PROGRAM ARGS... runs a program again and again until it prints text.
func says(ts *testscript.TestScript, _ bool, args []string) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(2 * time.Minute)
	for {
		err := ts.Exec(args[1], args[2:]...)
		if strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			ts.Fatalf("it does not say %q: %v", args[0], err)
		}
	}
}

// eventually PROGRAM ARGS... runs a program again and again until it succeeds.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(2 * time.Minute)
	for {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			ts.Fatalf("it still fails: %v", err)
		}
	}
}

// walk calls visit for cmd and all commands below it.
func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, c := range cmd.Commands() {
		walk(c, visit)
	}
}

func TestEveryCommandHasAScript(t *testing.T) {
	walk(root(&environment{}), func(cmd *cobra.Command) {
		if cmd.HasSubCommands() {
			return // command_line.txtar
		}
		path := strings.TrimPrefix(cmd.CommandPath(), "qwenvld ")
		name := filepath.Join("testdata", "script", strings.ReplaceAll(path, " ", "_")+".txtar")
		script, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			return
		}
		for _, line := range []string{"exec qwenvld " + path + " --help\n", "exits 2 qwenvld " + path} {
			if !strings.Contains(string(script), line) {
				t.Errorf("%s never has %q", name, line)
			}
		}
	})
}
