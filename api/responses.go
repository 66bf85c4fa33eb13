package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/qwenvld/qwenvld/api/history"
)

// createResponse serves POST /v1/responses.
func (s *Server) createResponse(w http.ResponseWriter, r *http.Request) error {
	start := s.cfg.Now()
	req, err := s.readResponse(w, r)
	if err != nil {
		return err
	}
	if err := s.checkStore(req); err != nil {
		return err
	}
	id := "resp_" + s.cfg.NewID()
	outer := recordOf(r.Context())
	asked := r
	if req.Background {
		// It goes on when the client has left, with a record of its own.
		rec := &record{id: outer.id, key: outer.key, background: true}
		r = r.WithContext(context.WithValue(context.WithoutCancel(r.Context()), recordKey{}, rec))
	}
	g, end, err := s.generate(w, r, req.chatRequest, start)
	if err != nil {
		return err
	}
	b := &responseBuilder{generation: g, response: g.server.newResponse(g.plan, req, id), emit: func(*responseEvent) error { return nil }}
	kept := &history.Response{
		ID: id, Previous: req.Previous, Owner: ownerOf(r.Context()), Created: s.cfg.Now(), Input: joinItems(req.Items),
	}
	if !req.Background {
		defer end()
		if req.Stream {
			return b.stream(w, r, kept)
		}
		return b.complete(w, kept)
	}
	account := accountOf(r.Context())
	release := func() {
		end()
		visitOf(r.Context()).end()
		if account != nil {
			account.Leave(g.record.tokens())
		}
	}
	run, queued, err := s.startRun(r.Context(), g, release, b, kept)
	if err != nil {
		end()
		return err
	}
	outer.detached, outer.stream = true, req.Stream
	if req.Stream {
		return s.follow(w, asked, run, 0)
	}
	s.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, json.RawMessage(queued))
	return nil
}

// readResponse decodes a request together with the turns that it goes on from.
func (s *Server) readResponse(w http.ResponseWriter, r *http.Request) (*responseRequest, error) {
	body, err := s.readBody(w, r)
	if err != nil {
		return nil, err
	}
	root, err := s.decoder.parse(body)
	if err != nil {
		return nil, err
	}
	previous, err := previousID(root)
	if err != nil {
		return nil, err
	}
	past, err := s.past(r.Context(), previous)
	if err != nil {
		return nil, err
	}
	if err := s.followReferences(r.Context(), root); err != nil {
		return nil, err
	}
	return s.decoder.decodeResponse(root, past, s.cfg.NewID)
}

// checkStore settles whether the response is kept.
func (s *Server) checkStore(req *responseRequest) error {
	kept := s.cfg.Store != nil && (req.Store == nil || *req.Store)
	if req.Background && !kept {
		return badField("background", codeUnsupported, "background responses must be kept, which this request or this server excludes")
	}
	req.Store = &kept
	return nil
}

func ownerOf(ctx context.Context) string {
	if a := accountOf(ctx); a != nil {
		return a.Name()
	}
	return ""
}

func responseNotFound(id, param string) *Error {
	e := badField(param, codeNotFound, "There is no response %q.", abbreviate(id))
	if param == "" {
		e.Status = http.StatusNotFound
	}
	return e
}

// complete sends the response in one piece.
func (b *responseBuilder) complete(w http.ResponseWriter, kept *history.Response) error {
	if err := each(b.ctx, b.items, b.take); err != nil {
		return b.failure(b.ctx, err)
	}
	b.keep(kept)
	if b.record.unstored {
		w.Header().Set(headerStored, "false")
	}
	b.server.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, b.response)
	return nil
}

// stream sends the response's events as they come.
func (b *responseBuilder) stream(w http.ResponseWriter, r *http.Request, kept *history.Response) error {
	out, err := newEventWriter(b.server, w, r)
	if err != nil {
		return err
	}
	b.emit = func(ev *responseEvent) error {
		data, err := json.Marshal(ev)
		if err != nil {
			return err
		}
		return out.event(ev.Type, data)
	}
	err = out.copy(b.ctx, b.items, b.cancel, func(it *item) (bool, error) {
		last, err := b.take(it)
		if !last || err != nil {
			return last, err
		}
		b.keep(kept)
		return true, b.end()
	})
	if err == nil {
		return nil
	}
	failure := b.failure(b.ctx, err)
	if !out.begun {
		return failure
	}
	b.record.fail(failure)
	if failure.Status != statusClientGone && b.fail(failure, err) == nil {
		_ = out.flush() // a client that left needs no telling
	}
	return nil
}

