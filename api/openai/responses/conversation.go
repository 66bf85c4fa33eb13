package responses

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/web"
)

const (
	// itemReference is the type of an item that stands for one of a kept response.
	itemReference = "item_reference"
	// maxReferred bounds the responses that the references of one request are read from.
	maxReferred = 256
)

// earlierItems are the lists of items of the response id and of those before it, oldest first. What they have together
// is bounded as a body is, and held as a part of the request's body.
func (h *Handler) earlierItems(r *http.Request, id string) ([]json.RawMessage, error) {
	if id != "" && h.o.Store == nil {
		return nil, fault.Field(paramPrevious, fault.CodeUnsupported,
			"this server keeps no responses; send the whole conversation as input")
	}
	limits := h.o.Trip.Policy.Bounds()
	left := limits.BodyBytes
	var lists []json.RawMessage // the latest first
	for id != "" {
		if len(lists) > 2*limits.Messages {
			return nil, fault.Field(paramPrevious, fault.CodeInvalidValue, "the conversation has too many turns")
		}
		kept, err := h.previous(r, id, left)
		switch {
		case errors.Is(err, history.ErrNotFound):
			return nil, notFound(id, paramPrevious)
		case errors.Is(err, history.ErrTooLarge):
			return nil, fault.Field(paramPrevious, fault.CodeContextLength,
				"the conversation has more than %d bytes", limits.BodyBytes)
		case err != nil:
			return nil, err
		}
		size := int64(len(kept.Input)) + int64(len(kept.Body))
		if err := web.Hold(r.Context(), size); err != nil {
			return nil, err
		}
		left -= size
		output, err := outputToGoOnFrom(kept)
		if err != nil {
			return nil, err
		}
		lists = append(lists, output, kept.Input)
		id = kept.Previous
	}
	slices.Reverse(lists)
	return lists, nil
}

// previous finds a response to go on from, of at most so many bytes. One that could not be stored yet is still here.
func (h *Handler) previous(r *http.Request, id string, most int64) (*history.Response, error) {
	owner := h.o.Owner(r)
	kept, err := h.o.Store.GetBounded(r.Context(), owner, id, most)
	if err == nil || errors.Is(err, history.ErrTooLarge) {
		return kept, err
	}
	if j := h.jobs.find(owner, id); j != nil {
		return j.asKept(), nil
	}
	return nil, err
}

// outputToGoOnFrom is the output of a kept response that a conversation may go on from.
func outputToGoOnFrom(kept *history.Response) (json.RawMessage, error) {
	var body struct {
		Status Status          `json:"status"`
		Output json.RawMessage `json:"output"`
	}
	if err := json.Unmarshal(kept.Body, &body); err != nil {
		return nil, fmt.Errorf("read a kept response: %w", err)
	}
	if body.Status != StatusCompleted && body.Status != StatusIncomplete {
		return nil, fault.Field(paramPrevious, fault.CodeInvalidValue,
			"the response %s is %s, so nothing can follow it", jsonbody.Abbreviate(kept.ID), body.Status)
	}
	return body.Output, nil
}

// resolveReferences puts items of kept responses in the place of references to them. A reference to what is not found
// stays, to be refused with its place.
func (h *Handler) resolveReferences(r *http.Request, root *jsonbody.Value) error {
	input := jsonbody.Present(root, paramPrompt)
	if h.o.Store == nil || input == nil || input.Kind != jsonbody.Array {
		return nil
	}
	outputs := map[string][]json.RawMessage{} // of responses that were read
	for i := range input.Items {
		item := &input.Items[i]
		id := jsonbody.MemberText(item, "id")
		from := responseOfItem(id)
		if jsonbody.MemberText(item, "type") != itemReference || from == "" {
			continue
		}
		output, read := outputs[from]
		if !read {
			if len(outputs) == maxReferred {
				return fault.Field(jsonbody.At(paramPrompt, i), fault.CodeInvalidValue,
					"at most %d responses can be referred to", maxReferred)
			}
			var err error
			if output, err = h.output(r, from); err != nil {
				return err
			}
			outputs[from] = output
		}
		at := slices.IndexFunc(output, func(raw json.RawMessage) bool { return itemID(raw) == id })
		if at < 0 {
			continue
		}
		found, err := jsonbody.Parse(output[at], h.o.Trip.Policy.Bounds().Bounds())
		if err != nil {
			return fmt.Errorf("read an item of a kept response: %w", err)
		}
		*item = *found
	}
	return nil
}

// output is that of a kept response. Where there is none it is empty.
func (h *Handler) output(r *http.Request, id string) ([]json.RawMessage, error) {
	kept, err := h.o.Store.Get(r.Context(), h.o.Owner(r), id)
	if errors.Is(err, history.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var body struct {
		Output []json.RawMessage `json:"output"`
	}
	if err := json.Unmarshal(kept.Body, &body); err != nil {
		return nil, fmt.Errorf("read a kept response: %w", err)
	}
	return body.Output, nil
}
