package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
)

func TestTokensOfAText(t *testing.T) {
	s := newSite(t, nil)
	cases := map[string]struct{ body, want string }{
		"content":   {`{"content":"hé"}`, `{"tokens":[104,195,169],"count":3,"max_model_len":4096}`},
		"prompt":    {`{"model":"qwen3-vl","prompt":"hi","add_special_tokens":true}`, `{"tokens":[104,105],"count":2,"max_model_len":4096}`},
		"pieces":    {`{"content":"hé","with_pieces":true}`, `{"tokens":[{"id":104,"piece":"h"},{"id":195,"piece":[195]},{"id":169,"piece":[169]}],"count":3,"max_model_len":4096}`},
		"empty":     {`{"content":""}`, `{"tokens":[],"count":0,"max_model_len":4096}`},
		"no answer": {`{"prompt":null,"content":"a","parse_special":false}`, `{"tokens":[97],"count":1,"max_model_len":4096}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := s.post("/tokenize", tc.body); got.status != http.StatusOK || string(got.body) != tc.want {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	if got := s.post("/detokenize", `{"tokens":[104,195,169]}`); string(got.body) != `{"content":"hé","prompt":"hé"}` {
		t.Errorf("%s", got.body)
	}
	if got := s.post("/detokenize", `{"tokens":[195]}`); string(got.body) != `{"content":"�","prompt":"�"}` {
		t.Errorf("%s", got.body)
	}
}

func TestTokensOfAConversation(t *testing.T) {
	s := newSite(t, nil)
	const rendered = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
	var reply struct {
		Tokens []int
		Count  int
	}
	got := s.post("/tokenize", hello)
	got.json(t, &reply)
	var text strings.Builder
	for _, b := range reply.Tokens {
		text.WriteByte(byte(b))
	}
	if got.status != http.StatusOK || text.String() != rendered || reply.Count != len(rendered) {
		t.Errorf("%d %q", got.status, text.String())
	}
	var count inputTokens
	s.post("/v1/chat/completions/input_tokens", hello).json(t, &count)
	if count.InputTokens != len(rendered) || count.Details.ImageTokens != 0 {
		t.Errorf("%+v", count)
	}
}

func TestInputTokensCountImagesFromTheirHeader(t *testing.T) {
	s := newSite(t, nil)
	body := photo(t, nil, "../multimodal/testdata/page.png", "../multimodal/testdata/palette_color.png")
	body["model"] = "qwen3-vl-instruct"
	var with inputTokens
	got := s.post("/v1/chat/completions/input_tokens", body)
	got.json(t, &with)
	if got.status != http.StatusOK || with.Details.ImageTokens == 0 || with.InputTokens <= with.Details.ImageTokens {
		t.Fatalf("%d %s", got.status, got.body)
	}
	sum := 0
	s.post("/v1/chat/completions", body)
	for _, img := range s.instruct.Request(t).Images {
		sum += img.Width * img.Height / 1024
	}
	if with.Details.ImageTokens != sum {
		t.Errorf("counted %d, the engine got %d", with.Details.ImageTokens, sum)
	}
}

func TestTokenFaultsNameTheirField(t *testing.T) {
	s := newSite(t, nil)
	for body, want := range map[string]string{
		`{}`:                              "content",
		`{"content":"a","prompt":"b"}`:    "prompt",
		`{"content":1}`:                   "content",
		`{"content":"a","extra":1}`:       "extra",
		`{"content":"a","model":"x"}`:     "model",
		`{"content":"a","with_pieces":1}`: "with_pieces",
		`{"messages":[],"model":"auto"}`:  "messages",
	} {
		if _, param, _ := s.post("/tokenize", body).failure(t); param != want {
			t.Errorf("%s: %q", body, param)
		}
	}
	for body, want := range map[string]string{`{}`: "tokens", `{"tokens":[-1]}`: "tokens[0]", `{"tokens":[1,300]}`: "tokens", `{"tokens":"a"}`: "tokens"} {
		if _, param, _ := s.post("/detokenize", body).failure(t); param != want {
			t.Errorf("%s: %q", body, param)
		}
	}
}

// Where no answer was asked for, the refusal does not speak of room for one, and it names what carries the text there.
func TestATextThatIsTooLongToCountIsNamedAsTheSurfaceNamesIt(t *testing.T) {
	turn := `"messages":[{"role":"user","content":"hi"}]`
	for _, c := range []struct{ path, body, param string }{
		{"/tokenize", `{"content":"hi"}`, "content"},
		{"/tokenize", `{"prompt":"hi"}`, "prompt"},
		{"/tokenize", `{` + turn + `}`, "messages"},
		{"/detokenize", `{"tokens":[1]}`, "tokens"},
		{"/v1/chat/completions/input_tokens", `{` + turn + `}`, "messages"},
		{"/v1/responses/input_tokens", `{"input":"hi"}`, "input"},
		{"/v1/messages/count_tokens", `{` + turn + `}`, "messages"},
		{"/v1/completions", `{"prompt":"hi","max_tokens":0}`, "prompt"},
		{"/v1/completions", `{"prompt":"hi","max_tokens":0,"echo":true,"stream":true}`, "prompt"},
	} {
		s := newSite(t, nil)
		fail := func(err error) reply {
			s.instruct.TextError, s.thinking.TextError = err, err
			return s.post(c.path, c.body)
		}
		got := fail(&engine.ContextLengthError{PromptTokens: 70000, More: true, ContextSize: 4096})
		_, param, message := got.failure(t)
		if got.status != http.StatusBadRequest || param != c.param || strings.Contains(message, "answer") ||
			!strings.Contains(message, "more than 70000 tokens") || !strings.Contains(message, "4096") {
			t.Errorf("%s %s: %d %s: %s", c.path, c.body, got.status, param, message)
		}
		for _, field := range []string{"pieces", "tokens"} {
			if _, param, _ := fail(&engine.RequestError{Field: field, Message: "is no text"}).failure(t); param != c.param {
				t.Errorf("%s %s: %s is %q", c.path, c.body, field, param)
			}
		}
	}
	s := newSite(t, nil)
	s.instruct.TextError = &engine.RequestError{Field: "tokens", Message: "300 is no token"}
	body := `{"model":"qwen3-vl-instruct","prompt":[300],"echo":true}`
	if _, param, _ := s.post("/v1/completions", body).failure(t); param != "prompt" {
		t.Errorf("tokens of a prompt: %q is at fault", param)
	}
}
