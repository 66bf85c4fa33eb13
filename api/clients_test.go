package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/constraint/constrainttest"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

// with is a request of a surface with more members, or other messages, given as the text of JSON members.
func with(path, members string) string {
	base := map[string]string{
		"/v1/chat/completions": `"model":"qwen3-vl","messages":[{"role":"user","content":"hi"}]`,
		"/v1/responses":        `"model":"qwen3-vl","input":"hi"`,
		"/v1/messages":         `"model":"qwen3-vl","max_tokens":9,"messages":[{"role":"user","content":"hi"}]`,
		"/v1/completions":      `"model":"qwen3-vl-instruct","prompt":"hi"`,
	}[path]
	var b, more map[string]json.RawMessage
	if json.Unmarshal([]byte("{"+base+"}"), &b) != nil || json.Unmarshal([]byte("{"+members+"}"), &more) != nil {
		panic("no JSON: " + members)
	}
	for k, v := range more {
		b[k] = v
	}
	out, err := json.Marshal(b)
	if err != nil {
		panic(err) // it was JSON
	}
	return string(out)
}

const (
	chatPath, responsesPath, messagesPath, textPath = "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions"

	called = `{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}`
)

// whatClientsSend are members that clients send by themselves, by the surface they come to.
var whatClientsSend = map[string][]string{
	chatPath: {
		`"user":"u","metadata":{"a":{"b":1}},"store":true,"service_tier":"priority","verbosity":"low","safety_identifier":"s","prompt_cache_key":"k","prompt_cache_retention":"24h"`,
		`"prediction":{"type":"content","content":"x"},"client_metadata":{"x":"y"},"cache_prompt":true,"stream_options":{"include_usage":true}`,
		`"frequency_penalty":null,"logit_bias":null,"tools":null,"tool_choice":null,"response_format":null,"audio":null,"not_known":null`,
		`"messages":[{"role":"user","name":"ann","content":"hi","id":"1","cache_control":{"type":"ephemeral"}}]`,
		`"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"},"image_url":null}]}]`,
		`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","id":"m","refusal":null,"annotations":[{"type":"url_citation"}],"audio":null,"function_call":null,"reasoning_details":[{"type":"reasoning.text","text":"t"}],"provider_specific_fields":{"x":1}},{"role":"user","content":"c"}]`,
		`"messages":[{"role":"user","content":"a"},{"role":"assistant","refusal":"no"},{"role":"user","content":[{"type":"text","text":"b"}]}]`,
		`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"refusal","refusal":"no"},{"type":"thinking","thinking":"hm","signature":"s"}]},{"role":"user","content":"b"}]`,
		`"messages":[{"role":"user","content":"a"},` + called + `,{"role":"tool","tool_call_id":"c","name":"f","content":null}]`,
		`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"","tool_calls":[{"id":"c","index":0,"type":"function","function":{"name":"a name/of:others","arguments":""},"extra_content":{"google":{}}}]},{"role":"tool","tool_call_id":"c","content":["x"]}]`,
		`"messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"f","input":"x"}}]},{"role":"tool","tool_call_id":"c","content":"y"}]`,
		`"tools":[],"tool_choice":"auto","parallel_tool_calls":true`,
		`"tools":[{"type":"function","function":{"name":"f","description":null,"parameters":{},"strict":null},"cache_control":{"type":"ephemeral"},"defer_loading":false}],"tool_choice":"any"`,
		`"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}}}],"tool_choice":{"type":"auto"}`,
		`"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","name":"f"}`,
		`"max_tokens":-1`, `"stop":""`, `"stop":["a","","b"]`, `"stop":[]`, `"top_p":0`, `"n":1,"best_of":1,"ignore_eos":false,"echo":false`,
		`"top_logprobs":0`, `"stream_options":{"include_usage":true,"include_obfuscation":false}`,
		`"reasoning":{"effort":"high","exclude":false,"max_tokens":null},"include_reasoning":true,"usage":{"include":true}`,
		`"reasoning":{"enabled":false}`, `"reasoning_effort":"max"`, `"reasoning_effort":"none"`, `"reasoning_effort":"default"`, `"thinking":{"type":"auto"}`, `"reasoning_format":"auto"`,
		`"response_format":{"type":"json_schema","json_schema":{"name":"Answer[int]","schema":{"type":"object","properties":{"u":{"type":"string","format":"uri","default":null}},"allOf":[{"if":{}}]},"strict":false}}`,
		`"response_format":{"type":"json_object","schema":{"type":"object"}}`,
		`"messages":[{"role":"system","content":"a"},{"role":"developer","content":[{"type":"text","text":"b"}]},{"role":"user","content":"c"},{"role":"system","content":"d"}]`,
		`"provider":{"order":["x"]},"transforms":[],"models":["a"],"route":"fallback","skip_special_tokens":false,"chat_template_kwargs":{"enable_thinking":false,"add_vision_id":true}`,
		`"messages":[{"role":"user","content":"lone \ud83d half"}]`,
	},
	responsesPath: {
		`"client_metadata":{"x":"y"},"store":true,"truncation":"auto","service_tier":"flex","text":{"verbosity":"low"},"metadata":{"a":{"b":1}},"max_tool_calls":3`,
		`"reasoning":{"effort":"max","summary":"detailed"},"include":["reasoning.encrypted_content","web_search_call.action.sources","code_interpreter_call.outputs"]`,
		`"reasoning":{"summary":"concise","exclude":true},"context_management":[{"type":"compaction"}],"stream_options":{"include_obfuscation":true}`,
		`"instructions":"a","input":[{"type":"message","role":"developer","content":[{"type":"input_text","text":"b"}]},{"role":"user","content":"c"},{"role":"system","content":"d"},{"role":"user","content":"e"}]`,
		`"input":[{"role":"user","content":"a"},{"type":"reasoning","id":"r","summary":[],"content":null,"encrypted_content":"x"},{"type":"web_search_call","id":"w","status":"completed"},{"type":"message","role":"assistant","id":"m","content":[{"type":"output_text","text":"b","annotations":[],"logprobs":[]}]},{"role":"user","content":"c"}]`,
		`"input":[{"role":"user","content":"a"},{"type":"custom_tool_call","call_id":"c","name":"apply_patch","input":"*** Begin"},{"type":"custom_tool_call_output","call_id":"c","output":"ok"},{"type":"function_call","call_id":"d","name":"f","arguments":"","namespace":"n"},{"type":"function_call_output","call_id":"d","output":null}]`,
		`"tools":[{"type":"web_search"},{"type":"custom","name":"apply_patch","format":{"type":"grammar"}},{"type":"namespace","name":"n","tools":[]},{"type":"function","name":"f","strict":false,"parameters":{"type":"object","properties":{"u":{"type":"string","format":"uri"}}},"defer_loading":true}],"tool_choice":"auto","parallel_tool_calls":true`,
		`"tools":[],"tool_choice":"auto","parallel_tool_calls":false`,
		`"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object","discriminator":{}}}}`,
	},
	messagesPath: {
		`"context_management":{"edits":[]},"service_tier":"auto","metadata":{"user_id":"u","other":1},"cache_control":{"type":"ephemeral"},"inference_geo":"us"`,
		`"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"system","content":"b"},{"role":"user","content":"c"},{"role":"system","content":"d"}]`,
		`"thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"max"}`,
		`"tools":[{"name":"f","input_schema":{},"eager_input_streaming":true,"defer_loading":false,"allowed_callers":["direct"],"input_examples":[{"a":1}],"toolset_name":"t","cache_control":null},{"type":"web_search_20250305","name":"web_search","max_uses":3}],"tool_choice":{"type":"any"}`,
		`"messages":[{"role":"user","content":[{"type":"document","title":"T","source":{"type":"text","media_type":"text/plain","data":"D"},"citations":{"enabled":true}},{"type":"search_result","source":"http://x","title":"R","content":[{"type":"text","text":"S"}]}]}]`,
		`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"redacted_thinking","data":"x"},{"type":"server_tool_use","id":"s","name":"web_search","input":{}},{"type":"web_search_tool_result","tool_use_id":"s","content":[]},{"type":"text","text":"b"},{"type":"tool_use","id":"t","name":"f","input":{},"caller":{"type":"direct"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"tool_reference","tool_name":"f"}],"is_error":false}]}]`,
		`"stop_sequences":["a","b","c","d","e","f","g","h","i","j","k","l","m","n","o","p","q","r"]`,
		`"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"u":{"type":"string","format":"uri"}}}}}`,
		`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[]},{"role":"user","content":"b"}]`,
		`"mcp_servers":[],"tools":[],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`,
	},
	textPath: {
		`"user":"u","suffix":null,"echo":true,"max_tokens":0`, `"suffix":"","best_of":1,"logit_bias":{},"skip_special_tokens":false`,
		`"repeat_penalty":1.1,"top_p":0,"stream_options":null`, `"max_tokens":0`, `"echo":true,"max_tokens":0,"stream":true`,
		`"guided_choice":["a","b"]`,
	},
}

