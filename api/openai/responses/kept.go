package responses

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/jsonbody"
)

// keptResponse is a response that is asked for by its id.
type keptResponse struct {
	*history.Response
	// job makes it in the background, or waits to store it; nil where nobody does.
	job *job
}

// find looks for the response that a path names, among those in the making too.
func (h *Handler) find(r *http.Request) (keptResponse, error) {
	id, owner := r.PathValue("id"), h.o.Owner(r)
	if h.o.Store == nil {
		return keptResponse{}, notFound(id, "")
	}
	j := h.jobs.find(owner, id) // before the store is asked: what ends meanwhile is stored by then
	kept, err := h.o.Store.Get(r.Context(), owner, id)
	switch {
	case err == nil:
		return keptResponse{kept, j}, nil
	case j != nil && !j.isDeleted():
		return keptResponse{j.asKept(), j}, nil
	case errors.Is(err, history.ErrNotFound):
		return keptResponse{}, notFound(id, "")
	}
	return keptResponse{}, err
}

// body is the response as it is now.
func (h *Handler) body(ctx context.Context, k keptResponse) ([]byte, error) {
	if k.job != nil {
		return k.job.snapshot(), nil
	}
	return h.interrupted(ctx, k.Response)
}

// interrupted is the body of a kept response that has no job. One that nobody works on any more, since the server
// stopped, is marked as failed.
func (h *Handler) interrupted(ctx context.Context, kept *history.Response) ([]byte, error) {
	var body map[string]any
	if err := json.Unmarshal(kept.Body, &body); err != nil {
		return nil, fmt.Errorf("read a kept response: %w", err)
	}
	if status := body["status"]; status != string(StatusQueued) && status != string(StatusInProgress) {
		return kept.Body, nil
	}
	// It may have ended between the look at the store and the look at the jobs.
	now, err := h.o.Store.Get(ctx, kept.Owner, kept.ID)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(now.Body, kept.Body) {
		return now.Body, nil
	}
	body["status"] = StatusFailed
	body["error"] = Error{Code: "server_error", Message: "The server stopped before the response was complete."}
	return json.Marshal(body)
}

// Get serves GET /v1/responses/{id}: the response, or with stream=true the events of a background response from any of
// them on.
func (h *Handler) Get(w http.ResponseWriter, r *http.Request) error {
	return storeFault(r.Context(), h.get(w, r))
}

func (h *Handler) get(w http.ResponseWriter, r *http.Request) error {
	kept, err := h.find(r)
	if err != nil {
		return err
	}
	streamed, first, err := streamedFrom(r.URL.Query())
	if err != nil {
		return err
	}
	switch streamed = streamed && r.Method != http.MethodHead; {
	case streamed && kept.job != nil:
		return h.follow(w, r, kept.job, first)
	case streamed && kept.Events == nil:
		return fault.Field("stream", fault.CodeInvalidValue,
			"only responses created with background: true can be streamed again")
	case streamed:
		return h.replay(w, r, kept.Events, first)
	}
	body, err := h.body(r.Context(), kept)
	if err != nil {
		return err
	}
	h.writeKept(w, body)
	return nil
}

// streamedFrom says whether a query asks for events, and for which of them first.
func streamedFrom(query url.Values) (streamed bool, first int, err error) {
	if v := query.Get("stream"); v != "" {
		if streamed, err = strconv.ParseBool(v); err != nil {
			return false, 0, fault.Field("stream", fault.CodeInvalidValue, "must be true or false")
		}
	}
	if v := query.Get("starting_after"); v != "" {
		after, err := strconv.Atoi(v)
		if err != nil || after < 0 || !streamed {
			return false, 0, fault.Field("starting_after", fault.CodeInvalidValue,
				"must be the sequence_number of an event, and stream must be true")
		}
		first = after + 1
	}
	return streamed, first, nil
}

// Delete serves DELETE /v1/responses/{id}. One in the making ends.
func (h *Handler) Delete(w http.ResponseWriter, r *http.Request) error {
	return storeFault(r.Context(), h.remove(w, r))
}

func (h *Handler) remove(w http.ResponseWriter, r *http.Request) error {
	kept, err := h.find(r)
	if err != nil {
		return err
	}
	if kept.job != nil {
		kept.job.remove()
	}
	err = h.o.Store.Delete(r.Context(), kept.Owner, kept.ID)
	switch {
	case errors.Is(err, history.ErrNotFound) && kept.job == nil:
		return notFound(kept.ID, "")
	case err != nil && !errors.Is(err, history.ErrNotFound):
		return err
	}
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, Deleted{kept.ID, objectResponse, true})
	return nil
}

// Cancel serves POST /v1/responses/{id}/cancel. A response that has ended stays as it is.
func (h *Handler) Cancel(w http.ResponseWriter, r *http.Request) error {
	return storeFault(r.Context(), h.cancel(w, r))
}

func (h *Handler) cancel(w http.ResponseWriter, r *http.Request) error {
	kept, err := h.find(r)
	if err != nil {
		return err
	}
	if kept.job != nil {
		kept.job.cancel(errCancelled)
		select {
		case <-kept.job.ended:
		case <-r.Context().Done():
			return context.Cause(r.Context())
		}
		if kept, err = h.find(r); err != nil {
			return err
		}
	}
	var made struct {
		Background bool `json:"background"`
	}
	if err := json.Unmarshal(kept.Body, &made); err != nil {
		return fmt.Errorf("read a kept response: %w", err)
	}
	if !made.Background {
		return fault.Field("", fault.CodeInvalidValue, "Only responses created with background: true can be cancelled.")
	}
	body, err := h.body(r.Context(), kept)
	if err != nil {
		return err
	}
	h.writeKept(w, body)
	return nil
}

// InputItems serves GET /v1/responses/{id}/input_items.
func (h *Handler) InputItems(w http.ResponseWriter, r *http.Request) error {
	return storeFault(r.Context(), h.inputItems(w, r))
}

func (h *Handler) inputItems(w http.ResponseWriter, r *http.Request) error {
	kept, err := h.find(r)
	if err != nil {
		return err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(kept.Input, &items); err != nil {
		return fmt.Errorf("read the input of a kept response: %w", err)
	}
	page, err := pageOf(items, r.URL.Query())
	if err != nil {
		return err
	}
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, page)
	return nil
}

// pageOf is the page of items that a query asks for.
func pageOf(items []json.RawMessage, query url.Values) (*InputItems, error) {
	const defaultLimit, maxLimit = 20, 100
	limit, order := defaultLimit, "desc"
	if v := query.Get("limit"); v != "" {
		var err error
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > maxLimit {
			return nil, fault.Field("limit", fault.CodeInvalidValue, "must be an integer between 1 and %d", maxLimit)
		}
	}
	if v := query.Get("order"); v != "" {
		if order = v; order != "asc" && order != "desc" {
			return nil, fault.Field("order", fault.CodeInvalidValue, "must be asc or desc")
		}
	}
	if order == "desc" {
		slices.Reverse(items)
	}
	if after := query.Get("after"); after != "" {
		i := slices.IndexFunc(items, func(item json.RawMessage) bool { return itemID(item) == after })
		if i < 0 {
			return nil, fault.Field("after", fault.CodeInvalidValue, "there is no item %q", jsonbody.Abbreviate(after))
		}
		items = items[i+1:]
	}
	page := &InputItems{Object: "list", HasMore: len(items) > limit, Data: items[:min(limit, len(items))]}
	if n := len(page.Data); n > 0 {
		first, last := itemID(page.Data[0]), itemID(page.Data[n-1])
		page.First, page.Last = &first, &last
	}
	return page, nil
}