// stored finds the response that a path names, and its run if it is a background response in the making, or one that is not stored yet.
func (s *Server) stored(r *http.Request) (*history.Response, *run, error) {
	id, owner := chi.URLParam(r, "id"), ownerOf(r.Context())
	if s.cfg.Store == nil {
		return nil, nil, responseNotFound(id, "")
	}
	run := s.runs.find(owner, id)
	kept, err := s.cfg.Store.Get(r.Context(), owner, id)
	switch {
	case err == nil:
		return kept, run, nil
	case run != nil && !run.unwanted():
		return run.response(), run, nil
	case errors.Is(err, history.ErrNotFound):
		return nil, nil, responseNotFound(id, "")
	}
	return nil, nil, err
}

// getResponse serves GET /v1/responses/{id}: the response, or with stream=true the events of a background response from any of them on.
func (s *Server) getResponse(w http.ResponseWriter, r *http.Request) error {
	kept, run, err := s.stored(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	streamed, after := false, -1
	if v := query.Get("stream"); v != "" {
		if streamed, err = strconv.ParseBool(v); err != nil {
			return badField("stream", codeInvalidValue, "must be true or false")
		}
	}
	if v := query.Get("starting_after"); v != "" {
		if after, err = strconv.Atoi(v); err != nil || after < 0 || !streamed {
			return badField("starting_after", codeInvalidValue, "must be the sequence_number of an event, and stream must be true")
		}
	}
	streamed = streamed && r.Method != http.MethodHead
	switch {
	case streamed && run != nil:
		return s.follow(w, r, run, after+1)
	case streamed && kept.Events == nil:
		return badField("stream", codeInvalidValue, "only responses created with background: true can be streamed again")
	case streamed:
		return s.replay(w, r, kept.Events, after+1)
	}
	var body []byte
	if run != nil {
		body = run.snapshot()
	} else if body, err = s.interrupted(r.Context(), kept); err != nil {
		return err
	}
	s.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, json.RawMessage(body))
	return nil
}

// interrupted marks a response that nobody works on any more, since the server stopped, as failed.
func (s *Server) interrupted(ctx context.Context, kept *history.Response) ([]byte, error) {
	var body map[string]any
	if err := json.Unmarshal(kept.Body, &body); err != nil {
		return nil, err
	}
	if status := body["status"]; status != statusQueued && status != statusInProgress {
		return kept.Body, nil
	}
	// It may have ended between the look at the store and the look at the runs.
	now, err := s.cfg.Store.Get(ctx, kept.Owner, kept.ID)
	if err != nil {
		return nil, err
	}
	if string(now.Body) != string(kept.Body) {
		return now.Body, nil
	}
	body["status"], body["error"] = statusFailed, responseError{"server_error", "The server stopped before the response was complete."}
	return json.Marshal(body)
}

// follow sends the events of a run from number first on until it ends.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, run *run, first int) error {
	out, err := newEventWriter(s, w, r)
	if err != nil {
		return err
	}
	recordOf(r.Context()).stream = true
	silence := time.NewTicker(s.cfg.KeepAlive)
	defer silence.Stop()
	for ended := false; ; {
		events, changed := run.since(first)
		for _, ev := range events {
			if out.event(ev.kind, ev.data) != nil {
				return nil // the client left; the run goes on
			}
		}
		first += len(events)
		out.begin()
		if out.flush() != nil || ended {
			return nil
		}
		select {
		case <-changed:
		case <-run.done:
			ended = true // but read what came last
		case <-r.Context().Done():
			return nil
		case <-silence.C:
			if out.keepAlive() != nil {
				return nil
			}
		}
	}
}

// replay sends kept events from number first on.
func (s *Server) replay(w http.ResponseWriter, r *http.Request, lines []byte, first int) error {
	out, err := newEventWriter(s, w, r)
	if err != nil {
		return err
	}
	out.begin()
	for line := range strings.Lines(string(lines)) {
		var ev struct {
			Type     string `json:"type"`
			Sequence int    `json:"sequence_number"`
		}
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			return err
		}
		if ev.Sequence < first {
			continue
		}
		if out.event(ev.Type, []byte(strings.TrimSuffix(line, "\n"))) != nil {
			return nil // the client left
		}
	}
	_ = out.flush() // as above
	return nil
}

