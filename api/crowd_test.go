package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/intake"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/internal/testkit"
)

// raw opens a connection to the site, sends text as it is and returns the connection.
func (s *site) raw(text string) net.Conn {
	s.t.Helper()
	c, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// answer reads the reply on a connection.
func (s *site) answer(c net.Conn) reply {
	s.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, body}
}

func begun(headers string) string {
	return "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + headers + "\r\n\r\n"
}

func TestSlowBodiesShutNobodyOut(t *testing.T) {
	const slow = 100
	s := newSite(t, func(c *Config) { c.MaxConcurrent, c.MaxWaiting = 4, -1 })
	for range slow {
		s.raw(begun("Content-Length: 1000") + "{") // and no more
	}
	testkit.Eventually(t, "every slow body", func() bool { return s.server.bodies.Reading() == slow })
	for range 8 {
		if got := s.ask(nil); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if n := s.server.bodies.Reading(); n != slow {
		t.Errorf("%d slow bodies are left", n)
	}
}

func TestMoreSlowBodiesThanMayBeReadMakeRoom(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Bodies.Readers = 8 })
	for range 6 { // of eight one client may have six
		s.raw(begun("Content-Length: 1000") + "{")
	}
	testkit.Eventually(t, "every slow body", func() bool { return s.server.bodies.Reading() == 6 })
	testkit.Eventually(t, "the time to settle", func() bool { return s.ask(nil).status == http.StatusOK })
}

// dripper is a source that never ends by itself.
type dripper struct{}

