package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/api/openai/responses"
	"github.com/qwenvld/qwenvld/engine"
)

// numbered gives a site ids that differ.
func numbered(c *Config) {
	var n atomic.Int64
	c.NewID = func() string { return fmt.Sprint(n.Add(1)) }
}

func (s *site) call(method, path string, headers ...string) reply {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return s.do(req)
}

func (r reply) response(t *testing.T) *responseObject {
	t.Helper()
	if r.status != http.StatusOK {
		t.Fatalf("%d %s", r.status, r.body)
	}
	var out responseObject
	r.json(t, &out)
	return &out
}

func TestResponseInOnePiece(t *testing.T) {
	s := newSite(t, numbered)
	got := s.post("/v1/responses", map[string]any{
		"model": "qwen3-vl-instruct", "input": "hi", "instructions": "be brief", "max_output_tokens": 9, "metadata": map[string]string{"a": "b"},
		"temperature": 0.5,
	}).response(t)
	if got.Status != responses.StatusCompleted || len(got.Output) != 1 || (*got.Output[0].Content)[0].Text != "Hello world" ||
		got.Usage.InputTokens != 7 || string(got.Metadata) != `{"a":"b"}` || !got.Store || got.Temperature != 0.5 {
		t.Errorf("%+v", got)
	}
	prompt := pieces(s.instruct.Request(t))
	if !strings.Contains(prompt, "system\nbe brief") || !strings.Contains(prompt, "user\nhi") {
		t.Error(prompt)
	}
}

func pieces(r *engine.Request) string {
	var b strings.Builder
	for _, p := range r.Prompt {
		b.WriteString(p.Text)
	}
	return b.String()
}

func TestResponseThinksInAnItemOfItsOwn(t *testing.T) {
	s := newSite(t, numbered)
	got := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-thinking", "input": "hi"}).response(t)
	if len(got.Output) != 2 || got.Output[0].Type != "reasoning" || (*got.Output[0].Content)[0].Text != "hm" || (*got.Output[1].Content)[0].Text != "42" {
		t.Errorf("%+v", got.Output)
	}
}

const oneCall = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>"

var tools = []map[string]any{{"type": "function", "name": "f", "description": "d", "parameters": map[string]any{"type": "object"}}}

// The events must tell, in order and complete, what the response is in the end.
func TestResponseEventsAddUp(t *testing.T) {
	s := newSite(t, numbered)
	s.thinking.Events = text("h", "m", "\n</think>\n\n", "Let ", "me.", "\n"+oneCall[:20], oneCall[20:])
	got := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-thinking", "input": "hi", "stream": true, "tools": tools})
	var kinds []string
	texts := map[string]string{}
	var last responseEvent
	for i, e := range got.events(t) {
		var ev responseEvent
		if err := json.Unmarshal([]byte(e), &ev); err != nil {
			t.Fatal(err)
		}
		if ev.Sequence != i {
			t.Errorf("event %d has number %d", i, ev.Sequence)
		}
		kind := strings.TrimPrefix(ev.Type, "response.")
		if ev.Delta != nil {
			texts[ev.ItemID] += *ev.Delta
		}
		if len(kinds) == 0 || kinds[len(kinds)-1] != kind {
			kinds = append(kinds, kind)
		}
		last = ev
	}
	want := "created in_progress " +
		"output_item.added content_part.added reasoning_text.delta reasoning_text.done content_part.done output_item.done " +
		"output_item.added content_part.added output_text.delta output_text.done content_part.done output_item.done " +
		"output_item.added function_call_arguments.delta function_call_arguments.done output_item.done completed"
	if strings.Join(kinds, " ") != want {
		t.Errorf("%v", kinds)
	}
	if last.Response == nil || len(last.Response.Output) != 3 {
		t.Fatalf("%+v", last)
	}
	for _, it := range last.Response.Output {
		whole := it.Arguments
		if whole == nil {
			whole = &(*it.Content)[0].Text
		}
		if *whole == "" || texts[it.ID] != *whole {
			t.Errorf("%s: %q told, %q in the end", it.Type, texts[it.ID], *whole)
		}
	}
	if !strings.Contains(string(got.body), "event: response.output_text.delta\n") {
		t.Error("events have no names")
	}
}

