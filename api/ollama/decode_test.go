package ollama

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/router"
)

func parse(body string) (*request.Request, error) {
	policy := &request.Policy{Limits: request.DefaultLimits(), Unknown: &request.Unknown{}}
	root, err := policy.Parse([]byte(body))
	if err != nil {
		return nil, err
	}
	return decode(policy, table(), root)
}

// with is a body with more members, or other ones.
func with(members string) string {
	if members != "" {
		members = "," + members
	}
	if !strings.Contains(members, `"messages":`) {
		members += `,"messages":[{"role":"user","content":"hi"}]`
	}
	return `{"model":"qwen3-vl:latest"` + members + `}`
}

func decoded(t *testing.T, members string) *request.Request {
	t.Helper()
	req, err := parse(with(members))
	if err != nil {
		t.Fatalf("%s: %v", members, err)
	}
	return req
}

func TestAConversationIsDecoded(t *testing.T) {
	req := decoded(t, `"messages":[{"role":"system","content":"Be brief."},
		{"role":"user","content":"What is it?","images":["AAAA","data:image/gif;base64,BBBB"]},
		{"role":"assistant","content":"I look.","thinking":"hm","tool_calls":[{"function":{"name":"look","arguments":{"at":1}}},
			{"id":"c","type":"function","function":{"index":1,"name":"look"}}]},
		{"role":"tool","content":"a dot","tool_name":"look"},
		{"role":"tool","tool_name":"look","tool_call_id":"c","images":["CCCC"]}]`)
	thought := "hm"
	want := []request.Message{
		{Role: request.RoleSystem, Path: "messages[0]", IsText: true, Text: "Be brief."},
		{
			Role: request.RoleUser, Path: "messages[1]",
			Parts: []request.Part{{Image: req.Images[0]}, {Image: req.Images[1]}, {Text: "What is it?"}},
		},
		{
			Role: request.RoleAssistant, Path: "messages[2]", IsText: true, Text: "I look.", Reasoning: &thought,
			ToolCalls: []request.ToolCall{
				{Name: "look", Arguments: json.RawMessage(`{"at":1}`)}, {ID: "c", Name: "look", Arguments: json.RawMessage(`{}`)},
			},
		},
		{Role: request.RoleTool, Path: "messages[3]", IsText: true, Text: "a dot"},
		{Role: request.RoleTool, Path: "messages[4]", ToolCallID: "c", Parts: []request.Part{{Image: req.Images[2]}}},
	}
	if diff := cmp.Diff(want, req.Messages); diff != "" {
		t.Error(diff)
	}
	images := []*request.Image{
		{Index: 0, Path: "messages[1].images[0]", URL: "data:image/png;base64,AAAA"},
		{Index: 1, Path: "messages[1].images[1]", URL: "data:image/gif;base64,BBBB"},
		{Index: 2, Path: "messages[4].images[0]", URL: "data:image/png;base64,CCCC"},
	}
	if diff := cmp.Diff(images, req.Images); diff != "" {
		t.Error(diff)
	}
	if !req.Stream || req.Model != "qwen3-vl" || req.PromptParam != "messages" {
		t.Errorf("%+v", req)
	}
}