func (d *dripper) Fetch(ctx context.Context, _ string) ([]byte, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func TestSourcesThatDripShutNobodyOut(t *testing.T) {
	s := newSite(t, func(c *Config) { c.MaxConcurrent, c.Fetcher = 2, &dripper{} })
	ctx, leave := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for i := range 20 {
		path := "/v1/chat/completions"
		if i%2 == 0 {
			path += "/input_tokens"
		}
		body := `{"model":"qwen3-vl","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://a/b"}}]}]}`
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		asking.Go(func() {
			if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
				_ = resp.Body.Close()
			}
		})
	}
	testkit.Eventually(t, "everybody who fetches or waits for it", func() bool { return s.fetching() == 20-2*4*3/4 })
	for range 4 {
		if got := s.ask(nil); got.status != http.StatusOK {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	leave()
	asking.Wait()
}

func TestOneKeyCannotTakeAllPlacesWhenOthersWait(t *testing.T) {
	hog, hogHash := access.NewKey()
	good, goodHash := access.NewKey()
	s := newSite(t, func(c *Config) {
		c.MaxConcurrent, c.Patience = 2, time.Minute
		c.Keys = []access.Key{{Name: "hog", Hash: hogHash}, {Name: "good", Hash: goodHash}}
	})
	s.instruct.Hold, s.instruct.Events = make(chan struct{}), text()
	var asking sync.WaitGroup
	ask := func(key, id string) {
		asking.Go(func() { s.post("/v1/chat/completions", hello, "X-Api-Key", key, "X-Request-Id", id) })
	}
	ask(hog, "first")
	ask(hog, "second")
	testkit.Eventually(t, "the hog", func() bool { return s.instruct.Open() == 2 })
	for i := range 3 {
		ask(hog, fmt.Sprint("more", i))
	}
	testkit.Eventually(t, "more of the hog", func() bool { return s.waiting() == 3 })
	ask(good, "good")
	testkit.Eventually(t, "who waits", func() bool { return s.waiting() == 4 })
	s.instruct.Hold <- struct{}{}
	testkit.Eventually(t, "the next", func() bool { return s.waiting() == 3 && s.instruct.Open() == 2 })
	if id := s.instruct.Request(t).ID; id != "good" {
		t.Errorf("%s is next", id)
	}
	close(s.instruct.Hold)
	asking.Wait()
}

func TestOneRequestForManyCompletionsTakesAPlaceForEachThatRuns(t *testing.T) {
	s := newSite(t, func(c *Config) { c.MaxConcurrent = 8 })
	var prompts []string
	for i := range 32 {
		prompts = append(prompts, fmt.Sprint("prompt ", i))
	}
	for _, stream := range []bool{false, true} {
		s.instruct.Forget()
		got := s.post("/v1/completions", map[string]any{"model": "qwen3-vl-instruct", "prompt": prompts, "n": 2, "max_tokens": 2, "stream": stream})
		if got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if n, most := len(s.instruct.Asked()), s.instruct.MostOpen(); n != 64 || most > 2 || most < 1 {
			t.Errorf("%d generations, %d at a time, of eight places a quarter is two", n, most)
		}
	}
}

func TestRetryAfterIsTheTimeToAFreePlace(t *testing.T) {
	var mu sync.Mutex
	now := time.Now() // write deadlines count from it
	s := newSite(t, func(c *Config) {
		c.MaxConcurrent, c.MaxWaiting = 1, -1
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	s.instruct.Hold = make(chan struct{})
	done := make(chan reply)
	go func() { done <- s.ask(map[string]any{"model": "qwen3-vl-instruct"}) }()
	testkit.Eventually(t, "the first", func() bool { return s.instruct.Open() == 1 })
	for _, want := range []string{"10", "40"} {
		mu.Lock()
		now = now.Add(map[string]time.Duration{"10": 10 * time.Second, "40": 30 * time.Second}[want])
		mu.Unlock()
		got := s.ask(nil)
		if code, _, _ := got.failure(t); got.status != 503 || code != "overloaded" || got.header.Get("Retry-After") != want {
			t.Errorf("%d %s, after %q, want %s", got.status, got.body, got.header.Get("Retry-After"), want)
		}
	}
	close(s.instruct.Hold)
	if got := <-done; got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestWhyABodyWasNotReadIsTold(t *testing.T) {
	s := newSite(t, func(c *Config) {
		c.Bodies = intake.Limits{Grace: 200 * time.Millisecond, Rate: 1 << 30}
		c.Limits.BodyBytes = 2000
	})
	for name, tc := range map[string]struct {
		sent   string
		status int
		code   string
	}{
		"a broken chunk":     {begun("Transfer-Encoding: chunked") + "zz\r\n{}\r\n0\r\n\r\n", 400, "invalid_body"},
		"a body too slow":    {begun("Content-Length: 100") + "{", 408, "request_timeout"},
		"a body too large":   {begun("Content-Length: 100000") + "{", 413, "request_too_large"},
		"chunks too large":   {begun("Transfer-Encoding: chunked") + "ff0\r\n" + strings.Repeat(" ", 0xff0) + "\r\n0\r\n\r\n", 413, "request_too_large"},
		"a long header":      {begun("Content-Length: 2\r\nX-Long: "+strings.Repeat("x", 70000)) + "{}", 431, "header_too_large"},
		"another media type": {strings.Replace(begun("Content-Length: 2"), "application/json", "text/plain", 1) + "{}", 415, "unsupported_media_type"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.answer(s.raw(tc.sent))
			if code, _, _ := got.failure(t); got.status != tc.status || code != tc.code {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	// Who asks for what needs no body must not hold the connection by promising one.
	if got := s.answer(s.raw("GET /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")); got.status != http.StatusOK {
		t.Errorf("a body that nobody wants: %d %s", got.status, got.body)
	}
	c := s.raw(begun("Content-Length: 100") + "{")
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := s.answer(c); got.status != http.StatusBadRequest {
		t.Errorf("a body that ends early: %d %s", got.status, got.body)
	}
}

func TestNothingOfARequestReachesTheLog(t *testing.T) {
	s := newSite(t, nil)
	const secret = "hunter2"
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"model":"qwen3-vl","messages":[{"role":"user","content":"hi","` + secret + `":1}]}`,
		"/v1/completions":      `{"model":"qwen3-vl","prompt":"x","` + secret + `":1}`,
		"/v1/responses":        `{"model":"qwen3-vl","input":"x","` + secret + `":1}`,
		"/v1/messages":         `{"model":"qwen3-vl","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"` + secret + `":1}`,
		"/tokenize":            `{"content":"x","` + secret + `":1}`,
		"/v1/" + secret:        `{}`,
		"/v1/route":            `{"model":"` + secret + `","messages":[{"role":"user","content":"` + secret + `"}]}`,
	} {
		s.post(path, body)
	}
	s.post("/v1/chat/completions", map[string]any{
		"model": "qwen3-vl", "messages": []any{map[string]any{"role": "user", "content": "hi"}},
		"response_format": map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "x", "strict": true, "schema": map[string]any{
			"type": "object", "additionalProperties": false, "required": []string{secret},
			"properties": map[string]any{secret: map[string]any{"type": "nothing"}},
		}}},
	})
	s.answer(s.raw(secret + " / HTTP/1.1\r\nHost: x\r\n\r\n"))
	log := s.log.String()
	if strings.Contains(log, secret) {
		t.Errorf("%s", log)
	}
	if !strings.Contains(log, "error_param=model") || !strings.Contains(log, "method=other") {
		t.Errorf("what is ours is not there: %s", log)
	}
}

func TestAFaultOnTheWayToAnEventIsNotALostClient(t *testing.T) {
	s := newSite(t, nil)
	nan := func() float64 { var zero float64; return zero / zero }()
	broken := text("Hello", " world") // the first of which has its tokens as they should be
	broken[1].Tokens = append(broken[1].Tokens, tokenOf(nan))
	s.instruct.Events = broken
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"model":"qwen3-vl-instruct","messages":[{"role":"user","content":"hi"}],"stream":true,"logprobs":true}`,
		"/v1/responses":        `{"model":"qwen3-vl-instruct","input":"hi","stream":true,"include":["message.output_text.logprobs"]}`,
		"/v1/completions":      `{"model":"qwen3-vl-instruct","prompt":"hi","stream":true,"logprobs":1}`,
	} {
		s.log.Reset()
		got := s.post(path, body)
		events := got.events(t)
		var last struct {
			Type  string
			Error struct{ Type string }
		}
		if err := json.Unmarshal([]byte(events[len(events)-1]), &last); err != nil {
			t.Fatal(err)
		}
		if last.Type != "response.failed" && last.Error.Type != fault.TypeServer {
			t.Errorf("%s ends with %s", path, events[len(events)-1])
		}
		testkit.Eventually(t, "the log", func() bool { return strings.Contains(s.log.String(), "level=ERROR") })
		if strings.Contains(s.log.String(), "client") {
			t.Errorf("%s: %s", path, s.log.String())
		}
	}
}

func tokenOf(logprob float64) engine.Token {
	return engine.Token{ID: 1, Bytes: []byte("Hello"), Logprob: logprob}
}
