package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine"
)

// surfaces are the ways to ask the thinking weights something.
func surfaces() map[string]func(s *site, stream bool, more map[string]any) reply {
	const model = "qwen3-vl-thinking"
	turn := []any{map[string]any{"role": "user", "content": "hi"}}
	ask := func(path string, body map[string]any) func(*site, bool, map[string]any) reply {
		return func(s *site, stream bool, more map[string]any) reply {
			all := map[string]any{"model": model, "stream": stream}
			for _, m := range []map[string]any{body, more} {
				for k, v := range m {
					all[k] = v
				}
			}
			return s.post(path, all)
		}
	}
	return map[string]func(s *site, stream bool, more map[string]any) reply{
		"chat":      ask("/v1/chat/completions", map[string]any{"messages": turn, "max_tokens": 40}),
		"responses": ask("/v1/responses", map[string]any{"input": turn, "max_output_tokens": 40}),
		"messages":  ask("/v1/messages", map[string]any{"messages": turn, "max_tokens": 40}),
	}
}

// said finds all texts of a reply by the member that held them.
func said(t *testing.T, r reply, stream bool) map[string]string {
	t.Helper()
	out := map[string]string{}
	var walk func(v any, kind string)
	walk = func(v any, kind string) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e, kind)
			}
		case map[string]any:
			if k, ok := v["type"].(string); ok {
				kind = k
			}
			for key, e := range v {
				text, ok := e.(string)
				switch {
				case !ok:
					walk(e, kind)
				case key == "content" || key == "reasoning_content" || key == "thinking":
					out[key] += text
				case key == "text" && !strings.HasSuffix(kind, ".done") && !strings.HasSuffix(kind, ".added"):
					out[kind] += text
				case key == "delta":
					out[kind] += text
				}
			}
		}
	}
	bodies := []string{string(r.body)}
	if stream {
		bodies = r.events(t)
	}
	for _, body := range bodies {
		var v any
		if body == "[DONE]" || strings.HasPrefix(body, ":") {
			continue
		}
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		if m, ok := v.(map[string]any); ok && m["response"] != nil || ok && m["item"] != nil || ok && m["part"] != nil {
			continue // snapshots repeat what was streamed
		}
		walk(v, "")
	}
	return out
}

// The engine closes a block for which there is no room. What it then writes is the answer, and not reasoning,
// everywhere.
func TestABlockThatTheEngineClosedLeavesAnAnswer(t *testing.T) {
	for name, ask := range surfaces() {
		for _, stream := range []bool{false, true} {
			s := newSite(t, nil)
			s.thinking.Start = &engine.Start{Usage: engine.Usage{PromptTokens: 7}, MaxTokens: 40}
			s.thinking.Events = text("The answer", " is 42")
			got := ask(s, stream, nil)
			if got.status != http.StatusOK {
				t.Fatalf("%s: %s", name, got.body)
			}
			if !s.thinking.Request(t).Thinking.Open {
				t.Fatalf("%s: the engine was not told of the block", name)
			}
			found := false
			for kind, text := range said(t, got, stream) {
				switch {
				case strings.Contains(kind, "reasoning") || strings.Contains(kind, "thinking"):
					t.Errorf("%s, stream %v: %q came as %s", name, stream, text, kind)
				case strings.Contains(text, "The answer is 42"):
					found = true
				}
			}
			if !found {
				t.Errorf("%s, stream %v: no answer in %s", name, stream, got.body)
			}
		}
	}
}

func TestLogprobsOfAnAnswerWithoutThoughtsBeginWithIt(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := newSite(t, nil)
		s.thinking.Start = &engine.Start{MaxTokens: 40}
		token := func(s string) engine.Event {
			return engine.Event{Text: s, Tokens: []engine.Token{{ID: 1, Bytes: []byte(s), Logprob: -0.5}}}
		}
		s.thinking.Events = []engine.Event{token("4"), token("2"), {Result: &engine.Result{FinishReason: engine.FinishStop}}}
		got := s.ask(map[string]any{"model": "qwen3-vl-thinking", "logprobs": true, "stream": stream})
		var tokens []string
		if stream {
			for _, c := range got.chunks(t) {
				if len(c.Choices) > 0 && c.Choices[0].Logprobs != nil {
					for _, l := range c.Choices[0].Logprobs.Content {
						tokens = append(tokens, l.Token)
					}
				}
			}
		} else {
			var c completion
			got.json(t, &c)
			for _, l := range c.Choices[0].Logprobs.Content {
				tokens = append(tokens, l.Token)
			}
		}
		if fmt.Sprint(tokens) != "[4 2]" {
			t.Errorf("stream %v: %v", stream, tokens)
		}
	}
}

