package prompt

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// golden is a line of testdata/conversations.jsonl, made by testdata/make_goldens.py.
type golden struct {
	Name         string       `json:"name"`
	Conversation conversation `json:"conversation"`
	Instruct     string       `json:"instruct"`
	Thinking     string       `json:"thinking"`
}

// conversation is the JSON that the Python script gives to Jinja.
type conversation struct {
	Messages []struct {
		Role             string          `json:"role"`
		Content          json.RawMessage `json:"content"`
		ReasoningContent json.RawMessage `json:"reasoning_content"`
		ToolCalls        []struct {
			ID       string    `json:"id"`
			function           // a bare call has no "function" object
			Function *function `json:"function"`
		} `json:"tool_calls"`
	} `json:"messages"`
	Tools               []json.RawMessage `json:"tools"`
	AddVisionID         bool              `json:"add_vision_id"`
	AddGenerationPrompt bool              `json:"add_generation_prompt"`
}

type function struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

func (c conversation) decode(t testing.TB) *Conversation {
	t.Helper()
	out := &Conversation{Tools: c.Tools, AddVisionID: c.AddVisionID, AddGenerationPrompt: c.AddGenerationPrompt}
	for _, m := range c.Messages {
		msg := Message{Role: m.Role, Content: decodeContent(t, m.Content)}
		if len(m.ReasoningContent) > 0 && m.ReasoningContent[0] == '"' {
			msg.ReasoningContent = new(string)
			mustUnmarshal(t, m.ReasoningContent, msg.ReasoningContent)
		}
		for _, call := range m.ToolCalls {
			f := call.function
			if call.Function != nil {
				f = *call.Function
			}
			msg.ToolCalls = append(msg.ToolCalls, ToolCall{ID: call.ID, Name: f.Name, Arguments: f.Arguments})
		}
		out.Messages = append(out.Messages, msg)
	}
	return out
}

func decodeContent(t testing.TB, raw json.RawMessage) Content {
	t.Helper()
	if len(raw) == 0 {
		return Content{}
	}
	if raw[0] == '"' {
		var s string
		mustUnmarshal(t, raw, &s)
		return TextContent(s)
	}
	var parts []struct{ Type, Text string }
	mustUnmarshal(t, raw, &parts)
	content := []Part{}
	for _, p := range parts {
		kind := PartKind(p.Type)
		if p.Type == "image_url" {
			kind = PartImage
		}
		content = append(content, Part{Kind: kind, Text: p.Text})
	}
	return ListContent(content...)
}

func mustUnmarshal(t testing.TB, raw []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatal(err)
	}
}

func loadGoldens(t testing.TB) []golden {
	t.Helper()
	data, err := os.ReadFile("testdata/conversations.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var goldens []golden
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var g golden
		mustUnmarshal(t, lines.Bytes(), &g)
		goldens = append(goldens, g)
	}
	if len(goldens) < 60 {
		t.Fatalf("only %d goldens", len(goldens))
	}
	return goldens
}

// TestNativeRenderersMatchJinja compares every prompt with what Python's jinja2 made of Qwen's templates.
func TestNativeRenderersMatchJinja(t *testing.T) {
	t.Parallel()
	for _, g := range loadGoldens(t) {
		t.Run(g.Name, func(t *testing.T) {
			t.Parallel()
			checkGolden(t, instructRenderer{}, g, g.Instruct)
			checkGolden(t, thinkingRenderer{}, g, g.Thinking)
		})
	}
}

func checkGolden(t *testing.T, r Renderer, g golden, want string) {
	t.Helper()
	got, err := r.Render(g.Conversation.decode(t))
	if err != nil {
		t.Fatalf("%s: %v", r.Name(), err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", r.Name(), diff)
	}
}
