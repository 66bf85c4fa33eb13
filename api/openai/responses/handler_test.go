package responses

import (
	"net/http"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/engine"
)

const hi = `{"model":"qwen3-vl","input":"hi"}`

// prompt is what the engine was asked last.
func (s *site) prompt() string {
	var b strings.Builder
	for _, p := range s.engine.Last().Prompt {
		b.WriteString(p.Text)
	}
	return b.String()
}

func TestAResponseInOnePieceIsWhatTheStreamEndsWith(t *testing.T) {
	s := newSite(t, history.NewMemory(0))
	whole := s.create(hi)
	made := whole.response()
	if made.Status != StatusCompleted || made.text() != "Hello world" || !made.Store || made.CompletedAt == nil ||
		made.Usage.TotalTokens != 9 || made.Temperature == 0 || made.Model != "qwen3-vl-instruct" {
		t.Errorf("%s", whole.Body)
	}
	if got := s.get(made.ID); got.Body.String() != whole.Body.String() {
		t.Errorf("made %s\nkept %s", whole.Body, got.Body)
	}
	events := s.create(`{"input":"hi","stream":true}`).events()
	last := events[len(events)-1]
	if last.Type != "response.completed" || last.Response.text() != "Hello world" {
		t.Errorf("%+v", last)
	}
	for i, ev := range events {
		if ev.Sequence != i {
			t.Errorf("event %d has number %d", i, ev.Sequence)
		}
	}
	if got := s.get(last.Response.ID).response(); got.text() != "Hello world" {
		t.Errorf("a streamed response is kept as %+v", got)
	}
}

func TestWhatIsNotToBeKeptIsNot(t *testing.T) {
	s := newSite(t, history.NewMemory(0))
	made := s.create(`{"input":"hi","store":false}`).response()
	if status, _, code := s.get(made.ID).refusal(); made.Store || status != http.StatusNotFound || code != fault.CodeNotFound {
		t.Errorf("%v, %d %s", made.Store, status, code)
	}
	without := newSite(t, nil)
	if made := without.create(`{"input":"hi","store":true}`).response(); made.Store {
		t.Error("says that it keeps what it does not")
	}
	for body, want := range map[string]string{
		`{"input":"hi","background":true}`:                     "background",
		`{"input":"hi","previous_response_id":"resp_0"}`:       "previous_response_id",
		`{"input":[{"type":"item_reference","id":"msg_0_0"}]}`: "input[0].id",
	} {
		if _, param, _ := without.create(body).refusal(); param != want {
			t.Errorf("%s: %q", body, param)
		}
	}
	if status, _, _ := without.get("resp_0").refusal(); status != http.StatusNotFound {
		t.Errorf("%d", status)
	}
}

func TestAConversationGoesOnFromAResponse(t *testing.T) {
	s := newSite(t, history.NewMemory(0))
	s.engine.Events = answer("It is 2.")
	first := s.create(`{"input":"what is it?","instructions":"be round"}`).response()
	second := s.create(`{"input":"sure?","previous_response_id":"` + first.ID + `","instructions":"be brief"}`).response()
	s.create(`{"input":"really?","previous_response_id":"` + second.ID + `"}`).response()
	last := 0
	for _, part := range []string{"what is it?", "It is 2.", "sure?", "It is 2.", "really?"} {
		at := strings.Index(s.prompt()[last:], part)
		if at < 0 {
			t.Fatalf("%q is not in its place in\n%s", part, s.prompt())
		}
		last += at + len(part)
	}
	if strings.Contains(s.prompt(), "be ") {
		t.Error("instructions of an earlier turn are still there")
	}
	if status, param, _ := s.create(`{"input":"a","previous_response_id":"resp_0"}`).refusal(); status != 400 || param != paramPrevious {
		t.Errorf("%d %s", status, param)
	}
	if status, param, _ := s.create(`{"input":"a","previous_response_id":7}`).refusal(); status != 400 || param != paramPrevious {
		t.Errorf("%d %s", status, param)
	}
}

func TestItemsOfKeptResponsesCanBeReferredTo(t *testing.T) {
	s := newSite(t, history.NewMemory(0))
	first := s.create(hi).response()
	id := first.Output[0].ID
	s.create(`{"input":[{"role":"user","content":"hi"},{"type":"item_reference","id":"` + id + `"},{"role":"user","content":"two"}]}`).
		response()
	if !strings.Contains(s.prompt(), "assistant\nHello world<|im_end|>") {
		t.Errorf("%s", s.prompt())
	}
	for _, none := range []string{"msg_none_0", strings.TrimSuffix(id, "_0") + "_9", ""} {
		got := s.create(`{"input":[{"type":"item_reference","id":"` + none + `"}]}`)
		if _, param, code := got.refusal(); param != "input[0].id" || code != fault.CodeNotFound {
			t.Errorf("%q: %s", none, got.Body)
		}
	}
	if _, param, _ := s.create(`{"input":[{"type":"item_reference","id":"`+id+`"}]}`, headerOwner, "bob").refusal(); param != "input[0].id" {
		t.Errorf("another account's item: %s", param)
	}
}

