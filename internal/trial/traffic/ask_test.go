package traffic

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Every way in which a reply can end is one of the outcomes, and what has neither an end nor a reason is lost.
func TestWhatBecomesOfARequest(t *testing.T) {
	sse := func(events ...string) string { return "data: " + strings.Join(events, "\n\ndata: ") + "\n\n" }
	text := `{"choices":[{"delta":{"content":"a"}}]}`
	end := `{"choices":[{"delta":{},"finish_reason":"stop"}]}`
	for name, tc := range map[string]struct {
		path   string
		stream bool
		status int
		body   string
		want   Outcome
	}{
		"chat":                         {pathChat, false, 200, `{"choices":[{"finish_reason":"stop"}]}`, Answered},
		"chat without an end":          {pathChat, false, 200, `{"choices":[{}]}`, Lost},
		"chat cut":                     {pathChat, false, 200, `{"choices":[{"finish_re`, Lost},
		"chat empty":                   {pathChat, false, 200, ``, Lost},
		"chat refused":                 {pathChat, false, 503, `{"error":{"message":"busy"}}`, Refused},
		"chat refused without reason":  {pathChat, false, 503, `busy`, Lost},
		"chat stream":                  {pathChat, true, 200, sse(text, end, "[DONE]"), Answered},
		"chat stream without the end":  {pathChat, true, 200, sse(text, end), Lost},
		"chat stream without a finish": {pathChat, true, 200, sse(text, "[DONE]"), Lost},
		"chat stream with an error":    {pathChat, true, 200, sse(text, `{"error":{"message":"died"}}`), Told},
		"chat stream of nonsense":      {pathChat, true, 200, sse("x"), Lost},
		"completion":                   {pathCompletion, false, 200, `{"choices":[{"finish_reason":"length"}]}`, Answered},
		"response":                     {pathResponses, false, 200, `{"status":"incomplete"}`, Answered},
		"response that failed":         {pathResponses, false, 200, `{"status":"failed","error":{"message":"died"}}`, Told},
		"response stream":              {pathResponses, true, 200, sse(`{"type":"response.output_text.delta","delta":"a"}`, `{"type":"response.completed"}`), Answered},
		"response stream that failed":  {pathResponses, true, 200, sse(`{"type":"response.failed","response":{"error":{"message":"died"}}}`), Told},
		"response stream with error":   {pathResponses, true, 200, sse(`{"type":"error","message":"died"}`), Told},
		"response stream cut":          {pathResponses, true, 200, sse(`{"type":"response.output_text.delta","delta":"a"}`), Lost},
		"message":                      {pathMessages, false, 200, `{"stop_reason":"end_turn"}`, Answered},
		"message stream":               {pathMessages, true, 200, sse(`{"type":"content_block_delta","delta":{"text":"a"}}`, `{"type":"message_stop"}`), Answered},
		"message stream with error":    {pathMessages, true, 200, sse(`{"type":"error","error":{"message":"died"}}`), Told},
		"message stream cut":           {pathMessages, true, 200, sse(`{"type":"content_block_delta","delta":{"text":"a"}}`), Lost},
		"lines":                        {pathOllama, true, 200, `{"message":{"content":"a"}}` + "\n" + `{"done":true}`, Answered},
		"lines with an error":          {pathOllama, true, 200, `{"error":"died"}`, Told},
		"lines cut":                    {pathOllama, true, 200, `{"message":{"content":"a"}}`, Lost},
		"lines refused":                {pathOllama, false, 400, `{"error":"no"}`, Refused},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}))
			defer s.Close()
			c := NewClient(s.URL, nil)
			defer c.Close()
			var p Progress
			got := c.Ask(t.Context(), &Request{Path: tc.path, Body: map[string]any{"stream": tc.stream}}, &p)
			if got.Outcome != tc.want {
				t.Errorf("%+v", got)
			}
			if told := got.Outcome == Told || got.Outcome == Refused || got.Outcome == Lost; told != (got.Reason != "") {
				t.Errorf("reason %q", got.Reason)
			}
			if strings.Contains(tc.body, `"a"`) != (p.Texts() == 1) {
				t.Errorf("%d texts", p.Texts())
			}
		})
	}
}

func TestAConnectionThatBreaksLosesItsRequestUnlessTheClientLeft(t *testing.T) {
	asked := make(chan struct{}, 2)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is it seen that the client leaves
		asked <- struct{}{}
		if r.Header.Get("Authorization") == "Bearer breaks" {
			panic(http.ErrAbortHandler)
		}
		<-r.Context().Done()
	}))
	defer s.Close()
	breaks := NewClient(s.URL, func() string { return "breaks" })
	defer breaks.Close()
	if got := breaks.Ask(t.Context(), Text(Model, "hello", 1), nil); got.Outcome != Lost || got.Reason == "" {
		t.Errorf("broken: %+v", got)
	}
	<-asked
	c := NewClient(s.URL, nil)
	defer c.Close()
	ctx, leave := context.WithCancelCause(t.Context())
	go func() { <-asked; leave(ErrLeft) }()
	if got := c.Ask(ctx, Text(Model, "hello", 1), nil); got.Outcome != Left {
		t.Errorf("left: %+v", got)
	}
}

func TestALedgerAddsUp(t *testing.T) {
	var l Ledger
	for i, r := range []Result{
		{Outcome: Answered},
		{Outcome: Refused, Status: 503},
		{Outcome: Refused, Status: 503},
		{Outcome: Refused, Status: 400},
		{Outcome: Lost, Reason: "cut"},
		{Outcome: Left},
		{Outcome: Told},
	} {
		l.Note(r)
		if n := l.Counts().Sent; n != i+1 {
			t.Errorf("%d sent after %d", n, i+1)
		}
	}
	c := l.Counts()
	if got := c.Refusals(); got != "3 (1 of 400, 2 of 503)" {
		t.Error(got)
	}
	var sum Counts
	sum.Add(&c)
	sum.Add(&c)
	if sum.Sent != 14 || sum.Outcomes[Lost] != 2 || sum.Refusals() != "6 (2 of 400, 4 of 503)" || fmt.Sprint(sum.Losses) != "[cut cut]" {
		t.Errorf("%+v", sum)
	}
}

// TestALoadEndsItsRequests stops a load in the middle of requests, which end as they would have.
func TestALoadEndsItsRequests(t *testing.T) {
	answer, asked := make(chan struct{}), make(chan struct{}, 1000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-answer
		_, _ = io.WriteString(w, `{"choices":[{"finish_reason":"stop"}]}`)
	}))
	defer s.Close()
	c := NewClient(s.URL, nil)
	defer c.Close()
	var ledger Ledger
	l := Load{Client: c, Ledger: &ledger, Clients: 2, Next: func(int) *Request { return Text(Model, "hello", 1).With("stream", false) }}
	stop := l.Start(t.Context())
	<-asked
	<-asked
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(answer)
	<-stopped
	if got := ledger.Counts(); got.Sent < 2 || got.Outcomes[Answered] != got.Sent {
		t.Errorf("%+v", got)
	}
}
