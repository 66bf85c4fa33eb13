package responses

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/openai/wire"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
)

// HeaderStored is false where a response was to be stored and was not.
const HeaderStored = "X-Qwenvld-Stored"

// Meter counts what becomes of responses. It must be safe for concurrent use.
type Meter interface {
	// Unstored counts a response that could not be stored when it had ended, once however often that is tried.
	Unstored()
}

// Options are what a Handler needs.
type Options struct {
	Trip *surface.Trip
	// Store keeps responses; nil where none are kept. It must last until Wait returns.
	Store history.Store
	// Owner is the account by which a request comes, empty where no keys are needed. nil is empty for all.
	Owner func(r *http.Request) string
	// Bill gives what bills a request's account when its background response ends. It, and what it gives, may be nil.
	Bill func(r *http.Request) func(tokens int)
	// Meter is nil where nothing is counted, Logger where nothing is logged.
	Meter  Meter
	Logger *slog.Logger
	// Now is the clock (time.Now) and NewID makes the random part of ids (web.RandomID).
	Now   func() time.Time
	NewID func() string
}

// Handler serves the surface. Background responses go on when their requests are over, until they end: call Stop when
// draining begins, and Wait for them.
type Handler struct {
	o      Options
	bodies *bodyReader
	jobs   jobs
	// unstored counts background responses that have ended and wait to be stored. stop ends their waiting by closing
	// stopping.
	unstored atomic.Int32
	stop     func()
	stopping chan struct{}
}

// unmetered is the Meter of a Handler that has none.
type unmetered struct{}

var _ Meter = unmetered{}

// Unstored counts nothing.
func (unmetered) Unstored() {}

// New returns a Handler. It watches the store, to log when responses cannot be stored.
func New(o Options) *Handler {
	if o.Owner == nil {
		o.Owner = func(*http.Request) string { return "" }
	}
	if o.Meter == nil {
		o.Meter = unmetered{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = web.RandomID
	}
	h := &Handler{o: o, bodies: newBodyReader(o.Trip.Policy, o.NewID), stopping: make(chan struct{})}
	h.stop = sync.OnceFunc(func() { close(h.stopping) })
	if o.Store != nil {
		o.Store.Watch(h.logTrouble)
	}
	return h
}

// Stop says that draining begins: background responses that could not be stored are given up after the next failure. It
// may be called more than once.
func (h *Handler) Stop() { h.stop() }

// Wait returns when no background response is in the making any more, or when ctx is done with its error.
func (h *Handler) Wait(ctx context.Context) error { return h.jobs.wait(ctx) }

// Unstored counts the background responses that have ended and wait to be stored.
func (h *Handler) Unstored() int { return int(h.unstored.Load()) }

// logTrouble logs when responses can no longer be stored, and when they can again.
func (h *Handler) logTrouble(err error) {
	ctx := context.Background()
	if err != nil {
		h.o.Logger.LogAttrs(ctx, slog.LevelError, "responses cannot be stored; answers are given without",
			slog.Any("error", err))
		return
	}
	h.o.Logger.LogAttrs(ctx, slog.LevelInfo, "responses can be stored again")
}

// Create serves POST /v1/responses.
func (h *Handler) Create(w http.ResponseWriter, r *http.Request) error {
	return storeFault(r.Context(), h.create(w, r))
}

func (h *Handler) create(w http.ResponseWriter, r *http.Request) error {
	caller := h.o.Trip.Caller(r)
	req, err := h.read(w, r)
	if err != nil {
		return err
	}
	if err := h.settleStore(req); err != nil {
		return err
	}
	kept := &history.Response{
		ID: responsePrefix + h.o.NewID(), Previous: req.Previous, Owner: h.o.Owner(r), Created: h.o.Now(),
	}
	if kept.Input, err = joinItems(req.Items); err != nil {
		return err
	}
	if req.Background {
		return h.createInBackground(w, r, req, caller, kept)
	}
	run, err := h.o.Trip.Start(r.Context(), w, req.Request, caller)
	if err != nil {
		return err
	}
	defer run.Close()
	b := h.newBuilder(run, req, kept)
	if b.response.Store {
		b.keep = func(response *Response) { h.keep(r.Context(), kept, response) }
	}
	if req.Stream {
		return h.o.Trip.Stream(w, r, run, web.SSE, &encoder{builder: b})
	}
	return h.reply(w, r, run, b)
}

// reply sends the response in one piece.
func (h *Handler) reply(w http.ResponseWriter, r *http.Request, run *generation.Run, b *builder) error {
	err := readAll(run, func(ev *generation.Event) error {
		b.event(ev) // the client sees the response alone
		return nil
	})
	if err != nil {
		return err
	}
	if web.RecordOf(r.Context()).Unstored {
		w.Header().Set(HeaderStored, "false")
	}
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, b.response)
	return nil
}

// readAll hands the events of a run to take until they end.
func readAll(run *generation.Run, take func(*generation.Event) error) error {
	for {
		ev, err := run.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := take(&ev); err != nil {
			return err
		}
	}
}

// newBuilder makes the response to a run that is kept under kept's id.
func (h *Handler) newBuilder(run *generation.Run, req *createRequest, kept *history.Response) *builder {
	response := newResponse(req, kept.ID)
	response.CreatedAt = kept.Created.Unix()
	response.Model, response.Routing = run.Decided().ModelID(), run.Decided().Routing()
	sampling := run.Sampling()
	response.echoSampling(&sampling)
	return &builder{response: response, now: h.o.Now}
}

// read decodes a request together with the items that it goes on from.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) (*createRequest, error) {
	root, err := h.o.Trip.Body(w, r)
	if err != nil {
		return nil, err
	}
	previous, err := h.bodies.previousID(root)
	if err != nil {
		return nil, err
	}
	earlier, err := h.earlierItems(r, previous)
	if err != nil {
		return nil, err
	}
	if err := h.resolveReferences(r, root); err != nil {
		return nil, err
	}
	return h.bodies.decode(root, earlier)
}

// settleStore settles whether the response is kept.
func (h *Handler) settleStore(req *createRequest) error {
	kept := h.o.Store != nil && (req.Store == nil || *req.Store)
	if req.Background && !kept {
		return fault.Field("background", fault.CodeUnsupported,
			"background responses must be kept, which this request or this server excludes")
	}
	req.Store = &kept
	return nil
}

// CountInput serves POST /v1/responses/input_tokens: what the prompt of a request would take. Pixels are not decoded.
func (h *Handler) CountInput(w http.ResponseWriter, r *http.Request) error {
	req, err := h.read(w, r)
	if err != nil {
		return storeFault(r.Context(), err)
	}
	n, err := h.o.Trip.Count(w, r, req.Request)
	if err != nil {
		return err
	}
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, wire.NewInputTokens(n))
	return nil
}

// writeKept sends a response as it is kept.
func (h *Handler) writeKept(w http.ResponseWriter, body []byte) {
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, json.RawMessage(body))
}