func TestResponseGoesOnFromAnother(t *testing.T) {
	s := newSite(t, numbered)
	s.instruct.Events = text(oneCall)
	first := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "what is it?", "tools": tools, "instructions": "be round"}).response(t)
	if len(first.Output) != 1 || first.Output[0].Type != "function_call" || *first.Output[0].Arguments != `{"a": 1}` {
		t.Fatalf("%+v", first.Output)
	}
	s.instruct.Events = text("It is 2.")
	second := s.post("/v1/responses", map[string]any{
		"model": "qwen3-vl-instruct", "previous_response_id": first.ID, "tools": tools, "instructions": "two",
		"input": []map[string]any{{"type": "function_call_output", "call_id": first.Output[0].CallID, "output": "2"}},
	}).response(t)
	prompt := pieces(s.instruct.Request(t))
	for _, part := range []string{"what is it?", `{"name": "f", "arguments": {"a": 1}}`, "<tool_response>\n2\n", "two"} {
		if !strings.Contains(prompt, part) {
			t.Errorf("%q is not in the prompt:\n%s", part, prompt)
		}
	}
	if strings.Contains(prompt, "be round") {
		t.Error("instructions of an earlier turn are still there")
	}
	third := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "previous_response_id": second.ID, "input": "sure?"}).response(t)
	if prompt := pieces(s.instruct.Request(t)); !strings.Contains(prompt, "what is it?") || !strings.Contains(prompt, "It is 2.") {
		t.Error(prompt)
	}
	var list inputItems
	s.call(http.MethodGet, "/v1/responses/"+third.ID+"/input_items").json(t, &list)
	if len(list.Data) != 1 || list.First == nil || *list.First == "" || list.HasMore {
		t.Errorf("%+v", list)
	}
}

func TestInputItemsArePaged(t *testing.T) {
	s := newSite(t, numbered)
	var input []map[string]any
	for i := range 5 {
		input = append(input, map[string]any{"role": "user", "content": fmt.Sprint("item ", i)})
	}
	made := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": input}).response(t)
	path := "/v1/responses/" + made.ID + "/input_items?order=asc&limit=2"
	var seen []string
	for after := ""; ; {
		var page inputItems
		s.call(http.MethodGet, path+after).json(t, &page)
		for _, it := range page.Data {
			seen = append(seen, string(it))
		}
		if !page.HasMore {
			break
		}
		after = "&after=" + *page.Last
	}
	if len(seen) != 5 || !strings.Contains(seen[4], "item 4") {
		t.Error(seen)
	}
	if _, param, _ := s.call(http.MethodGet, path+"&after=nothing").failure(t); param != "after" {
		t.Error(param)
	}
}

func TestKeptResponsesCanBeReadAndForgotten(t *testing.T) {
	s := newSite(t, numbered)
	made := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi"})
	id := made.response(t).ID
	if got := s.call(http.MethodGet, "/v1/responses/"+id); string(got.body) != string(made.body) {
		t.Errorf("made %s\nread %s", made.body, got.body)
	}
	if got := s.call(http.MethodPost, "/v1/responses/"+id+"/cancel"); got.status != http.StatusBadRequest {
		t.Errorf("a response that waited for its answer was cancelled: %d", got.status)
	}
	if got := s.call(http.MethodGet, "/v1/responses/"+id+"?stream=true"); got.status != http.StatusBadRequest {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := s.call(http.MethodDelete, "/v1/responses/"+id); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		if got := s.call(method, "/v1/responses/"+id); got.status != http.StatusNotFound {
			t.Errorf("%s after the deletion: %d", method, got.status)
		}
	}
	forgotten := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi", "store": false}).response(t)
	if got := s.call(http.MethodGet, "/v1/responses/"+forgotten.ID); got.status != http.StatusNotFound {
		t.Errorf("store: false was kept: %d", got.status)
	}
}

