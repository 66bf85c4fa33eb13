package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestASecondLookFindsWhatInstructCannotDo asks at the quality at which the router wavers, so that instruct's own tokens decide.
func TestASecondLookFindsWhatInstructCannotDo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "qwenvld.yaml")
	const look = "router: {second_look: {share: 1, tokens: 8}}\n"
	if err := os.WriteFile(file, []byte(look), 0o600); err != nil {
		t.Fatal(err)
	}
	d := serve(t, "--config", file)
	for name, c := range map[string]struct{ model, reason, answer string }{
		"sum":    {"qwen3-vl-thinking", "second look: token ", "The sum is 132."},
		"chain":  {"qwen3-vl-thinking", "second look: token ", "The result is 59."},
		"larger": {"qwen3-vl-instruct", "second look: the beginning is clear", "The blue circle is larger."},
	} {
		data, err := os.ReadFile("../examples/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var question map[string]any
		if err := json.Unmarshal(data, &question); err != nil {
			t.Fatal(err)
		}
		type routing struct {
			Variant   string
			Uncertain bool
			Reasons   []string
		}
		wavers := false
		for quality := 0.1; quality < 10 && !wavers; quality += 0.02 {
			question["model"] = fmt.Sprintf("auto:quality=%.2f", quality)
			var decision struct{ Routing routing }
			call(t, d.url+"/v1/route", question, &decision)
			wavers = decision.Routing.Uncertain && decision.Routing.Variant == "instruct"
		}
		if !wavers {
			t.Errorf("%s: the router never wavers", name)
			continue
		}
		question["temperature"], question["stream"] = 0, false
		delete(question, "stream_options")
		var answer struct {
			Model   string
			Routing routing
			Choices []struct{ Message struct{ Content string } }
		}
		call(t, d.url+"/v1/chat/completions", question, &answer)
		if answer.Model != c.model || !strings.HasPrefix(answer.Routing.Reasons[0], c.reason) || answer.Choices[0].Message.Content != c.answer {
			t.Errorf("%s at %s: %+v", name, question["model"], answer)
		}
	}
}
