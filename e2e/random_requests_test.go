package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	randomRequests = flag.Int("requests", 400, "how many random requests are sent")
	randomSeed     = flag.Uint64("seed", 1, "seed of the random requests")
	// Measured runs on a quiet machine ask for 2s; a test must not depend on one.
	randomWithin = flag.Duration("within", time.Minute, "how long a random request may take")
)

// TestNoRandomRequestIsAnsweredByAServerError sends requests that are made from the schemas of the daemon's own description and then
// broken in some way: each must be answered in time, none by a 5xx or by text that is no JSON, and no worker may be restarted.
//
//	go test -run RandomRequest -requests 10000 -within 2s -seed 7 -v
func TestNoRandomRequestIsAnsweredByAServerError(t *testing.T) {
	d := serve(t)
	made := newRandomBodies(t, d)
	type sent struct {
		path string
		body []byte
	}
	work := make(chan sent)
	go func() {
		defer close(work)
		for range *randomRequests {
			path, body := made.next()
			work <- sent{path, body}
		}
	}()

	var mu sync.Mutex
	statuses, took := map[int]int{}, []time.Duration{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for s := range work {
				status, reply, duration := d.ask(t, s.path, s.body)
				mu.Lock()
				statuses[status]++
				took = append(took, duration)
				mu.Unlock()
				if status >= 500 || status == 0 || duration > *randomWithin {
					t.Errorf("%d after %v at %s\n%s\n%s", status, duration, s.path, shortened(s.body), shortened(reply))
				}
				if !answerHasItsForm(reply) {
					t.Errorf("%d at %s is neither JSON nor events\n%s\n%s", status, s.path, shortened(s.body), shortened(reply))
				}
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	if len(took) > 0 {
		t.Logf("%d requests, by status %v; median %v, slowest %v", len(took), statuses, took[len(took)/2], took[len(took)-1])
	}
	if statuses[http.StatusOK] == 0 || statuses[http.StatusBadRequest] == 0 {
		t.Error("the requests are all of one kind, so they try little")
	}
	if strings.Contains(d.logs(), "worker is restarted") || strings.Contains(d.logs(), "panic") {
		t.Errorf("a worker was lost or a handler failed:\n%s", d.logs())
	}
}

// ask posts body and reads the whole reply; status is 0 when there was none.
func (d *daemon) ask(t *testing.T, path string, body []byte) (status int, reply []byte, took time.Duration) {
	began := time.Now()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, []byte(err.Error()), time.Since(began)
	}
	defer response.Body.Close()
	if reply, err = io.ReadAll(response.Body); err != nil {
		return 0, []byte(err.Error()), time.Since(began)
	}
	return response.StatusCode, reply, time.Since(began)
}

// answerHasItsForm says whether reply is one JSON value, lines of them, or a stream of events whose data are.
func answerHasItsForm(reply []byte) bool {
	if json.Valid(reply) {
		return true
	}
	events := 0
	for line := range strings.Lines(string(reply)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "{") && json.Valid([]byte(line)) {
			events++
			continue
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		events++
		if data != "[DONE]" && !json.Valid([]byte(data)) {
			return false
		}
	}
	return events > 0
}

func shortened(b []byte) string {
	const most = 2000
	if len(b) <= most {
		return string(b)
	}
	return string(b[:most]) + "..."
}

// randomBodies makes bodies for the POST operations of an API description.
type randomBodies struct {
	rand       *rand.Rand
	components map[string]any
	operations []operation
}

type operation struct {
	path     string
	schema   any
	examples []any
}

type reference struct {
	Ref string `json:"$ref"`
}

func newRandomBodies(t *testing.T, d *daemon) *randomBodies {
	t.Helper()
	response, err := http.Get(d.url + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var description struct {
		Paths map[string]struct {
			Post *struct {
				RequestBody struct {
					Content map[string]struct {
						Schema   any
						Examples map[string]reference
					}
				}
			}
		}
		Components struct {
			Schemas  map[string]any
			Examples map[string]struct{ Value any }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&description); err != nil {
		t.Fatal(err)
	}
	b := &randomBodies{rand: rand.New(rand.NewPCG(*randomSeed, 0)), components: description.Components.Schemas}
	for path, item := range description.Paths {
		if item.Post == nil || strings.Contains(path, "{") {
			continue
		}
		content, ok := item.Post.RequestBody.Content["application/json"]
		if !ok {
			continue
		}
		o := operation{path: path, schema: content.Schema}
		for _, e := range content.Examples {
			name := strings.TrimPrefix(e.Ref, "#/components/examples/")
			o.examples = append(o.examples, description.Components.Examples[name].Value)
		}
		b.operations = append(b.operations, o)
	}
	if len(b.operations) < 5 {
		t.Fatalf("the description has %d operations with bodies", len(b.operations))
	}
	// Ranging over maps gives no order, and a seed must give the same requests again.
	slices.SortFunc(b.operations, func(x, y operation) int { return cmp.Compare(x.path, y.path) })
	for i := range b.operations {
		slices.SortFunc(b.operations[i].examples, func(x, y any) int { return bytes.Compare(mustJSON(x), mustJSON(y)) })
	}
	return b
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

func (b *randomBodies) next() (path string, body []byte) {
	o := b.operations[b.rand.IntN(len(b.operations))]
	var v any
	if len(o.examples) > 0 && b.rand.IntN(3) > 0 {
		v = copied(o.examples[b.rand.IntN(len(o.examples))])
	} else {
		v = b.value(o.schema, 0)
	}
	for range b.rand.IntN(4) {
		v = b.broken(v)
	}
	// Long answers would measure the machine, not what is made of the request.
	if m, ok := v.(map[string]any); ok {
		member := "max_tokens"
		if strings.HasSuffix(o.path, "/responses") {
			member = "max_output_tokens"
		}
		if _, set := m[member].(json.RawMessage); !set {
			m[member] = float64(b.rand.IntN(33))
		}
	}
	return o.path, mustJSON(v)
}

func copied(v any) (out any) {
	if err := json.Unmarshal(mustJSON(v), &out); err != nil {
		panic(err)
	}
	return out
}
