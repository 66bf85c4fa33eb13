package api

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/qwenvld/qwenvld/internal/nearest"
)

// UnknownParameters says what becomes of members of a request that this server does not know.
type UnknownParameters string

// What becomes of unknown members. Those that popular clients send by themselves are ignored either way.
const (
	RefuseUnknown UnknownParameters = "refuse" // the default: 400 with the nearest known name
	IgnoreUnknown UnknownParameters = "ignore"
)

// clientMembers are members of requests that popular clients send, often without their users knowing, and that have nothing to say to
// this server: hints for caches, routes, prices and logs of other services.
var clientMembers = []string{
	// OpenAI and clients made for it
	"client_metadata", "prediction", "prompt_cache_options", "context_management", "max_tool_calls", "store", "metadata",
	"service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "verbosity", "user", "truncation",
	// Anthropic
	"cache_control", "inference_geo", "speed", "user_profile_id", "betas", "diagnostics",
	// vLLM, SGLang, llama.cpp
	"cache_prompt", "id_slot", "timings_per_token", "return_progress", "return_tokens", "post_sampling_probs", "parse_tool_calls",
	"skip_special_tokens", "spaces_between_special_tokens", "add_special_tokens", "priority", "request_id", "rid", "cache_salt",
	"return_token_ids", "return_tokens_as_token_ids", "kv_transfer_params", "vllm_xargs", "guided_decoding_backend",
	"guided_whitespace_pattern", "stream_reasoning", "length_penalty", "early_stopping",
	// OpenRouter, LiteLLM, Ollama, DashScope
	"transforms", "route", "models", "provider", "plugins", "debug", "session_id", "trace", "usage", "caching",
	"drop_params", "num_retries", "litellm_metadata", "litellm_call_id", "litellm_trace_id", "litellm_session_id", "keep_alive",
	"vl_high_resolution_images",
}

// clientInner are the same for objects inside a request: messages, parts, tools, calls, options.
var clientInner = []string{
	"id", "name", "index", "status", "cache_control", "citations", "annotations", "logprobs", "parsed", "parsed_arguments",
	"reasoning_details", "reasoning_signature", "thought_signature", "signature", "extra_content", "provider_specific_fields",
	"providerMetadata", "providerOptions", "provider_options", "metadata", "additional_kwargs", "response_metadata", "timestamp", "created",
	"created_at", "createdAt", "namespace", "phase", "caller", "toolset_name", "defer_loading", "allowed_callers", "input_examples",
	"eager_input_streaming", "output_schema", "outputSchema", "returns", "title", "images", "thinking_blocks",
	"function_call", "include_obfuscation", "refusal", "media_type", "prompt_cache_breakpoint", "created_by", "is_error",
	"context", "user_id", "disable_fallback", "disable_any_whitespace", "disable_additional_properties", "whitespace_pattern",
}

// foreign judges members that no reader knows. It is safe for concurrent use; the zero value refuses and does not log.
type foreign struct {
	ignore bool
	logger *slog.Logger

	mu   sync.Mutex
	told map[string]bool
}

// passes says whether a member may be there without being known. Each name of the lists is logged once; what else a client wrote is
// not logged.
func (f *foreign) passes(name string, inner bool) bool {
	list := clientMembers
	if inner {
		list = clientInner
	}
	listed := slices.Contains(list, name)
	if listed {
		f.tell(name)
	}
	return listed || f.ignore
}

func (f *foreign) tell(name string) {
	if f.logger == nil {
		return
	}
	f.mu.Lock()
	again := f.told[name]
	if !again {
		if f.told == nil {
			f.told = map[string]bool{}
		}
		f.told[name] = true
	}
	f.mu.Unlock()
	if !again {
		f.logger.LogAttrs(context.Background(), slog.LevelDebug, "clients send a member that has no use here; it is ignored",
			slog.String("member", name))
	}
}

// keys refuses members that are not in known, unless nothing depends on them.
func (d *decoder) keys(v *value, path string, known ...string) {
	for i := range v.members {
		m := &v.members[i]
		if m.value.kind == kindNull || slices.Contains(known, m.key) || d.foreign.passes(m.key, path != "") {
			continue
		}
		d.unknown(strings.TrimPrefix(path+"."+abbreviate(m.key), "."), m.key, known)
		return
	}
}

// members reads the members of a whole request by a table. Every surface comes through here, so that they agree on what is unknown.
func (d *decoder) members(root *value, table map[string]param, elsewhere ...string) {
	for i := range root.members {
		m := &root.members[i]
		read := table[m.key]
		switch {
		case m.value.kind == kindNull: // clients send null for "not given"
		case read != nil:
			read(d, &m.value, m.key)
		case slices.Contains(elsewhere, m.key), d.foreign.passes(m.key, false):
		default:
			known := slices.Clone(elsewhere)
			for name := range table {
				known = append(known, name)
			}
			slices.Sort(known)
			d.unknown(abbreviate(m.key), m.key, known)
		}
		if d.err != nil {
			return
		}
	}
}

// needs refuses a request without one of these members.
func (d *decoder) needs(root *value, names ...string) {
	for _, name := range names {
		if present(root, name) == nil {
			d.fail(name, codeMissing, "%s is required", name)
		}
	}
}

func (d *decoder) unknown(path, name string, known []string) {
	if near := nearest.Name(name, known); near != "" {
		d.fail(path, codeUnknown, "unknown parameter %q; did you mean %q?", abbreviate(name), near)
		return
	}
	d.fail(path, codeUnknown, "unknown parameter %q", abbreviate(name))
}
