package responses

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/web"
)

func TestRefusalsNameTheirPlace(t *testing.T) {
	user := func(part string) string { return `{"input":[{"role":"user","content":[` + part + `]}]}` }
	for body, want := range map[string]string{
		`{}`:                                           "input: missing_required_parameter",
		`{"input":[]}`:                                 "input: invalid_value",
		`{"input":7}`:                                  "input: invalid_value",
		`{"input":[7]}`:                                "input[0]: invalid_value",
		`{"input":"a","conversation":"c"}`:             "conversation: unsupported_parameter",
		`{"input":"a","prompt":{}}`:                    "prompt: unsupported_parameter",
		`{"input":"a","reasoning_effort":"low"}`:       "reasoning_effort: unknown_parameter",
		`{"input":"a","zebra":1}`:                      "zebra: unknown_parameter",
		`{"input":"a","top_logprobs":21}`:              "top_logprobs: invalid_value",
		`{"input":"a","truncation":"always"}`:          "truncation: invalid_value",
		`{"input":"a","reasoning":{"effort":"huge"}}`:  "reasoning.effort: invalid_value",
		`{"input":"a","reasoning":{"summary":"long"}}`: "reasoning.summary: invalid_value",
		`{"input":"a","include":["everything"]}`:       "include[0]: unsupported_parameter",
		`{"input":"a","text":{"format":{"type":"json_schema","name":"x"}}}`: "text.format.schema: missing_required_parameter",
		`{"input":"a","text":{"format":{"type":"json_schema","name":"x","strict":true,"schema":{"type":"what"}}}}`: "text.format.schema: " +
			"invalid_json_schema",
		`{"input":"a","tools":[{"type":"function"}]}`:                              "tools[0].name: missing_required_parameter",
		`{"input":"a","tool_choice":{"type":"function","name":"f"}}`:               "tool_choice.name: invalid_value",
		`{"input":[{"type":"item_reference","id":"x"}]}`:                           "input[0].id: not_found",
		`{"input":[{"type":"zebra"}]}`:                                             "input[0].type: unsupported_parameter",
		`{"input":[{"type":"function_call_output","call_id":"x","output":"y"}]}`:   "input[0].call_id: invalid_value",
		`{"input":[{"role":"user"}]}`:                                              "input[0].content: missing_required_parameter",
		`{"input":[{"role":"zebra","content":"a"}]}`:                               "input[0].role: invalid_value",
		user(`{"type":"input_file"}`):                                              "input[0].content[0].type: unsupported_parameter",
		user(`{"type":"input_audio"}`):                                             "input[0].content[0].type: unsupported_parameter",
		user(`{"type":"input_image","file_id":"f"}`):                               "input[0].content[0].file_id: unsupported_parameter",
		user(`{"type":"input_image"}`):                                             "input[0].content[0].image_url: missing_required_parameter",
		user(`{"type":"zebra"}`):                                                   "input[0].content[0].type: invalid_value",
		user(`{"type":"input_text","text":"a","zebra":1}`):                         "input[0].content[0].zebra: unknown_parameter",
		`{"input":[{"type":"reasoning","content":[{"type":"zebra","text":"a"}]}]}`: "input[0].content[0].type: invalid_value",
	} {
		_, err := decodeBody(t, body)
		var refused *fault.Error
		if !errors.As(err, &refused) || refused.Status != 400 || refused.Param+": "+refused.Code != want {
			t.Errorf("%s\n%v, want %s", body, err, want)
		}
	}
}

// said writes messages in short.
func said(messages []request.Message) []string {
	var out []string
	for i := range messages {
		m := &messages[i]
		line := string(m.Role) + ":"
		if m.Reasoning != nil {
			line += " (" + *m.Reasoning + ")"
		}
		line += " " + m.Text
		for j := range m.Parts {
			if p := &m.Parts[j]; p.Image != nil {
				line += "[image]"
			} else {
				line += "[" + p.Text + "]"
			}
		}
		for _, c := range m.ToolCalls {
			line += " " + c.ID + "=" + c.Name + string(c.Arguments)
		}
		if m.ToolCallID != "" {
			line += " of " + m.ToolCallID
		}
		out = append(out, line)
	}
	return out
}

