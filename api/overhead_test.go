package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/enginetest"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/router"
)

// The benchmarks here measure the HTTP layer alone: the engine costs nothing. Client and server share the process and
// its cores, so the server by itself is better than what they report.

// paced makes an answer of tokens that come every interval, or as fast as they are read; each holds the time at which
// it was made.
func paced(tokens int, interval time.Duration) enginetest.Script {
	return func(ctx context.Context, _ *engine.Request) func() (engine.Event, error) {
		left := tokens
		var tick <-chan time.Time
		if interval > 0 {
			tick = time.NewTicker(interval).C
		}
		return func() (engine.Event, error) {
			if tick != nil {
				select {
				case <-tick:
				case <-ctx.Done():
					return engine.Event{}, context.Cause(ctx)
				}
			}
			switch left--; {
			case left >= 0:
				return engine.Event{Text: strconv.FormatInt(time.Now().UnixNano(), 10) + " "}, nil
			case left == -1:
				return engine.Event{Result: &engine.Result{FinishReason: engine.FinishStop}}, nil
			}
			return engine.Event{}, io.EOF
		}
	}
}

// overheadServer serves e and returns its address.
func overheadServer(b *testing.B, e *enginetest.Fake) string {
	b.Helper()
	e.Model = fakeInfo(prompt.InstructTemplate())
	s, err := New(Config{
		Models: []Model{{ID: "qwen3-vl", Engines: map[router.Variant]engine.Engine{router.Instruct: e}}}, Router: shippedRouter(b), MaxConcurrent: 4096,
		KeepAlive: time.Hour,
	})
	if err != nil {
		b.Fatal(err)
	}
	h := httptest.NewServer(s)
	b.Cleanup(func() { s.Abort(); h.Close() })
	return h.Listener.Addr().String()
}

// open asks for a stream and returns the connection, on which it comes.
func open(b *testing.B, address string) net.Conn {
	b.Helper()
	c, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	body := `{"model":"qwen3-vl","messages":[{"role":"user","content":"hi"}],"stream":true}`
	_, err = fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func BenchmarkStreamedEvents(b *testing.B) {
	const streams = 64
	tokens := max(1, b.N/streams)
	address := overheadServer(b, &enginetest.Fake{Answer: paced(tokens, 0)})
	b.ResetTimer()
	var all sync.WaitGroup
	for range streams {
		c := open(b, address)
		all.Go(func() {
			defer c.Close()
			tail := make([]byte, 0, 64)
			buf := make([]byte, 64<<10)
			for {
				n, err := c.Read(buf)
				if n > 0 {
					tail = append(tail[:0], buf[max(0, n-cap(tail)):n]...)
				}
				if err != nil {
					if !errors.Is(err, io.EOF) || !bytes.Contains(tail, []byte("0\r\n\r\n")) {
						b.Errorf("the stream broke off: %v", err)
					}
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(tokens*streams)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkAddedLatency(b *testing.B) {
	const streams, perSecond = 64, 50
	tokens := max(2*perSecond, b.N/streams)
	address := overheadServer(b, &enginetest.Fake{Answer: paced(tokens, time.Second/perSecond)})
	b.ResetTimer()
	var mu sync.Mutex
	var late []time.Duration
	var all sync.WaitGroup
	for range streams {
		c := open(b, address)
		all.Go(func() {
			defer c.Close()
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				b.Error(err)
				return
			}
			defer resp.Body.Close()
			own := make([]time.Duration, 0, tokens)
			for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
				_, rest, ok := strings.Cut(lines.Text(), `"content":"1`)
				if !ok {
					continue
				}
				at, err := strconv.ParseInt("1"+rest[:strings.IndexByte(rest, ' ')], 10, 64)
				if err != nil {
					b.Error(err)
					return
				}
				own = append(own, time.Since(time.Unix(0, at)))
			}
			mu.Lock()
			defer mu.Unlock()
			late = append(late, own...)
		})
	}
	all.Wait()
	if len(late) == 0 {
		b.Fatal("nothing came")
	}
	slices.Sort(late)
	b.ReportMetric(float64(late[len(late)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(late[len(late)*99/100].Microseconds()), "p99-µs")
}

func BenchmarkIdleStreams(b *testing.B) {
	const streams = 1000
	address := overheadServer(b, &enginetest.Fake{Answer: paced(1, time.Hour)})
	used := func() uint64 {
		runtime.GC()
		runtime.GC() // a second time for what the first one's finalizers let go
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	for range b.N {
		before := used()
		conns := make([]net.Conn, streams)
		for i := range conns {
			conns[i] = open(b, address)
		}
		for _, c := range conns { // the first chunk has come: the stream stands
			if _, err := c.Read(make([]byte, 1)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(used()-before)/(1<<20), "MiB/1000-streams")
		for _, c := range conns {
			_ = c.Close()
		}
	}
}
