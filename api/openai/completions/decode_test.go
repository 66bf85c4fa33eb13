package completions

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
)

func TestPromptsAreTextsOrTokens(t *testing.T) {
	for prompt, want := range map[string][]generation.TextPrompt{
		`""`:            {{}},
		`"a"`:           {{Text: "a"}},
		`["a","b"]`:     {{Text: "a"}, {Text: "b"}},
		`[1,2.0,3]`:     {{Tokens: []int32{1, 2, 3}}},
		`[[1,2],[3]]`:   {{Tokens: []int32{1, 2}}, {Tokens: []int32{3}}},
		`["a",[1],"b"]`: {{Text: "a"}, {Tokens: []int32{1}}, {Text: "b"}},
	} {
		req, err := decodeBody(`{"prompt":` + prompt + `}`)
		if err != nil {
			t.Errorf("%s: %v", prompt, err)
			continue
		}
		if diff := cmp.Diff(want, req.prompts); diff != "" {
			t.Errorf("%s: %s", prompt, diff)
		}
	}
}

func TestMembersSayHowToContinue(t *testing.T) {
	for members, check := range map[string]func(r *textRequest) bool{
		``: func(r *textRequest) bool {
			return *r.MaxTokens == 16 && !r.echo && !r.Logprobs && r.PromptParam == "prompt"
		},
		`,"max_tokens":null`:           func(r *textRequest) bool { return *r.MaxTokens == 16 },
		`,"max_tokens":-1`:             func(r *textRequest) bool { return *r.MaxTokens == 16 },
		`,"max_tokens":0,"echo":true`:  func(r *textRequest) bool { return *r.MaxTokens == 0 && r.echo },
		`,"max_tokens":7,"best_of":1`:  func(r *textRequest) bool { return *r.MaxTokens == 7 },
		`,"n":2,"best_of":2`:           func(r *textRequest) bool { return r.Answers() == 2 },
		`,"logprobs":0`:                func(r *textRequest) bool { return r.Logprobs && r.TopLogprobs == 0 },
		`,"logprobs":5,"suffix":""`:    func(r *textRequest) bool { return r.Logprobs && r.TopLogprobs == 5 },
		`,"guided_choice":["a"]`:       func(r *textRequest) bool { return cmp.Equal(r.Constraint.Choices, []string{"a"}) },
		`,"stop":"x","top_p":0`:        func(r *textRequest) bool { return r.Stop[0] == "x" && *r.Sampling.Temperature == 0 },
		`,"repetition_detection":true`: func(r *textRequest) bool { return !r.MayRepeat },
	} {
		req, err := decodeBody(`{"prompt":"a"` + members + `}`)
		if err != nil || !check(req) {
			t.Errorf("%s: %+v, %v", members, req, err)
		}
	}
}

func TestFaultsNameTheirField(t *testing.T) {
	for body, want := range map[string]struct{ code, param string }{
		`{}`:                                         {fault.CodeMissing, "prompt"},
		`{"prompt":[]}`:                              {fault.CodeInvalidValue, "prompt"},
		`{"prompt":1}`:                               {fault.CodeInvalidValue, "prompt"},
		`{"prompt":[1,"a"]}`:                         {fault.CodeInvalidValue, "prompt[1]"},
		`{"prompt":["a",1]}`:                         {fault.CodeInvalidValue, "prompt[1]"},
		`{"prompt":[[1],[-2]]}`:                      {fault.CodeInvalidValue, "prompt[1][0]"},
		`{"prompt":"a","suffix":"b"}`:                {fault.CodeUnsupported, "suffix"},
		`{"prompt":"a","best_of":3}`:                 {fault.CodeUnsupported, "best_of"},
		`{"prompt":"a","logprobs":6}`:                {fault.CodeInvalidValue, "logprobs"},
		`{"prompt":"a","logprobs":true}`:             {fault.CodeInvalidValue, "logprobs"},
		`{"prompt":"a","logprobs":1,"echo":true}`:    {fault.CodeUnsupported, "logprobs"},
		`{"prompt":"a","max_tokens":-2}`:             {fault.CodeInvalidValue, "max_tokens"},
		`{"prompt":"a","tools":[]}`:                  {fault.CodeUnknown, "tools"},
		`{"prompt":"a","reasoning_effort":"low"}`:    {fault.CodeUnknown, "reasoning_effort"},
		`{"prompt":["a","b","c","d"],"n":9}`:         {fault.CodeInvalidValue, "n"},
		`{"prompt":[` + texts(33) + `],"n":2}`:       {fault.CodeInvalidValue, "prompt"},
		`{"prompt":[` + texts(65) + `],"echo":true}`: {fault.CodeInvalidValue, "prompt"},
	} {
		_, err := decodeBody(body)
		var e *fault.Error
		if !errors.As(err, &e) || e.Status != 400 || e.Code != want.code || e.Param != want.param {
			t.Errorf("%s: %+v", body, err)
		}
	}
	if _, err := decodeBody(`{"prompt":[` + texts(32) + `],"n":2}`); err != nil {
		t.Error(err)
	}
}

// texts are so many prompts.
func texts(n int) string { return strings.Repeat(`"a",`, n-1) + `"a"` }

func FuzzDecode(f *testing.F) {
	f.Add(`{"model":"m","prompt":["a",[1,2]],"max_tokens":0,"n":2,"echo":true,"stop":["x"],"stream_options":{"include_usage":true}}`)
	f.Add(`{"prompt":"a","logprobs":2,"structured_outputs":{"regex":"[a-c]+"},"logit_bias":{"7":-1}}`)
	f.Fuzz(func(t *testing.T, body string) {
		req, err := decodeBody(body)
		var e *fault.Error
		switch {
		case err == nil && (len(req.prompts) == 0 || req.MaxTokens == nil || len(req.Messages) > 0 || !json.Valid([]byte(body))):
			t.Fatalf("accepted %q", body)
		case err != nil && (!errors.As(err, &e) || e.Status != 400 || e.Message == ""):
			t.Fatalf("%v", err)
		}
	})
}