func TestItemsBecomeMessages(t *testing.T) {
	for body, want := range map[string][]string{
		`{"input":"hi","instructions":"be brief"}`: {"system: be brief", "user: hi"},
		// Reasoning, text and calls that follow each other are one message of the assistant.
		`{"input":[
			{"role":"user","content":"1+1?"},
			{"type":"reasoning","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}],"encrypted_content":"x"},
			{"type":"message","role":"assistant","content":[{"type":"output_text","text":"I ask."}]},
			{"type":"function_call","call_id":"c","name":"add","arguments":"{}"},
			{"type":"custom_tool_call","call_id":"d","name":"say","input":"x"},
			{"type":"function_call_output","call_id":"c","output":"2"},
			{"type":"custom_tool_call_output","call_id":"d"},
			{"type":"web_search_call","id":"w"},
			{"type":"message","role":"assistant","content":"2."},
			{"role":"assistant","content":"Sure."}]}`: {
			"user: 1+1?", "assistant: (a\n\nb) [I ask.] c=add\"{}\" d=say{\"input\": \"x\"}", "tool: 2 of c", "tool:  of d",
			"assistant: 2.", "assistant: Sure.",
		},
		// What has a text already gets no thoughts of what comes next.
		`{"input":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},
			{"type":"reasoning","content":[{"type":"reasoning_text","text":"c"}],"summary":[{"type":"summary_text","text":"d"}]}]}`: {
			"user: a", "assistant: b", "assistant: (c) ",
		},
		`{"input":[{"role":"developer","content":"a"},{"role":"user","content":[{"type":"input_text","text":"b"},
			{"type":"input_image","image_url":"data:,x","file_id":null}]}]}`: {"system: a", "user: [b][image]"},
		`{"input":[{"role":"user","content":"a"},{"type":"reasoning","encrypted_content":"x"}]}`: {"user: a"},
	} {
		req, err := decodeBody(t, body)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if diff := cmp.Diff(want, said(req.Messages)); diff != "" {
			t.Errorf("%s\n%s", body, diff)
		}
		if !req.NewTurn {
			t.Errorf("%s: the answer would go on from the last item", body)
		}
	}
}

func TestEarlierItemsComeFirstAndErrorsDoNotNameTheirPlace(t *testing.T) {
	req, err := decodeBody(t, `{"input":"c","previous_response_id":"resp_0","instructions":"s"}`,
		`[{"role":"user","content":"a"}]`, `[{"type":"message","role":"assistant","content":"b"}]`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"system: s", "user: a", "assistant: b", "user: c"}
	if got := said(req.Messages); !slices.Equal(got, want) || len(req.Items) != 1 {
		t.Errorf("%q and %d items", got, len(req.Items))
	}
	_, err = decodeBody(t, `{"input":"c"}`, `[{"role":"user","content":[{"type":"input_image","image_url":""}]}]`)
	var refused *fault.Error
	if !errors.As(err, &refused) || !strings.HasPrefix(refused.Param, "previous_response_id.content[0]") {
		t.Errorf("%v", err)
	}
	if _, err := decodeBody(t, `{"input":"c"}`, `{`); err == nil || errors.As(err, &refused) && refused.Param == "" {
		t.Errorf("what was kept is broken: %v", err)
	}
}