func TestWhatClientsSendByThemselvesIsAccepted(t *testing.T) {
	s := newSite(t, nil)
	for path, requests := range whatClientsSend {
		for _, members := range requests {
			for _, model := range []string{"", `"model":"qwen3-vl-instruct"`, `"model":"qwen3-vl-thinking"`, `"model":null`} {
				body := with(path, members)
				if model != "" {
					body = with(path, strings.Join([]string{members, model}, ","))
				}
				if got := s.post(path, body); got.status != http.StatusOK {
					t.Errorf("%s %s\n%d %s", path, body, got.status, got.body)
				}
			}
		}
	}
}

func TestUnknownMembersNameTheNearestKnownOne(t *testing.T) {
	s := newSite(t, nil)
	ignoring := newSite(t, func(c *Config) { c.Unknown = IgnoreUnknown })
	for _, path := range []string{chatPath, responsesPath, messagesPath, textPath} {
		for members, want := range map[string]string{`"temprature":1`: "temperature", `"zzzzzzzz":1`: "", `"temprature":null`: "accepted"} {
			got := s.post(path, with(path, members))
			if want == "accepted" {
				if got.status != http.StatusOK {
					t.Errorf("%s %s: %s", path, members, got.body)
				}
				continue
			}
			code, param, message := got.failure(t)
			if code != fault.CodeUnknown || param != strings.Split(members, `"`)[1] || !strings.Contains(message, want) || want == "" && strings.Contains(message, "mean") {
				t.Errorf("%s %s: %s", path, members, got.body)
			}
			if got := ignoring.post(path, with(path, members)); got.status != http.StatusOK {
				t.Errorf("%s %s: %s", path, members, got.body)
			}
		}
	}
	_, param, message := s.post(chatPath, with(chatPath, `"messages":[{"role":"user","contnt":"hi"}]`)).failure(t)
	if param != "messages[0].contnt" || !strings.Contains(message, `"content"`) {
		t.Errorf("%s: %s", param, message)
	}
	if log := s.log.String() + ignoring.log.String(); strings.Contains(log, "temprature") || strings.Contains(log, "contnt") {
		t.Errorf("what a client wrote is in the log: %s", log)
	}
}

