package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/openai/responses"
	"github.com/qwenvld/qwenvld/internal/testkit"
)

// failingStore keeps responses until it is broken, and then fails as a store does whose disk is lost.
type failingStore struct {
	*history.Memory

	mu      sync.Mutex
	broken  bool
	trouble error
	watch   func(error)
}

func withFailingStore(c *Config) *failingStore {
	f := &failingStore{Memory: history.NewMemory(0)}
	c.Store = f
	return f
}

func (f *failingStore) breakDown() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = true
}

func (f *failingStore) use() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken && f.trouble == nil {
		f.trouble = errBoom
		f.watch(errBoom)
	}
	if f.broken {
		return history.ErrUnavailable
	}
	return nil
}

// or is op unless the store is broken.
func (f *failingStore) or(op func() error) error {
	if err := f.use(); err != nil {
		return err
	}
	return op()
}

func (f *failingStore) Watch(watch func(error)) { f.watch = watch }

func (f *failingStore) Trouble() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.trouble
}

func (f *failingStore) Put(ctx context.Context, r *history.Response) error {
	return f.or(func() error { return f.Memory.Put(ctx, r) })
}

func (f *failingStore) Update(ctx context.Context, r *history.Response) error {
	return f.or(func() error { return f.Memory.Update(ctx, r) })
}

func (f *failingStore) Get(ctx context.Context, owner, id string) (*history.Response, error) {
	if err := f.use(); err != nil {
		return nil, err
	}
	return f.Memory.Get(ctx, owner, id)
}

func (f *failingStore) GetBounded(ctx context.Context, owner, id string, maxBytes int64) (*history.Response, error) {
	if err := f.use(); err != nil {
		return nil, err
	}
	return f.Memory.GetBounded(ctx, owner, id, maxBytes)
}

func (f *failingStore) Delete(ctx context.Context, owner, id string) error {
	return f.or(func() error { return f.Memory.Delete(ctx, owner, id) })
}

