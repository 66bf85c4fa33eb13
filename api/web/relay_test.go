package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
)

// feed is a source of the texts that come from a channel, until that is closed or ctx is done.
type feed struct {
	ctx    context.Context
	events chan string
}

var _ Source[string] = (*feed)(nil)

func (f *feed) Next() (string, error) {
	select {
	case text, open := <-f.events:
		if !open {
			return "", io.EOF
		}
		return text, nil
	case <-f.ctx.Done():
		return "", context.Cause(f.ctx)
	}
}

func (f *feed) Ready() bool { return len(f.events) > 0 }

func asData(text string) ([]Message, error) { return []Message{{Data: []byte(text)}}, nil }

// scripted is a source whose calls of Next give its steps one after another, then io.EOF.
type scripted struct {
	steps []func() (string, error)
	ready int // so many events are ready, the first included
}

func (s *scripted) Next() (string, error) {
	if len(s.steps) == 0 {
		return "", io.EOF
	}
	next := s.steps[0]
	s.steps = s.steps[1:]
	s.ready--
	return next()
}

func (s *scripted) Ready() bool { return s.ready > 0 }

func texts(all ...string) (steps []func() (string, error)) {
	for _, text := range all {
		steps = append(steps, func() (string, error) { return text, nil })
	}
	return steps
}

func TestEventsThatAreReadyTogetherAreFlushedTogether(t *testing.T) {
	for ready, flushes := range map[int]int{0: 3, 2: 2, 3: 1, 9: 1} {
		var w writer
		s := newStream(t, &w, Lines, nil)
		if err := Relay(s, &scripted{steps: texts("a", "b", "c"), ready: ready}, asData); err != nil {
			t.Fatal(err)
		}
		if w.sent() != "a\nb\nc\n" || w.flushes != flushes {
			t.Errorf("with %d ready: %d flushes of %q", ready, w.flushes, w.sent())
		}
	}
}

func TestEventsMayComeToNothing(t *testing.T) {
	var w writer
	s := newStream(t, &w, Lines, nil)
	err := Relay(s, &scripted{steps: texts("", "a", "bc")}, func(text string) (out []Message, err error) {
		if text == "" {
			s.Begin()
		}
		for _, c := range text {
			out = append(out, Message{Data: []byte(string(c))})
		}
		return out, nil
	})
	// The headers, a, and b with c.
	if err != nil || w.sent() != "a\nb\nc\n" || w.flushes != 3 {
		t.Errorf("%v, %d flushes of %q", err, w.flushes, w.sent())
	}
	w = writer{}
	s = newStream(t, &w, Lines, nil)
	if err := Relay(s, &scripted{}, asData); err != nil || s.Begun() {
		t.Errorf("no events at all: %v, begun %t", err, s.Begun())
	}
}

func TestASourceThatFailsEndsTheStream(t *testing.T) {
	for name, want := range map[string]error{
		"its own": errors.New("oh"), "broken off": fmt.Errorf("read: %w", io.EOF), "cut": io.ErrUnexpectedEOF,
	} {
		var w writer
		s := newStream(t, &w, Lines, nil)
		s.OnGone = func(err error) { t.Errorf("%s: the client is said to be gone: %v", name, err) }
		steps := append(texts("a"), func() (string, error) { return "", want })
		if err := Relay(s, &scripted{steps: steps}, asData); !errors.Is(err, want) || errors.Is(err, fault.ErrClientGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFaultOnTheWayToAMessageIsNotALostClient(t *testing.T) {
	var w writer
	s := newStream(t, &w, SSE, nil)
	s.OnGone = func(err error) { t.Errorf("the client is said to be gone: %v", err) }
	want := errors.New("cannot be encoded")
	err := Relay(s, &scripted{steps: texts("a", "b")}, func(text string) ([]Message, error) {
		if text == "b" {
			return nil, want
		}
		return asData(text)
	})
	rec := &Record{}
	if !errors.Is(err, want) || s.Finish(WithRecord(t.Context(), rec), err, explain) != nil {
		t.Errorf("%v", err)
	}
	if w.sent() != "data: a\n\nevent: error\ndata: internal_error\n\n" || rec.Err == nil || rec.Err.Status != http.StatusInternalServerError {
		t.Errorf("%q, %v", w.sent(), rec.Err)
	}
}

func TestAPanicOfASourceLeavesNothingRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream(t, &writer{}, SSE, func(o *Options) { o.KeepAlive = time.Second })
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		_ = Relay(s, &scripted{steps: []func() (string, error){func() (string, error) { panic("oh") }}}, asData)
	})
}

