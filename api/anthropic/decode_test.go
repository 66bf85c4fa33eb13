package anthropic

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine/constraint/constrainttest"
	"github.com/qwenvld/qwenvld/router"
)

func decode(body string, counting bool) (*request.Request, error) {
	policy := &request.Policy{Limits: request.DefaultLimits(), Unknown: &request.Unknown{}}
	root, err := policy.Parse([]byte(body))
	if err != nil {
		return nil, err
	}
	return NewDecoder(policy).Decode(root, counting)
}

// with is a body with more members, or other ones.
func with(members string) string {
	if members != "" {
		members = "," + members
	}
	if !strings.Contains(members, `"messages":`) {
		members += `,"messages":[{"role":"user","content":"hi"}]`
	}
	return `{"model":"qwen3-vl","max_tokens":9` + members + `}`
}

func decoded(t *testing.T, members string) *request.Request {
	t.Helper()
	req, err := decode(with(members), false)
	if err != nil {
		t.Fatalf("%s: %v", members, err)
	}
	return req
}

func TestAConversationIsDecoded(t *testing.T) {
	req := decoded(t, `"messages":[
		{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
			{"type":"image","source":{"type":"url","url":"https://x/y.png"}},
			{"type":"text","text":"What is it?","cache_control":{"type":"ephemeral"}}]},
		{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},{"type":"redacted_thinking","data":"x"},
			{"type":"text","text":"I look."},{"type":"tool_use","id":"t1","name":"look","input":{"at":1}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"a dot"}]},
			{"type":"text","text":"So?"}]},
		{"role":"assistant","content":[{"type":"tool_use","id":"t2","name":"look"}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t2","content":"none","is_error":true}]},
		{"role":"user","content":[{"type":"document","title":"T","source":{"type":"text","data":"D"}},
			{"type":"search_result","source":"http://x","title":"R","content":[{"type":"text","text":"S"}]}]},
		{"role":"assistant"}],
		"system":[{"type":"text","text":"Be brief."}]`)
	first, second := req.Images[0], req.Images[1]
	thought := "hm"
	want := []request.Message{
		{Role: request.RoleSystem, Path: "system", Parts: []request.Part{{Text: "Be brief."}}},
		{Role: request.RoleUser, Path: "messages[0]", Parts: []request.Part{{Image: first}, {Image: second}, {Text: "What is it?"}}},
		{
			Role: request.RoleAssistant, Path: "messages[1]", Parts: []request.Part{{Text: "I look."}}, Reasoning: &thought,
			ToolCalls: []request.ToolCall{{ID: "t1", Name: "look", Arguments: json.RawMessage(`{"at":1}`)}},
		},
		{Role: request.RoleTool, Path: "messages[2].content[0]", ToolCallID: "t1", Parts: []request.Part{{Text: "a dot"}}},
		{Role: request.RoleUser, Path: "messages[2]", Parts: []request.Part{{Text: "So?"}}},
		{
			Role: request.RoleAssistant, Path: "messages[3]", IsText: true,
			ToolCalls: []request.ToolCall{{ID: "t2", Name: "look", Arguments: json.RawMessage(`{}`)}},
		},
		{Role: request.RoleTool, Path: "messages[4].content[0]", ToolCallID: "t2", IsText: true, Text: "none"},
		{Role: request.RoleUser, Path: "messages[5]", Parts: []request.Part{{Text: "T\n"}, {Text: "D"}, {Text: "R\n"}, {Text: "S"}}},
		{Role: request.RoleAssistant, Path: "messages[6]", IsText: true},
	}
	if diff := cmp.Diff(want, req.Messages); diff != "" {
		t.Error(diff)
	}
	images := []*request.Image{
		{Index: 0, Path: "messages[0].content[0].source.data", URL: "data:image/png;base64,AAAA"},
		{Index: 1, Path: "messages[0].content[1].source.url", URL: "https://x/y.png"},
	}
	if diff := cmp.Diff(images, req.Images); diff != "" {
		t.Error(diff)
	}
	if req.PromptParam != "messages" {
		t.Errorf("%q carries the prompt", req.PromptParam)
	}
}