func TestAnAnswerIsDeliveredWhenItCannotBeStored(t *testing.T) {
	s := newSite(t, func(c *Config) {
		numbered(c)
		withFailingStore(c).breakDown()
	})
	for range 2 {
		got := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi"})
		r := got.response(t)
		if r.Status != responses.StatusCompleted || r.Store || r.StoreError == nil || r.StoreError.Code != fault.CodeStore || got.header.Get(responses.HeaderStored) != "false" {
			t.Errorf("%s %v", got.body, got.header)
		}
	}
	got := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi", "stream": true})
	var last responseEvent
	events := got.events(t)
	if err := json.Unmarshal([]byte(events[len(events)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if last.Type != "response.completed" || last.Response.Store || last.Response.StoreError == nil {
		t.Errorf("%s", events[len(events)-1])
	}
	for what, got := range map[string]reply{
		"reading":    s.get("/v1/responses/resp_1"),
		"deleting":   s.send(http.MethodDelete, "/v1/responses/resp_1"),
		"going on":   s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi", "previous_response_id": "resp_1"}),
		"background": s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi", "background": true}),
	} {
		if code, _, _ := got.failure(t); got.status != http.StatusServiceUnavailable || code != fault.CodeStore || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", what, got.status, got.body)
		}
	}
	if got := s.get("/health/ready"); got.status != http.StatusOK || !strings.Contains(string(got.body), `"store":"unavailable"`) ||
		!strings.Contains(string(got.body), `"status":"degraded"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	metrics := string(s.get("/metrics").body)
	if !strings.Contains(metrics, "qwenvld_response_store_up 0") || !strings.Contains(metrics, "qwenvld_responses_not_stored_total 3") {
		t.Errorf("%s", metrics)
	}
	log := s.log.String()
	if n := strings.Count(log, "answers are given without"); n != 1 || strings.Contains(log, "status=499") || !strings.Contains(log, "stored=false") {
		t.Errorf("told %d times: %s", n, log)
	}
}

func TestAResponseLargerThanTheStoreIsDeliveredAndHarmsNoOther(t *testing.T) {
	s := newSite(t, func(c *Config) {
		numbered(c)
		c.Store = history.NewMemory(1 << 20)
	})
	small := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi"}).response(t)
	large := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": strings.Repeat("x", 1<<20)}).response(t)
	if large.Store || large.StoreError == nil || large.StoreError.Code != "response_too_large" || large.Status != responses.StatusCompleted {
		t.Errorf("%+v", large.StoreError)
	}
	if got := s.get("/v1/responses/" + large.ID); got.status != http.StatusNotFound {
		t.Errorf("%d", got.status)
	}
	if got := s.get("/v1/responses/" + small.ID); got.status != http.StatusOK {
		t.Errorf("the other: %d", got.status)
	}
}

func TestABackgroundResponseIsNotLostWithItsRow(t *testing.T) {
	s := newSite(t, numbered)
	s.instruct.Hold = make(chan struct{}, 1)
	s.instruct.Hold <- struct{}{} // the first token comes, the second does not
	queued := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi", "background": true}).response(t)
	testkit.Eventually(t, "the generation", func() bool {
		return s.get("/v1/responses/"+queued.ID).response(t).Status == responses.StatusInProgress
	})
	// As when others need the room.
	if err := s.server.store.Delete(t.Context(), "", queued.ID); err != nil {
		t.Fatal(err)
	}
	if got := s.get("/v1/responses/" + queued.ID).response(t); got.Status != responses.StatusInProgress {
		t.Errorf("%+v", got)
	}
	close(s.instruct.Hold)
	if err := s.server.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.get("/v1/responses/" + queued.ID).response(t); got.Status != responses.StatusCompleted || len(got.Output) == 0 {
		t.Errorf("%+v", got)
	}
}

func TestABackgroundResponseThatIsDeletedStaysDeleted(t *testing.T) {
	s := newSite(t, numbered)
	s.instruct.Hold = make(chan struct{})
	queued := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi", "background": true}).response(t)
	if got := s.send(http.MethodDelete, "/v1/responses/"+queued.ID); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if err := s.server.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.get("/v1/responses/" + queued.ID); got.status != http.StatusNotFound {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestABackgroundResponseThatCannotBeStoredCanBeReadMeanwhile(t *testing.T) {
	var store *failingStore
	s := newSite(t, func(c *Config) {
		numbered(c)
		store = withFailingStore(c)
	})
	s.instruct.Hold = make(chan struct{})
	queued := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi", "background": true}).response(t)
	store.breakDown()
	close(s.instruct.Hold)
	testkit.Eventually(t, "who waits to be stored", func() bool { return s.server.responses.Unstored() == 1 })
	if n := s.server.core.InFlight(); n != 0 {
		t.Error("it holds its place")
	}
	if got := s.get("/v1/responses/" + queued.ID).response(t); got.Status != responses.StatusCompleted || len(got.Output) == 0 {
		t.Errorf("%+v", got)
	}
	if got := s.get("/v1/responses/" + queued.ID + "?stream=true"); !strings.Contains(string(got.body), "response.completed") {
		t.Errorf("%s", got.body)
	}
	s.server.Drain()
	if err := s.server.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.log.String(), "a background response is lost") {
		t.Errorf("%s", s.log.String())
	}
}

func TestAConversationIsReadWithinTheBoundOfABody(t *testing.T) {
	s := newSite(t, func(c *Config) {
		numbered(c)
		c.Limits.BodyBytes = 8000
	})
	previous := ""
	statuses := map[int]int{}
	for range 5 {
		body := map[string]any{"model": "qwen3-vl-instruct", "input": strings.Repeat("x", 1500)}
		if previous != "" {
			body["previous_response_id"] = previous
		}
		got := s.post("/v1/responses", body)
		statuses[got.status]++
		if got.status == http.StatusOK {
			previous = got.response(t).ID
			continue
		}
		if code, param, _ := got.failure(t); code != fault.CodeContextLength || param != "previous_response_id" {
			t.Errorf("%s", got.body)
		}
	}
	if statuses[http.StatusOK] < 2 || statuses[http.StatusBadRequest] == 0 {
		t.Errorf("%v", statuses)
	}
	if s.server.bodies.Reading() != 0 {
		t.Error("a body is still read")
	}
}

func TestReasoningIsItsOwnSummaryWhereOneIsAskedFor(t *testing.T) {
	s := newSite(t, numbered)
	for _, summary := range []any{nil, "auto"} {
		body := map[string]any{"model": "qwen3-vl-thinking", "input": "hi", "reasoning": map[string]any{"summary": summary}}
		whole := s.post("/v1/responses", body).response(t)
		body["stream"] = true
		kinds := map[string]string{}
		var streamed *responseObject
		for _, e := range s.post("/v1/responses", body).events(t) {
			var ev responseEvent
			if err := json.Unmarshal([]byte(e), &ev); err != nil {
				t.Fatal(err)
			}
			if ev.Delta != nil {
				kinds[ev.Type] += *ev.Delta
			} else if strings.Contains(ev.Type, "reasoning") || ev.Part != nil && ev.Part.Type != "output_text" {
				kinds[ev.Type] = ev.Type
				if ev.Part != nil {
					kinds[ev.Type] = ev.Part.Type
				}
			}
			streamed = ev.Response
		}
		for _, r := range []*responseObject{whole, streamed} {
			it := &r.Output[0]
			asked := summary != nil
			if it.Type != "reasoning" || (len(*it.Summary) == 1) != asked || (it.Content == nil) != asked {
				t.Fatalf("%+v", it)
			}
			part := *it.Summary
			kind := "summary_text"
			if !asked {
				part, kind = *it.Content, "reasoning_text"
			}
			if part[0].Type != kind || part[0].Text != "hm" {
				t.Errorf("%+v", part)
			}
		}
		want := map[string]string{
			"response.reasoning_text.delta": "hm", "response.reasoning_text.done": "response.reasoning_text.done",
			"response.content_part.added": "reasoning_text", "response.content_part.done": "reasoning_text",
		}
		if summary != nil {
			want = map[string]string{
				"response.reasoning_summary_part.added": "summary_text", "response.reasoning_summary_text.delta": "hm",
				"response.reasoning_summary_text.done": "response.reasoning_summary_text.done", "response.reasoning_summary_part.done": "summary_text",
			}
		}
		delete(kinds, "response.output_text.delta")
		for k, v := range want {
			if kinds[k] != v {
				t.Errorf("%s is %q, want %q", k, kinds[k], v)
			}
		}
		if len(kinds) != len(want) {
			t.Errorf("%v", kinds)
		}
		// And the next turn reads it back.
		if got := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-thinking", "input": "go on", "previous_response_id": whole.ID}); got.status != http.StatusOK {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
}
