package api

import (
	"net/http"
	"strings"
	"testing"
)

func TestAnswerGoesOnFromWhatTheClientBegan(t *testing.T) {
	ask := func(model string, last map[string]any, more ...any) (string, reply) {
		s := newSite(t, nil)
		body := map[string]any{"model": model, "messages": []map[string]any{{"role": "user", "content": "name a colour"}, last}}
		for i := 0; i < len(more); i += 2 {
			body[more[i].(string)] = more[i+1]
		}
		got := s.post("/v1/chat/completions", body)
		if got.status != http.StatusOK {
			return "", got
		}
		if strings.HasSuffix(model, "thinking") {
			return pieces(s.thinking.Request(t)), got
		}
		return pieces(s.instruct.Request(t)), got
	}
	begun := map[string]any{"role": "assistant", "content": "The colour is"}
	for name, c := range map[string]struct {
		model string
		last  map[string]any
		more  []any
		end   string
	}{
		"instruct":         {"qwen3-vl-instruct", begun, nil, "<|im_start|>assistant\nThe colour is"},
		"parts":            {"qwen3-vl-instruct", map[string]any{"role": "assistant", "content": []map[string]any{{"type": "text", "text": "A"}, {"type": "text", "text": "B"}}}, nil, "assistant\nAB"},
		"thinking":         {"qwen3-vl-thinking", begun, nil, "<think>\n\n</think>\n\nThe colour is"},
		"after thoughts":   {"qwen3-vl-thinking", map[string]any{"role": "assistant", "content": "It", "reasoning_content": "hm"}, nil, "<think>\nhm\n</think>\n\nIt"},
		"thoughts go on":   {"qwen3-vl-thinking", map[string]any{"role": "assistant", "reasoning_content": "hm"}, nil, "<think>\nhm"},
		"asked for":        {"qwen3-vl-instruct", begun, []any{"continue_final_message", true, "add_generation_prompt", false}, "assistant\nThe colour is"},
		"a turn of itself": {"qwen3-vl-instruct", begun, []any{"continue_final_message", false}, "The colour is<|im_end|>\n<|im_start|>assistant\n"},
	} {
		if prompt, got := ask(c.model, c.last, c.more...); !strings.HasSuffix(prompt, c.end) {
			t.Errorf("%s: %d %s\n%q does not end in %q", name, got.status, got.body, prompt, c.end)
		}
	}
	for want, more := range map[string][]any{
		"add_generation_prompt": {"continue_final_message", true, "add_generation_prompt", true},
		"messages[1]":           {"response_format", map[string]any{"type": "json_object"}, "continue_final_message", true},
	} {
		_, got := ask("qwen3-vl-instruct", begun, more...)
		if _, param, _ := got.failure(t); param != want {
			t.Errorf("%v: %q", more, param)
		}
	}
	// Whether a request is good must not depend on who answers it: thoughts alone are nothing to go on from for
	// instruct.
	if prompt, got := ask("qwen3-vl-instruct", map[string]any{"role": "assistant", "reasoning_content": "hm"}); !strings.HasSuffix(prompt, "<|im_start|>assistant\n") {
		t.Errorf("%s %q", got.body, prompt)
	}
	// Agents ask for a form after an answer that has ended.
	if prompt, got := ask("qwen3-vl-instruct", begun, "response_format", map[string]any{"type": "json_object"}); !strings.HasSuffix(prompt, "is<|im_end|>\n<|im_start|>assistant\n") {
		t.Errorf("%s %q", got.body, prompt)
	}
	_, got := ask("qwen3-vl-instruct", map[string]any{"role": "user", "content": "now"}, "continue_final_message", true)
	if _, param, _ := got.failure(t); param != "continue_final_message" {
		t.Errorf("%s", got.body)
	}
}

func TestPrefilledTextIsNeverAControlPiece(t *testing.T) {
	s := newSite(t, nil)
	s.post("/v1/chat/completions", map[string]any{"model": "qwen3-vl-instruct", "messages": []map[string]any{
		{"role": "user", "content": "hi"}, {"role": "assistant", "content": "<|im_end|>"},
	}})
	r := s.instruct.Request(t)
	if last := r.Prompt[len(r.Prompt)-1]; last.Kind != "text" || last.Text != "<|im_end|>" {
		t.Errorf("%+v", last)
	}
}

func TestReasoningCanComeInTheContent(t *testing.T) {
	s := newSite(t, nil)
	s.thinking.Events = text("h", "m", "\n</think>\n\n", "4", "2")
	want := "<think>\nhm\n</think>\n\n42"
	body := map[string]any{"model": "qwen3-vl-thinking", "messages": []map[string]any{{"role": "user", "content": "hi"}}, "separate_reasoning": false}
	var whole completion
	s.post("/v1/chat/completions", body).json(t, &whole)
	if m := whole.Choices[0].Message; m.ReasoningContent != nil || *m.Content != want {
		t.Errorf("%+v", m)
	}
	body["stream"] = true
	var told strings.Builder
	for _, c := range s.post("/v1/chat/completions", body).chunks(t) {
		for _, choice := range c.Choices {
			if choice.Delta.Content != nil {
				told.WriteString(*choice.Delta.Content)
			}
		}
	}
	if told.String() != want {
		t.Errorf("%q", told.String())
	}
}

func TestUsageIsToldInEachChunkWhereAskedFor(t *testing.T) {
	s := newSite(t, nil)
	for path, body := range map[string]map[string]any{
		"/v1/chat/completions": {"messages": []map[string]any{{"role": "user", "content": "hi"}}},
		"/v1/completions":      {"prompt": "hi"},
	} {
		body["model"], body["stream"] = "qwen3-vl-instruct", true
		body["stream_options"] = map[string]any{"continuous_usage_stats": true}
		last := 0
		for _, e := range s.post(path, body).events(t) {
			if e == "[DONE]" {
				continue
			}
			var c struct{ Usage *usage }
			(reply{body: []byte(e)}).json(t, &c)
			if c.Usage == nil || c.Usage.CompletionTokens < last {
				t.Errorf("%s: %s", path, e)
			} else {
				last = c.Usage.CompletionTokens
			}
		}
		if last == 0 {
			t.Errorf("%s: nothing was counted", path)
		}
	}
}
