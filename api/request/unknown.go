package request

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/internal/nearest"
)

// clientMembers are members of requests that popular clients send, often without their users knowing, and that have
// nothing to say to this server: hints for caches, routes, prices and logs of other services.
var clientMembers = []string{
	// OpenAI and clients made for it
	"client_metadata", "prediction", "prompt_cache_options", "context_management", "max_tool_calls", "store", "metadata",
	"service_tier", "safety_identifier", "prompt_cache_retention", "verbosity", "user", "truncation",
	// Anthropic
	"cache_control", "inference_geo", "speed", "user_profile_id", "betas", "diagnostics",
	// vLLM, SGLang, llama.cpp
	"cache_prompt", "id_slot", "timings_per_token", "return_progress", "return_tokens", "post_sampling_probs", "parse_tool_calls",
	"skip_special_tokens", "spaces_between_special_tokens", "add_special_tokens", "priority", "request_id", "rid",
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

// Unknown judges members that no reader knows. It is safe for concurrent use; the zero value refuses them and does not
// log.
type Unknown struct {
	// Ignore lets members pass that are on no list.
	Ignore bool
	// Logger is told once of each name on the lists that a client sent.
	Logger *slog.Logger

	mu   sync.Mutex
	told map[string]bool
}

// pass says whether a member may be there without being known, and logs a name of the lists the first time. What else a
// client wrote is not logged. inner is a member of an object inside the body.
func (u *Unknown) pass(name string, inner bool) bool {
	names := clientMembers
	if inner {
		names = clientInner
	}
	listed := slices.Contains(names, name)
	if listed {
		u.logOnce(name)
	}
	return listed || u.Ignore
}

func (u *Unknown) logOnce(name string) {
	if u.Logger == nil {
		return
	}
	u.mu.Lock()
	again := u.told[name]
	if !again {
		if u.told == nil {
			u.told = map[string]bool{}
		}
		u.told[name] = true
	}
	u.mu.Unlock()
	if !again {
		u.Logger.LogAttrs(context.Background(), slog.LevelDebug, "clients send a member that has no use here; it is ignored",
			slog.String("member", name))
	}
}

// Keys refuses members of the object at path that are not in known, unless nothing depends on them.
func (d *Builder) Keys(v *jsonbody.Value, path string, known ...string) {
	for i := range v.Members {
		m := &v.Members[i]
		if m.Value.Kind == jsonbody.Null || slices.Contains(known, m.Key) || d.policy.Unknown.pass(m.Key, path != "") {
			continue
		}
		d.failUnknown(strings.TrimPrefix(path+"."+jsonbody.Abbreviate(m.Key), "."), m.Key, known)
		return
	}
}

func (d *Builder) failUnknown(path, name string, known []string) {
	if near := nearest.Name(name, known); near != "" {
		d.Fail(path, fault.CodeUnknown, "unknown parameter %q; did you mean %q?", jsonbody.Abbreviate(name), near)
		return
	}
	d.Fail(path, fault.CodeUnknown, "unknown parameter %q", jsonbody.Abbreviate(name))
}
