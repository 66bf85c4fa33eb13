package responses

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/web"
)

const (
	// Of background responses that could not be stored when they ended, so many are held until they can be, each so
	// long.
	maxUnstored   = 64
	storePatience = time.Hour
)

// background is what a background response is made of, from its beginning to its end.
type background struct {
	ctx     context.Context //nolint:containedctx // not that of the request: it lives as long as the job
	run     *generation.Run
	builder *builder
	job     *job
	started time.Time
	// bill, unless nil, is told what the response took.
	bill func(tokens int)
}

// createInBackground answers a request whose response is made by itself. The response is kept before it begins, as
// queued, and again when it has ended. The request's record is detached: what the request holds is given back by the
// job.
func (h *Handler) createInBackground(
	w http.ResponseWriter, r *http.Request, req *createRequest, caller *generation.Caller, kept *history.Response,
) error {
	outer := web.RecordOf(r.Context())
	rec := &web.Record{ID: outer.ID, Key: outer.Key, Background: true}
	bg := &background{ctx: web.WithRecord(context.WithoutCancel(r.Context()), rec), started: caller.At}
	if h.o.Bill != nil {
		bg.bill = h.o.Bill(r)
	}
	own := *caller
	own.Background = true
	var err error
	if bg.run, err = h.o.Trip.Start(bg.ctx, w, req.Request, &own); err != nil {
		return fault.From(bg.ctx, err, rec.Origin())
	}
	handedOver := false
	defer func() {
		if !handedOver { // also after a panic
			bg.run.Close()
		}
	}()
	bg.builder, bg.job = h.newBuilder(bg.run, req, kept), newJob(kept, bg.run.Cancel)
	if err := bg.job.add(bg.builder.announce()); err != nil {
		return err
	}
	if err := h.putQueued(r.Context(), bg.job); err != nil {
		return err
	}
	queued := bg.job.snapshot()
	handedOver, outer.Detached, outer.Stream = true, true, req.Stream
	h.jobs.start(bg.job, func() { h.makeAndStore(bg) })
	if req.Stream {
		return h.follow(w, r, bg.job, 0)
	}
	h.writeKept(w, queued)
	return nil
}

// putQueued keeps a response that has not begun.
func (h *Handler) putQueued(ctx context.Context, j *job) error {
	err := h.o.Store.Put(ctx, j.asKept())
	if errors.Is(err, history.ErrTooLarge) {
		return fault.Field("background", fault.CodeTooLarge,
			"background responses must be kept, and this one is larger than all that this server keeps")
	}
	return err
}

// makeAndStore carries a background response to its end, and on until it is stored or given up.
func (h *Handler) makeAndStore(bg *background) {
	if !h.makeOnce(bg) {
		h.storeLater(bg.ctx, bg.job)
	}
}

// makeOnce carries a background response to its end, and says whether nothing is left to store.
func (h *Handler) makeOnce(bg *background) (stored bool) {
	defer close(bg.job.ended)
	rec := web.RecordOf(bg.ctx)
	if err := bg.make(); err != nil {
		failure := fault.From(bg.run.Context(), err, rec.Origin())
		rec.Fail(failure)
		bg.fail(failure, rec.ID)
	}
	bg.run.Close()
	web.ReleaseBody(bg.ctx)
	if bg.bill != nil {
		bg.bill(rec.Tokens())
	}
	// The request is over, and a shutdown must not lose what was computed: bg.ctx is cancelled by neither.
	stored = h.storeEnded(bg.ctx, bg.job)
	if rec.Unstored = !stored; rec.Unstored {
		h.o.Meter.Unstored()
	}
	h.o.Trip.Edge.Log(bg.ctx, rec, "background response",
		slog.String("response", bg.job.kept.ID), slog.String("status", string(bg.builder.response.Status)),
		slog.Duration("duration", h.o.Now().Sub(bg.started)))
	return stored
}

// make builds the response of all that the run gives. A panic ends the response, not the daemon, as in requests.
func (bg *background) make() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a background response panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return readAll(bg.run, func(ev *generation.Event) error { return bg.job.add(bg.builder.event(ev)) })
}

// fail tells why the response ended early.
func (bg *background) fail(failure *fault.Error, requestID string) {
	end := func() []Event { return bg.builder.fail(failure, requestID) }
	if errors.Is(context.Cause(bg.run.Context()), errCancelled) {
		end = bg.builder.cancel
	}
	if bg.job.add(end()) != nil {
		_ = bg.job.add(bg.builder.endWithoutOutput()) // the rest of a response always encodes
	}
}

// storeEnded stores a background response that has ended, and says whether that is done with, one way or the other.
func (h *Handler) storeEnded(ctx context.Context, j *job) bool {
	kept := j.asKept()
	kept.Events = j.lines()
	err := h.o.Store.Update(ctx, kept)
	if errors.Is(err, history.ErrTooLarge) { // better without its events than not at all
		kept.Events = nil
		err = h.o.Store.Update(ctx, kept)
	}
	if errors.Is(err, history.ErrNotFound) && !j.isDeleted() { // it made room for others meanwhile
		err = h.o.Store.Put(ctx, kept)
	}
	if err == nil || errors.Is(err, history.ErrNotFound) {
		return true
	}
	return false
}

// storeLater tries again to store a response that clients can read meanwhile, until it is stored or deleted, too many
// others are held, or the server stops.
func (h *Handler) storeLater(ctx context.Context, j *job) {
	held := h.unstored.Add(1)
	defer h.unstored.Add(-1)
	if held <= maxUnstored && h.retryStore(ctx, j) {
		return
	}
	h.o.Logger.LogAttrs(ctx, slog.LevelError, "a background response is lost, since it could not be stored",
		slog.String("response", j.kept.ID))
}

// retryStore says whether a response was stored, or deleted, before patience or the server ended.
func (h *Handler) retryStore(ctx context.Context, j *job) bool {
	patience := time.NewTimer(storePatience)
	defer patience.Stop()
	again := time.NewTicker(storeRetry)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			if j.isDeleted() || h.storeEnded(ctx, j) {
				return true
			}
		case <-patience.C:
			return false
		case <-h.stopping:
			return false
		}
	}
}
