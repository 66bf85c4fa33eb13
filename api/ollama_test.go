package api

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/api/ollama"
)

func TestOllamasClientsAreToldWhatEachModelCanDo(t *testing.T) {
	s := newSite(t, nil)
	var tags struct {
		Models []struct{ Name, Model string }
	}
	s.get("/api/tags").json(t, &tags)
	var names []string
	for _, m := range tags.Models {
		names = append(names, m.Model)
	}
	if want := []string{"qwen3-vl", "qwen3-vl-instruct", "qwen3-vl-thinking"}; !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
	show := func(name string) (capabilities []string, info map[string]any) {
		var shown struct {
			Capabilities []string
			Info         map[string]any `json:"model_info"`
		}
		s.post("/api/show", object{"model": name}).json(t, &shown)
		return shown.Capabilities, shown.Info
	}
	for name, want := range map[string][]string{
		"qwen3-vl":          {"completion", "tools", "thinking", "vision"},
		"auto":              {"completion", "tools", "thinking", "vision"},
		"auto:latest":       {"completion", "tools", "thinking", "vision"},
		"auto:quality=7":    {"completion", "tools", "thinking", "vision"},
		"qwen3-vl-instruct": {"completion", "tools", "vision"},
		"qwen3-vl-thinking": {"completion", "tools", "thinking", "vision"},
	} {
		if got, info := show(name); !slices.Equal(got, want) || info["qwen3vl.context_length"] != 4096.0 {
			t.Errorf("%s: %v %v", name, got, info)
		}
	}
	s.instruct.Model.Architecture = "qwen3vlmoe"
	s.known()
	if _, info := show("qwen3-vl-instruct"); info["general.architecture"] != "qwen3vlmoe" || info["qwen3vlmoe.context_length"] != 4096.0 {
		t.Errorf("experts: %v", info)
	}
	s.instruct.Down, s.thinking.Down = true, true
	s.known()
	if got, info := show("qwen3-vl-instruct"); !slices.Equal(got, []string{"completion", "tools"}) || len(info) != 1 {
		t.Errorf("while nothing is loaded: %v %v", got, info)
	}
}

func TestOllamasClientsAreAnsweredInLines(t *testing.T) {
	s := newSite(t, nil)
	got := s.post("/api/chat", object{"model": "qwen3-vl:latest", "messages": []any{object{"role": "user", "content": "hi"}}, "think": true})
	var said, thought strings.Builder
	var last ollama.Reply
	for line := range strings.Lines(string(got.body)) {
		last = ollama.Reply{}
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatal(err)
		}
		said.WriteString(last.Message.Content)
		thought.WriteString(last.Message.Thinking)
	}
	if thought.String() != "hm" || said.String() != "42" || !last.Done || last.EvalCount != 3 || last.TotalDuration < last.EvalDuration {
		t.Errorf("%s", got.body)
	}
	if got.header.Get("X-Qwenvld-Variant") != "thinking" || !strings.Contains(s.log.String(), "route=/api/chat") {
		t.Errorf("%v\n%s", got.header, s.log)
	}
}

func TestErrorsBelowApiHaveOllamasForm(t *testing.T) {
	key, hash := access.NewKey()
	s := newSite(t, func(c *Config) { c.Keys, c.Limits.BodyBytes = []access.Key{{Name: "a", Hash: hash}}, 1000 })
	with := []string{"Authorization", "Bearer " + key}
	for name, tc := range map[string]struct {
		got    reply
		status int
		begin  string
	}{
		"not found":     {s.get("/api/ps", with...), 404, "Unknown URL"},
		"method":        {s.get("/api/chat", with...), 405, "Method GET"},
		"no key":        {s.post("/api/chat", "{}"), 401, "Send a valid API key"},
		"not JSON":      {s.post("/api/chat", "{", with...), 400, "The body is not valid JSON"},
		"no object":     {s.post("/api/show", "[]", with...), 400, "The body must be a JSON object"},
		"too large":     {s.post("/api/show", strings.Repeat(" ", 1001), with...), 413, "The body is larger"},
		"field":         {s.post("/api/chat", `{"think":7}`, with...), 400, "think: must be"},
		"no such model": {s.post("/api/show", `{"model":"x"}`, with...), 404, `The model "x" does not exist`},
	} {
		t.Run(name, func(t *testing.T) {
			var e struct{ Error string }
			tc.got.json(t, &e)
			if tc.got.status != tc.status || !strings.HasPrefix(e.Error, tc.begin) {
				t.Errorf("%d %s", tc.got.status, tc.got.body)
			}
		})
	}
	if got := s.get("/apix", with...); !strings.Contains(string(got.body), `"invalid_request_error"`) {
		t.Errorf("%s", got.body)
	}
}
