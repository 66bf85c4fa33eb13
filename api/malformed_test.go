package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// mangle damages a body: the bytes themselves, or a value somewhere inside.
func mangle(rng *rand.Rand, body string) string {
	if rng.IntN(3) == 0 {
		b := []byte(body)
		for range 1 + rng.IntN(4) {
			switch i := rng.IntN(len(b)); rng.IntN(3) {
			case 0:
				b[i] = byte(rng.IntN(256))
			case 1:
				b = b[:i+1]
			default:
				b = append(b[:i:i], b[min(len(b), i+1+rng.IntN(8)):]...)
				if len(b) == 0 {
					return ""
				}
			}
		}
		return string(b)
	}
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		panic(err) // bodies are JSON
	}
	odd := []any{nil, true, -1, 1e308, 0.5, "", "\u0000", strings.Repeat("x", 5000), []any{}, map[string]any{}, []any{nil}, map[string]any{"type": "text"}, "auto"}
	out, err := json.Marshal(mangleValue(rng, v, odd))
	if err != nil {
		panic(err)
	}
	return string(out)
}

func mangleValue(rng *rand.Rand, v any, odd []any) any {
	switch x := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		if len(keys) > 0 && rng.IntN(5) > 0 {
			k := keys[rng.IntN(len(keys))]
			if rng.IntN(6) == 0 {
				delete(x, k)
			} else {
				x[k] = mangleValue(rng, x[k], odd)
			}
			return x
		}
	case []any:
		if len(x) > 0 && rng.IntN(4) > 0 {
			i := rng.IntN(len(x))
			x[i] = mangleValue(rng, x[i], odd)
			return x
		}
	}
	return odd[rng.IntN(len(odd))]
}

// Whatever is sent, the answer is a 2xx or a 4xx in the right form, and nothing of the request stays behind.
func TestMalformedRequestsGetA4xx(t *testing.T) {
	s := newSite(t, numbered)
	bodies := map[string][]string{
		"/v1/chat/completions": goldenRequests(),
		"/v1/responses": {
			`{"model":"qwen3-vl","input":"hi","instructions":"x","max_output_tokens":9,"metadata":{"a":"b"},"reasoning":{"effort":"low"},"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object","properties":{"a":{"type":"string"}}}}}}`,
			`{"model":"qwen3-vl","input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]},{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"2"}],"tools":[{"type":"function","name":"f","parameters":{"type":"object"}}],"tool_choice":{"type":"function","name":"f"},"stream":true}`,
		},
		"/v1/messages": {
			`{"model":"qwen3-vl","max_tokens":9,"system":[{"type":"text","text":"x"}],"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"2"}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"thinking":{"type":"enabled","budget_tokens":1024}}`,
		},
		"/v1/messages/count_tokens": {`{"model":"qwen3-vl","messages":[{"role":"user","content":"hi"}]}`},
		"/v1/completions":           {`{"model":"qwen3-vl-instruct","prompt":["a","b"],"max_tokens":4,"n":2,"echo":true,"logprobs":2,"stop":["x"]}`},
		"/v1/route":                 goldenRequests()[:2],
		"/tokenize":                 {`{"content":"hi","with_pieces":true}`, `{"messages":[{"role":"user","content":"hi"}]}`},
		"/detokenize":               {`{"tokens":[1,2,3]}`},
	}
	rng := rand.New(rand.NewPCG(1, 2)) // the same requests each time
	const requests = 2000
	var paths []string
	for path, list := range bodies {
		for _, b := range list {
			paths = append(paths, path+" "+b)
		}
	}
	counts := map[int]int{}
	for i := range requests {
		path, body, _ := strings.Cut(paths[i%len(paths)], " ")
		sent := mangle(rng, body)
		got := s.post(path, sent)
		counts[got.status]++
		if got.status >= http.StatusInternalServerError || got.status < http.StatusOK {
			t.Errorf("%s %s\n%d %s", path, sent, got.status, got.body)
		}
		if got.status >= http.StatusBadRequest && !strings.Contains(string(got.body), `"message":`) {
			t.Errorf("%s %s\nno message: %s", path, sent, got.body)
		}
	}
	if counts[http.StatusBadRequest] < requests/4 {
		t.Errorf("hardly anything was malformed: %v", counts)
	}
	if n := s.instruct.Open() + s.thinking.Open(); n != 0 {
		t.Errorf("%d generations are left", n)
	}
	if n := s.server.core.InFlight(); n != 0 {
		t.Errorf("%d requests are left", n)
	}
	t.Log(fmt.Sprint(counts))
}
