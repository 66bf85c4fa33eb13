package responses

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/request"
)

// paramPrompt is the member that carries the prompt.
const paramPrompt = "input"

// createRequest is a decoded and checked body of POST /v1/responses.
type createRequest struct {
	*request.Request
	// Store keeps the response; nil where the client did not say.
	Store      *bool
	Background bool
	// Previous is the id of the response that this one goes on from, empty for none.
	Previous string
	// Items are the request's own input items, each with an id.
	Items []json.RawMessage
	echo  echo
}

// echo are members of the request that the response shows again, as the client wrote them.
type echo struct {
	Instructions    *string
	MaxOutputTokens *int
	Metadata        json.RawMessage
	Effort          *string
	Summary         *string
	Format          json.RawMessage
	ToolChoice      json.RawMessage
	Tools           []json.RawMessage
	Parallel        bool
	User, CacheKey  *string
	SafetyID        *string
}

// decoder reads one body.
type decoder struct {
	*request.Builder
	out *createRequest
	// newID makes ids for items without one.
	newID func() string
}

// bodyReader reads bodies of POST /v1/responses. It is safe for concurrent use.
type bodyReader struct {
	policy *request.Policy
	table  request.Table[*decoder]
	newID  func() string
}

func newBodyReader(policy *request.Policy, newID func() string) *bodyReader {
	return &bodyReader{policy: policy, table: table(), newID: newID}
}

// Parameters names the members of a body, for checks of the API's description.
func Parameters() []string { return slices.Sorted(maps.Keys(table())) }

// previousID is the id of the response that a body goes on from, empty for none.
func (b *bodyReader) previousID(root *jsonbody.Value) (string, error) {
	d := b.policy.NewBuilder(paramPrompt)
	id := d.OptionalText(root, "", paramPrevious)
	return id, d.Failure()
}

// decode checks a body. earlier holds the lists of items of earlier turns, oldest first.
func (b *bodyReader) decode(root *jsonbody.Value, earlier []json.RawMessage) (*createRequest, error) {
	builder := b.policy.NewBuilder(paramPrompt)
	d := &decoder{
		Builder: builder, newID: b.newID,
		out: &createRequest{Request: builder.Request, echo: echo{Parallel: true}},
	}
	request.Read(d, root, b.table)
	if !d.OK() {
		return nil, d.Failure()
	}
	if err := d.earlierItems(earlier); err != nil {
		return nil, err
	}
	d.input(root)
	if instructions := d.out.echo.Instructions; d.OK() && instructions != nil {
		d.Request.Messages = slices.Insert(d.Request.Messages, 0,
			request.Message{Role: request.RoleSystem, Path: "instructions", IsText: true, Text: *instructions})
	}
	ended := false // items are turns that have ended, which the answer does not go on from
	d.Continued = &ended
	if err := d.Finish(); err != nil {
		return nil, err
	}
	return d.out, nil
}

// earlierItems reads the items of earlier turns. They were accepted before, and are read within larger bounds than a
// body is.
func (d *decoder) earlierItems(lists []json.RawMessage) error {
	const everyTurn = 16 // the values of one turn's list count against the whole conversation
	bounds := d.Limits().Bounds()
	bounds.Depth, bounds.Values = bounds.Depth+2, bounds.Values*everyTurn
	for _, list := range lists {
		items, err := jsonbody.Parse(list, bounds)
		if err != nil {
			return fmt.Errorf("read the items of an earlier response: %w", err)
		}
		d.items(items, paramPrevious)
	}
	return nil
}

// input reads the request's own items, or the text that stands for one.
func (d *decoder) input(root *jsonbody.Value) {
	const path = paramPrompt
	input := jsonbody.Present(root, path)
	switch {
	case input == nil:
		d.Fail(path, fault.CodeMissing, "input is required")
	case input.Kind == jsonbody.String:
		d.Request.Messages = append(d.Request.Messages,
			request.Message{Role: request.RoleUser, Path: path, IsText: true, Text: jsonbody.TextOf(input)})
		id := string(jsonbody.Quote(messagePrefix + d.newID()))
		d.out.Items = []json.RawMessage{json.RawMessage(
			`{"id":` + id + `,"type":"message","status":"completed","role":"user",` +
				`"content":[{"type":"input_text","text":` + string(input.Raw) + `}]}`)}
	case d.Want(input, path, jsonbody.Array):
		d.items(input, path)
		if len(d.Request.Messages) == 0 {
			d.Fail(path, fault.CodeInvalidValue, "must have an item that can be shown to the model")
		}
		for i := range input.Items {
			d.out.Items = append(d.out.Items, d.withID(&input.Items[i]))
		}
	}
}

// withID is an item as it is kept: with an id, and with a type where it is a message in the short form.
func (d *decoder) withID(item *jsonbody.Value) json.RawMessage {
	if item.Kind != jsonbody.Object {
		return jsonbody.RawCopy(item) // which was refused
	}
	id, kind := jsonbody.Present(item, "id"), jsonbody.Present(item, "type")
	if id != nil && kind != nil {
		return jsonbody.RawCopy(item)
	}
	out := json.RawMessage("{")
	member := func(key string, raw []byte) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, jsonbody.Quote(key)...), ':'), raw...)
	}
	if kind == nil {
		member("type", jsonbody.Quote(itemMessage))
	}
	if id == nil {
		prefix := messagePrefix
		if kind != nil && jsonbody.TextOf(kind) != itemMessage {
			prefix = otherItemPrefix
		}
		member("id", jsonbody.Quote(prefix+d.newID()))
	}
	for i := range item.Members {
		m := &item.Members[i]
		if m.Value.Kind == jsonbody.Null && (m.Key == "id" || m.Key == "type") {
			continue // it stands for the one that was put in
		}
		member(m.Key, m.Value.Raw)
	}
	return append(out, '}')
}

// itemID is the id of a kept item, empty where it has none.
func itemID(item json.RawMessage) string {
	var has struct{ ID string }
	_ = json.Unmarshal(item, &has) // an item that was accepted is an object
	return has.ID
}

// joinItems makes one JSON array of items.
func joinItems(items []json.RawMessage) (json.RawMessage, error) {
	if len(items) == 0 {
		return json.RawMessage("[]"), nil
	}
	out, err := json.Marshal(items)
	if err != nil {
		return nil, fmt.Errorf("join items: %w", err)
	}
	return out, nil
}
