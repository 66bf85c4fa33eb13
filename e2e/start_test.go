package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// command runs the binary in folders of its own and returns what it wrote and its exit code.
func command(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return commandIn(t, nil, stdin, args...)
}

func commandIn(t *testing.T, env []string, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(timeout(t, time.Minute), binary(t), args...)
	cmd.Env = append(append(os.Environ(), "TMPDIR="+t.TempDir()), env...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFilesThatCannotServeAreNamedOnceBeforeAnythingIsServed: each line of the error names one file, and nothing else is said.
func TestFilesThatCannotServeAreNamedOnceBeforeAnythingIsServed(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir)
	write(t, dir, "text.gguf", "this is a text")
	write(t, dir, "other.pem", "no key")
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.gguf"), 0o600); err != nil {
		t.Fatal(err)
	}
	good, err := filepath.Abs("../internal/demopair/weights")
	if err != nil {
		t.Fatal(err)
	}
	pair := func(instruct, thinking, projector string) string {
		return "models: [{id: m, instruct: {model: " + instruct + ", projector: " + projector + "}, thinking: {model: " + thinking + ", projector: " + projector + "}}]\n"
	}
	instruct, thinking, projector := good+"/instruct.gguf", good+"/thinking.gguf", good+"/projector.gguf"
	whole, err := os.ReadFile(instruct)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "cut.gguf", string(whole[:len(whole)/2]))
	for name, c := range map[string]struct {
		config string
		want   []string
	}{
		"missing model":      {pair(instruct, "none.gguf", projector), []string{"none.gguf"}},
		"missing projector":  {pair(instruct, thinking, "none.gguf"), []string{"none.gguf"}},
		"folder":             {pair(dir, thinking, projector), []string{dir}},
		"pipe":               {pair("pipe.gguf", thinking, projector), []string{"pipe.gguf"}},
		"no GGUF":            {pair(instruct, "text.gguf", projector), []string{"text.gguf"}},
		"cut":                {pair(instruct, "cut.gguf", projector), []string{"cut.gguf"}},
		"projector as model": {pair(instruct, projector, projector), []string{"projector.gguf"}},
		"context":            {strings.Replace(pair(instruct, thinking, projector), "}}]", "}, engine: {context_size: 1000000}}]", 1), []string{"context_size"}},
		"all of them": {
			pair("none.gguf", "text.gguf", projector) + "tls: {certificate: none.pem, key: key.pem}\n",
			[]string{"none.pem", "none.gguf", "text.gguf"},
		},
		"key of another": {"tls: {certificate: cert.pem, key: other.pem}\n", []string{"other.pem"}},
		"router weights": {"router: {weights: text.gguf}\n", []string{"text.gguf"}},
		"store":          {"responses: {path: text.gguf/store.db}\n", []string{"text.gguf"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := command(t, "", "serve", "--log-level", "error", "--listen", "127.0.0.1:0", "--config", write(t, dir, "c.yaml", c.config))
			lines := strings.Split(strings.TrimSpace(errs), "\n")
			if code != 1 || out != "" || len(lines) != len(c.want) || strings.Contains(errs, "context canceled") {
				t.Fatalf("code %d, %q and\n%s", code, out, errs)
			}
			for i, want := range c.want {
				if strings.Count(lines[i], want) != 1 {
					t.Errorf("%q, want it to name %s once", lines[i], want)
				}
			}
		})
	}
}

func TestAnAddressInUseSaysWhatToDoBeforeModelsAreLoaded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cache := t.TempDir()
	out, errs, code := commandIn(t, []string{"XDG_CACHE_HOME=" + cache}, "", "serve", "--listen", l.Addr().String())
	if code != 1 || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, l.Addr().String()) || !strings.Contains(errs, "--listen") {
		t.Errorf("code %d, %q and\n%s", code, out, errs)
	}
	if entries, _ := os.ReadDir(cache); len(entries) > 0 {
		t.Error("the built-in pair was extracted first")
	}
}

