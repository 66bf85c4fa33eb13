package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/engine/upstream/upstreamtest"
	"github.com/qwenvld/qwenvld/router"
)

// streamOf is an answer of n tokens as vLLM streams it.
func streamOf(n int) upstreamtest.Script {
	var s upstreamtest.Script
	for i := range n {
		s.Events = append(s.Events, fmt.Sprintf(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1790000000,"model":"m",`+
			`"choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null,"token_ids":null}],`+
			`"usage":{"prompt_tokens":181,"total_tokens":%d,"completion_tokens":%d}}`, 181+i, i+1))
	}
	s.Events = append(s.Events, `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
		fmt.Sprintf(`{"choices":[],"usage":{"prompt_tokens":181,"completion_tokens":%d}}`, n))
	return s
}

// frontOf is a daemon in front of servers.
func frontOf(b *testing.B, urls ...string) string {
	b.Helper()
	s, err := New(Config{
		Router: shippedRouter(b), MaxConcurrent: 1024,
		Models: []Model{{
			ID: "m", Clusters: map[router.Variant]*upstream.Cluster{router.Instruct: startPool(b, dialect.VLLM, urls, "m", true)},
		}},
	})
	if err != nil {
		b.Fatal(err)
	}
	h := httptest.NewServer(s)
	b.Cleanup(h.Close)
	return h.URL
}

// party makes this program a process of the benchmark beside the daemon's, and nothing else.
var party = flag.Bool("party", false, "be a process of BenchmarkThroughAnotherServer")

// errand is what the benchmark's client is sent to do: to ask for so many streams at a time.
type errand struct {
	URL, Model string
	Streams    int
}

// outcome is what came of it: events, and how long each stream's first one took.
type outcome struct {
	Events int
	First  []time.Duration
	Failed string
}

// TestServerParty serves streams of as many tokens as it reads, until there is nothing more to read.
func TestServerParty(t *testing.T) {
	if !*party {
		t.Skip("a process of BenchmarkThroughAnotherServer")
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		tokens := 0
		if _, err := fmt.Sscan(in.Text(), &tokens); err != nil {
			t.Fatal(err)
		}
		fmt.Println(upstreamtest.New(t, streamOf(tokens)).URL)
	}
}

// TestClientParty does the errands that it reads.
func TestClientParty(t *testing.T) {
	if !*party {
		t.Skip("a process of BenchmarkThroughAnotherServer")
	}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var e errand
		if err := in.Decode(&e); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		if err := out.Encode(e.do(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func (e *errand) do(t *testing.T) (sum outcome) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for i := range e.Streams {
		all.Go(func() {
			n, first, err := e.streamed(t, fmt.Sprint(i))
			mu.Lock()
			defer mu.Unlock()
			sum.Events += n
			sum.First = append(sum.First, first)
			if err != nil {
				sum.Failed = err.Error()
			}
		})
	}
	all.Wait()
	return sum
}

// streamed asks for a stream and counts its events. first is how long the first one took.
func (e *errand) streamed(t *testing.T, question string) (events int, first time.Duration, err error) {
	body := fmt.Sprintf(`{"model":%q,"stream":true,"messages":[{"role":"user","content":%q}]}`, e.Model, question)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data: ") {
			if events++; events == 1 {
				first = time.Since(began)
			}
		}
	}
	return events, first, lines.Err()
}

// other is a process of the benchmark as the daemon's sees it.
type other struct {
	to   io.Writer
	from *bufio.Reader
}

// startParty starts the test of a name in a process of its own, which ends with the benchmark.
func startParty(b *testing.B, name string) *other {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self, "-party", "-test.run", "^"+name+"$", "-test.timeout", "0")
	cmd.Stderr = os.Stderr
	to, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	from, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = to.Close()
		_ = cmd.Wait() // it was killed, or has nothing more to read
	})
	return &other{to, bufio.NewReader(from)}
}

// say sends a line and gives the one that comes back.
func (o *other) say(b *testing.B, line string) string {
	b.Helper()
	if _, err := fmt.Fprintln(o.to, line); err != nil {
		b.Fatal(err)
	}
	reply, err := o.from.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(reply)
}

// run has the client do an errand.
func (o *other) run(b *testing.B, e errand) (out outcome) {
	b.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		b.Fatal(err)
	}
	if err := json.Unmarshal([]byte(o.say(b, string(text))), &out); err != nil {
		b.Fatal(err)
	}
	if out.Failed != "" {
		b.Fatal(out.Failed)
	}
	return out
}

// BenchmarkThroughAnotherServer measures what passing on costs. Client and server are processes of their own, so that
// the processor time of this one is the daemon's alone, however busy the machine is.
func BenchmarkThroughAnotherServer(b *testing.B) {
	b.Run("events", func(b *testing.B) {
		const tokens, streams = 500, 32
		server, client := startParty(b, "TestServerParty"), startParty(b, "TestClientParty")
		task := errand{frontOf(b, server.say(b, fmt.Sprint(tokens))), "m-instruct", streams}
		client.run(b, task) // connections are made, pages are there
		events := 0
		began := cpuTime(b)
		b.ResetTimer()
		for b.Loop() {
			events += client.run(b, task).Events
		}
		spent := cpuTime(b) - began
		b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		b.ReportMetric(float64(events)/spent.Seconds(), "events/cpu-s")
		b.ReportMetric(float64(spent.Microseconds())/float64(events), "cpu-us/event")
	})
	b.Run("added to the first token", func(b *testing.B) {
		server, client := startParty(b, "TestServerParty"), startParty(b, "TestClientParty")
		url := server.say(b, "1")
		directly, behind := errand{url, "m", 1}, errand{frontOf(b, url), "m-instruct", 1}
		client.run(b, directly)
		client.run(b, behind)
		var with, without []time.Duration
		b.ResetTimer()
		for b.Loop() { // in turns, so that both meet the same noise
			without = append(without, client.run(b, directly).First...)
			with = append(with, client.run(b, behind).First...)
		}
		b.ReportMetric(1000*(quantile(with, 0.5)-quantile(without, 0.5)), "ms/median")
		b.ReportMetric(1000*(quantile(with, 0.99)-quantile(without, 0.99)), "ms/p99")
	})
}

// BenchmarkThroughAPoolWithABadServer measures what a server of four that breaks every connection adds to first tokens,
// eight requests at a time. Each of them must be answered.
func BenchmarkThroughAPoolWithABadServer(b *testing.B) {
	server, client := startParty(b, "TestServerParty"), startParty(b, "TestClientParty")
	urls := []string{upstreamtest.New(b, upstreamtest.Script{Fault: upstreamtest.Reset, At: -1}).URL}
	for range 3 {
		urls = append(urls, server.say(b, "1"))
	}
	const streams = 8
	sound, spoilt := errand{frontOf(b, urls[1:]...), "m-instruct", streams}, errand{frontOf(b, urls...), "m-instruct", streams}
	want := client.run(b, sound).Events
	var with, without []time.Duration
	b.ResetTimer()
	for b.Loop() {
		without = append(without, client.run(b, sound).First...)
		out := client.run(b, spoilt)
		if out.Events != want {
			b.Fatalf("%d events, want %d", out.Events, want)
		}
		with = append(with, out.First...)
	}
	b.ReportMetric(1000*(quantile(with, 0.5)-quantile(without, 0.5)), "ms/median")
	b.ReportMetric(1000*(quantile(with, 0.99)-quantile(without, 0.99)), "ms/p99")
}

// cpuTime is the processor time that this process has had.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// quantile is the quantile q of d, in seconds.
func quantile(d []time.Duration, q float64) float64 {
	slices.Sort(d)
	return d[min(int(float64(len(d))*q), len(d)-1)].Seconds()
}