func TestASchemaAnswerOfWeightsThatDidNotThinkIsContent(t *testing.T) {
	s := newSite(t, nil)
	s.thinking.Start = &engine.Start{MaxTokens: 40}
	s.thinking.Events = text(`{"a":`, ` 1}`)
	got := s.ask(map[string]any{"model": "qwen3-vl-thinking", "response_format": map[string]any{
		"type": "json_schema", "json_schema": map[string]any{"name": "x", "schema": map[string]any{
			"type": "object", "properties": map[string]any{"a": map[string]any{"type": "integer"}}, "required": []string{"a"},
		}},
	}})
	var c completion
	got.json(t, &c)
	if m := c.Choices[0].Message; m.Content == nil || *m.Content != `{"a": 1}` || m.ReasoningContent != nil || strings.Contains(s.log.String(), "ERROR") {
		t.Errorf("%s\n%s", got.body, s.log)
	}
}

func TestACompletionThatIsCutToTheRoomSaysSo(t *testing.T) {
	start := &engine.Start{Usage: engine.Usage{PromptTokens: 7}, MaxTokens: 33}
	for name, ask := range surfaces() {
		for _, stream := range []bool{false, true} {
			s := newSite(t, nil)
			s.thinking.Start = start
			got := ask(s, stream, nil)
			if got.status != http.StatusOK || !strings.Contains(string(got.body), `"max_tokens":33`) {
				t.Errorf("%s, stream %v: %s", name, stream, got.body)
			}
			if name == "messages" && stream && !strings.Contains(got.events(t)[0], `"input_tokens":7`) {
				t.Errorf("the first event does not count the prompt: %s", got.events(t)[0])
			}
		}
	}
}

func TestATextThatIsCutToTheRoomSaysSo(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := newSite(t, nil)
		s.instruct.Start = &engine.Start{Usage: engine.Usage{PromptTokens: 9}, MaxTokens: 33}
		got := s.post("/v1/completions", map[string]any{"model": "qwen3-vl", "prompt": "x", "max_tokens": 100, "stream": stream})
		if got.status != http.StatusOK || !strings.Contains(string(got.body), `"routing":{"max_tokens":33}`) {
			t.Errorf("completions, stream %v: %s", stream, got.body)
		}
	}
}

func TestAPromptThatDoesNotFitIsNamedAsTheSurfaceNamesIt(t *testing.T) {
	want := map[string]string{"chat": "messages", "responses": "input", "messages": "messages", "completions": "prompt"}
	asks := surfaces()
	asks["completions"] = func(s *site, stream bool, _ map[string]any) reply {
		return s.post("/v1/completions", map[string]any{"model": "qwen3-vl-thinking", "prompt": "x", "stream": stream})
	}
	for name, ask := range asks {
		for _, stream := range []bool{false, true} {
			s := newSite(t, nil)
			s.thinking.Refuse = &engine.ContextLengthError{PromptTokens: 5000, ContextSize: 4096}
			code, param, message := ask(s, stream, nil).failure(t)
			if code != fault.CodeContextLength || param != want[name] || !strings.Contains(message, "5000") || strings.Contains(message, "max_tokens") {
				t.Errorf("%s: %s %s: %s", name, code, param, message)
			}
		}
	}
}

// A call among the thoughts does not end them: the closing tag after it is no content, and what follows that is.
func TestACallAmongThoughtsKeepsTheClosingTagOutOfTheAnswer(t *testing.T) {
	for name, ask := range surfaces() {
		for _, stream := range []bool{false, true} {
			s := newSite(t, nil)
			s.thinking.Events = text("hm\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n", "</tool_call>\nso\n</th", "ink>\n\n", "Yes.")
			function := map[string]any{"name": "f", "parameters": map[string]any{"type": "object"}}
			tool := map[string]any{"type": "function", "function": function}
			switch name {
			case "responses":
				tool = map[string]any{"type": "function", "name": "f", "parameters": function["parameters"]}
			case "messages":
				tool = map[string]any{"name": "f", "input_schema": function["parameters"]}
			}
			got := ask(s, stream, map[string]any{"tools": []any{tool}})
			if got.status != http.StatusOK || strings.Contains(string(got.body), "think\\u003e") || strings.Contains(string(got.body), "think>") {
				t.Errorf("%s, stream %v: %s", name, stream, got.body)
			}
			answered := false
			for kind, text := range said(t, got, stream) {
				thought := strings.Contains(kind, "reasoning") || strings.Contains(kind, "thinking")
				if thought && text != "hm\nso" || !thought && strings.Contains(text, "so") {
					t.Errorf("%s, stream %v: %q came as %s", name, stream, text, kind)
				}
				answered = answered || !thought && strings.Contains(text, "Yes.")
			}
			if !answered {
				t.Errorf("%s, stream %v: no answer in %s", name, stream, got.body)
			}
		}
	}
}