func TestMembersSayHowToAnswer(t *testing.T) {
	for members, check := range map[string]func(r *request.Request) bool{
		`"stream":true,"temperature":0.5,"top_k":3,"top_p":0.9,"stop_sequences":["a",""]`: func(r *request.Request) bool {
			s := r.Sampling
			return r.Stream && *s.Temperature == 0.5 && *s.TopK == 3 && *s.TopP == 0.9 && cmp.Equal(r.Stop, []string{"a"})
		},
		``:                             func(r *request.Request) bool { return *r.MaxTokens == 9 && r.Model == "qwen3-vl" && !r.Stream },
		`"top_p":0`:                    func(r *request.Request) bool { return *r.Sampling.Temperature == 0 },
		`"repetition_detection":false`: func(r *request.Request) bool { return r.MayRepeat },
		`"thinking":{"type":"adaptive"}`: func(r *request.Request) bool {
			return r.Controls.Thinking == router.ThinkingAdaptive && !r.HideReasoning
		},
		`"output_config":{"effort":"max"}`:    func(r *request.Request) bool { return r.Controls.Effort == router.EffortXHigh },
		`"mcp_servers":[],"metadata":{}`:      func(*request.Request) bool { return true },
		`"mm_processor_kwargs":{"fps":1}`:     func(r *request.Request) bool { return *r.VideoDefaults.FPS == 1 },
		`"service_tier":"auto","thread":null`: func(*request.Request) bool { return true },
		`"thinking":{"type":"enabled","budget_tokens":1024,"display":"omitted"}`: func(r *request.Request) bool {
			return *r.Controls.BudgetTokens == 1024 && r.HideReasoning
		},
		`"output_config":{"format":{"type":"json_schema","schema":{"type":"integer"}}}`: func(r *request.Request) bool {
			return string(r.Constraint.Schema) == `{"type":"integer"}` && !r.Constraint.Strict && !r.FreeText
		},
		`"output_format":{"type":"json_schema","schema":{"type":"object"}}`: func(r *request.Request) bool { return r.Constrained() },
		`"tools":[{"type":"web_search_20250305","name":"search"},{"type":"custom","name":"f","description":"d","input_schema":{}}]`: func(r *request.Request) bool {
			return cmp.Equal(r.Skipped, []string{"web_search"}) && len(r.Tools) == 1 &&
				string(r.Tools[0]) == `{"type": "function", "function": {"name": "f", "description": "d", "parameters": {}}}`
		},
	} {
		if req := decoded(t, members); !check(req) {
			t.Errorf("%s: %+v", members, req)
		}
	}
}

func TestToolChoiceIsEnforced(t *testing.T) {
	call := func(name string) string {
		return "<tool_call>\n{\"name\": \"" + name + "\", \"arguments\": {}}\n</tool_call>"
	}
	for choice, want := range map[string]struct{ yes, no string }{
		`{"type":"auto"}`: {"hi", call("c")},
		`{"type":"auto","disable_parallel_tool_use":true}`: {call("a"), call("a") + "\n" + call("b")},
		`{"type":"any"}`: {call("a") + "\n" + call("b"), "hi"},
		`{"type":"any","disable_parallel_tool_use":true}`:             {call("b"), call("a") + "\n" + call("b")},
		`{"type":"tool","name":"b"}`:                                  {call("b"), call("a")},
		`{"type":"tool","name":"b","disable_parallel_tool_use":true}`: {call("b"), call("a")},
	} {
		req := decoded(t, `"tools":[{"name":"a","input_schema":{}},{"name":"b","input_schema":{}}],"tool_choice":`+choice)
		if !constrainttest.Accepts(t, req.Constraint, want.yes) || constrainttest.Accepts(t, req.Constraint, want.no) {
			t.Errorf("%s does not accept %q, or accepts %q", choice, want.yes, want.no)
		}
	}
	if req := decoded(t, `"tools":[{"name":"a"}],"tool_choice":{"type":"none"}`); req.Constraint != nil || req.ShowsTools() {
		t.Errorf("%+v", req)
	}
}

