package e2e

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/ssestream"
)

// endless asks for an answer that does not end by itself: the demo pair's end tokens are forbidden.
func endless(model string, tokens int64) openai.ChatCompletionNewParams {
	p := question(model, "go on")
	p.MaxTokens = openai.Int(tokens)
	p.LogitBias = map[string]int64{"1510": -100, "1512": -100}
	return p
}

// begin starts a stream and reads until a part of the answer has come.
func begin(t *testing.T, d *daemon, model string, tokens int64) *ssestream.Stream[openai.ChatCompletionChunk] {
	t.Helper()
	stream := d.client.Chat.Completions.NewStreaming(timeout(t, patience), endless(model, tokens))
	for stream.Next() {
		if raw := stream.Current().RawJSON(); strings.Contains(raw, `content":"`) && !strings.Contains(raw, `"role"`) {
			return stream
		}
	}
	t.Fatalf("%s: no answer: %v", model, stream.Err())
	return nil
}

// finish reads a stream to its end.
func finish(stream *ssestream.Stream[openai.ChatCompletionChunk]) error {
	for stream.Next() {
	}
	return stream.Err()
}

// TestKilledWorkerEndsOnlyItsOwnRequests kills each worker while both variants answer.
func TestKilledWorkerEndsOnlyItsOwnRequests(t *testing.T) {
	d := serve(t)
	for range 2 {
		workers := d.workers()
		if len(workers) != 2 {
			t.Fatalf("workers %v", workers)
		}
		// The oldest first: the one killed before is the younger now.
		pid := slices.Min(workers)
		streams := []*ssestream.Stream[openai.ChatCompletionChunk]{
			begin(t, d, "qwen3-vl-instruct", 3000), begin(t, d, "qwen3-vl-thinking", 3000),
		}
		ends := make(chan error, len(streams))
		for _, s := range streams {
			go func() { ends <- finish(s) }()
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		failed := 0
		for range streams {
			err := <-ends
			if err == nil {
				continue
			}
			failed++
			if !strings.Contains(err.Error(), "unexpectedly") {
				t.Error(err)
			}
		}
		if failed != 1 {
			t.Errorf("%d requests failed, want the killed worker's", failed)
		}
		eventually(t, func() bool { return !alive(pid) })
		d.ready()
		for _, model := range []string{"qwen3-vl-instruct", "qwen3-vl-thinking"} {
			if _, err := d.client.Chat.Completions.New(timeout(t, patience), question(model, "hello")); err != nil {
				t.Errorf("%s afterwards: %v", model, err)
			}
		}
	}
}

func TestTerminationLetsRequestsFinishAndLeavesNothing(t *testing.T) {
	d := serve(t)
	workers := d.workers()
	stream := begin(t, d, "qwen3-vl-instruct", 1000)
	stopped := make(chan error, 1)
	go func() { stopped <- d.stop() }()
	if err := finish(stream); err != nil {
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
	ctx := timeout(t, patience)
	if _, err := d.client.Chat.Completions.New(ctx, withImage("qwen3-vl", images.URL+"/coffee.png")); err != nil {
		t.Error(err)
	}
	_, err := d.client.Chat.Completions.New(ctx, withImage("qwen3-vl", images.URL+"/missing.png"))
	var refused *openai.Error
	if !errors.As(err, &refused) || refused.Code != "image_fetch_failed" {
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
	picture, err := os.ReadFile("../testdata/media/coffee.png")
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.png")
	if err := os.WriteFile(damaged, picture[:len(picture)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		want string
		ok   bool
	}{
		"version":    {[]string{"version"}, "ec98e2002", true},
		"route easy": {[]string{"route", "hello"}, `"instruct"`, true},
		"route hard": {[]string{"route", "Prove step by step that there are infinitely many primes."}, `"thinking"`, true},
		"route image": {
			[]string{"route", "--image", "../testdata/media/coffee.png", "--image", "../testdata/media/astronaut.png", "What is this?"}, `"instruct"`, true,
		},
		"route no file":        {[]string{"route", "--image", "nowhere.png", "What is this?"}, "nowhere.png", false},
		"route no image":       {[]string{"route", "--image", missing, "What is this?"}, "missing.yaml: This is not an image in a known format", false},
		"route damaged image":  {[]string{"route", "--image", damaged, "What is this?"}, "damaged.png: The png image cannot be decoded", false},
		"route minus an image": {[]string{"route", "--images", "-1", "What is this?"}, "negative", false},
		"help":                 {[]string{"--help"}, "serve", true},
		"unknown key":          {[]string{"serve", "--config", bad}, "lissten", false},
		"missing model":        {[]string{"serve", "--listen", "127.0.0.1:0", "--config", missing}, "nowhere.gguf", false},
		"unknown flag":         {[]string{"serve", "--no-such-flag"}, "no-such-flag", false},
		"bad address":          {[]string{"serve", "--listen", "nonsense"}, "listen", false},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.CommandContext(timeout(t, patience), binary(t), tc.args...).CombinedOutput()
			if (err == nil) != tc.ok || !strings.Contains(string(out), tc.want) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
