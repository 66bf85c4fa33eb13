package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/constraint/constrainttest"
)

func block(kind string, members map[string]any) map[string]any {
	out := map[string]any{"type": kind}
	for k, v := range members {
		out[k] = v
	}
	return out
}

func TestMessagesReplyInBlocks(t *testing.T) {
	s := newSite(t, nil)
	s.thinking.Events = text("hm", "\n</think>\n\n", "Let me see.\n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>")
	body := map[string]any{
		"model": "qwen3-vl-thinking", "max_tokens": 200, "system": "Be brief.",
		"messages": []any{map[string]any{"role": "user", "content": "hi"}},
		"tools":    []any{map[string]any{"name": "add", "input_schema": map[string]any{"type": "object"}}},
	}
	got := s.post("/v1/messages", body)
	var m anthropicMessage
	got.json(t, &m)
	if got.status != http.StatusOK || len(m.Content) != 3 || *m.StopReason != "tool_use" || m.Usage.InputTokens != 7 || m.Model != "qwen3-vl-thinking" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if *m.Content[0].Thinking != "hm" || *m.Content[1].Text != "Let me see." || m.Content[2].Name != "add" || string(m.Content[2].Input) != `{"a":1}` {
		t.Errorf("%s", got.body)
	}
	if m.Content[2].ID == "" || !strings.HasPrefix(m.Content[2].ID, "toolu_") {
		t.Errorf("id %q", m.Content[2].ID)
	}

	body["stream"] = true
	var kinds []string
	var starts []string
	joined := map[int]string{}
	for _, e := range s.post("/v1/messages", body).events(t) {
		var ev struct {
			Type         string
			Index        int
			ContentBlock struct{ Type string } `json:"content_block"`
			Delta        map[string]any
		}
		if err := json.Unmarshal([]byte(e), &ev); err != nil {
			t.Fatal(err)
		}
		if len(kinds) == 0 || kinds[len(kinds)-1] != ev.Type {
			kinds = append(kinds, ev.Type)
		}
		if ev.Type == "content_block_start" {
			starts = append(starts, ev.ContentBlock.Type)
		}
		for _, key := range []string{"text", "thinking", "partial_json"} {
			if v, ok := ev.Delta[key].(string); ok {
				joined[ev.Index] += v
			}
		}
	}
	if diff := cmp.Diff([]string{"thinking", "text", "tool_use"}, starts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[int]string{0: "hm", 1: "Let me see.", 2: `{"a": 1}`}, joined); diff != "" {
		t.Error(diff)
	}
	if kinds[0] != "message_start" || strings.Join(kinds[len(kinds)-2:], " ") != "message_delta message_stop" {
		t.Errorf("%v", kinds)
	}
}

func TestMessagesReachTheEngine(t *testing.T) {
	s := newSite(t, nil)
	const picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	body := map[string]any{
		"model": "qwen3-vl-instruct", "max_tokens": 50, "temperature": 0, "metadata": map[string]any{"user_id": "u"},
		"system": []any{block("text", map[string]any{"text": "Be brief.", "cache_control": map[string]any{"type": "ephemeral"}})},
		"tools":  []any{map[string]any{"name": "look", "description": "Looks.", "input_schema": map[string]any{"type": "object"}}},
		"messages": []any{
			map[string]any{"role": "user", "content": []any{
				block("image", map[string]any{"source": map[string]any{"type": "base64", "media_type": "image/png", "data": picture}}),
				block("text", map[string]any{"text": "What is it?"}),
			}},
			map[string]any{"role": "assistant", "content": []any{
				block("thinking", map[string]any{"thinking": "hm", "signature": ""}),
				block("text", map[string]any{"text": "I look."}),
				block("tool_use", map[string]any{"id": "t1", "name": "look", "input": map[string]any{"at": 1}}),
			}},
			map[string]any{"role": "user", "content": []any{
				block("tool_result", map[string]any{"tool_use_id": "t1", "content": []any{block("text", map[string]any{"text": "a dot"})}}),
				block("text", map[string]any{"text": "So?"}),
			}},
		},
	}
	if got := s.post("/v1/messages", body); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	r := s.instruct.Request(t)
	var prompt strings.Builder
	for _, p := range r.Prompt {
		if p.Kind == engine.PieceImage {
			prompt.WriteString("[image]")
		}
		prompt.WriteString(p.Text)
	}
	for _, part := range []string{
		"Be brief.", `"description": "Looks."`, "[image]", "What is it?", "I look.\n<tool_call>\n{\"name\": \"look\", \"arguments\": {\"at\": 1}}",
		"<tool_response>\na dot\n</tool_response>", "So?",
	} {
		if !strings.Contains(prompt.String(), part) {
			t.Errorf("%q is not in\n%s", part, prompt.String())
		}
	}
	if len(r.Images) != 1 || r.MaxTokens != 50 {
		t.Errorf("%+v", r)
	}
	var count struct {
		InputTokens int `json:"input_tokens"`
	}
	s.post("/v1/messages/count_tokens", body).json(t, &count)
	if count.InputTokens < 100 {
		t.Errorf("%+v", count)
	}
}

