package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// reply is what these tests read of a chat completion.
type reply struct {
	Choices []struct {
		Message struct {
			Content   string `json:"content"`
			Reasoning string `json:"reasoning_content"`
			ToolCalls []struct {
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		} `json:"message"`
	} `json:"choices"`
}

func post(t *testing.T, url string, body []byte) reply {
	t.Helper()
	ctx := timeout(t, patience)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var r reply
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil || resp.StatusCode != http.StatusOK || len(r.Choices) != 1 {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return r
}

// TestExamplesAnswerAsTold runs what `qwenvld examples` prints.
func TestExamplesAnswerAsTold(t *testing.T) { examplesAnswerAsTold(t, serve(t)) }

func examplesAnswerAsTold(t *testing.T, d *daemon) {
	t.Helper()
	var examples []struct {
		Skill  string `json:"skill"`
		Answer string `json:"answer"`
	}
	data, err := os.ReadFile("../internal/demopair/examples.json")
	if err == nil {
		err = json.Unmarshal(data, &examples)
	}
	if err != nil || len(examples) < 10 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	out, err := exec.CommandContext(t.Context(), binary(t), "examples", "--url", d.url).Output()
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^curl -s (\S+) .* -d @(\S+)$`).FindAllStringSubmatch(string(out), -1)
	if len(commands) != len(examples) {
		t.Fatalf("%d commands for %d examples:\n%s", len(commands), len(examples), out)
	}
	for i, e := range examples {
		t.Run(e.Skill, func(t *testing.T) {
			body, err := os.ReadFile("../" + commands[i][2])
			if err != nil {
				t.Fatal(err)
			}
			m := post(t, commands[i][1], body).Choices[0].Message
			if e.Skill == "tool" {
				if len(m.ToolCalls) != 1 || !strings.Contains(e.Answer, m.ToolCalls[0].Function.Arguments) {
					t.Errorf("%+v", m)
				}
				return
			}
			if m.Content != e.Answer {
				t.Errorf("%q, want %q", m.Content, e.Answer)
			}
		})
	}
}

// TestDemoPairAnswersAsTransformersDoes asks held-out questions of every skill. The answers are those of the same
// weights in transformers, computed in float32; the files hold half precision, so a rare close call may differ.
func TestDemoPairAnswersAsTransformersDoes(t *testing.T) {
	d := serve(t)
	type truth struct {
		Thoughts string `json:"thoughts"`
		Text     string `json:"text"`
		Right    bool   `json:"right"`
	}
	type golden struct {
		Skill    string         `json:"skill"`
		Request  map[string]any `json:"request"`
		Answer   string         `json:"answer"`
		Instruct truth          `json:"instruct"`
		Thinking truth          `json:"thinking"`
	}
	var cases []golden
	file, err := os.Open("testdata/demo.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var g golden
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, g)
	}
	var mu sync.Mutex
	differ, asked := 0, 0
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, g := range cases {
		for variant, want := range map[string]truth{"instruct": g.Instruct, "thinking": g.Thinking} {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				request := map[string]any{}
				for k, v := range g.Request {
					request[k] = v
				}
				request["model"] = "qwen3-vl-" + variant
				body, err := json.Marshal(request)
				if err != nil {
					t.Error(err)
					return
				}
				m := post(t, d.url+"/v1/chat/completions", body).Choices[0].Message
				mu.Lock()
				defer mu.Unlock()
				asked++
				if m.Content != want.Text || strings.Trim(m.Reasoning, "\n") != want.Thoughts {
					differ++
					t.Logf("%s, %s: %q after %q, want %q after %q", g.Skill, variant, m.Content, m.Reasoning, want.Text, want.Thoughts)
				}
			})
		}
	}
	wg.Wait()
	if asked < 100 || differ*50 > asked {
		t.Errorf("%d of %d answers differ", differ, asked)
	}
}
