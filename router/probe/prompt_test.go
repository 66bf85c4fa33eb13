package probe

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write makes a file of lines in a new folder.
func write(t *testing.T, name string, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPromptsBecomeRequests(t *testing.T) {
	file := write(t, "prompts.jsonl",
		`{"text": "What is 2+2?", "answer": 4, "lang": "en", "kind": "math"}`, ``,
		`{"text": "What is 2+2?", "answer": "4"}`, // once is enough
		`{"text": "Which colour?", "images": ["a.png", "https://example.org/b.png", "data:image/png;base64,AA=="]}`,
		`{"model": "qwen3-vl", "stream": true, "stream_options": {"include_usage": true}, "reasoning_effort": "low", "max_tokens": 300,
		  "answer": "red", "tools": [{"type": "function"}], "response_format": {"type": "json_object"},
		  "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}, {"role": "assistant", "content": null},
		  {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.org/c.png"}}, {"type": "text", "text": "And"},
		  {"type": "text", "text": "this?"}]}, {"role": "tool", "content": "no"}]}`)
	// The last line was broken for reading; a line of JSONL has no breaks.
	text, _ := os.ReadFile(file)
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "\n\t\t  ", " ")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "a.png"), []byte("\x89PNG\r\n\x1a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	prompts, err := Load(file)
	if err != nil || len(prompts) != 3 {
		t.Fatalf("%d prompts, %v", len(prompts), err)
	}
	type seen struct {
		Text, Answer, Source string
		Images               int
		Tools, Schema        bool
	}
	var got []seen
	var bodies []map[string]any
	for _, p := range prompts {
		got = append(got, seen{p.Text, p.Answer, p.Source, p.Images, p.tools(), p.schema()})
		data, err := p.request("m-thinking", 500)
		if err != nil {
			t.Fatal(err)
		}
		var body map[string]any
		if err := json.Unmarshal(data, &body); err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	if diff := cmp.Diff([]seen{
		{"What is 2+2?", "4", "prompts.jsonl", 0, false, false},
		{"Which colour?", "", "prompts.jsonl", 3, false, false},
		{"And\nthis?", "red", "prompts.jsonl", 1, true, true},
	}, got); diff != "" {
		t.Errorf("prompts (-want +got):\n%s", diff)
	}
	picture := func(url string) any {
		return map[string]any{"type": "image_url", "image_url": map[string]any{"url": url}}
	}
	want := map[string]any{"model": "m-thinking", "max_tokens": 500.0, "messages": []any{map[string]any{"role": "user", "content": []any{
		picture("data:image/png;base64,iVBORw0KGgo="), picture("https://example.org/b.png"), picture("data:image/png;base64,AA=="),
		map[string]any{"type": "text", "text": "Which colour?"},
	}}}}
	if diff := cmp.Diff(want, bodies[1]); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	var names []string
	for name := range bodies[2] {
		names = append(names, name)
	}
	slices.Sort(names)
	diff := cmp.Diff([]string{"max_tokens", "messages", "model", "response_format", "tools"}, names)
	if diff != "" || bodies[2]["max_tokens"] != 300.0 {
		t.Errorf("a logged request has %v (-want +got):\n%s", bodies[2], diff)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	const good = `{"text": "Hello"}`
	for name, text := range map[string]string{
		"no JSON":      `{oops`,
		"no text":      `{"answer": "4"}`,
		"no such file": `{"text": "What?", "images": ["nowhere.png"]}`,
		"no words":     `{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}`,
		"no content":   `{"messages": [{"role": "user", "content": 7}]}`,
	} {
		file := write(t, "p.jsonl", good, "", text)
		if _, err := Load(file); err == nil || !strings.Contains(err.Error(), file+": line 3: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load(write(t, "p.jsonl")); err == nil {
		t.Error("an empty file has prompts")
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("read a file that is not there")
	}
}

func TestSampleIsTheSameInAnyOrder(t *testing.T) {
	var all []*Prompt
	for _, text := range strings.Fields("a b c d e f g h i j k l m n o p") {
		p := &Prompt{Text: text}
		p.Key = p.key()
		all = append(all, p)
	}
	some := Sample(all, 5)
	slices.Reverse(all)
	if more := Sample(all, 9); len(some) != 5 || !slices.Equal(some, more[:5]) {
		t.Error("the larger sample does not begin with the smaller one")
	}
	if len(Sample(all, 100)) != len(all) {
		t.Error("there are fewer prompts than wanted, and not all were taken")
	}
}

func TestOutcomesAreKnownByTheirScores(t *testing.T) {
	for text, want := range map[string]bool{
		`{"text": "a"}`: false, `{"text": "a", "weak": 1}`: false, `{"text": "a", "weak": 0, "strong": 1}`: true,
		"{\"text\": \"a\", \"label\": \"unsure\"}\n{\"text\": \"b\", \"weak\": 0, \"strong\": 0}": true,
	} {
		if got, err := IsOutcomes(write(t, "x.jsonl", text)); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