func TestForeignToolsAreLeftOutAndToldOf(t *testing.T) {
	s := newSite(t, nil)
	usable := map[string]string{
		chatPath: `{"type":"function","function":{"name":"f"}}`, responsesPath: `{"type":"function","name":"f"}`, messagesPath: `{"name":"f","input_schema":{}}`,
	}
	chosen := map[string]string{
		chatPath: `{"type":"function","function":{"name":"search"}}`, responsesPath: `{"type":"function","name":"search"}`,
		messagesPath: `{"type":"tool","name":"search"}`,
	}
	for path, tool := range usable {
		tools := `"tools":[{"type":"web_search_20250305","name":"search"},` + tool + `,{"type":"made up by a client"}]`
		got := s.post(path, with(path, `"model":"qwen3-vl-instruct",`+tools))
		if want := "web_search, other"; got.status != http.StatusOK || !strings.HasSuffix(got.header.Get(surface.HeaderWarning), want) {
			t.Errorf("%s: %d, warning %q", path, got.status, got.header.Get(surface.HeaderWarning))
		}
		shown := prompt.Rendered{Pieces: s.instruct.Request(t).Prompt}.String()
		if !strings.Contains(shown, `"name": "f"`) || strings.Contains(shown, "search") {
			t.Errorf("%s: the model was shown %s", path, shown)
		}
		if code, _, message := s.post(path, with(path, tools+`,"tool_choice":`+chosen[path])).failure(t); code != fault.CodeUnsupported || !strings.Contains(message, "search") {
			t.Errorf("%s: %s %s", path, code, message)
		}
	}
	if log := s.log.String(); strings.Contains(log, "made up") || !strings.Contains(log, "web_search") {
		t.Errorf("%s", log)
	}
}

