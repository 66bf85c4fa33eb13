package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
)

// behind starts a daemon whose weights another one has, as a server of a kind.
func behind(t *testing.T, kind, url string) *daemon {
	t.Helper()
	return serve(t, "--config", write(t, t.TempDir(), "qwenvld.yaml", fmt.Sprintf(`
upstreams: {probe_interval: 100ms}
media: {video: {min_pixels: 9216, max_pixels: 12288}}
models:
- id: qwen3-vl
  instruct: {upstreams: [{url: %q, kind: %s, model: qwen3-vl-instruct}]}
  thinking: {upstreams: [{url: %q, kind: %s, model: qwen3-vl-thinking}]}
`, url, kind, url, kind)))
}

// TestAnotherDaemonAnswersAsThisOneDoes asks the built-in pair through a daemon that has it as its upstream. What a
// server of kind openai cannot do is left out (docs/COMPATIBILITY.md lists it).
func TestAnotherDaemonAnswersAsThisOneDoes(t *testing.T) {
	upstream := serve(t)
	all := map[string]func(*testing.T, *daemon){
		"examples": examplesAnswerAsTold, "SDK": sdk, "errors": sdkErrors,
		"forms": answersHaveTheirForm, "completions": plainCompletions, "tokens": tokensAreThoseOfTheAnswer,
	}
	for kind, suites := range map[string][]string{
		"qwenvld": {"examples", "SDK", "errors", "forms", "completions", "tokens"},
		"openai":  {"examples", "SDK", "errors"},
	} {
		t.Run(kind, func(t *testing.T) {
			d := behind(t, kind, upstream.url)
			for _, name := range suites {
				t.Run(name, func(t *testing.T) { all[name](t, d) })
			}
			t.Run("a client that leaves", func(t *testing.T) { aClientThatLeaves(t, d, upstream) })
		})
	}
}

// aClientThatLeaves looks whether an answer ends at its server, too.
func aClientThatLeaves(t *testing.T, d, upstream *daemon) {
	t.Helper()
	running := func() bool {
		return !strings.Contains(string(get(t, upstream.url+"/metrics")), `qwenvld_generations_in_flight{variant="instruct"} 0`)
	}
	stream := begin(t, d, "qwen3-vl-instruct", 3000)
	if !running() {
		t.Error("nothing runs")
	}
	_ = stream.Close()
	eventually(t, func() bool { return !running() })
}

// TestAnUpstreamThatDiesIsReplaced kills one of two servers while both answer.
func TestAnUpstreamThatDiesIsReplaced(t *testing.T) {
	first, second := serve(t), serve(t)
	config := write(t, t.TempDir(), "qwenvld.yaml", fmt.Sprintf(`
upstreams: {probe_interval: 100ms}
models:
- id: qwen3-vl
  instruct: {upstreams: [{url: %q, kind: qwenvld, model: qwen3-vl-instruct}, {url: %q, kind: qwenvld, model: qwen3-vl-instruct}]}
`, first.url, second.url))
	d := serve(t, "--config", config)
	stream := begin(t, d, "qwen3-vl-instruct", 3000)
	_ = first.cmd.Process.Kill()
	<-first.exited
	first.exited <- nil
	ctx := timeout(t, patience)
	for i := range 20 {
		if _, err := d.client.Chat.Completions.New(ctx, question("qwen3-vl-instruct", fmt.Sprint("hello ", i))); err != nil {
			t.Errorf("question %d: %v", i, err)
		}
	}
	_ = second.cmd.Process.Kill()
	<-second.exited
	second.exited <- nil
	if err := finish(stream); err == nil {
		t.Error("an answer ended well whose server was killed")
	}
	eventually(t, func() bool { return d.readiness().Status == "unavailable" })
	_, err := d.client.Chat.Completions.New(ctx, question("qwen3-vl-instruct", "hello"))
	var refused *openai.Error
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusServiceUnavailable {
		t.Error(err)
	}
}
