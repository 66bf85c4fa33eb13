package ollama

import (
	"maps"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
)

// decoder reads the body of a chat.
type decoder struct{ *request.Builder }

// reader reads a member that is not of a chat alone.
type reader = request.Reader[*request.Builder]

// table names the members of a body.
func table() request.Table[*decoder] {
	idle := request.Table[*request.Builder]{
		"keep_alive": request.Ignored, // weights stay loaded
		// A prompt that is too long is refused, whatever is said of cutting it.
		"truncate": request.Ignored, "shift": request.Ignored,
		"logprobs": request.OnlyFalse("log-probabilities are given at /v1/chat/completions"),
	}
	return request.Shared[*decoder](request.Common(), "model", "stream", "tools").
		With(request.Shared[*decoder](idle)).
		With(request.Table[*decoder]{
			"messages": (*decoder).messages, "options": options(),
			"think": (*decoder).think, "format": (*decoder).format,
		})
}

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
	known["num_predict"] = unlessNegative(func(b *request.Builder, v *jsonbody.Value, path string) {
		b.Request.MaxTokens = b.TokenLimit(v, path)
	})
	for _, name := range []string{
		"num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "num_keep", "numa", "low_vram", "f16_kv",
		"use_mmap", "use_mlock", "logits_all", "vocab_only", "embedding_only", "draft_num_predict", "typical_p",
		"tfs_z", "repeat_last_n", "penalize_newline", "mirostat", "mirostat_eta", "mirostat_tau",
	} {
		known[name] = request.Ignored
	}
	return func(d *decoder, v *jsonbody.Value, path string) {
		if !d.Want(v, path, jsonbody.Object) {
			return
		}
		d.Keys(v, path, slices.Sorted(maps.Keys(known))...)
		for i := range v.Members {
			m := &v.Members[i]
			if read := known[m.Key]; read != nil && m.Value.Kind != jsonbody.Null && d.OK() {
				read(d.Builder, &m.Value, path+"."+m.Key)
			}
		}
	}
}

// unlessNegative passes over a negative number, which is how Ollama says that there is no bound, or no seed.
func unlessNegative(read reader) reader {
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
