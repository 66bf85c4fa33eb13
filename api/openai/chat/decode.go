package chat

import (
	"maps"
	"slices"

	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/request"
)

// decoder reads the body of a chat completion.
type decoder struct{ *request.Builder }

// table names the members of a body.
func table() request.Table[*decoder] {
	return request.Shared[*decoder](request.Common()).With(request.Table[*decoder]{"messages": (*decoder).messages})
}

// Decoder reads chat completions. It is safe for concurrent use.
type Decoder struct {
	policy *request.Policy
	table  request.Table[*decoder]
}

// NewDecoder returns a Decoder that reads as policy says.
func NewDecoder(policy *request.Policy) *Decoder { return &Decoder{policy: policy, table: table()} }

// Decode checks a body. others are members that are read by somebody else.
func (d *Decoder) Decode(body *jsonbody.Value, others ...string) (*request.Request, error) {
	b := &decoder{d.policy.NewBuilder("messages")}
	request.Read(b, body, d.table, others...)
	b.Needs(body, "messages")
	return b.Request, b.Finish()
}

// Parameters names the members that a body may have.
func Parameters() []string { return slices.Sorted(maps.Keys(table())) }