func TestResponsesBelongToTheirKey(t *testing.T) {
	ann, annHash := access.NewKey()
	bob, bobHash := access.NewKey()
	s := newSite(t, func(c *Config) {
		numbered(c)
		c.Keys = []access.Key{{Name: "ann", Hash: annHash}, {Name: "bob", Hash: bobHash}}
	})
	id := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi"}, "Authorization", "Bearer "+ann).response(t).ID
	for _, c := range [][2]string{{http.MethodGet, ""}, {http.MethodDelete, ""}, {http.MethodPost, "/cancel"}, {http.MethodGet, "/input_items"}} {
		if got := s.call(c[0], "/v1/responses/"+id+c[1], "Authorization", "Bearer "+bob); got.status != http.StatusNotFound {
			t.Errorf("%v: another key gets %d", c, got.status)
		}
	}
	if got := s.call(http.MethodGet, "/v1/responses/"+id, "Authorization", "Bearer "+ann); got.status != http.StatusOK {
		t.Errorf("%d", got.status)
	}
	got := s.post("/v1/responses", map[string]any{"model": "qwen3-vl", "input": "hi", "previous_response_id": id}, "Authorization", "Bearer "+bob)
	if _, param, _ := got.failure(t); param != "previous_response_id" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// A client that loses its connection reads on where it was, and the answer is the whole one.
func TestBackgroundResponseIsResumed(t *testing.T) {
	s := newSite(t, numbered)
	s.instruct.Hold = make(chan struct{})
	s.instruct.Events = text("a", "b", "c", "d")
	ctx, leave := context.WithCancel(context.Background())
	body := `{"model":"qwen3-vl-instruct","input":"hi","background":true,"stream":true}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/responses", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(resp.Body)
	var seen []responseEvent
	next := func() {
		t.Helper()
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var ev responseEvent
				if err := json.Unmarshal([]byte(data), &ev); err != nil {
					t.Fatal(err)
				}
				seen = append(seen, ev)
				return
			}
		}
		t.Fatal("the stream ended")
	}
	for range 2 { // created, queued
		next()
	}
	s.instruct.Hold <- struct{}{}
	for range 4 { // in_progress, item, part, delta
		next()
	}
	id := seen[0].Response.ID
	if now := s.call(http.MethodGet, "/v1/responses/"+id).response(t); now.Status != responses.StatusInProgress {
		t.Errorf("%s while in the making", now.Status)
	}
	leave()
	_ = resp.Body.Close()
	close(s.instruct.Hold)
	at := fmt.Sprintf("/v1/responses/%s?stream=true&starting_after=%d", id, seen[len(seen)-1].Sequence)
	var whole strings.Builder
	whole.WriteString(*seen[len(seen)-1].Delta)
	var last responseEvent
	rest := s.call(http.MethodGet, at)
	for i, e := range rest.events(t) {
		if err := json.Unmarshal([]byte(e), &last); err != nil {
			t.Fatal(err)
		}
		if i == 0 && last.Sequence != 6 {
			t.Errorf("reading on begins at %d", last.Sequence)
		}
		if last.Delta != nil {
			whole.WriteString(*last.Delta)
			last.Delta = nil
		}
	}
	if whole.String() != "abcd" || last.Type != "response.completed" {
		t.Errorf("%q, ended by %s", whole.String(), last.Type)
	}
	if err := s.server.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	if again := s.call(http.MethodGet, at); string(again.body) != string(rest.body) {
		t.Errorf("kept events differ:\n%s\n%s", again.body, rest.body)
	}
	if now := s.call(http.MethodGet, "/v1/responses/"+id).response(t); now.Status != responses.StatusCompleted || (*now.Output[0].Content)[0].Text != "abcd" {
		t.Errorf("%+v", now)
	}
}

func TestBackgroundResponseIsCancelled(t *testing.T) {
	s := newSite(t, numbered)
	s.instruct.Hold = make(chan struct{}, 1)
	s.instruct.Hold <- struct{}{}
	queued := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi", "background": true}).response(t)
	if queued.Status != responses.StatusQueued {
		t.Errorf("%s", queued.Status)
	}
	ended := s.call(http.MethodPost, "/v1/responses/"+queued.ID+"/cancel").response(t)
	if ended.Status != responses.StatusCancelled {
		t.Errorf("%s", ended.Status)
	}
	s.letGo()
	if again := s.call(http.MethodPost, "/v1/responses/"+queued.ID+"/cancel").response(t); again.Status != responses.StatusCancelled {
		t.Errorf("%s", again.Status)
	}
}

func TestBackgroundResponseHoldsWhatItTakes(t *testing.T) {
	key, hash := access.NewKey()
	s := newSite(t, func(c *Config) {
		numbered(c)
		c.Keys = []access.Key{{Name: "ann", Hash: hash, Concurrent: 1}}
	})
	s.instruct.Hold = make(chan struct{})
	auth := []string{"Authorization", "Bearer " + key}
	queued := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi", "background": true}, auth...).response(t)
	if got := s.post("/v1/chat/completions", map[string]any{"model": "qwen3-vl-instruct", "messages": []any{}}, auth...); got.status != http.StatusTooManyRequests {
		t.Errorf("%d beside a background response", got.status)
	}
	s.call(http.MethodPost, "/v1/responses/"+queued.ID+"/cancel", auth...)
	deadline := time.Now().Add(5 * time.Second)
	for {
		got := s.post("/v1/chat/completions", map[string]any{"model": "qwen3-vl-instruct", "messages": []any{}}, auth...)
		if got.status == http.StatusBadRequest {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("its place was not given back: %d", got.status)
		}
	}
}

func TestFailedResponsesSayWhy(t *testing.T) {
	s := newSite(t, numbered)
	s.instruct.Events, s.instruct.Fail = text("Hel")[:1], engine.ErrWorkerDied
	if got := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi"}); got.status != http.StatusInternalServerError {
		t.Errorf("%d", got.status)
	}
	events := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi", "stream": true}).events(t)
	var last responseEvent
	if err := json.Unmarshal([]byte(events[len(events)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if last.Type != "response.failed" || last.Response.Error == nil || last.Response.Output[0].Status != responses.StatusIncomplete {
		t.Errorf("%s", events[len(events)-1])
	}
}

func TestLengthMakesAResponseIncomplete(t *testing.T) {
	s := newSite(t, numbered)
	s.instruct.Events = text("Hello")
	s.instruct.Events[1].Result.FinishReason = engine.FinishLength
	got := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi"}).response(t)
	if got.Status != responses.StatusIncomplete || got.IncompleteDetails.Reason != "max_output_tokens" || got.Output[0].Status != responses.StatusIncomplete {
		t.Errorf("%+v", got)
	}
}

func TestResponseRefusalsNameTheirPlace(t *testing.T) {
	s := newSite(t, nil)
	for body, want := range map[string]string{
		`{"model":"qwen3-vl"}`:            "input",
		`{"model":"qwen3-vl","input":[]}`: "input",
		`{"model":"qwen3-vl","input":"a","previous_response_id":"resp_none"}`:                                                         "previous_response_id",
		`{"model":"qwen3-vl","input":"a","background":true,"store":false}`:                                                            "background",
		`{"model":"qwen3-vl","input":"a","tools":[{"type":"web_search"}],"tool_choice":{"type":"web_search"}}`:                        "tool_choice.type",
		`{"model":"qwen3-vl","input":"a","tool_choice":{"type":"function","name":"f"}}`:                                               "tool_choice.name",
		`{"model":"qwen3-vl","input":"a","text":{"format":{"type":"json_schema","name":"x","strict":true,"schema":{"type":"what"}}}}`: "text.format.schema",
		`{"model":"qwen3-vl","input":"a","reasoning":{"effort":"huge"}}`:                                                              "reasoning.effort",
		`{"model":"qwen3-vl","input":"a","include":["everything"]}`:                                                                   "include[0]",
		`{"model":"qwen3-vl","input":[{"type":"item_reference","id":"x"}]}`:                                                           "input[0].id",
		`{"model":"qwen3-vl","input":[{"type":"function_call_output","call_id":"x","output":"y"}]}`:                                   "input[0].call_id",
		`{"model":"qwen3-vl","input":[{"role":"user","content":[{"type":"input_file"}]}]}`:                                            "input[0].content[0].type",
		`{"model":"qwen3-vl","input":[{"role":"user","content":[{"type":"input_image","file_id":"f"}]}]}`:                             "input[0].content[0].file_id",
		`{"model":"qwen3-vl","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}]}`:  "input[0].content[0].image_url",
	} {
		got := s.post("/v1/responses", body)
		if _, param, _ := got.failure(t); got.status != http.StatusBadRequest || param != want {
			t.Errorf("%s\n%d at %q, want %q: %s", body, got.status, param, want, got.body)
		}
	}
	off := newSite(t, func(c *Config) { c.Store = nil })
	for body, want := range map[string]string{
		`{"model":"qwen3-vl","input":"a","background":true}`:          "background",
		`{"model":"qwen3-vl","input":"a","previous_response_id":"x"}`: "previous_response_id",
	} {
		if _, param, _ := off.post("/v1/responses", body).failure(t); param != want {
			t.Errorf("%s: %q", body, param)
		}
	}
	if got := off.post("/v1/responses", map[string]any{"model": "qwen3-vl", "input": "a", "store": true}).response(t); got.Store {
		t.Error("says that it keeps what it does not")
	}
}

func TestResponseInputIsCounted(t *testing.T) {
	s := newSite(t, nil)
	var got inputTokens
	s.post("/v1/responses/input_tokens", map[string]any{"model": "qwen3-vl-instruct", "input": "hi"}).json(t, &got)
	if got.InputTokens == 0 {
		t.Errorf("%+v", got)
	}
}

func TestEmbeddingsAreRefusedClearly(t *testing.T) {
	s := newSite(t, nil)
	if got := s.post("/v1/embeddings", map[string]any{"model": "x", "input": "y"}); got.status != http.StatusBadRequest {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// The AI SDK sends earlier items as references where responses are kept.
func TestItemsCanBeReferredTo(t *testing.T) {
	s := newSite(t, numbered)
	first := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-thinking", "input": "one"}).response(t)
	var input []any
	input = append(input, map[string]any{"role": "user", "content": "one"})
	for _, it := range first.Output {
		input = append(input, map[string]any{"type": "item_reference", "id": it.ID})
	}
	input = append(input, map[string]any{"role": "user", "content": "two"})
	second := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": input}).response(t)
	if shown := pieces(s.instruct.Request(t)); !strings.Contains(shown, "assistant\n42<|im_end|>") {
		t.Errorf("%q", shown)
	}
	// What was referred to is kept with the new response.
	third := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "three", "previous_response_id": second.ID}).response(t)
	if shown := pieces(s.instruct.Request(t)); third.Status != responses.StatusCompleted || !strings.Contains(shown, "assistant\n42<|im_end|>") {
		t.Errorf("%q", shown)
	}
	for _, id := range []string{"msg_none_0", "msg_" + strings.TrimPrefix(first.ID, "resp_") + "_9", ""} {
		got := s.post("/v1/responses", map[string]any{"input": []any{map[string]any{"type": "item_reference", "id": id}}})
		if _, param, _ := got.failure(t); param != "input[0].id" {
			t.Errorf("%s: %s", id, got.body)
		}
	}
}
