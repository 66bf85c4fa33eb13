package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/engine"
)

func TestTextIsContinuedAsItIs(t *testing.T) {
	s := newSite(t, nil)
	got := s.post("/v1/completions", `{"model":"qwen3-vl","prompt":"Once <|im_end|>","max_tokens":5,"temperature":0}`)
	var c textCompletion
	got.json(t, &c)
	if got.status != http.StatusOK || c.Model != "qwen3-vl-instruct" || len(c.Choices) != 1 || c.Choices[0].Text != "Hello world" || *c.Choices[0].FinishReason != "stop" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	want := []engine.Piece{{Kind: engine.PieceControl, Text: "Once <|im_end|>"}}
	if r := s.instruct.Request(t); cmp.Diff(want, r.Prompt) != "" || r.MaxTokens != 5 || r.Thinking.Open {
		t.Errorf("%+v", r)
	}
	if got := s.post("/v1/completions", `{"model":"qwen3-vl-thinking","prompt":[1,2,3]}`); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if r := s.thinking.Request(t); r.Prompt[0].Kind != engine.PieceTokens || len(r.Prompt[0].Tokens) != 3 || r.MaxTokens != 16 {
		t.Errorf("%+v", r)
	}
}

func TestSeveralPromptsAndChoices(t *testing.T) {
	s := newSite(t, nil)
	const body = `"prompt":["a","b"],"n":2,"echo":true`
	var c textCompletion
	s.post("/v1/completions", `{"model":"qwen3-vl",`+body+`}`).json(t, &c)
	var texts []string
	for i, choice := range c.Choices {
		texts = append(texts, choice.Text)
		if choice.Index != i {
			t.Errorf("index %d at %d", choice.Index, i)
		}
	}
	want := []string{"aHello world", "aHello world", "bHello world", "bHello world"}
	if diff := cmp.Diff(want, texts); diff != "" || c.Usage.PromptTokens != 14 || c.Usage.CompletionTokens != 8 {
		t.Errorf("%s %+v", diff, c.Usage)
	}

	events := s.post("/v1/completions", `{"model":"qwen3-vl",`+body+`,"stream":true,"stream_options":{"include_usage":true}}`).events(t)
	streamed, ends := make([]string, 4), 0
	for i, e := range events {
		if i == len(events)-1 {
			if e != "[DONE]" {
				t.Errorf("last event %s", e)
			}
			break
		}
		var chunk textCompletion
		if err := json.Unmarshal([]byte(e), &chunk); err != nil {
			t.Fatal(err)
		}
		for _, choice := range chunk.Choices {
			streamed[choice.Index] += choice.Text
			if choice.FinishReason != nil {
				ends++
			}
		}
		if (chunk.Usage != nil) != (i == len(events)-2) {
			t.Errorf("usage in chunk %d", i)
		}
	}
	if diff := cmp.Diff(want, streamed); diff != "" || ends != 4 {
		t.Errorf("%s, %d ends", diff, ends)
	}
}

func TestTextLogprobs(t *testing.T) {
	s := newSite(t, nil)
	token := func(text string) engine.Event {
		return engine.Event{Text: text, Tokens: []engine.Token{{ID: 1, Bytes: []byte(text), Logprob: -1, Top: []engine.TopToken{{ID: 1, Bytes: []byte(text), Logprob: -1}}}}}
	}
	s.instruct.Events = []engine.Event{token("ab"), token("c"), text()[0]}
	var c textCompletion
	s.post("/v1/completions", `{"model":"qwen3-vl","prompt":"x","logprobs":1}`).json(t, &c)
	want := &textLogprobs{Tokens: []string{"ab", "c"}, TokenLogprobs: []float64{-1, -1}, TopLogprobs: []map[string]float64{{"ab": -1}, {"c": -1}}, TextOffset: []int{0, 2}}
	if diff := cmp.Diff(want, c.Choices[0].Logprobs); diff != "" {
		t.Error(diff)
	}
}

// Offsets count characters, in a stream as in one piece. A token within a character has that one's.
func TestTextOffsetsCountCharacters(t *testing.T) {
	s := newSite(t, nil)
	token := func(text, b string) engine.Event {
		return engine.Event{Text: text, Tokens: []engine.Token{{ID: 1, Bytes: []byte(b), Logprob: -1}}}
	}
	s.instruct.Events = []engine.Event{
		token("né", "né"), token("", "\xe6\xbc"), token("漢", "\xa2"), token("👍 ", "👍 "), token("\ufffd", "\xff"), token("z", "z"), text()[0],
	}
	want := []int{0, 2, 2, 3, 5, 6}
	var c textCompletion
	s.post("/v1/completions", `{"model":"qwen3-vl","prompt":"x","logprobs":0}`).json(t, &c)
	if got := c.Choices[0].Logprobs.TextOffset; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	var streamed []int
	for _, e := range s.post("/v1/completions", `{"model":"qwen3-vl","prompt":"x","logprobs":0,"stream":true}`).events(t) {
		var chunk textCompletion
		if e == "[DONE]" {
			break
		}
		if err := json.Unmarshal([]byte(e), &chunk); err != nil {
			t.Fatal(err)
		}
		for _, choice := range chunk.Choices {
			streamed = append(streamed, choice.Logprobs.TextOffset...)
		}
	}
	if !slices.Equal(streamed, want) {
		t.Errorf("streamed %v, want %v", streamed, want)
	}
}

func TestCompletionFaultsNameTheirField(t *testing.T) {
	s := newSite(t, nil)
	for body, want := range map[string]string{
		`{"model":"qwen3-vl"}`:                                                  "prompt",
		`{"model":"x","prompt":"a"}`:                                            "model",
		`{"model":"qwen3-vl","prompt":[]}`:                                      "prompt",
		`{"model":"qwen3-vl","prompt":[1,"a"]}`:                                 "prompt[1]",
		`{"model":"qwen3-vl","prompt":[[1],[-2]]}`:                              "prompt[1][0]",
		`{"model":"qwen3-vl","prompt":"a","suffix":"b"}`:                        "suffix",
		`{"model":"qwen3-vl","prompt":"a","best_of":3}`:                         "best_of",
		`{"model":"qwen3-vl","prompt":"a","logprobs":9}`:                        "logprobs",
		`{"model":"qwen3-vl","prompt":"a","logprobs":1,"echo":true}`:            "logprobs",
		`{"model":"qwen3-vl","prompt":"a","messages":[]}`:                       "messages",
		`{"model":"qwen3-vl","prompt":"a","temperature":-1}`:                    "temperature",
		`{"model":"qwen3-vl","prompt":[` + strings.Repeat(`"a",`, 70) + `"a"]}`: "prompt",
	} {
		got := s.post("/v1/completions", body)
		if _, param, _ := got.failure(t); got.status/100 != 4 || param != want {
			t.Errorf("%s: %d %q", body, got.status, param)
		}
	}
}