func TestTheBannerIsShortAndTrue(t *testing.T) {
	d := serve(t)
	eventually(t, func() bool { return strings.Contains(d.out.String(), "examples") })
	if n := strings.Count(strings.TrimSpace(d.out.String()), "\n") + 1; n > 5 {
		t.Errorf("%d lines:\n%s", n, d.out.String())
	}
	line := regexp.MustCompile(`curl .*`).FindString(d.out.String())
	out, err := exec.CommandContext(timeout(t, time.Minute), "sh", "-c", line).Output()
	if err != nil || !strings.Contains(string(out), `"object":"chat.completion"`) {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
}

// TestTheBannersAddressCanBeReachedWithAKey serves on all addresses, with keys.
func TestTheBannersAddressCanBeReachedWithAKey(t *testing.T) {
	var secret bytes.Buffer
	makeKey := exec.Command(binary(t), "key", "alice")
	makeKey.Stderr = &secret
	entry, err := makeKey.Output()
	if err != nil {
		t.Fatal(err)
	}
	config := write(t, t.TempDir(), "c.yaml", string(entry))
	d := start(t, "--config", config, "--listen", "[::]:0")
	if !strings.HasPrefix(d.url, "http://127.0.0.1:") {
		t.Error(d.url)
	}
	eventually(t, func() bool { return strings.Contains(d.out.String(), "examples") })
	line := regexp.MustCompile(`curl .*`).FindString(d.out.String())
	export := regexp.MustCompile(`export \S+`).FindString(secret.String())
	out, err := exec.CommandContext(timeout(t, time.Minute), "sh", "-c", export+"; "+line).Output()
	if err != nil || !strings.Contains(string(out), `"object":"chat.completion"`) {
		t.Errorf("%s; %s: %v\n%s", export, line, err, out)
	}
}

func TestLayersForAGPUThatIsNotThereWarn(t *testing.T) {
	good, err := filepath.Abs("../internal/demopair/weights")
	if err != nil {
		t.Fatal(err)
	}
	config := write(t, t.TempDir(), "c.yaml", "models: [{id: m, instruct: {model: "+good+"/instruct.gguf}, engine: {gpu_layers: -1}}]\n")
	d := serve(t, "--config", config)
	if strings.Count(d.logs(), "gpu_layers has no effect") != 1 && !strings.Contains(d.logs(), "CUDA") && !strings.Contains(d.logs(), "Metal") {
		t.Error(d.logs())
	}
}

// TestHealthHoldsWithAnyConfiguration asks as the image's health check does: without being told how the daemon was started.
func TestHealthHoldsWithAnyConfiguration(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir)
	entry, err := exec.Command(binary(t), "key", "alice").Output()
	if err != nil {
		t.Fatal(err)
	}
	secured := string(entry) + "tls: {certificate: cert.pem, key: key.pem}\n"
	for name, c := range map[string]struct{ config, listen string }{
		"all addresses": {"", "0.0.0.0:0"},
		"keys and TLS":  {secured, "127.0.0.1:0"},
		"socket":        {"", "unix:" + filepath.Join(dir, "q.sock")},
		"keys, socket":  {string(entry), "unix:" + filepath.Join(dir, "r.sock")},
	} {
		t.Run(name, func(t *testing.T) {
			tmp := t.TempDir()
			// TMPDIR is what a container's processes share; the image names an address that the flag overrides.
			env := []string{"TMPDIR=" + tmp, "QWENVLD_LISTEN=0.0.0.0:1"}
			config := write(t, dir, strings.ReplaceAll(name, " ", "")+".yaml", c.config)
			ctx, cancel := context.WithCancel(t.Context())
			daemon := exec.CommandContext(ctx, binary(t), "serve", "--config", config, "--listen", c.listen)
			daemon.Env = append(append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir()), env...)
			daemon.Cancel = func() error { return daemon.Process.Signal(syscall.SIGTERM) }
			if err := daemon.Start(); err != nil {
				t.Fatal(err)
			}
			var last string
			eventually(t, func() bool {
				var code int
				_, last, code = commandIn(t, env, "", "health")
				return code == 0
			})
			cancel()
			_ = daemon.Wait()
			if out, _, code := commandIn(t, env, "", "health"); code == 0 {
				t.Errorf("still healthy when it has ended: %s (%s)", out, last)
			}
		})
	}
}

