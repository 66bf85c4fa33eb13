package drive

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/internal/client"
	"github.com/qwenvld/qwenvld/internal/loadtest/measure"
	"github.com/qwenvld/qwenvld/internal/loadtest/scenario"
)

// Driver plays stages.
type Driver struct {
	// Timeout bounds each answer.
	Timeout time.Duration
	// Ended is told after each answer, from several goroutines at once. It may be nil.
	Ended func()
}

// errLeft is why an answer ends that its client leaves on purpose.
var errLeft = errors.New("the client left")

// Play asks t what stages say, each on a connection of its own. It fails where ctx ends; answers that fail are part of
// what is measured.
func (d *Driver) Play(ctx context.Context, t *Target, stages []scenario.Stage) (*measure.Run, error) {
	r := &recording{driver: d, target: t, began: time.Now()}
	for i := range stages {
		r.stage(ctx, &stages[i])
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
	}
	return r.run(), nil
}

// recording is what is seen of a run.
type recording struct {
	driver *Driver
	target *Target
	began  time.Time

	mu     sync.Mutex
	traces []*measure.Trace
}

func (r *recording) now() time.Duration { return time.Since(r.began) }

// stage returns when all of its answers have ended.
func (r *recording) stage(ctx context.Context, s *scenario.Stage) {
	beside, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	var readers, asks sync.WaitGroup
	ready := make([]chan struct{}, len(s.Beside))
	streams := make([]*measure.Trace, len(s.Beside))
	for i := range s.Beside {
		ready[i] = make(chan struct{})
		streams[i] = r.trace(&s.Beside[i])
		readers.Go(func() { r.ask(beside, &s.Beside[i], streams[i], s.Texts, ready[i]) })
	}
	for _, c := range ready {
		<-c
	}
	began, from := time.Now(), r.now()
	places := make(chan struct{}, max(1, cmp.Or(s.Limit, len(s.Asks))))
	for i := range s.Asks {
		a := &s.Asks[i]
		if !sleep(ctx, time.Until(began.Add(a.At))) {
			break
		}
		places <- struct{}{}
		t := r.trace(a)
		asks.Go(func() {
			defer func() { <-places }()
			r.ask(ctx, a, t, 0, nil)
		})
	}
	asks.Wait()
	to := r.now()
	leave(errLeft)
	readers.Wait()
	for _, t := range streams {
		t.From, t.To = from, to
	}
}

// trace is where what is seen of an ask goes.
func (r *recording) trace(a *scenario.Ask) *measure.Trace {
	t := &measure.Trace{Role: a.Role}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.traces = append(r.traces, t)
	return t
}

// ask closes ready after so many texts, or when nothing more comes.
func (r *recording) ask(ctx context.Context, a *scenario.Ask, t *measure.Trace, texts int, ready chan struct{}) {
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	ctx, cancel := context.WithTimeout(ctx, r.driver.Timeout)
	defer cancel()
	if a.LeaveAt > 0 {
		timer := time.AfterFunc(a.LeaveAt, func() { leave(errLeft) })
		defer timer.Stop()
	}
	told := ready == nil
	tell := func() {
		if !told {
			close(ready)
			told = true
		}
	}
	defer tell()
	url, body := r.target.request(a)
	c := client.New(client.Options{URL: url, Key: r.target.Key})
	defer c.Close()
	t.Sent = r.now()
	for e, err := range c.StreamBody(ctx, body) {
		if err != nil {
			t.Cancelled = errors.Is(context.Cause(ctx), errLeft)
			if !t.Cancelled {
				t.Failure = err.Error()
			}
			break
		}
		r.note(t, &e)
		if texts > 0 && len(t.Texts) == texts {
			tell()
		}
		if a.LeaveAfter > 0 && len(t.Texts) >= a.LeaveAfter {
			leave(errLeft)
		}
	}
	t.Ended = r.now()
	if r.driver.Ended != nil {
		r.driver.Ended()
	}
}

func (r *recording) note(t *measure.Trace, e *client.Event) {
	if e.Content != "" || e.Reasoning != "" {
		t.Texts = append(t.Texts, measure.Text{At: r.now(), Reasoning: e.Content == ""})
	}
	if e.Finish != "" {
		t.Finish = e.Finish
	}
	if u := e.Usage; u != nil {
		t.PromptTokens, t.CachedTokens, t.CompletionTokens = u.PromptTokens, u.Prompt.CachedTokens, u.CompletionTokens
	}
}

// run is what was seen in the end.
func (r *recording) run() *measure.Run {
	out := &measure.Run{}
	var from, to time.Duration
	measured := false
	for _, t := range r.traces {
		out.Traces = append(out.Traces, *t)
		if t.Role == measure.Aside {
			continue
		}
		if !measured || t.Sent < from {
			from = t.Sent
		}
		measured = true
		to = max(to, t.Ended)
	}
	out.Took = to - from
	return out
}

// sleep waits and tells whether ctx still goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