func TestMembersSayHowToAnswer(t *testing.T) {
	for members, check := range map[string]func(r *request.Request) bool{
		`"stream":false,"keep_alive":"5m","truncate":true,"logprobs":false`: func(r *request.Request) bool { return !r.Stream },
		`"keep_alive":-1,"tools":[],"format":"","options":{}`:               func(r *request.Request) bool { return r.Constraint == nil },
		`"think":true`:    func(r *request.Request) bool { return *r.Controls.EnableThinking },
		`"think":false`:   func(r *request.Request) bool { return !*r.Controls.EnableThinking },
		`"think":null`:    func(r *request.Request) bool { return r.Controls.EnableThinking == nil && r.Controls.Effort == "" },
		`"think":"low"`:   func(r *request.Request) bool { return r.Controls.Effort == router.EffortLow },
		`"format":"json"`: func(r *request.Request) bool { return r.Constraint.Object },
		`"format":{"type":"integer"}`: func(r *request.Request) bool {
			return string(r.Constraint.Schema) == `{"type":"integer"}` && r.Constrained()
		},
		`"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`: func(r *request.Request) bool {
			return cmp.Equal(r.Callable, []string{"f"}) && r.FreeText && r.ShowsTools()
		},
		`"options":{"num_predict":5,"temperature":0.5,"top_p":0.9,"top_k":3,"min_p":0.1,"seed":7,"stop":["a"],"repeat_penalty":1.1,
			"presence_penalty":0.2,"frequency_penalty":0.3,"num_ctx":4096,"num_gpu":1,"mirostat":0,"use_mmap":null}`: func(r *request.Request) bool {
			s := r.Sampling
			return *r.MaxTokens == 5 && *s.Temperature == 0.5 && *s.TopP == 0.9 && *s.TopK == 3 && *s.MinP == 0.1 && *s.Seed == 7 &&
				*s.RepetitionPenalty == 1.1 && *s.PresencePenalty == 0.2 && *s.FrequencyPenalty == 0.3 && cmp.Equal(r.Stop, []string{"a"})
		},
		`"options":{"num_predict":-2,"seed":-1}`: func(r *request.Request) bool { return r.MaxTokens == nil && r.Sampling.Seed == nil },
		`"messages":[]`:                          func(r *request.Request) bool { return len(r.Messages) == 0 },
	} {
		if req := decoded(t, members); !check(req) {
			t.Errorf("%s: %+v", members, req)
		}
	}
}

func TestFaultsNameTheirMember(t *testing.T) {
	message := func(members string) string { return `"messages":[{` + members + `}]` }
	for members, want := range map[string]string{
		`"messages":"hi"`:                                            "messages: must be an array, not a string",
		message(`"content":"x"`):                                     `messages[0].role: must be one of system, user, assistant, tool, not ""`,
		message(`"role":"user","content":[]`):                        "messages[0].content: must be a string, not an array",
		message(`"role":"user","thinking":"x"`):                      `messages[0].thinking: unknown parameter "thinking"`,
		message(`"role":"user","images":[1]`):                        "messages[0].images[0]: must be a string, not a number",
		message(`"role":"system","images":["AAAA"]`):                 "messages[0].images[0]: images are allowed in user, assistant and tool messages only",
		message(`"role":"assistant","tool_calls":[{}]`):              "messages[0].tool_calls[0].function: a tool call needs a function",
		message(`"role":"assistant","tool_calls":[{"function":{}}]`): "messages[0].tool_calls[0].function.name: name is required",
		`"think":"huge"`:                                             "think: must be one of none, minimal, low, medium, high, xhigh",
		`"format":"xml"`:                                             `format: must be "json" or a JSON schema`,
		`"options":{"temprature":1}`:                                 `options.temprature: unknown parameter "temprature"; did you mean "temperature"?`,
		`"options":{"temperature":"hot"}`:                            "options.temperature: must be a number, not a string",
		`"logprobs":true`:                                            "logprobs: log-probabilities are given at /v1/chat/completions",
		`"template":"x"`:                                             `template: unknown parameter "template"`,
	} {
		_, err := parse(with(members))
		var e *fault.Error
		if !errors.As(err, &e) {
			t.Errorf("%s is accepted", members)
			continue
		}
		if diff := cmp.Diff(map[string]string{"error": want, "request_id": "req_1"}, ErrorBody(e, "req_1")); diff != "" || e.Status != 400 {
			t.Errorf("%s: %d %s", members, e.Status, diff)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(with(`"messages":[{"role":"user","content":"x","images":["AAAA"]},{"role":"assistant","tool_calls":[{"function":{"name":"f",
		"arguments":{}}}]},{"role":"tool","tool_name":"f","content":"2"}],"tools":[{"type":"function","function":{"name":"f"}}]`))
	f.Add(with(`"think":"low","format":{"type":"object"},"options":{"num_predict":-1,"stop":["a"],"seed":3},"stream":false`))
	f.Fuzz(func(t *testing.T, body string) {
		req, err := parse(body)
		var e *fault.Error
		switch {
		case err == nil && !json.Valid([]byte(body)):
			t.Fatalf("accepted %q", body)
		case err == nil:
			for _, m := range req.Messages {
				if m.Role == "" || m.IsText != (len(m.Parts) == 0) {
					t.Fatalf("%+v of %q", m, body)
				}
			}
		case !errors.As(err, &e) || e.Status != 400 || e.Message == "":
			t.Fatalf("%v", err)
		}
	})
}
