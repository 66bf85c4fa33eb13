package chat

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
)

func TestAConversationIsDecoded(t *testing.T) {
	req, err := decode(`{"model":"m","messages":[
		{"role":"developer","content":"Be brief."},
		{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/a.png","detail":"low"}},
			{"type":"input_image","image_url":"data:,b"},{"type":"video_url","video_url":{"url":"https://x/c.mp4"}},
			{"type":"text","text":"What is it?"},"And why?"]},
		{"role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"reasoning","text":"so"},{"type":"output_text","text":"Look:"}],
			"tool_calls":[{"id":"c1","type":"function","function":{"name":"look","arguments":"{\"at\":1}"}},
				{"id":"c2","type":"custom","custom":{"name":"run","input":"ls \"x\""}},{"function":{"name":"wait"}}]},
		{"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"a dot"}]},
		{"role":"tool","tool_call_id":"c2"},
		{"role":"assistant","refusal":"I will not.","reasoning":"no","reasoning_content":"no"},
		{"role":"assistant"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	thoughts, no := "hm\nso", "no"
	want := []request.Message{
		{Role: request.RoleSystem, Path: "messages[0]", IsText: true, Text: "Be brief."},
		{Role: request.RoleUser, Path: "messages[1]", Parts: []request.Part{
			{Image: req.Images[0]}, {Image: req.Images[1]}, {Video: req.Videos[0]}, {Text: "What is it?"}, {Text: "And why?"},
		}},
		{
			Role: request.RoleAssistant, Path: "messages[2]", Reasoning: &thoughts, Parts: []request.Part{{Text: "Look:"}},
			ToolCalls: []request.ToolCall{
				{ID: "c1", Name: "look", Arguments: json.RawMessage(`"{\"at\":1}"`)},
				{ID: "c2", Name: "run", Arguments: json.RawMessage(`{"input": "ls \"x\""}`)},
				{Name: "wait", Arguments: json.RawMessage(`{}`)},
			},
		},
		{Role: request.RoleTool, Path: "messages[3]", ToolCallID: "c1", Parts: []request.Part{{Text: "a dot"}}},
		{Role: request.RoleTool, Path: "messages[4]", ToolCallID: "c2", IsText: true},
		{Role: request.RoleAssistant, Path: "messages[5]", IsText: true, Text: "I will not.", Reasoning: &no},
		{Role: request.RoleAssistant, Path: "messages[6]", IsText: true},
	}
	if diff := cmp.Diff(want, req.Messages); diff != "" {
		t.Error(diff)
	}
	images := []*request.Image{
		{Index: 0, Path: "messages[1].content[0].image_url.url", URL: "https://x/a.png", Low: true},
		{Index: 1, Path: "messages[1].content[1].image_url", URL: "data:,b"},
	}
	if diff := cmp.Diff(images, req.Images); diff != "" {
		t.Error(diff)
	}
	if v := req.Videos[0]; v.Path != "messages[1].content[2].video_url.url" || v.URL != "https://x/c.mp4" {
		t.Errorf("%+v", v)
	}
	if req.PromptParam != "messages" || req.Model != "m" {
		t.Errorf("%q of %q", req.PromptParam, req.Model)
	}
}

func TestFaultsOfMessagesNameTheirPlace(t *testing.T) {
	const called = `{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"}}]},`
	for messages, want := range map[string]struct{ code, param, says string }{
		`{}`:                            {fault.CodeInvalidValue, "messages", "must be an array, not an object"},
		`[]`:                            {fault.CodeInvalidValue, "messages", "must not be empty"},
		`["a"]`:                         {fault.CodeInvalidValue, "messages[0]", "must be an object, not a string"},
		`[{"content":"a"}]`:             {fault.CodeMissing, "messages[0].role", "needs a role"},
		`[{"role":1}]`:                  {fault.CodeInvalidValue, "messages[0].role", "must be a string"},
		`[{"role":"bot","content":""}]`: {fault.CodeInvalidValue, "messages[0].role", `not "bot"`},
		`[{"role":"function","content":"a","name":"f"}]`: {fault.CodeUnsupported, "messages[0].role", "send a tool message"},
		`[{"role":"user"}]`:                                                 {fault.CodeMissing, "messages[0].content", "needs content"},
		`[{"role":"system","content":null}]`:                                {fault.CodeMissing, "messages[0].content", "needs content"},
		`[{"role":"user","content":[]}]`:                                    {fault.CodeInvalidValue, "messages[0].content", "must not be empty"},
		`[{"role":"user","content":{"a":1}}]`:                               {fault.CodeInvalidValue, "messages[0].content", "not an object"},
		`[{"role":"user","content":[1]}]`:                                   {fault.CodeInvalidValue, "messages[0].content[0]", "must be an object"},
		`[{"role":"user","content":[{"text":"a"}]}]`:                        {fault.CodeMissing, "messages[0].content[0].type", "needs a type"},
		`[{"role":"user","content":[{"type":"text"}]}]`:                     {fault.CodeMissing, "messages[0].content[0].text", "text is required"},
		`[{"role":"user","content":[{"type":"smell"}]}]`:                    {fault.CodeInvalidValue, "messages[0].content[0].type", `not "smell"`},
		`[{"role":"user","content":[{"type":"input_audio"}]}]`:              {fault.CodeUnsupported, "messages[0].content[0].type", "audio"},
		`[{"role":"user","content":[{"type":"file"}]}]`:                     {fault.CodeUnsupported, "messages[0].content[0].type", "files"},
		`[{"role":"user","content":[{"type":"thinking","thinking":"a"}]}]`:  {fault.CodeInvalidValue, "messages[0].content[0].type", "assistant message"},
		`[{"role":"user","content":[{"type":"image_url"}]}]`:                {fault.CodeMissing, "messages[0].content[0].image_url", ""},
		`[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]`: {fault.CodeMissing, "messages[0].content[0].image_url.url", ""},
		`[{"role":"user","content":[{"type":"image_url","image_url":""}]}]`: {fault.CodeInvalidValue, "messages[0].content[0].image_url", "must not be empty"},
		`[{"role":"user","content":[{"type":"image_url","image_url":"x","detail":"a"}]}]`: {
			fault.CodeInvalidValue, "messages[0].content[0].detail", "must be one of auto, low, high, original",
		},
		`[{"role":"system","content":[{"type":"image_url","image_url":"data:,a"}]}]`:    {fault.CodeUnsupported, "messages[0].content[0].type", "images"},
		`[{"role":"system","content":[{"type":"video_url","video_url":"data:,a"}]}]`:    {fault.CodeUnsupported, "messages[0].content[0].type", "videos"},
		`[{"role":"user","content":"a","tool_calls":[]}]`:                               {fault.CodeUnknown, "messages[0].tool_calls", ""},
		`[{"role":"user","cotnent":"a"}]`:                                               {fault.CodeUnknown, "messages[0].cotnent", `did you mean "content"?`},
		`[{"role":"assistant","tool_calls":{}}]`:                                        {fault.CodeInvalidValue, "messages[0].tool_calls", "must be an array"},
		`[{"role":"assistant","tool_calls":[{"type":"other"}]}]`:                        {fault.CodeInvalidValue, "messages[0].tool_calls[0].type", ""},
		`[{"role":"assistant","tool_calls":[{"id":"c"}]}]`:                              {fault.CodeMissing, "messages[0].tool_calls[0].function", ""},
		`[{"role":"assistant","tool_calls":[{"type":"custom","custom":{"name":"f"}}]}]`: {fault.CodeMissing, "messages[0].tool_calls[0].custom.input", ""},
		`[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":1}}]}]`: {
			fault.CodeInvalidValue, "messages[0].tool_calls[0].function.arguments", "must be a string, not a number",
		},
		`[{"role":"assistant","reasoning":"a","reasoning_content":"b"}]`: {fault.CodeInvalidValue, "messages[0].reasoning", "contradicts"},
		`[` + called + `{"role":"tool","content":"a"}]`:                  {fault.CodeMissing, "messages[1].tool_call_id", ""},
		`[` + called + `{"role":"tool","tool_call_id":"d"}]`:             {fault.CodeInvalidValue, "messages[1].tool_call_id", `"d"`},
		`[` + strings.Repeat(`{"role":"user","content":"a"},`, 2048) + `{"role":"user","content":"a"}]`: {
			fault.CodeInvalidValue, "messages", "at most 2048",
		},
	} {
		_, err := decode(`{"messages":` + messages + `}`)
		var e *fault.Error
		if !errors.As(err, &e) || e.Code != want.code || e.Param != want.param || !strings.Contains(e.Message, want.says) || e.Status != 400 {
			t.Errorf("%.200s: %+v", messages, err)
		}
	}
	for _, body := range []string{`{}`, `{"messages":null}`} {
		var e *fault.Error
		if _, err := decode(body); !errors.As(err, &e) || e.Code != fault.CodeMissing || e.Param != "messages" {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestMembersThatSomebodyElseReadsAreLeftToHim(t *testing.T) {
	policy := &request.Policy{Limits: request.DefaultLimits(), Unknown: &request.Unknown{}}
	body, err := policy.Parse([]byte(`{"messages":[{"role":"user","content":"a"}],"with_pieces":true}`))
	if err != nil {
		t.Fatal(err)
	}
	d := NewDecoder(policy)
	if _, err := d.Decode(body, "with_pieces"); err != nil {
		t.Error(err)
	}
	var e *fault.Error
	if _, err := d.Decode(body); !errors.As(err, &e) || e.Param != "with_pieces" {
		t.Errorf("%v", err)
	}
	if names := Parameters(); !slices.IsSorted(names) || !slices.Contains(names, "messages") || slices.Contains(names, "with_pieces") {
		t.Errorf("%v", names)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,x","detail":"low"}}]}],"model":"\ud800"}`)
	f.Add(`{"messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]},` +
		`{"role":"tool","tool_call_id":"c","content":"2"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],` +
		`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}}}`)
	f.Add(`{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"continue_final_message":true,"seed":-1,` +
		`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}},"logit_bias":{"1":2},"stop":["x"]}`)
	f.Fuzz(func(t *testing.T, body string) {
		req, err := decode(body)
		var e *fault.Error
		switch {
		case err == nil && (len(req.Messages) == 0 || !json.Valid([]byte(body))):
			t.Fatalf("accepted %q", body)
		case err == nil:
			for i, image := range req.Images {
				if image.Index != i || image.URL == "" {
					t.Fatalf("image %d is %+v", i, image)
				}
			}
		case !errors.As(err, &e) || e.Status != 400 || e.Message == "":
			t.Fatalf("%v", err)
		}
	})
}
