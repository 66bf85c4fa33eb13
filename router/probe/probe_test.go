package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/router/train"
)

// daemon answers as the two variants would: thinking adds rightly, instruct says 7.
type daemon struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // model and text, in order
	// before, if not nil, may answer a request itself.
	before func(w http.ResponseWriter, model, text string) (done bool)
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Model    string `json:"model"`
			Messages []struct {
				Content []struct {
					Text string `json:"text"`
				} `json:"content"`
			} `json:"messages"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.URL.Path != "/v1/chat/completions" {
			t.Errorf("%s: %v", r.URL, err)
		}
		text := body.Messages[0].Content[0].Text
		d.mu.Lock()
		d.asked = append(d.asked, body.Model+" "+text)
		before := d.before
		d.mu.Unlock()
		if before != nil && before(w, body.Model, text) {
			return
		}
		answer, tokens := "7", 3
		if strings.HasSuffix(body.Model, "-thinking") {
			var a, b int
			_, _ = fmt.Sscanf(text, "%d+%d", &a, &b)
			answer, tokens = fmt.Sprintf("The sum is %d.", a+b), 40
		}
		_, _ = fmt.Fprintf(w, `{"choices":[{"finish_reason":"stop","message":{"content":%q}}],"usage":{"completion_tokens":%d}}`, answer, tokens)
	}))
	t.Cleanup(d.Close)
	return d
}

// count of requests so far.
func (d *daemon) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.asked)
}

func (d *daemon) options(t *testing.T) Options {
	t.Helper()
	return Options{URL: d.URL + "/v1", Model: "m", Concurrency: 3, Timeout: time.Minute, Outcomes: filepath.Join(t.TempDir(), "o.jsonl")}
}

// sums are n prompts of which every third has a reference.
func sums(t *testing.T, n int) []*Prompt {
	t.Helper()
	var lines []string
	for i := range n {
		text := fmt.Sprintf(`{"text": "%d+3"`, i)
		if i%3 == 0 {
			text += fmt.Sprintf(`, "answer": %d`, i+3)
		}
		lines = append(lines, text+"}")
	}
	prompts, err := Load(write(t, "sums.jsonl", lines...))
	if err != nil {
		t.Fatal(err)
	}
	return prompts
}

func refuse(w http.ResponseWriter, status int, message string) bool {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error":{"message":%q}}`, message)
	return true
}

func TestAskedOnceAndScored(t *testing.T) {
	d := newDaemon(t)
	o := d.options(t)
	prompts := sums(t, 12)
	first, err := Run(t.Context(), prompts[:7], o)
	if diff := cmp.Diff(Summary{Total: 7, Asked: 7, Scored: 7}, first); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	second, err := Run(t.Context(), prompts, o)
	if diff := cmp.Diff(Summary{Total: 12, Known: 7, Asked: 5, Scored: 12}, second); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	if d.count() != 24 {
		t.Errorf("%d requests for 12 prompts", d.count())
	}
	set, err := train.Load(o.Outcomes)
	if err != nil || len(set.Examples) != 12 {
		t.Fatal(len(set.Examples), err)
	}
	for _, e := range set.Examples {
		weak := 0.0
		if e.Text == "4+3" {
			weak = 1
		}
		if *e.Weak != weak || *e.Strong != 1 || e.WeakTokens != 3 || e.Tokens != 40 || e.WeakSeconds <= 0 || e.StrongSeconds <= 0 {
			t.Errorf("%+v", e)
		}
	}
}

func TestBusyDaemonIsAskedAgain(t *testing.T) {
	d := newDaemon(t)
	left := map[string]int{"0+3": 1, "1+3": 1, "2+3": 100, "3+3": 2}
	d.before = func(w http.ResponseWriter, model, text string) bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		if model != "m-thinking" {
			return false
		}
		if left[text]--; left[text] < 0 {
			return false
		}
		switch text {
		case "0+3":
			w.Header().Set("Retry-After", "7")
			return refuse(w, http.StatusTooManyRequests, "slow down")
		case "3+3":
			panic(http.ErrAbortHandler) // the connection ends
		default:
			return refuse(w, http.StatusServiceUnavailable, "loading")
		}
	}
	var mu sync.Mutex
	var waits []time.Duration
	o := d.options(t)
	o.Concurrency = 1
	o.sleep = func(_ context.Context, w time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		waits = append(waits, w)
		return nil
	}
	run := func(i int, want Summary, wait ...time.Duration) {
		t.Helper()
		waits = nil
		s, err := Run(t.Context(), sums(t, 4)[i:i+1], o)
		s.Last = nil
		if diff := cmp.Diff(want, s) + cmp.Diff(wait, waits); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	asked, sec := Summary{Total: 1, Asked: 1, Scored: 1}, time.Second
	run(0, asked, 7*sec)
	run(1, asked, sec)
	run(2, Summary{Total: 1, Refused: 1}, sec, 2*sec, 4*sec, 8*sec, 16*sec)
	run(3, asked, sec, 2*sec)
}

