package ollama

import (
	"maps"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/internal/keepalive"
)

// decoder reads the body of a chat.
type decoder struct{ *request.Builder }

// table names the members of a body.
func table() request.Table[*decoder] {
	idle := request.Table[*request.Builder]{
		// A prompt that is too long is refused, whatever is said of cutting.
		"truncate": request.Ignored, "shift": request.Ignored,
		"logprobs": request.OnlyFalse("log-probabilities are given at /v1/chat/completions"),
	}
	return request.Shared[*decoder](request.Common(), "model", "stream", "tools", "cache_salt").
		With(request.Shared[*decoder](idle)).
		With(request.Table[*decoder]{
			"messages": (*decoder).messages, "options": options(), "keep_alive": (*decoder).keepAlive,
			"think": (*decoder).think, "format": (*decoder).format,
		})
}

// Parameters names the members that the body of a chat may have.
func Parameters() []string { return slices.Sorted(maps.Keys(table())) }

// decode checks a body. One without messages, by which Ollama's clients have a model loaded, becomes a request without.
func decode(policy *request.Policy, table request.Table[*decoder], body *jsonbody.Value) (*request.Request, error) {
	d := &decoder{policy.NewBuilder("messages")}
	d.Request.Stream = true
	request.Read(d, body, table)
	d.Request.Model = modelID(d.Request.Model)
	return d.Request, d.Finish()
}

// modelID takes off what clients put behind the name of a model that has no tag.
func modelID(name string) string { return strings.TrimSuffix(name, ":latest") }

// options reads how tokens are drawn and what ends an answer. Members about the loading of weights, and about ways of
// drawing that are not here, change nothing.
func options() request.Reader[*decoder] {
	known := request.SamplingTable()
	known["stop"] = request.CoreTable()["stop"]
	known["seed"] = unlessNegative(known["seed"])
	known["num_predict"] = unlessNegative(request.CoreTable()["max_tokens"])
	names := slices.AppendSeq([]string{
		"num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "num_keep", "numa", "low_vram", "f16_kv",
		"use_mmap", "use_mlock", "logits_all", "vocab_only", "embedding_only", "draft_num_predict", "typical_p",
		"tfs_z", "repeat_last_n", "penalize_newline", "mirostat", "mirostat_eta", "mirostat_tau",
	}, maps.Keys(known))
	return func(d *decoder, v *jsonbody.Value, path string) {
		d.Want(v, path, jsonbody.Object) // anything else has no members
		d.Keys(v, path, names...)
		for i := range v.Members {
			m := &v.Members[i]
			if read := known[m.Key]; read != nil && m.Value.Kind != jsonbody.Null && d.OK() {
				read(d.Builder, &m.Value, path+"."+m.Key)
			}
		}
	}
}

// unlessNegative passes over a negative number, which is how Ollama says that there is no bound, or no seed.
func unlessNegative(read request.Reader[*request.Builder]) request.Reader[*request.Builder] {
	return func(b *request.Builder, v *jsonbody.Value, path string) {
		if v.Kind != jsonbody.Number || v.Raw[0] != '-' {
			read(b, v, path)
		}
	}
}

// think is a switch, or says how much.
func (d *decoder) think(v *jsonbody.Value, path string) {
	if v.Kind == jsonbody.Bool {
		request.ThinkingTable()["enable_thinking"](d.Builder, v, path)
		return
	}
	d.Effort(v, path)
}

// keepAlive is how long the weights stay loaded, in seconds or as a text with a unit.
func (d *decoder) keepAlive(v *jsonbody.Value, path string) {
	text := jsonbody.TextOf(v)
	if v.Kind == jsonbody.Number {
		text = string(v.Raw)
	}
	keep, err := keepalive.Parse(text)
	if err != nil {
		d.Fail(path, fault.CodeInvalidValue, "%s", err)
		return
	}
	d.Request.KeepAlive = &keep
}