func TestWhatIsNotForTheModelDoesNotReachThePrompt(t *testing.T) {
	s := newSite(t, nil)
	s.post(chatPath, with(chatPath, `"model":"qwen3-vl-instruct","tools":[{"type":"function","function":{"name":"f","cache_control":{"type":"secret"}},"defer_loading":true}]`))
	shown := prompt.Rendered{Pieces: s.instruct.Request(t).Prompt}.String()
	if !strings.Contains(shown, `{"type": "function", "function": {"name": "f"}}`) {
		t.Error(shown)
	}
}

func TestReasoningCanBeKeptBack(t *testing.T) {
	for path, members := range map[string][]string{
		chatPath:      {`"include_reasoning":false`, `"reasoning":{"exclude":true}`, `"reasoning_format":"hidden"`},
		responsesPath: {`"reasoning":{"exclude":true}`},
		messagesPath:  {`"thinking":{"type":"adaptive","display":"omitted"}`},
	} {
		for _, m := range members {
			for _, stream := range []string{"false", "true"} {
				s := newSite(t, numbered)
				s.thinking.Events = text("secret", "\n</think>\n\n", "42")
				got := s.post(path, with(path, m+`,"model":"qwen3-vl-thinking","stream":`+stream))
				if body := string(got.body); got.status != http.StatusOK || strings.Contains(body, "secret") || !strings.Contains(body, "42") ||
					!strings.Contains(body, `"reasoning_tokens":1`) && (stream == "false" || path != chatPath) {
					t.Errorf("%s %s: %s", path, m, body)
				}
			}
		}
	}
}

func TestNothingIsTheSameHoweverItIsWritten(t *testing.T) {
	s := newSite(t, nil)
	for _, calls := range []string{"", `,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]`} {
		for _, variant := range []string{"instruct", "thinking"} {
			var prompts []string
			for _, nothing := range []string{`"content":null`, `"content":""`, `"content":[]`, `"refusal":null`} {
				body := with(chatPath, `"model":"qwen3-vl-`+variant+`","messages":[{"role":"user","content":"a"},{"role":"assistant",`+nothing+calls+`},{"role":"user","content":"b"}]`)
				if got := s.post(chatPath, body); got.status != http.StatusOK {
					t.Fatalf("%s: %s", body, got.body)
				}
				eng := s.instruct
				if variant == "thinking" {
					eng = s.thinking
				}
				prompts = append(prompts, prompt.Rendered{Pieces: eng.Request(t).Prompt}.String())
			}
			if len(slices.Compact(prompts)) != 1 {
				t.Errorf("%s%s: %q", variant, calls, prompts)
			}
		}
	}
}

func TestNoTopPIsGreedy(t *testing.T) {
	s := newSite(t, nil)
	for _, path := range []string{chatPath, responsesPath, messagesPath, textPath} {
		s.post(path, with(path, `"model":"qwen3-vl-instruct","top_p":0,"temperature":0.9`))
		if p := s.instruct.Request(t).Sampling; p.Temperature != 0 {
			t.Errorf("%s: %+v", path, p)
		}
	}
}