func TestMessagesToolChoiceIsEnforced(t *testing.T) {
	s := newSite(t, nil)
	tools := `"tools":[{"name":"a","input_schema":{"type":"object"}},{"name":"b","input_schema":{"type":"object"}}]`
	for choice, want := range map[string]struct {
		form bool
		no   string
	}{
		`{"type":"auto"}`:            {true, "<tool_call>\n{\"name\": \"c\", \"arguments\": {}}\n</tool_call>"},
		`{"type":"none"}`:            {false, ""},
		`{"type":"any"}`:             {true, "hi"},
		`{"type":"tool","name":"b"}`: {true, "<tool_call>\n{\"name\": \"a\", \"arguments\": {}}\n</tool_call>"},
		`{"type":"auto","disable_parallel_tool_use":true}`: {true, "<tool_call>\n{\"name\": \"a\", \"arguments\": {}}\n</tool_call>\n<tool_call>"},
	} {
		body := `{"model":"qwen3-vl-instruct","max_tokens":9,"messages":[{"role":"user","content":"hi"}],` + tools + `,"tool_choice":` + choice + `}`
		if got := s.post("/v1/messages", body); got.status != http.StatusOK {
			t.Fatalf("%s: %d %s", choice, got.status, got.body)
		}
		form := s.instruct.Request(t).Constraint
		if (form != nil) != want.form {
			t.Errorf("%s: %+v", choice, form)
			continue
		}
		if form == nil {
			continue
		}
		if constrainttest.Accepts(t, form, want.no) {
			t.Errorf("%s accepts %s", choice, want.no)
		}
	}
}

func TestMessageFaultsAreInAnthropicsForm(t *testing.T) {
	s := newSite(t, nil)
	message := func(content string) string {
		return `{"model":"qwen3-vl","max_tokens":9,"messages":[{"role":"user","content":` + content + `}]}`
	}
	for body, want := range map[string]string{
		`{"model":"qwen3-vl","messages":[{"role":"user","content":"hi"}]}`:                                               "max_tokens",
		`{"model":"x","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`:                                       "model",
		`{"model":"qwen3-vl","max_tokens":9,"messages":[]}`:                                                              "messages",
		`{"model":"qwen3-vl","max_tokens":9,"messages":[{"role":"tool","content":"x"}]}`:                                 "messages[0].role",
		message(`[{"type":"text"}]`):                                                                                     "messages[0].content[0].text",
		message(`[{"type":"document"}]`):                                                                                 "messages[0].content[0].type",
		message(`[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}}]`):         "messages[0].content[0].source.type",
		message(`[{"type":"image"}]`):                                                                                    "messages[0].content[0].source",
		message(`[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]`):                  "messages[0].content[0].source.data",
		message(`[{"type":"tool_result","tool_use_id":"x"}]`):                                                            "messages[0].content[0].tool_use_id",
		message(`[{"type":"tool_use","id":"x","name":"y","input":{}}]`):                                                  "messages[0].content[0].type",
		`{"model":"qwen3-vl","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"mcp_servers":[{"type":"url"}]}`: "mcp_servers",
		`{"model":"qwen3-vl","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"bash_20250124","name":"bash"}],"tool_choice":{"type":"tool","name":"bash"}}`: "tool_choice.name",
		`{"model":"qwen3-vl","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"tool_choice":{"type":"any"}}`:                                                                 "tool_choice",
	} {
		got := s.post("/v1/messages", body)
		var e anthropicError
		got.json(t, &e)
		if got.status/100 != 4 || e.Type != "error" || e.Error.Param == nil || *e.Error.Param != want || e.RequestID == "" {
			t.Errorf("%s: %d %s, want %s", body, got.status, got.body, want)
		}
	}
}

func TestAnthropicOutputConfig(t *testing.T) {
	s := newSite(t, nil)
	body := map[string]any{
		"model": "qwen3-vl", "max_tokens": 50, "messages": []map[string]any{{"role": "user", "content": "hi"}},
		"output_config": map[string]any{"effort": "max", "format": map[string]any{"type": "json_schema", "schema": map[string]any{
			"type": "object", "properties": map[string]any{"a": map[string]any{"type": "integer"}}, "required": []string{"a"}, "additionalProperties": false,
		}}},
	}
	if got := s.post("/v1/messages", body); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if r := s.thinking.Request(t); r.Constraint == nil || r.Constraint.Schema == nil || r.Constraint.Strict {
		t.Errorf("%+v", r.Constraint)
	}
	body["output_config"] = map[string]any{"format": map[string]any{"type": "json_schema"}}
	if got := s.post("/v1/messages", body); got.status != http.StatusBadRequest || !strings.Contains(string(got.body), "output_config.format.schema") {
		t.Errorf("%d %s", got.status, got.body)
	}
}