func TestFaultsNameTheirMember(t *testing.T) {
	content := func(content string) string { return `"messages":[{"role":"user","content":` + content + `}]` }
	const at = "messages[0].content[0]"
	for _, c := range []struct{ members, param, code string }{
		{`"messages":[]`, "messages", fault.CodeInvalidValue},
		{`"messages":null`, "messages", fault.CodeMissing},
		{`"messages":[{"role":"tool","content":"x"}]`, "messages[0].role", fault.CodeInvalidValue},
		{`"messages":[{"role":"user"}]`, "messages[0].content", fault.CodeMissing},
		{content(`[{"type":"text"}]`), at + ".text", fault.CodeMissing},
		{content(`[{"type":"document"}]`), at + ".type", fault.CodeUnsupported},
		{content(`[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}}]`), at + ".source.type", fault.CodeUnsupported},
		{content(`[{"type":"image"}]`), at + ".source", fault.CodeMissing},
		{content(`[{"type":"image","source":{"type":"file","file_id":"f"}}]`), at + ".source.type", fault.CodeUnsupported},
		{content(`[{"type":"video"}]`), at + ".type", fault.CodeUnsupported},
		{content(`[{"type":"thinking","thinking":"x"}]`), at + ".type", fault.CodeInvalidValue},
		{content(`[{"type":"tool_result","tool_use_id":"x"}]`), at + ".tool_use_id", fault.CodeInvalidValue},
		{content(`[{"type":"tool_use","id":"x","name":"y","input":{}}]`), at + ".type", fault.CodeInvalidValue},
		{`"messages":[{"role":"system","content":[{"type":"image","source":{"type":"url","url":"x"}}]}]`, at + ".source", fault.CodeUnsupported},
		{`"mcp_servers":[{"type":"url"}]`, "mcp_servers", fault.CodeUnsupported},
		{`"container":"c"`, "container", fault.CodeUnsupported},
		{`"tools":[{"type":"bash_20250124","name":"bash"}],"tool_choice":{"type":"tool","name":"bash"}`, "tool_choice.name", fault.CodeUnsupported},
		{`"tool_choice":{"type":"any"}`, "tool_choice", fault.CodeInvalidValue},
		{`"tool_choice":{"type":"tool"}`, "tool_choice.name", fault.CodeMissing},
		{`"output_config":{"format":{"type":"json_schema"}}`, "output_config.format.schema", fault.CodeMissing},
		{`"temprature":1`, "temprature", fault.CodeUnknown},
		{`"system":[{"type":"image"}]`, "system[0].type", fault.CodeInvalidValue},
		{`"thread":{"id":"t"}`, "thread", fault.CodeUnsupported},
	} {
		_, err := decode(with(c.members), false)
		var e *fault.Error
		if !errors.As(err, &e) || e.Status != 400 || e.Param != c.param || e.Code != c.code || e.Message == "" {
			t.Errorf("%s: %#v, want %s of %s", c.members, err, c.code, c.param)
		}
	}
}

func TestOnlyAnAnswerNeedsABound(t *testing.T) {
	const body = `{"messages":[{"role":"user","content":"hi"}]}`
	var e *fault.Error
	if _, err := decode(body, false); !errors.As(err, &e) || e.Param != "max_tokens" || e.Code != fault.CodeMissing {
		t.Error(err)
	}
	if _, err := decode(body, true); err != nil {
		t.Error(err)
	}
}

// Anthropic's tool runners go on without a thread when they are told so in this way.
func TestThreadsAreRefusedAsToolRunnersUnderstand(t *testing.T) {
	_, err := decode(with(`"thread":{"id":"t"}`), false)
	var e *fault.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	got, err := json.Marshal(ErrorBody(e, "req_1"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"error","error":{"message":"threads are not kept; send the whole conversation","type":"invalid_request_error",` +
		`"param":"thread","code":"unsupported_parameter","details":{"error_code":"thread_unsupported_request","unsupported":["thread"]}},` +
		`"request_id":"req_1"}`
	if string(got) != want {
		t.Errorf("%s", got)
	}
}

func TestErrorsHaveAnthropicsTypes(t *testing.T) {
	for status, want := range map[int]string{
		400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 405: "invalid_request_error",
		413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 503: "overloaded_error",
	} {
		body, ok := ErrorBody(&fault.Error{Status: status, Message: "m"}, "id").(Error)
		if !ok || body.Type != "error" || body.Error.Type != want || body.RequestID != "id" {
			t.Errorf("%d: %+v", status, body)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(with(`"system":[{"type":"text","text":"x"}],"messages":[
		{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}}]},
		{"role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"tool_use","id":"t","name":"f","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"2"}]}],
		"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"f"}`))
	f.Add(with(`"thinking":{"type":"enabled","budget_tokens":1},"output_config":{"effort":"low"},"thread":{}`))
	f.Fuzz(func(t *testing.T, body string) {
		req, err := decode(body, false)
		var e *fault.Error
		switch {
		case err == nil && (len(req.Messages) == 0 || req.MaxTokens == nil || !json.Valid([]byte(body))):
			t.Fatalf("accepted %q", body)
		case err != nil && (!errors.As(err, &e) || e.Status != 400 || e.Message == ""):
			t.Fatalf("%v", err)
		}
	})
}
