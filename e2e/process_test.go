package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
)

// endless asks for the longest answer there can be.
func endless(model string) openai.ChatCompletionNewParams {
	p := question(model, "go on")
	p.MaxTokens = openai.Int(7000)
	// No end token, no control tokens: the answer goes on.
	p.Temperature = openai.Float(1)
	return p
}

// TestKilledWorkerEndsOnlyItsOwnRequests kills both workers in turn, each while both variants stream.
func TestKilledWorkerEndsOnlyItsOwnRequests(t *testing.T) {
	d := serve(t)
	ctx := timeout(t, time.Minute)
	for range 2 {
		pid := d.workers()[0]
		type end struct {
			err  error
			when time.Time
		}
		ends := make(chan end, 2)
		for _, model := range []string{"qwen3-vl-instruct", "qwen3-vl-thinking"} {
			// Answers of noise end by chance, so each client asks until it fails or the time is up.
			stream := d.client.Chat.Completions.NewStreaming(ctx, endless(model))
			if !stream.Next() {
				t.Fatal(stream.Err())
			}
			go func() {
				for {
					for stream.Next() {
					}
					if stream.Err() != nil {
						ends <- end{stream.Err(), time.Now()}
						return
					}
					if ctx.Err() != nil {
						return
					}
					stream = d.client.Chat.Completions.NewStreaming(ctx, endless(model))
				}
			}()
		}
		killed := time.Now()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {
		case e := <-ends:
			if after := e.when.Sub(killed); after > 2*time.Second {
				t.Errorf("told after %v: %v", after, e.err)
			}
		case <-time.After(5 * time.Second):
			// The answer ended by chance before the kill and the next request was retried unseen.
		}
		eventually(t, func() bool { return d.status("/health/ready") == `"ready"` && !alive(pid) })
		for _, model := range []string{"qwen3-vl-instruct", "qwen3-vl-thinking"} {
			if _, err := d.client.Chat.Completions.New(ctx, question(model, "hello")); err != nil {
				t.Errorf("%s afterwards: %v", model, err)
			}
		}
	}
	if len(d.workers()) != 2 {
		t.Errorf("%d workers", len(d.workers()))
	}
}

func TestTerminationLetsRequestsFinishAndLeavesNothing(t *testing.T) {
	d := serve(t)
	workers := d.workers()
	stream := d.client.Chat.Completions.NewStreaming(timeout(t, time.Minute), endless("qwen3-vl-instruct"))
	if !stream.Next() {
		t.Fatal(stream.Err())
	}
	stopped := make(chan error, 1)
	go func() { stopped <- d.stop() }()
	for stream.Next() {
	}
	if err := stream.Err(); err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("exit: %v\n%s", err, d.logs())
	}
	eventually(t, func() bool {
		for _, pid := range workers {
			if alive(pid) {
				return false
			}
		}
		return true
	})
}

func TestWorkersDieWithTheDaemon(t *testing.T) {
	d := serve(t)
	workers := d.workers()
	if len(workers) != 2 {
		t.Fatalf("workers %v", workers)
	}
	_ = d.cmd.Process.Kill()
	eventually(t, func() bool { return !alive(workers[0]) && !alive(workers[1]) })
}

func TestAllowedHostsCanBeFetched(t *testing.T) {
	images := httptest.NewServer(http.FileServer(http.Dir("../testdata/media")))
	defer images.Close()
	config := filepath.Join(t.TempDir(), "c.yaml")
	host := strings.TrimPrefix(images.URL, "http://")
	if err := os.WriteFile(config, []byte("media: {allowed_hosts: [\""+host+"\"]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := serve(t, "--config", config)
	ctx := timeout(t, time.Minute)
	if _, err := d.client.Chat.Completions.New(ctx, withImage("qwen3-vl", images.URL+"/coffee.png")); err != nil {
		t.Error(err)
	}
	if _, err := d.client.Chat.Completions.New(ctx, withImage("qwen3-vl", images.URL+"/missing.png")); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a missing image: %v", err)
	}
}

func TestCommandLine(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("lissten: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	if err := os.WriteFile(missing, []byte("models: [{id: m, instruct: {model: nowhere.gguf}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		want string
		ok   bool
	}{
		"version":       {[]string{"version"}, "ec98e2002", true},
		"route easy":    {[]string{"route", "hello"}, `"instruct"`, true},
		"route hard":    {[]string{"route", "Prove step by step that there are infinitely many primes."}, `"thinking"`, true},
		"help":          {[]string{"--help"}, "serve", true},
		"unknown key":   {[]string{"serve", "--config", bad}, "lissten", false},
		"missing model": {[]string{"serve", "--listen", "127.0.0.1:0", "--config", missing}, "nowhere.gguf", false},
		"unknown flag":  {[]string{"serve", "--no-such-flag"}, "no-such-flag", false},
		"bad address":   {[]string{"serve", "--listen", "nonsense"}, "listen", false},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.CommandContext(timeout(t, 20*time.Second), binary(t), tc.args...).CombinedOutput()
			if (err == nil) != tc.ok || !strings.Contains(string(out), tc.want) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
