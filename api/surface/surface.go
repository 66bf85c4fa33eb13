// Package surface is what the surfaces of the API share of a request's trip: from the neutral request through decision
// and start to the reply, in one piece or as a stream. A surface brings its decoder and its encoder.
//
// It must not know the form of any surface, nor make decisions about who answers.
package surface

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine"
)

// Headers that tell of a decision.
const (
	HeaderWarning     = "X-Qwenvld-Warning"
	HeaderVariant     = "X-Qwenvld-Variant"
	HeaderRouteSource = "X-Qwenvld-Route-Source"
)

// Core decides and answers.
type Core interface {
	Decide(ctx context.Context, req *request.Request, caller *generation.Caller) (*generation.Decided, error)
	Count(ctx context.Context, d *generation.Decided) (generation.Count, error)
	Start(ctx context.Context, d *generation.Decided) (*generation.Run, error)
}

// Encoder turns the events of a run into a stream's messages. It is made for one run.
type Encoder interface {
	Event(ev *generation.Event) ([]web.Message, error)
	// Failure ends a stream that has begun with the error of a request.
	Failure(e *fault.Error, requestID string) []web.Message
}

// Trip takes requests from their decoded form to the reply.
type Trip struct {
	Edge *web.Edge
	Core Core
	// Caller tells who asks.
	Caller func(r *http.Request) *generation.Caller
	// Policy is how bodies are read.
	Policy *request.Policy
}

// Body reads the body of a request, which must be a JSON object.
func (t *Trip) Body(w http.ResponseWriter, r *http.Request) (*jsonbody.Value, error) {
	body, err := t.Edge.ReadBody(w, r)
	if err != nil {
		return nil, err
	}
	return t.Policy.Parse(body)
}

// Start decides who answers req and has the answer begun, with the headers that tell of it. The run must be closed.
func (t *Trip) Start(ctx context.Context, w http.ResponseWriter, req *request.Request, caller *generation.Caller) (*generation.Run, error) {
	rec := web.RecordOf(ctx)
	rec.Stream, rec.Skipped, rec.Prompt = req.Stream, req.Skipped, req.PromptParam
	d, err := t.Core.Decide(ctx, req, caller)
	if err != nil {
		return nil, err
	}
	rec.Work = d
	if req.Stream && !caller.Background && caller.Waiting == nil {
		caller.Waiting = t.Waiting(ctx, w, func() { Tell(w.Header(), d) })
	}
	run, err := t.Core.Start(ctx, d)
	if err != nil {
		return nil, err
	}
	rec.Work = run
	Tell(w.Header(), run.Decided())
	return run, nil
}

// Waiting has the client of a stream of server-sent events told, in comments, that the weights are being loaded which
// are to answer it. tell sets the headers of the reply, which begins with the first comment; a wait that is over soon
// has none.
func (t *Trip) Waiting(ctx context.Context, w http.ResponseWriter, tell func()) func(engine.UnavailableError) {
	calls := 0
	return func(down engine.UnavailableError) {
		calls++
		switch calls {
		case 1:
			return
		case 2:
			tell()
		}
		what := string(down.State)
		switch down.State {
		case engine.StateLoading, engine.StateDownloading:
			what = fmt.Sprintf("%s %.0f%%", what, 100*down.Progress)
		case engine.StateUnloaded, engine.StateUnloading:
			what = "waiting for memory"
		default: // the state says it
		}
		_ = t.Edge.Await(ctx, w, what) // a client that has left ends ctx
	}
}

// Tell sets the headers that tell of a decision.
func Tell(h http.Header, d *generation.Decided) {
	if kinds := d.Request.Skipped; len(kinds) > 0 {
		h.Set(HeaderWarning, "tools of kinds that this server does not have were left out: "+strings.Join(kinds, ", "))
	}
	h.Set(HeaderVariant, d.Variant())
	if d.Source() != "" {
		h.Set(HeaderRouteSource, d.Source())
	}
}

// Stream relays a run to the client as encoder has it.
func (t *Trip) Stream(w http.ResponseWriter, r *http.Request, run *generation.Run, framing web.Framing, encoder Encoder) error {
	out, err := t.Edge.NewStream(w, r, framing)
	if err != nil {
		return err
	}
	out.OnGone = run.Cancel
	err = web.Relay(out, &source{run: run}, func(ev *generation.Event) ([]web.Message, error) {
		if ev.Kind == generation.Started {
			out.Begin()
		}
		return encoder.Event(ev)
	})
	return out.Finish(run.Context(), err, func(failure *fault.Error) []web.Message {
		return encoder.Failure(failure, run.Decided().Caller.ID)
	})
}

// source lends a run's events to a stream, each until the next is asked for.
type source struct {
	run  *generation.Run
	last generation.Event
}

// Next blocks for the run's next event.
func (s *source) Next() (*generation.Event, error) {
	var err error
	s.last, err = s.run.Next()
	return &s.last, err
}

// Ready says whether Next would not block.
func (s *source) Ready() bool { return s.run.Ready() }

// Reply sends a run in one piece, as encode has it.
func (t *Trip) Reply(w http.ResponseWriter, run *generation.Run, encode func(*generation.Whole) any) error {
	whole, err := generation.Collect(run)
	if err != nil {
		return err
	}
	t.Edge.WriteJSON(w, http.StatusOK, encode(whole))
	return nil
}

// Count tells what the prompt of req would take.
func (t *Trip) Count(w http.ResponseWriter, r *http.Request, req *request.Request) (generation.Count, error) {
	rec := web.RecordOf(r.Context())
	rec.Prompt, rec.Counting = req.PromptParam, true
	d, err := t.Core.Decide(r.Context(), req, t.Caller(r))
	if err != nil {
		return generation.Count{}, err
	}
	rec.Work = d
	n, err := t.Core.Count(r.Context(), d)
	if err != nil {
		return n, err
	}
	Tell(w.Header(), d)
	return n, nil
}