func TestAConversationIsReadWithinTheBoundOfABody(t *testing.T) {
	s := newSite(t, history.NewMemory(0))
	previous, made := "", 0
	for range 6 {
		body := `{"input":"` + strings.Repeat("x", 1500) + `"`
		if previous != "" {
			body += `,"previous_response_id":"` + previous + `"`
		}
		got := s.create(body + "}")
		if got.Code == http.StatusOK {
			previous = got.response().ID
			made++
			continue
		}
		if _, param, code := got.refusal(); param != paramPrevious || code != fault.CodeContextLength {
			t.Errorf("%s", got.Body)
		}
	}
	if made < 2 || made == 6 {
		t.Errorf("%d turns fit", made)
	}
	if s.bodies.Reading() != 0 {
		t.Error("a body is still read")
	}
}

func TestResponsesBelongToTheirOwner(t *testing.T) {
	s := newSite(t, history.NewMemory(0))
	id := s.create(hi, headerOwner, "ann").response().ID
	for _, c := range [][2]string{{http.MethodGet, ""}, {http.MethodDelete, ""}, {http.MethodPost, "/cancel"}, {http.MethodGet, "/input_items"}} {
		if got := s.call(c[0], "/v1/responses/"+id+c[1], "", headerOwner, "bob"); got.Code != http.StatusNotFound {
			t.Errorf("%v: another account gets %d", c, got.Code)
		}
	}
	if got := s.get(id, headerOwner, "ann"); got.Code != http.StatusOK {
		t.Errorf("%d", got.Code)
	}
}

func TestKeptResponsesCanBeForgotten(t *testing.T) {
	s := newSite(t, history.NewMemory(0))
	id := s.create(hi).response().ID
	if status, _, _ := s.call(http.MethodPost, "/v1/responses/"+id+"/cancel", "").refusal(); status != 400 {
		t.Errorf("a response that waited for its answer was cancelled: %d", status)
	}
	for query, param := range map[string]string{
		"?stream=true": "stream", "?stream=maybe": "stream", "?starting_after=1": "starting_after",
		"?stream=true&starting_after=-1": "starting_after",
	} {
		if _, got, _ := s.get(id + query).refusal(); got != param {
			t.Errorf("%s: %q", query, got)
		}
	}
	var gone Deleted
	s.call(http.MethodDelete, "/v1/responses/"+id, "").json(&gone)
	if want := (Deleted{id, "response", true}); gone != want {
		t.Errorf("%+v", gone)
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		if status, _, _ := s.call(method, "/v1/responses/"+id, "").refusal(); status != http.StatusNotFound {
			t.Errorf("%s after the deletion: %d", method, status)
		}
	}
}

func TestInputItemsArePaged(t *testing.T) {
	s := newSite(t, history.NewMemory(0))
	id := s.create(`{"input":[{"role":"user","content":"0"},{"role":"user","content":"1"},{"role":"user","content":"2"}]}`).response().ID
	var seen strings.Builder
	for after := ""; ; {
		var page InputItems
		s.get(id + "/input_items?order=asc&limit=2" + after).json(&page)
		for _, item := range page.Data {
			seen.Write(item)
		}
		if !page.HasMore {
			break
		}
		after = "&after=" + *page.Last
	}
	if strings.Count(seen.String(), `"role"`) != 3 || strings.Index(seen.String(), `"0"`) > strings.Index(seen.String(), `"2"`) {
		t.Error(seen.String())
	}
	var latest InputItems
	s.get(id + "/input_items?limit=1").json(&latest)
	if !strings.Contains(string(latest.Data[0]), `"2"`) || *latest.First != *latest.Last {
		t.Errorf("%+v", latest)
	}
	for query, param := range map[string]string{"limit=0": "limit", "limit=101": "limit", "order=up": "order", "after=x": "after"} {
		if _, got, _ := s.get(id + "/input_items?" + query).refusal(); got != param {
			t.Errorf("%s: %q", query, got)
		}
	}
}

func TestInputIsCounted(t *testing.T) {
	s := newSite(t, history.NewMemory(0))
	var n struct {
		InputTokens int `json:"input_tokens"`
	}
	s.call(http.MethodPost, "/v1/responses/input_tokens", hi).json(&n)
	if n.InputTokens == 0 || s.engine.Last() != nil {
		t.Errorf("%+v", n)
	}
}

func TestFailedResponsesSayWhy(t *testing.T) {
	s := newSite(t, history.NewMemory(0))
	s.engine.Events, s.engine.Fail = answer("Hel")[:1], engine.ErrWorkerDied
	if status, _, code := s.create(hi).refusal(); status != 500 || code != fault.CodeWorkerDied {
		t.Errorf("%d %s", status, code)
	}
	events := s.create(`{"input":"hi","stream":true}`).events()
	last := events[len(events)-1]
	if last.Type != "response.failed" || last.Response.Error == nil || last.Response.Output[0].Status != StatusIncomplete {
		t.Errorf("%+v", last)
	}
	s.create(`{"input":"hi","background":true}`).response()
	if err := s.handler.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if log := s.log.String(); !strings.Contains(log, "status=failed") || !strings.Contains(log, "error_code=model_process_died") {
		t.Error(log)
	}
}
