package request

import (
	"errors"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine/constraint/constrainttest"
)

const (
	addTool = `{"type":"function","function":{"name":"add","parameters":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}}}`
	onTool  = `{"type":"function","function":{"name":"on","strict":true,"parameters":{"type":"object","properties":{"x":{"type":"boolean"}},"required":["x"],"additionalProperties":false}}}`
	looseTo = `{"type":"function","function":{"name":"go","parameters":{"type":"object","properties":{"to":{"type":"string","format":"uri"}}}}}`
)

func TestConstraintsLeaveTheseAnswersPossible(t *testing.T) {
	call := func(name, arguments string) string {
		return "<tool_call>\n{\"name\": \"" + name + "\", \"arguments\": " + arguments + "}\n</tool_call>"
	}
	cases := map[string]struct {
		params  string // members of the request
		yes, no []string
	}{
		"text": {`"response_format":{"type":"text"}`, nil, nil},
		"tools, auto": {
			`"tools":[` + addTool + `]`,
			[]string{"hi", "", "<tool>", call("add", `{"a": 1}`), "Let me see.\n" + call("add", `{"a": 1}`)},
			[]string{call("sub", `{"a": 1}`), call("add", `"a"`), call("add", `{}`), "<tool_call>"},
		},
		"any object": {
			`"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":"required"`,
			[]string{call("f", `{}`), call("f", `{"a": [1]}`)},
			[]string{call("f", `"x"`), call("f", `[1]`), call("f", `1`)},
		},
		"objects only": {
			`"tools":[{"type":"function","function":{"name":"f","parameters":{"anyOf":[{"type":"string"},{"$ref":"#/$defs/o"}],"$defs":{"o":{"type":"object","required":["a"]}}}}}],"tool_choice":"required"`,
			[]string{call("f", `{"a": 1}`)},
			[]string{call("f", `"x"`), call("f", `{}`)},
		},
		"allowed tools": {
			`"tools":[` + addTool + `,` + onTool + `],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"on"}}]}}`,
			[]string{call("on", `{"x": true}`)},
			[]string{call("add", `{"a": 1}`), "hi"},
		},
		"tools, none": {`"tools":[` + onTool + `],"tool_choice":"none"`, nil, nil},
		"json object": {`"response_format":{"type":"json_object"}`, []string{`{"a": [1]}`}, []string{"hi", "[1]"}},
		"json schema": {
			`"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}}}`,
			[]string{`{"a": 1}`},
			[]string{`{}`, `{"a": 1, "b": 2}`},
		},
		"regex":  {`"structured_outputs":{"regex":"[a-c]+"}`, []string{"abc"}, []string{"abd", ""}},
		"choice": {`"structured_outputs":{"choice":["yes","no"]}`, []string{"yes"}, []string{"maybe"}},
		"schema": {`"structured_outputs":{"json":{"type":"array","items":{"type":"integer"}}}`, []string{"[1, 2]"}, []string{"{}"}},
		"required": {
			`"tools":[` + addTool + `,` + onTool + `],"tool_choice":"required"`,
			[]string{call("add", `{"a": 1}`), call("on", `{"x": true}`) + "\n" + call("add", `{"a": 2}`)},
			[]string{"hi", call("off", "{}"), call("on", "{}"), call("add", `{"a":"1"}`), ""},
		},
		"named": {
			`"tools":[` + addTool + `,` + onTool + `],"tool_choice":{"type":"function","function":{"name":"on"}}`,
			[]string{call("on", `{"x": false}`)},
			[]string{call("add", `{"a": 1}`), call("on", `{"x": true}`) + "\n" + call("on", `{"x": true}`)},
		},
		"not parallel": {
			`"tools":[` + addTool + `],"parallel_tool_calls":false`,
			[]string{"hi", "", call("add", `{"a": 1}`), "Let me see.\n" + call("add", `{"a": 1}`)},
			[]string{call("add", `{"a": 1}`) + "\n" + call("add", `{"a": 1}`), "<tool_call>", "hi <tool_call>\nno"},
		},
		"strict, auto": {
			`"tools":[` + addTool + `,` + onTool + `]`,
			[]string{"hi < there", call("on", `{"x": true}`) + "\n" + call("add", `{"a": 1}`)},
			[]string{call("on", `{}`), call("on", `{"x": true, "y": 1}`)},
		},
		"loose arguments":  {`"tools":[` + looseTo + `],"tool_choice":"required"`, []string{call("go", `{"to": "x"}`)}, []string{call("go", `"x"`), call("go", `{"to": 1}`)}},
		"no parameters":    {`"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"`, []string{call("f", `{}`)}, []string{call("f", ``)}},
		"format and tools": {`"tools":[` + addTool + `],"response_format":{"type":"json_object"}`, []string{`{"b": 1}`, call("add", `{"a": 1}`)}, []string{"hi"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			req, err := decode(tc.params, nil)
			if err != nil {
				t.Fatal(err)
			}
			form := req.Constraint
			if (form == nil) != (tc.yes == nil) {
				t.Fatalf("form %+v", form)
			}
			if form == nil {
				return
			}
			for _, text := range tc.yes {
				if !constrainttest.Accepts(t, form, text) {
					t.Errorf("refuses %s", text)
				}
			}
			for _, text := range tc.no {
				if constrainttest.Accepts(t, form, text) {
					t.Errorf("accepts %s", text)
				}
			}
		})
	}
}

