package prompt

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// answer is a parsed answer with its deltas joined.
type answer struct {
	Reasoning, Content string
	Calls              []parsedCall
}

type parsedCall struct {
	Name, Arguments string
	Done, Truncated bool
}

func (a *answer) add(deltas []Delta) {
	for _, d := range deltas {
		a.Reasoning += d.Reasoning
		a.Content += d.Content
		if c := d.ToolCall; c != nil {
			if c.Index == len(a.Calls) {
				a.Calls = append(a.Calls, parsedCall{})
			}
			call := &a.Calls[c.Index]
			call.Name += c.Name
			call.Arguments += c.Arguments
			call.Done, call.Truncated = call.Done || c.Done, call.Truncated || c.Truncated
		}
	}
}

func parseChunks(o ParserOptions, chunks ...string) answer {
	p := NewParser(o)
	var a answer
	for _, c := range chunks {
		a.add(p.Add(c))
	}
	a.add(p.Close())
	return a
}

const weatherCall = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Zürich\", \"n\": [1, 2.5e3]}}\n</tool_call>"

func weatherParsed() parsedCall {
	return parsedCall{"weather", `{"city": "Zürich", "n": [1, 2.5e3]}`, true, false}
}

func TestParser(t *testing.T) {
	t.Parallel()
	offered := []string{"weather", "f", "g"}
	plain, tools := ParserOptions{}, ParserOptions{Tools: offered}
	think, both := ParserOptions{ThinkOpen: true}, ParserOptions{ThinkOpen: true, Tools: offered}
	tests := []struct {
		name    string
		options ParserOptions
		text    string
		want    answer
	}{
		{"plain answer keeps its white space", plain, " \n Hello\n\n", answer{Content: " \n Hello\n\n"}},
		{"nothing", plain, "", answer{}},
		{"open block", think, "hm\nso\n</think>\n\nYes.\n", answer{Reasoning: "hm\nso", Content: "Yes.\n"}},
		{"open block repeated by the model", think, "\n<think>\nhm</think>Yes", answer{Reasoning: "hm", Content: "Yes"}},
		{"block that never ends", think, "\nhm\n\n", answer{Reasoning: "hm"}},
		{"nothing in an open block", think, "", answer{}},
		{"half a closing tag at the end", think, "hm</thi", answer{Reasoning: "hm</thi"}},
		{"empty block", think, "\n</think>\n\nYes", answer{Content: "Yes"}},
		{"second closing tag is content", think, "a</think>b</think>c", answer{Reasoning: "a", Content: "b</think>c"}},
		{"instruct model that thinks", plain, "<think>\nhm\n</think>\n\nYes", answer{Reasoning: "hm", Content: "Yes"}},
		{"think tag later is content", plain, "a <think>b</think>", answer{Content: "a <think>b</think>"}},
		{"half a think tag is content", plain, "<thi", answer{Content: "<thi"}},
		{"call", tools, weatherCall, answer{Calls: []parsedCall{weatherParsed()}}},
		{"call after content", tools, "Let me look.\n" + weatherCall, answer{Content: "Let me look.", Calls: []parsedCall{weatherParsed()}}},
		{"two calls", tools, weatherCall + "\n" + weatherCall + "\n", answer{Calls: []parsedCall{weatherParsed(), weatherParsed()}}},
		{"content after a call", tools, weatherCall + "\nDone.", answer{Content: "Done.", Calls: []parsedCall{weatherParsed()}}},
		{"call not offered", plain, "x\n" + weatherCall, answer{Content: "x\n" + weatherCall}},
		{"call not offered in reasoning", think, weatherCall, answer{Reasoning: weatherCall}},
		{"call among thoughts", both, "hm\n" + weatherCall, answer{Reasoning: "hm", Calls: []parsedCall{weatherParsed()}}},
		{"block closed after a call", both, "hm\n" + weatherCall + "\n</think>\n\n", answer{Reasoning: "hm", Calls: []parsedCall{weatherParsed()}}},
		{"answer after a call among thoughts", both, weatherCall + "\n</think>\n\nYes.", answer{Content: "Yes.", Calls: []parsedCall{weatherParsed()}}},
		{"thoughts go on after a call", both, "hm\n" + weatherCall + "\nso\n\n" + weatherCall + "\nand\n</think>\n\nYes.", answer{Reasoning: "hm\nso\nand", Content: "Yes.", Calls: []parsedCall{weatherParsed(), weatherParsed()}}},
		{"call on both sides of the closing tag", both, weatherCall + "</think>" + weatherCall + "x", answer{Content: "x", Calls: []parsedCall{weatherParsed(), weatherParsed()}}},
		{"a broken call after one among thoughts", both, "hm" + weatherCall + "\n<tool_call>x</think>y", answer{Reasoning: "hm\n<tool_call>x", Content: "y", Calls: []parsedCall{weatherParsed()}}},
		{"call after reasoning", both, "hm\n</think>\n\n" + weatherCall, answer{Reasoning: "hm", Calls: []parsedCall{weatherParsed()}}},
		{"mention of the tag in reasoning", both, "use\n<tool_call> now\n</think>\nx", answer{Reasoning: "use\n<tool_call> now", Content: "x"}},
		{"arguments first", tools, `<tool_call>{"arguments":{"a":"}"},"id":7,"name":"f"}</tool_call>`, answer{Calls: []parsedCall{{"f", `{"a":"}"}`, true, false}}}},
		{"no arguments", tools, `<tool_call>{"name":"f"}</tool_call>`, answer{Calls: []parsedCall{{"f", "{}", true, false}}}},
		{"number arguments", tools, `<tool_call>{"name":"f","arguments":-1.5e3,"x":0}</tool_call>`, answer{Content: `<tool_call>{"name":"f","arguments":-1.5e3,"x":0}</tool_call>`}},
		{"list arguments", tools, `<tool_call>{"name":"f","arguments":[{}]}</tool_call>`, answer{Content: `<tool_call>{"name":"f","arguments":[{}]}</tool_call>`}},
		{"null arguments", tools, `<tool_call>{"name":"f","arguments":null}</tool_call>`, answer{Calls: []parsedCall{{"f", "{}", true, false}}}},
		{"a string that is no object", tools, `<tool_call>{"name":"f","arguments":"[1]"}</tool_call>`, answer{Content: `<tool_call>{"name":"f","arguments":"[1]"}</tool_call>`}},
		{"a tool nobody declared", tools, "a\n<tool_call>\n{\"name\": \"h\", \"arguments\": {}}\n</tool_call>", answer{Content: "a\n<tool_call>\n{\"name\": \"h\", \"arguments\": {}}\n</tool_call>"}},
		{"and then one that is", tools, `<tool_call>{"arguments":{},"name":"h"}</tool_call><tool_call>{"name":"f"}</tool_call>`, answer{Content: `<tool_call>{"arguments":{},"name":"h"}</tool_call>`, Calls: []parsedCall{{"f", "{}", true, false}}}},
		{"a broken call among thoughts", both, `hm<tool_call>{"name":"f","arguments":{"a":x</think>y`, answer{Reasoning: `hm<tool_call>{"name":"f","arguments":{"a":x`, Content: "y"}},
		{"a call among thoughts that breaks off", both, `hm<tool_call>{"name":"f","arguments":{"a":`, answer{Reasoning: `hm<tool_call>{"name":"f","arguments":{"a":`}},
		{"string arguments", tools, `<tool_call>{"name":"f","arguments":"{\"a\":1}"}</tool_call>`, answer{Calls: []parsedCall{{"f", `{"a":1}`, true, false}}}},
		{"repeated members", tools, `<tool_call>{"name":"f","arguments":{"a":1},"name":"g","arguments":2}`, answer{Calls: []parsedCall{{"f", `{"a":1}`, true, false}}}},
		{"tags inside a string", tools, `<tool_call>{"name":"f","arguments":{"a":"</tool_call><tool_call>"}}`, answer{Calls: []parsedCall{{"f", `{"a":"</tool_call><tool_call>"}`, true, false}}}},
		{"raw newline in a string", tools, "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":\"x\ny\"}}", answer{Calls: []parsedCall{{"f", `{"a":"x\u000ay"}`, true, false}}}},
		{"missing closing tag", tools, `<tool_call>{"name":"f","arguments":{}} and`, answer{Content: "and", Calls: []parsedCall{{"f", "{}", true, false}}}},
		{"malformed before the name", tools, "a\n<tool_call>\nname=f\n</tool_call>", answer{Content: "a\n<tool_call>\nname=f\n</tool_call>"}},
		{"no name", tools, `<tool_call>{"arguments":{}}</tool_call>`, answer{Content: `<tool_call>{"arguments":{}}</tool_call>`}},
		{"name is no string", tools, `<tool_call>{"name":1}</tool_call>`, answer{Content: `<tool_call>{"name":1}</tool_call>`}},
		{"call inside a malformed one", tools, "<tool_call>" + weatherCall, answer{Content: "<tool_call>", Calls: []parsedCall{weatherParsed()}}},
		{"malformed after the name", tools, `<tool_call>{"name":"f","arguments":{"a":x}}`, answer{Content: "x}}", Calls: []parsedCall{{"f", `{"a":`, false, true}}}},
		{"ends inside the arguments", tools, `<tool_call>{"name":"f","arguments":{"a":"b`, answer{Calls: []parsedCall{{"f", `{"a":"b`, false, true}}}},
		{"ends before the name", tools, "a\n<tool_call>\n{\"na", answer{Content: "a\n<tool_call>\n{\"na"}},
		{"ends inside the tag", tools, "a\n<tool_c", answer{Content: "a\n<tool_c"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, parseChunks(tt.options, tt.text)); diff != "" {
				t.Errorf("in one chunk (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, parseChunks(tt.options, strings.Split(tt.text, "")...)); diff != "" {
				t.Errorf("in single characters (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParserSendsArgumentsAsTheyCome(t *testing.T) {
	t.Parallel()
	p := NewParser(ParserOptions{Tools: []string{"f"}})
	var got []ToolCallDelta
	for _, chunk := range []string{"<tool_call>\n{\"name\": \"f\"", ", \"arguments\": {\"a\"", ": \"xy", "z\"}}", "\n</tool_call>"} {
		for _, d := range p.Add(chunk) {
			got = append(got, *d.ToolCall)
		}
	}
	want := []ToolCallDelta{{Name: "f"}, {Arguments: `{"a"`}, {Arguments: `: "xy`}, {Arguments: `z"}`}, {Done: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestParserIgnoresChunkBorders is the property that a stream relies on.
func TestParserIgnoresChunkBorders(t *testing.T) {
	t.Parallel()
	words := []string{
		"<think>", "</think>", "<tool_call>", "</tool_call>", "\n", " ", "a", "가", "{", "}", `{"name": "f", "arguments": `,
		`{"a": [1, true, "x\n"]}`, `"name"`, `"`, `\`, ",", ":", "-1.5e", "0", "[", "]", "null", "<", "</t",
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 0, 24).Draw(t, "words"), "")
		o := ParserOptions{ThinkOpen: rapid.Bool().Draw(t, "open"), Tools: offeredIf(rapid.Bool().Draw(t, "tools"))}
		var chunks []string
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			chunks, rest = append(chunks, rest[:n]), rest[n:]
		}
		checkAnswer(t, o, text, chunks)
	})
}

func offeredIf(tools bool) []string {
	if !tools {
		return nil
	}
	return []string{"f", "weather"}
}

// fataler is what *testing.T and *rapid.T share.
type fataler interface {
	Fatalf(format string, args ...any)
}

func checkAnswer(t fataler, o ParserOptions, text string, chunks []string) {
	whole := parseChunks(o, text)
	if diff := cmp.Diff(whole, parseChunks(o, chunks...)); diff != "" {
		t.Fatalf("%q as %q (-whole +chunks):\n%s", text, chunks, diff)
	}
	for _, c := range whole.Calls {
		if !slices.Contains(o.Tools, c.Name) || c.Done && json.Unmarshal([]byte(c.Arguments), new(map[string]json.RawMessage)) != nil {
			t.Fatalf("%q: bad call %+v", text, c)
		}
	}
	if o.Tools == nil && len(whole.Calls) > 0 {
		t.Fatalf("%q: calls without tools", text)
	}
}

func FuzzParser(f *testing.F) {
	f.Add("hm\n</think>\n\nYes", uint8(3), true, true)
	f.Add(weatherCall+"\n"+weatherCall, uint8(5), false, true)
	f.Add("<tool_call>{\"name\":\"f\",\"arguments\":-0.5e+1}", uint8(1), false, true)
	f.Add("<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1e999}}", uint8(1), false, true)
	f.Fuzz(func(t *testing.T, text string, size uint8, open, tools bool) {
		var chunks []string
		for rest := text; rest != ""; {
			n := min(len(rest), int(size)+1)
			chunks, rest = append(chunks, rest[:n]), rest[n:]
		}
		checkAnswer(t, ParserOptions{ThinkOpen: open, Tools: offeredIf(tools)}, text, chunks)
	})
}
