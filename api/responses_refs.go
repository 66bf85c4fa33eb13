package api

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/qwenvld/qwenvld/api/history"
)

// outputItemID names the next output item of a response. The response's own id is part of it, so that a reference leads there.
func outputItemID(r *responseObject) string {
	return strings.TrimPrefix(r.ID, "resp_") + "_" + strconv.Itoa(len(r.Output))
}

// responseOfItem is the id of the response whose output item this is, "" if it cannot be one's.
func responseOfItem(id string) string {
	_, rest, _ := strings.Cut(id, "_")
	at := strings.LastIndexByte(rest, '_')
	if at < 0 {
		return ""
	}
	return "resp_" + rest[:at]
}

// maxReferred bounds the responses that the references of one request are read from.
const maxReferred = 256

// followReferences puts items of kept responses in the place of references to them. What is not found stays as it is, to be refused with
// its place.
func (s *Server) followReferences(ctx context.Context, root *value) error {
	input := present(root, "input")
	if s.cfg.Store == nil || input == nil || input.kind != kindArray {
		return nil
	}
	outputs := map[string][]json.RawMessage{}
	for i := range input.items {
		item := &input.items[i]
		id := memberText(item, "id")
		from := responseOfItem(id)
		if memberText(item, "type") != "item_reference" || from == "" {
			continue
		}
		output, known := outputs[from]
		if !known {
			if len(outputs) == maxReferred {
				return badField(index("input", i), codeInvalidValue, "at most %d responses can be referred to", maxReferred)
			}
			var err error
			if output, err = s.outputOf(ctx, from); err != nil {
				return err
			}
			outputs[from] = output
		}
		for _, raw := range output {
			if *itemID(raw) != id {
				continue
			}
			v, err := parseJSON(raw, jsonLimits{depth: s.decoder.limits.Depth, values: s.decoder.limits.Values})
			if err != nil {
				return err
			}
			*item = *v
		}
	}
	return nil
}

// outputOf is the output of a kept response; nothing where there is none.
func (s *Server) outputOf(ctx context.Context, id string) ([]json.RawMessage, error) {
	kept, err := s.cfg.Store.Get(ctx, ownerOf(ctx), id)
	if errors.Is(err, history.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var body struct{ Output []json.RawMessage }
	return body.Output, json.Unmarshal(kept.Body, &body)
}
