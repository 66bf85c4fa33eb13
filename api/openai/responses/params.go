package responses

import (
	"slices"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/request"
)

// paramPrevious is the member that names the response to go on from.
const paramPrevious = "previous_response_id"

// table names the members of a body.
func table() request.Table[*decoder] {
	out := request.Shared[*decoder](request.CoreTable(),
		"model", "stream", "stop", "mm_processor_kwargs", "media_io_kwargs", "cache_salt", "service_tier")
	out = out.With(request.Shared[*decoder](request.SamplingTable()))
	out = out.With(request.Shared[*decoder](request.ThinkingTable()))
	delete(out, "reasoning_effort") // here it is reasoning.effort
	out = out.With(request.Shared[*decoder](request.ToolTable(),
		"structured_outputs", "guided_json", "guided_regex", "guided_choice"))
	return out.With(request.Shared[*decoder](withoutUse())).With(own()).With(echoed())
}

// withoutUse are members that are ignored, read elsewhere or refused.
func withoutUse() request.Table[*request.Builder] {
	return request.Table[*request.Builder]{
		paramPrompt:              request.Ignored, // read when all else is
		"prompt_cache_retention": request.Ignored,
		"context_management":     request.Ignored, "max_tool_calls": request.Ignored,
		"stream_options": func(b *request.Builder, v *jsonbody.Value, path string) {
			b.Want(v, path, jsonbody.Object) // none of them has a use here
		},
		// Conversations are never cut silently: one that does not fit is refused, which auto leaves to the server.
		"truncation": func(b *request.Builder, v *jsonbody.Value, path string) {
			b.OneOf(v, path, "auto", "disabled")
		},
		"moderation":   request.Never("moderation is not supported"),
		"conversation": request.Never("conversations are not kept; use previous_response_id"),
		"prompt":       request.Never("prompt templates are not kept here"),
	}
}

// own are members that this surface alone has.
func own() request.Table[*decoder] {
	return request.Table[*decoder]{
		paramPrevious: func(d *decoder, v *jsonbody.Value, path string) { d.out.Previous = d.Text(v, path) },
		"store":       func(d *decoder, v *jsonbody.Value, path string) { d.out.Store = new(d.Flag(v, path)) },
		"background":  func(d *decoder, v *jsonbody.Value, path string) { d.out.Background = d.Flag(v, path) },
		"top_logprobs": func(d *decoder, v *jsonbody.Value, path string) {
			d.TopLogprobs = new(int(d.Integer(v, path, 0, request.MaxTopLogprobs)))
			d.Request.Logprobs = true
		},
		"include": (*decoder).include,
	}
}

// echoed are members that the response shows again.
func echoed() request.Table[*decoder] {
	text := func(field func(*echo) **string) request.Reader[*decoder] {
		return func(d *decoder, v *jsonbody.Value, path string) { *field(&d.out.echo) = new(d.Text(v, path)) }
	}
	return request.Table[*decoder]{
		"instructions": text(func(e *echo) **string { return &e.Instructions }),
		"user":         text(func(e *echo) **string { return &e.User }),
		"prompt_cache_key": func(d *decoder, v *jsonbody.Value, path string) {
			d.out.echo.CacheKey = new(d.Text(v, path))
			d.SetCacheKey(v)
		},
		"safety_identifier": text(func(e *echo) **string { return &e.SafetyID }),
		"max_output_tokens": func(d *decoder, v *jsonbody.Value, path string) {
			d.Request.MaxTokens = d.TokenLimit(v, path)
			d.out.echo.MaxOutputTokens = d.Request.MaxTokens
		},
		"metadata":  (*decoder).metadata,
		"reasoning": (*decoder).reasoning,
		"text":      (*decoder).text,
		"tools":     (*decoder).tools,
		"tool_choice": func(d *decoder, v *jsonbody.Value, _ string) {
			d.out.echo.ToolChoice, d.ToolChoice = jsonbody.RawCopy(v), v
		},
		"parallel_tool_calls": func(d *decoder, v *jsonbody.Value, path string) {
			d.out.echo.Parallel = d.Flag(v, path)
			d.ParallelCalls = &d.out.echo.Parallel
		},
	}
}

// includable is what OpenAI's tools would give.
var includable = []string{
	"web_search_call.action.sources", "web_search_call.results", "code_interpreter_call.outputs",
	"computer_call_output.output.image_url", "file_search_call.results", "message.input_image.image_url",
}

func (d *decoder) include(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Array) {
		return
	}
	for i := range v.Items {
		at := jsonbody.At(path, i)
		switch what := d.Text(&v.Items[i], at); what {
		case "message.output_text.logprobs":
			d.Request.Logprobs = true
		case "reasoning.encrypted_content":
			// Asked for to carry reasoning between stateless turns. Here it is always there, and readable.
		default:
			// Of tools and stores that are not here there is nothing to include, and clients ask for all they know.
			if !slices.Contains(includable, what) {
				d.Fail(at, fault.CodeUnsupported, "%q cannot be included", jsonbody.Abbreviate(what))
			}
		}
	}
}

func (d *decoder) reasoning(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	d.Keys(v, path, "effort", "summary", "generate_summary", "exclude")
	if m := jsonbody.Present(v, "effort"); m != nil {
		if effort := d.Effort(m, path+".effort"); effort != "" {
			d.out.echo.Effort = &effort
		}
	}
	for _, key := range []string{"generate_summary", "summary"} {
		if m := jsonbody.Present(v, key); m != nil {
			if how := d.OneOf(m, path+"."+key, "auto", "concise", "detailed", "none"); how != "none" {
				d.out.echo.Summary = &how
			}
		}
	}
	d.ExcludeReasoning(v, path)
}

// text reads what the answer must look like, which chat completions call response_format.
func (d *decoder) text(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	d.Keys(v, path, "format", "verbosity")
	f := jsonbody.Present(v, "format")
	if f == nil || !d.Want(f, path+".format", jsonbody.Object) {
		return
	}
	d.out.echo.Format = jsonbody.RawCopy(f)
	if jsonbody.MemberText(f, "type") != "json_schema" {
		d.ResponseFormat(f, path+".format")
		return
	}
	if jsonbody.Present(f, "schema") == nil {
		d.Fail(path+".format.schema", fault.CodeMissing, "json_schema needs a schema")
		return
	}
	d.JSONSchema(f.Without("type"), path+".format")
}

func (d *decoder) tools(v *jsonbody.Value, path string) {
	d.Tools().List(v, path, func(t *jsonbody.Value, at string) {
		d.out.echo.Tools = append(d.out.echo.Tools, jsonbody.RawCopy(t))
		if kind := d.Text(jsonbody.OrEmpty(jsonbody.Present(t, "type")), at+".type"); kind != "function" {
			d.Tools().Skip(t, kind)
			return
		}
		if f := jsonbody.Present(t, "function"); f != nil && f.Kind == jsonbody.Object { // as chat completions have it
			t, at = f, at+".function"
		}
		d.Keys(t, at, "type", "name", "description", "parameters", "strict")
		d.Tools().AddFlat(t, at, "parameters")
	})
}

// metadata is kept with the response, as text for text. Anything else in it, as gateways send it, is not.
func (d *decoder) metadata(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	for i := range v.Members {
		if v.Members[i].Value.Kind != jsonbody.String {
			return
		}
	}
	d.out.echo.Metadata = jsonbody.RawCopy(v)
}
