package api

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
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
	"github.com/qwenvld/qwenvld/router/difficulty"
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

// frontOf is a daemon in front of one server.
func frontOf(b *testing.B, url string) string {
	b.Helper()
	scorer, err := difficulty.Default()
	if err != nil {
		b.Fatal(err)
	}
	r, err := router.New(scorer, router.DefaultQuality)
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(Config{
		Router: r, MaxConcurrent: 1024,
		Models: []Model{{
			ID: "m", Clusters: map[router.Variant]*upstream.Cluster{router.Instruct: startCluster(b, dialect.VLLM, url, "m", true)},
		}},
	})
	if err != nil {
		b.Fatal(err)
	}
	h := httptest.NewServer(s)
	b.Cleanup(h.Close)
	return h.URL
}

// streamed asks for a stream and counts its events. first is how long the first one took.
func streamed(b *testing.B, url, model, question string) (events int, first time.Duration) {
	body := fmt.Sprintf(`{"model":%q,"stream":true,"messages":[{"role":"user","content":%q}]}`, model, question)
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		b.Error(err)
		return 0, 0
	}
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		b.Error(err)
		return 0, 0
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
	return events, first
}

// BenchmarkThroughAnotherServer measures what passing on costs, with client, daemon and server in one process.
func BenchmarkThroughAnotherServer(b *testing.B) {
	b.Run("events", func(b *testing.B) {
		const tokens, streams = 500, 32
		front := frontOf(b, upstreamtest.New(b, streamOf(tokens)).URL)
		total := 0
		var before syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			var all sync.WaitGroup
			var mu sync.Mutex
			for i := range streams {
				all.Go(func() {
					n, _ := streamed(b, front, "m-instruct", fmt.Sprint(i))
					mu.Lock()
					total += n
					mu.Unlock()
				})
			}
			all.Wait()
		}
		var used syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "events/s")
		b.ReportMetric(float64(processor(&used)-processor(&before))/1e3/float64(total), "cpu-us/event")
	})
	b.Run("added to the first token", func(b *testing.B) {
		server := upstreamtest.New(b, streamOf(1)).URL
		front := frontOf(b, server)
		var with, without []time.Duration
		for b.Loop() {
			_, direct := streamed(b, server, "m", "hi")
			_, behind := streamed(b, front, "m-instruct", "hi")
			with, without = append(with, behind), append(without, direct)
		}
		b.ReportMetric(1000*(middle(with)-middle(without)), "ms/median")
		b.ReportMetric(1000*(late(with)-late(without)), "ms/p99")
	})
}

// processor is the time that a process had, in nanoseconds.
func processor(u *syscall.Rusage) int64 { return u.Utime.Nano() + u.Stime.Nano() }

func middle(d []time.Duration) float64 {
	slices.Sort(d)
	return d[len(d)/2].Seconds()
}

func late(d []time.Duration) float64 {
	slices.Sort(d)
	return d[len(d)*99/100].Seconds()
}