// timed is a writer that notes when something came.
type timed struct {
	writer
	start time.Time
	notes []string
}

func (w *timed) FlushError() error {
	before := w.writer.flushed
	err := w.writer.FlushError()
	if text := w.sent()[before:]; text != "" {
		w.notes = append(w.notes, fmt.Sprintf("%.0fs %s", time.Since(w.start).Seconds(), strings.TrimSpace(text)))
	}
	return err
}

const keepAlive = 15 * time.Second

func TestSilenceIsFilledWithComments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &timed{start: time.Now()}
		s := newStream(t, w, SSE, func(o *Options) { o.KeepAlive = keepAlive })
		src := &feed{ctx: t.Context(), events: make(chan string)}
		go func() {
			defer close(src.events)
			for _, pause := range []int{40, 10, 14, 16} {
				time.Sleep(time.Duration(pause) * time.Second)
				src.events <- "x"
			}
		}()
		if err := Relay(s, src, asData); err != nil {
			t.Error(err)
		}
		want := "15s : keep-alive, 30s : keep-alive, 40s data: x, 50s data: x, 64s data: x, 79s : keep-alive, 80s data: x"
		if got := strings.Join(w.notes, ", "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		time.Sleep(time.Hour)
		if n := len(w.notes); n != 7 {
			t.Errorf("something is written after the end: %q", w.notes)
		}
	})
}

func TestSilenceStaysSilenceWithoutComments(t *testing.T) {
	for name, tc := range map[string]struct {
		framing Framing
		period  time.Duration
	}{"lines": {Lines, keepAlive}, "no period": {SSE, 0}} {
		synctest.Test(t, func(t *testing.T) {
			var w writer
			s := newStream(t, &w, tc.framing, func(o *Options) { o.KeepAlive = tc.period })
			src := &feed{ctx: t.Context(), events: make(chan string)}
			go func() {
				time.Sleep(time.Hour)
				close(src.events)
			}()
			if err := Relay(s, src, asData); err != nil || s.Begun() {
				t.Errorf("%s: %v, %q", name, err, w.sent())
			}
		})
	}
}

func TestAClientThatLeavesInSilenceEndsTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var w writer
		s := newStream(t, &w, SSE, func(o *Options) { o.KeepAlive = keepAlive })
		ctx, cancel := context.WithCancelCause(t.Context())
		told := 0
		s.OnGone = func(err error) { told++; cancel(err) }
		src := &feed{ctx: ctx, events: make(chan string, 1)}
		src.events <- "x"
		time.AfterFunc(20*time.Second, func() { w.breaks(errors.New("broken pipe")) })
		err := Relay(s, src, asData)
		if took := time.Since(start); !errors.Is(err, fault.ErrClientGone) || took != 2*keepAlive || told != 1 {
			t.Errorf("%v after %v, told %d times", err, took, told)
		}
		rec := &Record{}
		if err := s.Finish(WithRecord(ctx, rec), err, explain); err != nil || rec.Err.Status != fault.StatusClientGone {
			t.Errorf("%v, %v", err, rec.Err)
		}
		if w.sent() != "data: x\n\n: keep-alive\n\n" {
			t.Errorf("%q", w.sent())
		}
	})
}

func TestAClientThatIsGoneIsTheReasonWhateverTheSourceSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w writer
		w.breaks(errors.New("broken pipe"))
		s := newStream(t, &w, SSE, func(o *Options) { o.KeepAlive = keepAlive })
		for name, end := range map[string]error{"an error": errors.New("oh"), "its end": io.EOF} {
			err := Relay(s, &scripted{steps: []func() (string, error){func() (string, error) {
				time.Sleep(time.Minute)
				return "", end
			}}}, asData)
			if !errors.Is(err, fault.ErrClientGone) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
