package api

import (
	"encoding/json"
	"testing"
)

func TestTheFirstChunkBeforeAToolCallHasNoContent(t *testing.T) {
	s := newSite(t, nil)
	s.instruct.Events = text("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>")
	tools := []any{map[string]any{"type": "function", "function": map[string]any{"name": "f", "parameters": map[string]any{"type": "object"}}}}
	chunks := s.ask(map[string]any{"model": "qwen3-vl-instruct", "tools": tools, "stream": true}).chunks(t)
	called := false
	for _, c := range chunks {
		d := c.Choices[0].Delta
		if d.Content != nil {
			t.Errorf("content %q before or in a call", *d.Content)
		}
		called = called || len(d.ToolCalls) > 0
	}
	if chunks[0].Choices[0].Delta.Role != "assistant" || !called {
		t.Errorf("%+v", chunks)
	}
	// A text begins as OpenAI's does.
	s.instruct.Events = text("Hello")
	if d := s.ask(map[string]any{"model": "qwen3-vl-instruct", "stream": true}).chunks(t)[0].Choices[0].Delta; d.Content == nil || *d.Content != "" {
		t.Errorf("%+v", d)
	}
}

func TestTheFirstEventOfAMessageCountsItsInput(t *testing.T) {
	s := newSite(t, nil)
	got := s.post("/v1/messages", `{"model":"qwen3-vl-instruct","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`)
	var first anthropicEvent
	if err := json.Unmarshal([]byte(got.events(t)[0]), &first); err != nil {
		t.Fatal(err)
	}
	if first.Type != "message_start" || first.Message.Usage.InputTokens != 7 {
		t.Errorf("%s", got.events(t)[0])
	}
}
