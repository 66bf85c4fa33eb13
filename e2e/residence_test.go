package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// models writes a configuration of models of the small reference checkpoints, each with what is set for it.
func models(t *testing.T, budget string, settings ...string) string {
	t.Helper()
	reference, err := filepath.Abs("../testdata/reference")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "memory_budget: %s\nmodels:\n", budget)
	for i, s := range settings {
		fmt.Fprintf(&text, "- id: m%d\n  engine: {context_size: 512}\n  %s\n", i, s)
		for variant, name := range map[string]string{"instruct": "dense-tied", "thinking": "dense-untied"} {
			fmt.Fprintf(&text, "  %s: {model: %s/%s/model.gguf, projector: %s/%s/mmproj.gguf}\n", variant, reference, name, reference, name)
		}
	}
	return write(t, t.TempDir(), "c.yaml", text.String())
}

// weights are where those of one variant stand.
type weights struct {
	Status string
	Memory map[string]int64
}

// weights asks where a variant stands.
func (d *daemon) weights(id string) weights {
	d.t.Helper()
	resp, err := http.Get(d.url + "/v1/models/" + id)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	var card struct{ Variants []weights }
	if err := json.NewDecoder(resp.Body).Decode(&card); err != nil || len(card.Variants) == 0 {
		d.t.Fatalf("%s: %v", id, err)
	}
	return card.Variants[0]
}

// admin has a model loaded or unloaded and gives the status.
func (d *daemon) admin(id, verb string) (int, error) {
	resp, err := http.Post(d.url+"/admin/models/"+id+"/"+verb, "", http.NoBody)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// few is a question whose answer has so many tokens at most.
func few(model string, tokens int64) openai.ChatCompletionNewParams {
	p := question(model, "hello")
	p.MaxTokens = openai.Int(tokens)
	return p
}

func served(t *testing.T, config string) *daemon {
	d := start(t, "--config", config)
	d.client = openai.NewClient(option.WithBaseURL(d.url+"/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0))
	return d
}

// askAll asks each of the models so many times, all at once. Every second question is streamed.
func askAll(t *testing.T, d *daemon, times int, ids ...string) {
	var asking sync.WaitGroup
	for i := range times * len(ids) {
		asking.Go(func() {
			p := few(ids[i%len(ids)], 5)
			var err error
			if i%2 == 0 {
				_, err = d.client.Chat.Completions.New(timeout(t, patience), p)
			} else {
				err = finish(d.client.Chat.Completions.NewStreaming(timeout(t, patience), p))
			}
			if err != nil {
				t.Errorf("%s: %v", ids[i%len(ids)], err)
			}
		})
	}
	asking.Wait()
}

func TestLazyModelsShareMemoryThatIsEnoughForOne(t *testing.T) {
	d := served(t, models(t, "none", "residency: lazy", "residency: lazy"))
	if r := d.readiness(); r.Status != "ready" || r.Variants["instruct"].Status != "unloaded" || len(d.workers()) > 0 {
		t.Errorf("%+v, workers %v", r, d.workers())
	}
	most := int64(0)
	for _, id := range []string{"m0-instruct", "m0-thinking"} {
		most = max(most, d.weights(id).Memory["host"])
	}
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}

	d = served(t, models(t, fmt.Sprint(most+most/4), "residency: lazy", "residency: lazy"))
	ids := []string{"m0-instruct", "m0-thinking", "m1-instruct", "m1-thinking"}
	over := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
			}
			if n := len(d.workers()); n > 2 { // one may be about to end
				t.Errorf("%d sets of weights in memory for one", n)
				return
			}
		}
	})
	askAll(t, d, 3, ids...)
	close(over)
	watching.Wait()
	loaded := 0
	for _, id := range ids {
		if d.weights(id).Status == "ready" {
			loaded++
		}
	}
	if loaded != 1 {
		t.Errorf("%d sets of weights are ready", loaded)
	}
}

func TestVariantsTakeTurnsAndNoRequestIsLost(t *testing.T) {
	d := served(t, models(t, "auto", "residency: one"))
	eventually(t, func() bool { return d.weights("m0-instruct").Status == "ready" })
	if r := d.readiness(); r.Status != "ready" || r.Variants["thinking"].Status != "unloaded" {
		t.Errorf("%+v", r)
	}
	askAll(t, d, 6, "m0-instruct", "m0-thinking")
	if n := len(d.workers()); n != 1 {
		t.Errorf("%d workers", n)
	}
}

func TestUnloadingWaitsForStreams(t *testing.T) {
	d := served(t, models(t, "auto", "residency: both"))
	d.ready()
	stream := d.client.Chat.Completions.NewStreaming(timeout(t, patience), few("m0-instruct", 300))
	if !stream.Next() {
		t.Fatal(stream.Err())
	}
	unloaded := make(chan error, 1)
	go func() {
		status, err := d.admin("m0-instruct", "unload")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		unloaded <- err
	}()
	if err := finish(stream); err != nil {
		t.Errorf("the stream: %v", err)
	}
	if err := <-unloaded; err != nil {
		t.Error(err)
	}
	if w := d.weights("m0-instruct"); w.Status != "unloaded" || len(d.workers()) != 1 {
		t.Errorf("%+v, workers %v", w, d.workers())
	}
	askAll(t, d, 1, "m0-instruct") // which has it loaded again
	if status, err := d.admin("m0", "load"); err != nil || status != http.StatusOK {
		t.Errorf("%d, %v", status, err)
	}
	if d.ready(); len(d.workers()) != 2 {
		t.Errorf("workers %v", d.workers())
	}
}

func TestIdleWeightsLeaveMemory(t *testing.T) {
	d := served(t, models(t, "auto", "residency: lazy\n  keep_alive: 100ms"))
	askAll(t, d, 1, "m0-instruct", "m0-thinking")
	eventually(t, func() bool { return len(d.workers()) == 0 })
	askAll(t, d, 1, "m0-instruct")
}

func TestAStartSaysWhatDoesNotFitAndWhatWould(t *testing.T) {
	out, errs, code := command(t, "", "serve", "--listen", "127.0.0.1:0", "--config", models(t, "1MiB", "residency: both"))
	if code != 1 || out != "" || !strings.Contains(errs, "m0-instruct needs ") || !strings.Contains(errs, " MiB") || !strings.Contains(errs, "memory_budget: none") {
		t.Errorf("code %d, %q and\n%s", code, out, errs)
	}
}

func TestDrainingWhileWeightsAreLoaded(t *testing.T) {
	d := served(t, models(t, "auto", "residency: lazy"))
	answered := make(chan error, 1)
	asked := make(chan struct{})
	go func() {
		close(asked)
		_, err := d.client.Chat.Completions.New(timeout(t, patience), few("m0-thinking", 5))
		answered <- err
	}()
	<-asked
	eventually(t, func() bool { return slices.Contains([]string{"loading", "ready"}, d.weights("m0-thinking").Status) })
	if err := d.stop(); err != nil {
		t.Errorf("exit: %v", err)
	}
	if err := <-answered; err != nil {
		t.Errorf("the request that waited: %v", err)
	}
}
