package anthropic

import (
	"maps"
	"slices"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/request"
)

// maxStopSequences bounds stop_sequences, which Anthropic does not.
const maxStopSequences = 1024

// decoder reads the body of a message.
type decoder struct{ *request.Builder }

// table names the members of a body.
func table() request.Table[*decoder] {
	common := request.Shared[*decoder](request.Common(), "model", "stream", "temperature", "top_p", "top_k",
		"repetition_detection", "mm_processor_kwargs", "tool_choice", "cache_salt")
	idle := request.Shared[*decoder](request.Table[*request.Builder]{
		"system":        request.Ignored, // read last, put first
		"thread":        request.Ignored, // refused with what an SDK understands
		"metadata":      request.Ignored,
		"service_tier":  request.Ignored,
		"cache_control": request.Ignored, // prompts are cached without being asked
		"container":     request.Never("containers are not supported"),
	})
	return common.With(idle).With(request.Table[*decoder]{
		"max_tokens": func(d *decoder, v *jsonbody.Value, path string) {
			n := int(d.Integer(v, path, 1, request.MaxTokensLimit))
			d.Request.MaxTokens = &n
		},
		"stop_sequences": func(d *decoder, v *jsonbody.Value, path string) { d.StopList(v, path, maxStopSequences) },
		"messages":       (*decoder).messages,
		"tools":          (*decoder).tools,
		"thinking":       (*decoder).thinking,
		"output_config":  (*decoder).outputConfig,
		"output_format":  (*decoder).outputFormat,
		"mcp_servers": func(d *decoder, v *jsonbody.Value, path string) {
			if v.Kind != jsonbody.Array || len(v.Items) > 0 {
				d.Fail(path, fault.CodeUnsupported, "MCP servers are not supported; run them in the client")
			}
		},
	})
}

// Decoder reads messages. It is safe for concurrent use.
type Decoder struct {
	policy *request.Policy
	table  request.Table[*decoder]
}

// NewDecoder returns a Decoder that reads as policy says.
func NewDecoder(policy *request.Policy) *Decoder { return &Decoder{policy: policy, table: table()} }

// Decode checks a body. counting says that its prompt is to be counted only, for which a bound of the answer need not
// be given.
func (d *Decoder) Decode(body *jsonbody.Value, counting bool) (*request.Request, error) {
	b := &decoder{d.policy.NewBuilder("messages")}
	request.Read(b, body, d.table)
	b.Needs(body, "messages")
	if !counting {
		b.Needs(body, "max_tokens")
	}
	if jsonbody.Present(body, "thread") != nil {
		b.refuseThread()
	}
	// What the system says comes first, wherever the member stands.
	if system := jsonbody.Present(body, "system"); system != nil && b.OK() {
		b.system(system, "system")
	}
	if err := b.Finish(); err != nil {
		return nil, err
	}
	return b.Request, nil
}

// refuseThread refuses server-side threads in the way after which Anthropic's tool runners go on without them.
func (d *decoder) refuseThread() {
	d.Refuse(&jsonbody.Error{
		Path: "thread", Code: fault.CodeUnsupported, Message: "threads are not kept; send the whole conversation",
		Details: map[string]any{"error_code": "thread_unsupported_request", "unsupported": []string{"thread"}},
	})
}

// system puts a system message before all others.
func (d *decoder) system(v *jsonbody.Value, path string) {
	m := request.Message{Role: request.RoleSystem, Path: path}
	if v.Kind == jsonbody.String {
		m.IsText, m.Text = true, jsonbody.TextOf(v)
	} else if d.Want(v, path, jsonbody.Array) {
		for i := range v.Items {
			d.textPart(&v.Items[i], jsonbody.At(path, i), &m)
		}
	}
	d.Request.Messages = slices.Insert(d.Request.Messages, 0, m)
}

// Parameters names the members that a body may have.
func Parameters() []string { return slices.Sorted(maps.Keys(table())) }