func TestKeptItemsHaveIdsAndTypes(t *testing.T) {
	for body, want := range map[string]string{
		`{"input":"a b"}`: `[{"id":"msg_1","type":"message","status":"completed","role":"user",` +
			`"content":[{"type":"input_text","text":"a b"}]}]`,
		`{"input":[{"role":"user","content":"a"}]}`:                           `[{"type":"message","id":"msg_1","role":"user","content":"a"}]`,
		`{"input":[{"id":"x","role":"user","content":"a"}]}`:                  `[{"type":"message","id":"x","role":"user","content":"a"}]`,
		`{"input":[{"type":"message","id":"x","role":"user","content":1e1}]}`: ``,
		`{"input":[{"type":"message","id":null,"role":"user","content":"a"}]}`: `[{"id":"msg_1","type":"message","role":"user",` +
			`"content":"a"}]`,
		`{"input":[{"role":"user","content":"a"},{"type":"function_call","call_id":"c","name":"f"}]}`: `[{"type":"message","id":"msg_1",` +
			`"role":"user","content":"a"},{"id":"item_2","type":"function_call","call_id":"c","name":"f"}]`,
	} {
		req, err := decodeBody(t, body)
		if want == "" {
			if err == nil {
				t.Errorf("%s is accepted", body)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		got, err := joinItems(req.Items)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s\n%s, want\n%s", body, got, want)
		}
	}
}

func TestTheEchoIsWhatTheClientWrote(t *testing.T) {
	req, err := decodeBody(t, `{"input":"a","instructions":"i","max_output_tokens":-1,"metadata":{"a": "b"},"user":"u",
		"prompt_cache_key":"k","safety_identifier":"s","reasoning":{"effort":"max","generate_summary":"none","summary":"concise"},
		"text":{"format":{"type":"json_object"},"verbosity":"low"},"tool_choice":"none","tools":[{"type": "web_search"},
		{"type":"function","function":{"name":"f"}}],"parallel_tool_calls":false,"top_logprobs":3,"previous_response_id":"resp_0"}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(newResponse(req, "resp_1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"instructions":"i"`, `"max_output_tokens":null`, `"metadata":{"a":"b"}`, `"user":"u"`, `"prompt_cache_key":"k"`,
		`"safety_identifier":"s"`, `"reasoning":{"effort":"xhigh","summary":"concise"}`, `"text":{"format":{"type":"json_object"}}`,
		`"tool_choice":"none"`, `"tools":[{"type":"web_search"},{"type":"function","function":{"name":"f"}}]`,
		`"parallel_tool_calls":false`, `"top_logprobs":3`, `"previous_response_id":"resp_0"`, `"store":false`,
	} {
		if !strings.Contains(string(got), part) {
			t.Errorf("%s is missing in %s", part, got)
		}
	}
	if !req.Logprobs || req.TopLogprobs != 3 || !req.ToolsOff || !slices.Equal(req.Skipped, []string{"web_search"}) {
		t.Errorf("%+v", req.Request)
	}
	mixed, err := decodeBody(t, `{"input":"a","metadata":{"a":1}}`)
	if err != nil || mixed.echo.Metadata != nil {
		t.Errorf("metadata that is not text: %s, %v", mixed.echo.Metadata, err)
	}
}

func TestItemsLeadToTheirResponse(t *testing.T) {
	r := &Response{ID: "resp_a_b", Output: make([]Item, 2)}
	if id := "msg_" + outputItemID(r); id != "msg_a_b_2" || responseOfItem(id) != r.ID {
		t.Errorf("%s leads to %s", id, responseOfItem(id))
	}
	for _, id := range []string{"", "msg", "msg_a"} {
		if got := responseOfItem(id); got != "" {
			t.Errorf("%q leads to %s", id, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"model":"m","input":"hi","instructions":"x","text":{"format":{"type":"json_schema","name":"n",`+
		`"schema":{"type":"object"}}}}`), []byte(`[]`))
	f.Add([]byte(`{"model":"m","input":[{"type":"function_call_output","call_id":"c","output":"2"}],`+
		`"tools":[{"type":"function","name":"f"}]}`),
		[]byte(`[{"role":"user","content":[{"type":"input_image","image_url":"data:,x"}]},{"type":"reasoning","content":`+
			`[{"type":"reasoning_text","text":"h"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]`))
	f.Add([]byte(`{"input":[{"id":null,"type":null,"role":"user","content":"a"}]}`), []byte(`[]`))
	policy := testPolicy()
	bodies := newBodyReader(policy, web.RandomID)
	f.Fuzz(func(t *testing.T, body, earlier []byte) {
		root, err := policy.Parse(body)
		if err != nil {
			return
		}
		req, err := bodies.decode(root, []json.RawMessage{earlier})
		if err != nil {
			return
		}
		if len(req.Messages) == 0 {
			t.Fatalf("accepted %q", body)
		}
		for _, item := range req.Items {
			if !json.Valid(item) {
				t.Fatalf("kept %q", item)
			}
		}
		if _, err := joinItems(req.Items); err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(newResponse(req, "resp_1")); err != nil {
			t.Fatal(err)
		}
	})
}