func TestOnePromptsFaultStopsNoOther(t *testing.T) {
	d := newDaemon(t)
	d.before = func(w http.ResponseWriter, _, text string) bool {
		return text == "1+3" && refuse(w, http.StatusBadRequest, "messages[0]: too many tokens")
	}
	o := d.options(t)
	s, err := Run(t.Context(), sums(t, 4), o)
	const want = `"1+3": status 400: messages[0]: too many tokens`
	if err != nil || s.Asked != 3 || s.Refused != 1 || !strings.Contains(fmt.Sprint(s.Last), want) {
		t.Fatalf("%+v, %v", s, err)
	}
	d.before = nil
	if s, err = Run(t.Context(), sums(t, 4), o); err != nil || s.Known != 3 || s.Asked != 1 {
		t.Errorf("the refused prompt was not asked again: %+v, %v", s, err)
	}
}

func TestEndlessAnswerIsGivenUpOnce(t *testing.T) {
	d := newDaemon(t)
	hang := make(chan struct{})
	d.before = func(_ http.ResponseWriter, _, text string) bool {
		if text == "1+3" {
			<-hang
		}
		return false
	}
	o := d.options(t)
	o.Timeout = 2 * time.Second
	s, err := Run(t.Context(), sums(t, 3), o)
	close(hang)
	if err != nil || s.Asked != 2 || s.Refused != 1 || d.count() != 5 {
		t.Errorf("%+v after %d requests, %v", s, d.count(), err)
	}
}

func TestFaultsOfAllStopAtOnce(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusNotFound} {
		d := newDaemon(t)
		d.before = func(w http.ResponseWriter, _, _ string) bool { return refuse(w, status, "no") }
		o := d.options(t)
		o.Concurrency = 1
		if _, err := Run(t.Context(), sums(t, 20), o); err == nil || d.count() > 2 {
			t.Errorf("%d: %d requests, %v", status, d.count(), err)
		}
	}
	d := newDaemon(t)
	o := d.options(t)
	d.Close()
	o.sleep = func(context.Context, time.Duration) error { return nil }
	if _, err := Run(t.Context(), sums(t, 3), o); err == nil {
		t.Error("asked a daemon that is not there")
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>") }))
	defer other.Close()
	o.URL = other.URL
	if _, err := Run(t.Context(), sums(t, 3), o); !errors.Is(err, errReply) {
		t.Errorf("a web page: %v", err)
	}
}

func TestStoppedRunGoesOn(t *testing.T) {
	d := newDaemon(t)
	ctx, stop := context.WithCancel(t.Context())
	hang := make(chan struct{})
	d.before = func(http.ResponseWriter, string, string) bool {
		d.mu.Lock()
		late := len(d.asked) > 8
		d.mu.Unlock()
		if late { // the operator's patience ends
			stop()
			<-hang
		}
		return false
	}
	o := d.options(t)
	s, err := Run(ctx, sums(t, 12), o)
	close(hang)
	if !errors.Is(err, context.Canceled) || s.Asked == 0 || s.Asked == 12 {
		t.Fatalf("%+v, %v", s, err)
	}
	// A crash in the middle of a line.
	f, err := os.OpenFile(o.Outcomes, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString(`{"key": "half a li`)
	_ = f.Close()
	d.mu.Lock()
	d.before = nil
	d.mu.Unlock()
	again, err := Run(t.Context(), sums(t, 12), o)
	if err != nil || again.Known != s.Asked || again.Scored != 12 {
		t.Fatalf("first %+v, then %+v, %v", s, again, err)
	}
	if set, err := train.Load(o.Outcomes); err != nil || len(set.Examples) != 12 {
		t.Error(err)
	}
}

func TestOpenAnswersAreKeptApart(t *testing.T) {
	d := newDaemon(t)
	d.before = func(w http.ResponseWriter, model, text string) bool {
		if text != "1+3" || model != "m-thinking" {
			return false
		}
		_, _ = fmt.Fprint(w, `{"choices":[{"finish_reason":"length","message":{"content":""}}],"usage":{"completion_tokens":9}}`)
		return true
	}
	o := d.options(t)
	s, err := Run(t.Context(), sums(t, 3), o)
	if err != nil || s.Scored != 2 || s.Open != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	data, _ := os.ReadFile(o.Outcomes)
	if !strings.Contains(string(data), `"not_compared":"the thinking answer was cut off"`) {
		t.Errorf("%s", data)
	}
	if s, err = Run(t.Context(), sums(t, 3), o); err != nil || s.Known != 3 || s.Open != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := train.Load(o.Outcomes); err != nil {
		t.Error(err)
	}
}

func TestAnotherPairsOutcomesAreLeftAlone(t *testing.T) {
	d := newDaemon(t)
	o := d.options(t)
	if _, err := Run(t.Context(), sums(t, 2), o); err != nil {
		t.Fatal(err)
	}
	o.Model = "other"
	const want = `line 1: this file holds answers of "m", not of "other"`
	if _, err := Run(t.Context(), sums(t, 2), o); err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
	if err := os.WriteFile(o.Outcomes, []byte("{\"key\": \"a\", \"model\": \"other\"}\nno JSON\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), sums(t, 2), o); err == nil || !strings.Contains(err.Error(), "line 2: ") {
		t.Error(err)
	}
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3": 3 * time.Second, "0.5": 500 * time.Millisecond, "": 0, "soon": 0, "-4": 0, "1e300": longestWait,
	} {
		if got := retryAfter(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	date := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
	if got := retryAfter(date); got < 50*time.Second || got > time.Minute {
		t.Errorf("%s: %v", date, got)
	}
}