// format is "json" or a schema. An empty one says nothing.
func (d *decoder) format(v *jsonbody.Value, path string) {
	switch {
	case v.Kind == jsonbody.Object:
		d.Format = d.SchemaConstraint(v, path, false)
	case jsonbody.TextOf(v) == "json":
		d.Format = &engine.Constraint{Object: true}
	case v.Kind != jsonbody.String || jsonbody.TextOf(v) != "":
		d.Fail(path, fault.CodeInvalidValue, `must be "json" or a JSON schema`)
	}
}

func (d *decoder) messages(v *jsonbody.Value, path string) {
	if len(v.Items) > d.Limits().Messages {
		d.Fail(path, fault.CodeInvalidValue, "at most %d messages are allowed", d.Limits().Messages)
	}
	d.each(v, path, jsonbody.Object, d.message)
}

// each reads the items of a list, which are of one kind. No list is an empty one.
func (d *decoder) each(list *jsonbody.Value, path string, kind jsonbody.Kind, read func(*jsonbody.Value, string)) {
	list = jsonbody.OrEmptyList(list)
	d.Want(list, path, jsonbody.Array) // anything else has no items
	for i := range list.Items {
		if at := jsonbody.At(path, i); d.OK() && d.Want(&list.Items[i], at, kind) {
			read(&list.Items[i], at)
		}
	}
}

func (d *decoder) message(v *jsonbody.Value, path string) {
	role := d.OneOf(jsonbody.OrEmpty(jsonbody.Present(v, "role")), path+".role", "system", "user", "assistant", "tool")
	m := request.Message{Role: request.Role(role), Path: path}
	switch m.Role {
	case request.RoleAssistant:
		d.Keys(v, path, "role", "content", "images", "thinking", "tool_calls")
		if thinking := d.OptionalText(v, path, "thinking"); thinking != "" {
			m.AddReasoning(thinking)
		}
		d.each(jsonbody.Present(v, "tool_calls"), path+".tool_calls", jsonbody.Object,
			func(v *jsonbody.Value, path string) { d.call(v, path, &m) })
	case request.RoleTool: // a result; the model is shown results in the order of their calls, by no name or id
		d.Keys(v, path, "role", "content", "images", "tool_name", "tool_call_id")
		d.OptionalText(v, path, "tool_name")
		m.ToolCallID = d.OptionalText(v, path, "tool_call_id")
	case request.RoleSystem, request.RoleUser:
		d.Keys(v, path, "role", "content", "images")
	}
	// Pictures come before the text, as Ollama shows them.
	d.each(jsonbody.Present(v, "images"), path+".images", jsonbody.String,
		func(v *jsonbody.Value, path string) { d.image(v, path, &m) })
	text := d.OptionalText(v, path, "content")
	if len(m.Parts) == 0 {
		m.IsText, m.Text = true, text
	} else if text != "" {
		m.Parts = append(m.Parts, request.Part{Text: text})
	}
	d.Request.Messages = append(d.Request.Messages, m)
}

// image reads a picture in base64.
func (d *decoder) image(v *jsonbody.Value, path string, m *request.Message) {
	if m.Role == request.RoleSystem {
		d.Fail(path, fault.CodeUnsupported, "images are allowed in user, assistant and tool messages only")
	}
	url := jsonbody.TextOf(v)
	if !strings.HasPrefix(url, "data:") {
		url = "data:image/png;base64," + url // what kind of image it is, its bytes tell
	}
	d.AddImage(&request.Image{Path: path, URL: url}, m)
}

// call reads a call that the model made.
func (d *decoder) call(v *jsonbody.Value, path string, m *request.Message) {
	d.Keys(v, path, "id", "type", "function")
	id := d.OptionalText(v, path, "id")
	path += ".function"
	f := jsonbody.Present(v, "function")
	if f == nil {
		d.Fail(path, fault.CodeMissing, "a tool call needs a function")
	} else if d.Want(f, path, jsonbody.Object) {
		d.Keys(f, path, "index", "name", "arguments")
		call := request.ToolCall{ID: id, Name: d.Member(f, path, "name")}
		call.Arguments = d.CallArguments(jsonbody.Present(f, "arguments"), path+".arguments")
		m.ToolCalls = append(m.ToolCalls, call)
	}
}