// TestRouteDecidesAsTheDaemonDoes compares the command with POST /v1/route of a daemon with the same configuration.
func TestRouteDecidesAsTheDaemonDoes(t *testing.T) {
	good, err := filepath.Abs("../internal/demopair/weights")
	if err != nil {
		t.Fatal(err)
	}
	prompts := []string{
		"hi", "What is the sum of the numbers?", "Prove that the square root of two is irrational.", "Describe the picture step by step.",
		"Wie viele Äpfel bleiben, wenn ich von 17 Äpfeln 9 verschenke?", "quick answer: what colour is it?", "Read the text.", "写一首诗",
		"def f(x): return x*2\nWhy does f('a') print aa?", strings.Repeat("Count the stars. ", 300),
	}
	for name, config := range map[string]string{
		"built-in pair": "",
		"quality":       "router: {quality: 8.5}\n",
		"model":         "models: [{id: m, instruct: {model: " + good + "/instruct.gguf, projector: " + good + "/projector.gguf}, thinking: {model: " + good + "/thinking.gguf}}]\nrouter: {quality: 3}\n",
		"calibrated":    "models: [{id: m, instruct: {model: " + good + "/instruct.gguf}, thinking: {model: " + good + "/thinking.gguf}}]\nrouter: {weights: " + filepath.Dir(good) + "/router.weights}\n",
		"one variant":   "models: [{id: m, instruct: {model: " + good + "/instruct.gguf}}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{}
			if config != "" {
				args = []string{"--config", write(t, t.TempDir(), "c.yaml", config)}
			}
			d := serve(t, args...)
			picture := photo(t, "astronaut.png")
			for i, prompt := range prompts {
				var content []map[string]any
				routeArgs := append([]string{"route"}, args...)
				for range i % 3 {
					content = append(content, map[string]any{"type": "image_url", "image_url": map[string]any{"url": picture}})
					routeArgs = append(routeArgs, "--image", "../testdata/media/astronaut.png")
				}
				content = append(content, map[string]any{"type": "text", "text": prompt})
				body, _ := json.Marshal(map[string]any{"model": "auto", "messages": []any{map[string]any{"role": "user", "content": content}}})
				resp, err := http.Post(d.url+"/v1/route", "application/json", bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				var want struct {
					Routing map[string]any `json:"routing"`
				}
				err = json.NewDecoder(resp.Body).Decode(&want)
				resp.Body.Close()
				if err != nil || want.Routing["variant"] == nil {
					t.Fatalf("%v, %v", want, err)
				}
				// Every other prompt comes from the standard input.
				words, stdin := []string{prompt}, ""
				if i%2 == 1 {
					words, stdin = []string{"-"}, prompt
				}
				out, errs, code := command(t, stdin, append(routeArgs, words...)...)
				var got map[string]any
				if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
					t.Fatalf("code %d, %v\n%s%s", code, err, out, errs)
				}
				if !reflect.DeepEqual(want.Routing, got) {
					t.Errorf("%.40q with %d pictures: the daemon says\n%v, the command\n%v", prompt, i%3, want.Routing, got)
				}
			}
		})
	}
}

func TestWrongCommandLinesShowTheUsage(t *testing.T) {
	for _, args := range [][]string{{"router", "nosuch"}, {"nosuch"}, {"serve", "--nosuch"}, {"serve", "extra"}, {"key"}, {"route"}, {"health", "x"}} {
		out, errs, code := command(t, "", args...)
		if code != 2 || out != "" || !strings.Contains(errs, "Usage:") || !strings.HasPrefix(errs, "qwenvld: ") {
			t.Errorf("%v: code %d, %q, %s", args, code, out, errs)
		}
	}
	if out, _, code := command(t, "", "--version"); code != 0 || !strings.HasPrefix(out, "qwenvld ") || strings.Count(out, "\n") != 1 {
		t.Errorf("code %d, %q", code, out)
	}
}
