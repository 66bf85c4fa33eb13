package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// daemon answers every request with status and body, and gives its requests' bodies.
func daemon(t *testing.T, status int, body string) (c *Client, last func() string) {
	t.Helper()
	var got string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization") + " " + string(b)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	c = New(Options{URL: s.URL + "/v1/", Key: "sk-x"})
	t.Cleanup(func() { c.Close(); s.Close() })
	return c, func() string { return got }
}

func collect(t *testing.T, c *Client, req *Request) (events []Event, err error) {
	t.Helper()
	for ev, e := range c.Stream(t.Context(), req) {
		if e != nil {
			return events, e
		}
		events = append(events, ev)
	}
	return events, nil
}

func TestAStreamIsReadToItsEnd(t *testing.T) {
	c, last := daemon(t, http.StatusOK, `data: {"model":"m-thinking","choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"routing":{"variant":"thinking","source":"router","score":0.5,"reasons":["sum"]}}

: keep-alive

data: {"choices":[{"index":0,"delta":{"reasoning_content":"1+1","reasoning":"1+1"}}],"usage":null}

data: {"choices":[{"index":0,"delta":{"reasoning":" is"}}]}

data: {"choices":[{"index":0,"delta":{"content":"2"},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"completion_tokens_details":{"reasoning_tokens":2}}}

data: [DONE]

data: never read

`)
	think := true
	got, err := collect(t, c, &Request{Model: "auto", Messages: []Message{UserTurn("1+1?")}, Think: &think})
	if err != nil {
		t.Fatal(err)
	}
	usage := &Usage{PromptTokens: 3, CompletionTokens: 4}
	usage.Details.ReasoningTokens = 2
	want := []Event{
		{Model: "m-thinking", Routing: &Routing{Variant: "thinking", Source: "router", Score: 0.5, Reasons: []string{"sum"}}},
		{Reasoning: "1+1"},
		{Reasoning: " is"},
		{Content: "2"},
		{Finish: "stop"},
		{Usage: usage},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	const sent = `POST /v1/chat/completions Bearer sk-x {"model":"auto","messages":[{"role":"user","content":"1+1?"}],"enable_thinking":true,"stream":true,"stream_options":{"include_usage":true}}`
	if last() != sent {
		t.Error(last())
	}
}

func TestWhatEndsAStreamIsSaid(t *testing.T) {
	for body, want := range map[string]string{
		"data: {\"choices\":[]}\n\n": "was cut",
		"data: {\"error\":{\"message\":\"The model died.\",\"code\":null}}\n\n": "The model died.",
		"data: {]\n\n": "read the answer",
		"":             "was cut",
	} {
		c, _ := daemon(t, http.StatusOK, body)
		if _, err := collect(t, c, &Request{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestRefusalsAreTold(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":{"message":"No such model.","param":"model","code":"model_not_found"}}`: "No such model. (model)",
		`<html>Bad Gateway`: "status 404 <html>Bad Gateway",
		``:                  "status 404",
	} {
		c, _ := daemon(t, http.StatusNotFound, body)
		_, streamed := collect(t, c, &Request{})
		_, whole := c.Chat(t.Context(), &Request{})
		for _, err := range []error{streamed, whole} {
			var refused *Error
			if !errors.As(err, &refused) || refused.Status != http.StatusNotFound || err.Error() != want {
				t.Errorf("%q: %v", body, err)
			}
		}
	}
}

func TestLeavingEndsTheRequest(t *testing.T) {
	left := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	}))
	defer s.Close()
	c := New(Options{URL: s.URL})
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range c.Stream(ctx, &Request{}) {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("%v", last)
	}
	<-left
}

func TestASocketIsReachedByItsPath(t *testing.T) {
	file := filepath.Join(t.TempDir(), "q.sock")
	l, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }))
	s.Listener = l
	s.Start()
	defer s.Close()
	c := New(Options{URL: "unix:" + file})
	defer c.Close()
	if status, body, err := c.Get(t.Context(), "/health/live"); err != nil || status != http.StatusOK || string(body) != "/health/live" {
		t.Errorf("%d, %s, %v", status, body, err)
	}
}

func TestAddressesAreCompleted(t *testing.T) {
	for address, want := range map[string]string{
		"localhost:8080": "http://localhost:8080", "http://h/": "http://h", "https://h:1/v1": "https://h:1", "http://h/v1/": "http://h",
	} {
		if got := BaseURL(address); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

func TestFilesTravelAsDataURIs(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		kind       Kind
		text, want string
	}{
		"a.bin":  {Image, "\x89PNG\r\n\x1a\n", `{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}`},
		"b.mkv":  {Video, "xyz", `{"type":"video_url","video_url":{"url":"data:video/`},
		"c":      {Image, "xyz", `{"type":"image_url","image_url":{"url":"data:image/png;base64,eHl6"}}`},
		"d.gif":  {Video, "GIF89a", `{"type":"video_url","video_url":{"url":"data:image/gif;base64,`},
		"e.webp": {Image, "xyz", `{"type":"image_url","image_url":{"url":"data:image/webp;base64,`},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		part, err := File(c.kind, path)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(part); !strings.HasPrefix(string(got), c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if part, err := File(Image, "https://h/x.png"); err != nil || part.Image.URL != "https://h/x.png" {
		t.Errorf("%v, %v", part, err)
	}
	empty := filepath.Join(dir, "empty")
	_ = os.WriteFile(empty, nil, 0o600)
	for _, name := range []string{empty, dir, filepath.Join(dir, "none")} {
		if _, err := File(Image, name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzEvent: no text of a stream makes the client fail otherwise than with an error, and one that says something.
func FuzzEvent(f *testing.F) {
	for _, s := range []string{`{}`, `{"ERROR":{}}`, `{"error":{"message":""}}`, `{"choices":[{"delta":null}]}`, `{"error":{"message":1}}`, `null`, `{"choices":[{"finish_reason":3}]}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data string) {
		if ev, err := decodeEvent(data); err != nil && (ev.Content != "" || err.Error() == "") {
			t.Errorf("%v, %v", ev, err)
		}
	})
}