func TestHonouredAliases(t *testing.T) {
	s := newSite(t, nil)
	s.post(chatPath, with(chatPath, `"model":"qwen3-vl-instruct","repeat_penalty":1.3,"guided_regex":"[a-c]+"`))
	if r := s.instruct.Request(t); r.Sampling.RepetitionPenalty != 1.3 || r.Constraint == nil || r.Constraint.Pattern != "[a-c]+" {
		t.Errorf("%+v %+v", r.Sampling, r.Constraint)
	}
	s.post(chatPath, with(chatPath, `"model":"qwen3-vl-instruct","guided_json":"{\"type\":\"integer\"}"`))
	if r := s.instruct.Request(t); r.Constraint == nil || string(r.Constraint.Schema) != `{"type":"integer"}` {
		t.Errorf("%+v", r.Constraint)
	}
	for _, members := range []string{`"reasoning":{"effort":"high"}`, `"reasoning_effort":"max"`, `"reasoning":{"enabled":true}`} {
		var c completion
		s.post(chatPath, with(chatPath, members)).json(t, &c)
		if c.Model != "qwen3-vl-thinking" {
			t.Errorf("%s was answered by %s", members, c.Model)
		}
	}
}

func TestThreadsAreRefusedAsToolRunnersUnderstand(t *testing.T) {
	s := newSite(t, nil)
	got := s.post(messagesPath, with(messagesPath, `"thread":{"id":"t"}`))
	var e struct {
		Error struct {
			Details struct {
				Code        string `json:"error_code"`
				Unsupported []string
			}
		}
	}
	got.json(t, &e)
	if d := e.Error.Details; got.status != http.StatusBadRequest || d.Code != "thread_unsupported_request" || !slices.Equal(d.Unsupported, []string{"thread"}) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestAPromptIsEchoedWithoutAnAnswer(t *testing.T) {
	s := newSite(t, nil)
	var c textCompletion
	s.post(textPath, `{"prompt":["abc",[100,101]],"echo":true,"max_tokens":0}`).json(t, &c)
	if len(c.Choices) != 2 || c.Choices[0].Text != "abc" || c.Choices[1].Text != "de" || *c.Choices[0].FinishReason != "length" ||
		c.Usage.PromptTokens != 5 || c.Usage.CompletionTokens != 0 {
		t.Errorf("%+v %+v", c, c.Usage)
	}
	if s.instruct.Last() != nil {
		t.Error("the engine was asked for an answer")
	}
}

// Agents with many servers send hundreds of tools, whose schemas together are more than can be enforced.
func TestManyToolsAreAsGoodAsFew(t *testing.T) {
	s := newSite(t, nil)
	var tools []string
	many, longest := 300, 500
	if raced {
		many, longest = 30, 20 // without the detector TestTheAPIThroughAnotherServer sends them all
	}
	for i := range many {
		var properties []string
		for j := range 40 {
			properties = append(properties, fmt.Sprintf(`"a_rather_long_name_of_a_property_%d":{"type":"string","maxLength":%d}`, j, longest))
		}
		tools = append(tools, fmt.Sprintf(`{"type":"function","function":{"name":"f%d","parameters":{"type":"object","properties":{%s}}}}`,
			i, strings.Join(properties, ",")))
	}
	got := s.post(chatPath, with(chatPath, `"model":"qwen3-vl-instruct","tools":[`+strings.Join(tools, ",")+`]`))
	if got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	form := s.instruct.Request(t).Constraint
	if yes, no := "<tool_call>\n{\"name\": \"f7\", \"arguments\": {}}\n</tool_call>", "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>"; !constrainttest.Accepts(t, form, yes) || constrainttest.Accepts(t, form, no) {
		t.Error("calls are not held to the tools")
	}
}

func TestOnlyDeclaredToolsAreCalled(t *testing.T) {
	s := newSite(t, numbered)
	s.instruct.Events = text("<tool_call>\n{\"name\": \"other\", \"arguments\": {}}\n</tool_call>")
	var c completion
	s.post(chatPath, with(chatPath, `"model":"qwen3-vl-instruct","tools":[{"type":"function","function":{"name":"f"}}]`)).json(t, &c)
	if m := c.Choices[0].Message; len(m.ToolCalls) > 0 || m.Content == nil || !strings.Contains(*m.Content, "other") || c.Choices[0].FinishReason != string(engine.FinishStop) {
		t.Errorf("%+v", c.Choices[0])
	}
}
