package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine/constraint/constrainttest"
)

const onTool = `{"type":"function","function":{"name":"on","strict":true,"parameters":{"type":"object","properties":{"x":{"type":"boolean"}},"required":["x"],"additionalProperties":false}}}`

func TestConstraintsReachTheEngine(t *testing.T) {
	s := newSite(t, nil)
	for params, choices := range map[string]string{`"structured_outputs":{"choice":["yes"]}`: "yes", `"response_format":{"type":"text"}`: ""} {
		body := `{"model":"qwen3-vl-instruct","messages":[{"role":"user","content":"hi"}],` + params + `}`
		if got := s.post("/v1/chat/completions", body); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		c := s.instruct.Request(t).Constraint
		if (c == nil) != (choices == "") || c != nil && (!constrainttest.Accepts(t, c, choices) || constrainttest.Accepts(t, c, "no")) {
			t.Errorf("%s: %+v", params, c)
		}
	}
}

func TestFormsAreDescribed(t *testing.T) {
	c := apiContract(t)
	base := map[string]any{"model": "qwen3-vl", "messages": []any{map[string]any{"role": "user", "content": "hi"}}}
	for _, params := range []string{
		`{"response_format":{"type":"json_object"}}`,
		`{"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":false,"schema":{"type":"string"}}}}`,
		`{"structured_outputs":{"choice":["a"]}}`,
		`{"tools":[` + onTool + `],"tool_choice":"required","parallel_tool_calls":false}`,
		`{"tools":[` + onTool + `],"tool_choice":{"type":"function","function":{"name":"on"}}}`,
	} {
		body := maps.Clone(base)
		var more map[string]any
		if err := json.Unmarshal([]byte(params), &more); err != nil {
			t.Fatal(err)
		}
		maps.Copy(body, more)
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		c.validate(t, "ChatCompletionRequest", string(text))
	}
}

func TestAnswersThatBreakTheirSchemaAreReported(t *testing.T) {
	body := map[string]any{
		"model": "qwen3-vl-instruct", "messages": []map[string]any{{"role": "user", "content": "hi"}},
		"response_format": map[string]any{"type": "json_schema", "json_schema": map[string]any{
			"name": "n", "strict": true, "schema": map[string]any{
				"type": "object", "properties": map[string]any{"a": map[string]any{"$ref": "#/$defs/n"}}, "required": []string{"a"},
				"additionalProperties": false, "$defs": map[string]any{"n": map[string]any{"type": "integer"}},
			},
		}},
	}
	for answer, want := range map[string]bool{`{"a": 1}`: false, `{"a": "secret"}`: true, `{"a": `: true} {
		s := newSite(t, nil)
		s.instruct.Events = text(answer)
		if got := s.post("/v1/chat/completions", body); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if log := s.log.String(); strings.Contains(log, "does not follow its schema") != want || strings.Contains(log, "secret") {
			t.Errorf("%s: %s", answer, log)
		}
	}
}