func TestFaultsOfConstraintsNameTheirPlace(t *testing.T) {
	schema := func(s string, strict string) string {
		return `"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":` + strict + `,"schema":` + s + `}}`
	}
	cases := map[string]struct{ params, param, code, says string }{
		"strict keyword":  {schema(`{"type":"object","properties":{"a":{"not":{}}},"required":["a"],"additionalProperties":false}`, "true"), "response_format.json_schema.schema", "invalid_json_schema", "/properties/a"},
		"strict":          {schema(`{"type":"object","properties":{}}`, "true"), "response_format.json_schema.schema", "invalid_json_schema", "additionalProperties"},
		"no schema":       {`"response_format":{"type":"json_schema"}`, "response_format.json_schema", "missing_required_parameter", ""},
		"long schema":     {schema(`{"description":"`+strings.Repeat("x", 300_000)+`"}`, "false"), "response_format.json_schema.schema", "invalid_value", "bytes"},
		"type":            {`"response_format":{"type":"xml"}`, "response_format.type", "invalid_value", ""},
		"strict tool":     {`"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{}}}}]`, "tools[0].function.parameters", "invalid_json_schema", ""},
		"choice alone":    {`"tool_choice":"required"`, "tool_choice", "invalid_value", ""},
		"no function":     {`"tools":[` + addTool + `],"tool_choice":{"type":"function"}`, "tool_choice.function", "missing_required_parameter", "required"},
		"unknown name":    {`"tools":[` + addTool + `],"tool_choice":{"type":"function","function":{"name":"sub"}}`, "tool_choice.function.name", "invalid_value", "sub"},
		"choice type":     {`"tools":[` + addTool + `],"tool_choice":{"type":"custom"}`, "tool_choice.type", "unsupported_parameter", ""},
		"regex":           {`"structured_outputs":{"regex":"(?=a)"}`, "structured_outputs.regex", "invalid_json_schema", ""},
		"two at once":     {`"structured_outputs":{"regex":"a","choice":["a"]}`, "structured_outputs.choice", "invalid_value", ""},
		"none":            {`"structured_outputs":{}`, "structured_outputs", "invalid_value", ""},
		"grammar":         {`"structured_outputs":{"grammar":"root ::= x"}`, "structured_outputs.grammar", "unsupported_parameter", "grammars"},
		"guided grammar":  {`"guided_grammar":"root ::= x"`, "guided_grammar", "unsupported_parameter", "grammars"},
		"empty choice":    {`"structured_outputs":{"choice":[""]}`, "structured_outputs.choice", "invalid_value", ""},
		"both parameters": {`"structured_outputs":{"choice":["a"]},"response_format":{"type":"json_object"}`, "structured_outputs", "invalid_value", "response_format"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := decode(tc.params, nil)
			var e *fault.Error
			if !errors.As(err, &e) || e.Code != tc.code || e.Param != tc.param || !strings.Contains(e.Message, tc.says) {
				t.Errorf("%v", err)
			}
		})
	}
}
