package api

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/engine"
)

// ponders is an answer that thinks until nobody wants to wait, and answers then.
func ponders(ctx context.Context, req *engine.Request) func() (engine.Event, error) {
	events := []engine.Event{
		{Text: "hm"},
		{Text: "\n</think>\n\n42"},
		{Result: &engine.Result{FinishReason: engine.FinishStop, ThinkingClosedBy: "client"}},
	}
	return func() (engine.Event, error) {
		if len(events) == 0 {
			return engine.Event{}, io.EOF
		}
		if len(events) == 2 {
			select {
			case <-req.Thinking.Now:
			case <-ctx.Done():
				return engine.Event{}, context.Cause(ctx)
			}
		}
		ev := events[0]
		events = events[1:]
		return ev, nil
	}
}

// pondering begins a streamed completion and reads it up to its first thought. It returns the completion's id, and what
// reads the rest.
func (s *site) pondering(header ...string) (id string, rest func() string) {
	s.t.Helper()
	resp := s.stream(s.t.Context(), "qwen3-vl-thinking", header...)
	s.t.Cleanup(func() { _ = resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && strings.Contains(data, `"reasoning_content"`) {
			var chunk struct{ ID string }
			if err := json.Unmarshal([]byte(data), &chunk); err != nil {
				s.t.Fatal(err)
			}
			return chunk.ID, func() string {
				var text strings.Builder
				for lines.Scan() {
					text.WriteString(lines.Text())
				}
				return text.String()
			}
		}
	}
	s.t.Fatal("no thought came")
	return "", nil
}

func answerNow(id string) string { return "/v1/chat/completions/" + id + "/answer_now" }

func TestAnswerNowEndsThoughtsAndTheAnswerFollows(t *testing.T) {
	s := newSite(t, nil)
	s.thinking.Answer = ponders
	id, rest := s.pondering()
	if got := s.post(answerNow(id), ""); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	text := rest()
	if !strings.Contains(text, `"content":"42"`) || !strings.Contains(text, `"closed_by":"client"`) || !strings.Contains(text, "[DONE]") {
		t.Errorf("the stream goes on with %s", text)
	}
	if got := s.post(answerNow(id), ""); got.status != http.StatusNotFound {
		t.Errorf("when it is over: %d %s", got.status, got.body)
	}
}

func TestAnswerNowIsForThoughtsOfOnesOwn(t *testing.T) {
	s := newSite(t, func(c *Config) {
		c.Keys = []access.Key{{Name: "a", Hash: sha256.Sum256([]byte("of-a"))}, {Name: "b", Hash: sha256.Sum256([]byte("of-b"))}}
	})
	s.thinking.Answer = ponders
	id, rest := s.pondering("Authorization", "Bearer of-a")
	for name, c := range map[string]struct {
		id, key string
		want    int
	}{
		"another key": {id, "of-b", http.StatusNotFound},
		"no key":      {id, "", http.StatusUnauthorized},
		"another id":  {"chatcmpl-none", "of-a", http.StatusNotFound},
	} {
		if got := s.post(answerNow(c.id), "", "Authorization", "Bearer "+c.key); got.status != c.want {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := s.post(answerNow(id), "", "Authorization", "Bearer of-a"); got.status != http.StatusOK {
		t.Errorf("its own: %d %s", got.status, got.body)
	}
	rest()
}

func TestAnswerNowIsRefusedOnceTheAnswerHasBegun(t *testing.T) {
	s := newSite(t, nil)
	s.instruct.Hold = make(chan struct{}, 1)
	s.instruct.Hold <- struct{}{} // the first token comes, the second does not
	resp := s.stream(t.Context(), "qwen3-vl-instruct")
	defer resp.Body.Close()
	// The first chunk says that it has begun, with its id.
	lines := bufio.NewScanner(resp.Body)
	lines.Scan()
	if got := s.post(answerNow("chatcmpl-id"), ""); got.status != http.StatusConflict || !strings.Contains(string(got.body), "not_thinking") {
		t.Errorf("%d %s", got.status, got.body)
	}
	close(s.instruct.Hold)
}