// deleteResponse serves DELETE /v1/responses/{id}. One in the making ends.
func (s *Server) deleteResponse(w http.ResponseWriter, r *http.Request) error {
	kept, run, err := s.stored(r)
	if err != nil {
		return err
	}
	if run != nil {
		run.forget()
	}
	if err := s.cfg.Store.Delete(r.Context(), kept.Owner, kept.ID); errors.Is(err, history.ErrNotFound) && run == nil {
		return responseNotFound(kept.ID, "")
	} else if err != nil && !errors.Is(err, history.ErrNotFound) {
		return err
	}
	s.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Deleted bool   `json:"deleted"`
	}{kept.ID, objectResponse, true})
	return nil
}

// cancelResponse serves POST /v1/responses/{id}/cancel. A response that has ended stays as it is.
func (s *Server) cancelResponse(w http.ResponseWriter, r *http.Request) error {
	kept, run, err := s.stored(r)
	if err != nil {
		return err
	}
	if run != nil {
		run.cancel(errCancelled)
		select {
		case <-run.done:
		case <-r.Context().Done():
			return context.Cause(r.Context())
		}
		if kept, _, err = s.stored(r); err != nil {
			return err
		}
	}
	var body struct{ Background bool }
	if err := json.Unmarshal(kept.Body, &body); err != nil {
		return err
	}
	if !body.Background {
		return badField("", codeInvalidValue, "Only responses created with background: true can be cancelled.")
	}
	last, err := s.interrupted(r.Context(), kept)
	if err != nil {
		return err
	}
	s.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, json.RawMessage(last))
	return nil
}

// listInputItems serves GET /v1/responses/{id}/input_items.
func (s *Server) listInputItems(w http.ResponseWriter, r *http.Request) error {
	kept, _, err := s.stored(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	limit, order := 20, "desc"
	if v := query.Get("limit"); v != "" {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > 100 {
			return badField("limit", codeInvalidValue, "must be an integer between 1 and 100")
		}
	}
	if v := query.Get("order"); v != "" {
		if order = v; order != "asc" && order != "desc" {
			return badField("order", codeInvalidValue, "must be asc or desc")
		}
	}
	var items []json.RawMessage
	if err := json.Unmarshal(kept.Input, &items); err != nil {
		return err
	}
	if order == "desc" {
		slices.Reverse(items)
	}
	if after := query.Get("after"); after != "" {
		i := slices.IndexFunc(items, func(it json.RawMessage) bool { return *itemID(it) == after })
		if i < 0 {
			return badField("after", codeInvalidValue, "there is no item %q", abbreviate(after))
		}
		items = items[i+1:]
	}
	page := inputItems{Object: "list", HasMore: len(items) > limit, Data: items[:min(limit, len(items))]}
	if n := len(page.Data); n > 0 {
		page.First, page.Last = itemID(page.Data[0]), itemID(page.Data[n-1])
	}
	s.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, page)
	return nil
}

type inputItems struct {
	Object  string            `json:"object"`
	Data    []json.RawMessage `json:"data"`
	First   *string           `json:"first_id"`
	Last    *string           `json:"last_id"`
	HasMore bool              `json:"has_more"`
}

func itemID(item json.RawMessage) *string {
	var has struct{ ID string }
	_ = json.Unmarshal(item, &has) // an item that was accepted is an object; one without id has ""
	return &has.ID
}

// countResponseInput serves POST /v1/responses/input_tokens.
func (s *Server) countResponseInput(w http.ResponseWriter, r *http.Request) error {
	req, err := s.readResponse(w, r)
	if err != nil {
		return err
	}
	return s.tellInputTokens(w, r, req.chatRequest)
}

// embeddings serves POST /v1/embeddings, for which no model can be configured.
func (s *Server) embeddings(_ http.ResponseWriter, _ *http.Request) error {
	return badField("model", codeUnsupported, "no embedding model is configured; %s answers questions only", s.cfg.ModelName)
}
