package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/engine"
)

var update = flag.Bool("update", false, "write the goldens again")

// events are the data of a recording's events.
func events(tb testing.TB, name string) [][]byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	var out [][]byte
	for line := range bytes.Lines(text) {
		if data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data: ")); ok && string(data) != Done {
			out = append(out, data)
		}
	}
	return out
}

func TestRecordedStreamsReadAlike(t *testing.T) {
	for kind, want := range map[Kind]engine.Usage{
		VLLM:   {PromptTokens: 181, CompletionTokens: 30, CachedTokens: 160},
		SGLang: {PromptTokens: 181, CompletionTokens: 30, CachedTokens: 160, ReasoningTokens: 7},
		Ollama: {PromptTokens: 181, CompletionTokens: 30},
	} {
		var all Delta
		for _, data := range events(t, string(kind)+".sse") {
			d, err := Read(data)
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			all.Thoughts += d.Thoughts
			all.Text += d.Text
			for _, c := range d.Calls {
				if c.Name != "" {
					all.Calls = append(all.Calls, c)
				} else {
					all.Calls[len(all.Calls)-1].Arguments += c.Arguments
				}
			}
			if d.Finish != "" {
				all.Finish = d.Finish
			}
			if d.Usage != nil {
				all.Usage = d.Usage
			}
		}
		all.Text = strings.TrimSpace(all.Text)
		wanted := Delta{
			Thoughts: "They want the weather.\n", Text: "Let me look.", Finish: "tool_calls", Usage: &want,
			Calls: []CallDelta{{Name: "weather", Arguments: `{"city": "Bern"}`}},
		}
		if diff := cmp.Diff(wanted, all); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
}

func TestOtherEventsAreRead(t *testing.T) {
	for data, want := range map[string]Delta{
		`{"choices":[{"text":"a","logprobs":{"tokens":["a"],"token_logprobs":[-0.5],"top_logprobs":[{"b":-1,"a":-0.5}]}}]}`: {
			Text: "a", Tokens: []engine.Token{{Bytes: []byte("a"), Logprob: -0.5, Top: []engine.TopToken{
				{Bytes: []byte("a"), Logprob: -0.5}, {Bytes: []byte("b"), Logprob: -1},
			}}},
		},
		`{"choices":[{"delta":{"content":"é"},"logprobs":{"content":[{"token":"\u00e9","bytes":[195,169],"logprob":-1,"top_logprobs":[{"token":"x","logprob":-2}]}]}}]}`: {
			Text: "é", Tokens: []engine.Token{{Bytes: []byte("é"), Logprob: -1, Top: []engine.TopToken{{Bytes: []byte("x"), Logprob: -2}}}},
		},
		`{"choices":[{"delta":{"content":"a"}}],"timings":{"cache_n":5,"prompt_n":2,"predicted_n":3}}`: {
			Text: "a", Usage: &engine.Usage{PromptTokens: 7, CachedTokens: 5, CompletionTokens: 3},
		},
		`{"choices":[{"delta":{"reasoning":"a","reasoning_content":"a"}}]}`:                            {Thoughts: "a"},
		`{"choices":[{"delta":{"content":null,"tool_calls":null},"finish_reason":null}],"usage":null}`: {},
	} {
		got, err := Read([]byte(data))
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %v, %s", data, err, cmp.Diff(want, got))
		}
	}
	for data, want := range map[string]string{
		`{"error":{"message":"dead","type":"InternalServerError","code":500}}`: "dead",
		`{"error":"dead"}`: "dead",
		`{"object":"error","message":"dead","type":"BadRequestError","param":null,"code":400}`: "dead",
	} {
		var failed *StreamError
		if _, err := Read([]byte(data)); !errors.As(err, &failed) || failed.Message != want {
			t.Errorf("%s: %v", data, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, kind := range []Kind{VLLM, SGLang, Ollama} {
		for _, data := range events(f, string(kind)+".sse") {
			f.Add(data)
		}
	}
	f.Add([]byte(`{"choices":[{"logprobs":{"tokens":["a","b"],"token_logprobs":[1],"content":[{"bytes":[300,-1]}]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Read(data)
		if err != nil && (d.Text != "" || d.Calls != nil) {
			t.Errorf("%+v with %v", d, err)
		}
	})
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		cause  Cause
		text   string
	}{
		"vLLM, too long":         {400, `{"error":{"message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","param":null,"code":400}}`, CauseLength, "This model's maximum context length is 4096 tokens."},
		"SGLang, too long":       {400, `{"object":"error","message":"The input (9 tokens) is longer than the model's context length (8 tokens).","type":"BadRequestError","param":null,"code":400}`, CauseLength, "The input (9 tokens) is longer than the model's context length (8 tokens)."},
		"llama-server, too long": {400, `{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":8}}`, CauseLength, "the request exceeds the available context size"},
		"FastAPI":                {422, `{"detail":[{"loc":["body"],"msg":"no"}]}`, CauseRequest, `[{"loc":["body"],"msg":"no"}]`},
		"llama-server loads":     {503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, CauseLoading, "Loading model"},
		"qwenvld loads":          {503, `{"error":{"code":"model_unavailable","message":"The model is being loaded"}}`, CauseLoading, "The model is being loaded"},
		"a deadline":             {503, `{"error":{"code":"deadline_exceeded","message":"late"}}`, CauseLate, "late"},
		"a limit":                {429, `{"error":{"message":"slow down"}}`, CauseBusy, "slow down"},
		"a key":                  {401, `{"error":"Unauthorized"}`, CauseAccess, "Unauthorized"},
		"a proxy":                {502, "<html>\n<b>Bad Gateway</b>", CauseServer, "<html> <b>Bad Gateway</b>"},
		"nothing":                {500, "", CauseServer, ""},
		"timeout":                {408, "", CauseServer, ""},
	} {
		if r := Refused(c.status, []byte(c.body)); r.Cause != c.cause || r.Message != c.text {
			t.Errorf("%s: %d %q", name, r.Cause, r.Message)
		}
	}
	if r := Refused(400, bytes.Repeat([]byte("é"), 10_000)); len(r.Message) > longestMessage+3 {
		t.Errorf("a message of %d bytes", len(r.Message))
	}
}

// everything is a chat that asks for all that can be asked for.
func everything() *Chat {
	return &Chat{
		ID: "req_1", Model: "weights", Thinks: true, Budget: 512, MaxTokens: 1024, Logprobs: true, TopLogprobs: 2, CacheSalt: "salt", VisionID: true,
		Prediction: "a cat", Tier: "priority",
		Messages: []Message{
			{Role: "system", Parts: []Part{{Text: "Be brief."}}},
			{Role: "user", Parts: []Part{{Image: "data:image/png;base64,AA=="}, {Text: "What is it?"}}},
			{Role: "assistant", Thoughts: new("hm"), Calls: []Call{{ID: "call_1", Name: "f", Arguments: []byte(`{"a":1}`)}}},
			{Role: "tool", CallID: "call_1", Parts: []Part{{Text: "2"}}},
		},
		Tools:  []json.RawMessage{[]byte(`{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}`)},
		Choice: Choice{Name: "f", Required: true, Single: true},
		Form:   &engine.Constraint{Schema: []byte(`{"type":"object"}`)},
		Sampling: engine.Sampling{
			Temperature: 0.6, TopP: 0.95, TopK: 20, MinP: 0.05, PresencePenalty: 1.5, FrequencyPenalty: 0.1, RepetitionPenalty: 1.1,
			LogitBias: map[int32]float64{5: -1}, Seed: new(uint64(7)),
		},
	}
}

func TestRequestsAreWrittenForEachKind(t *testing.T) {
	for _, kind := range Kinds() {
		d, err := For(kind)
		if err != nil {
			t.Fatal(err)
		}
		var golden bytes.Buffer
		write := func(name string, data []byte, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&golden, "%s: ", name)
			if err := json.Indent(&golden, data, "", "  "); err != nil {
				t.Fatal(err)
			}
			golden.WriteByte('\n')
		}
		data, err := d.Chat(everything())
		write("chat", data, err)
		continued := everything()
		continued.Messages = append(continued.Messages, Message{Role: "assistant", Thoughts: new("so"), Parts: []Part{{Text: "It is"}}})
		continued.Begun, continued.Tools, continued.Form = true, nil, &engine.Constraint{Choices: []string{"a cat", `a "dog"`}}
		data, err = d.Chat(continued)
		write("continued", data, err)
		data, err = d.Text(&Text{
			ID: "req_1", Model: "weights", Prompt: "Once", Form: &engine.Constraint{Pattern: "[a-z]+"}, Logprobs: true, TopLogprobs: 1,
			Sampling: engine.Sampling{Temperature: 1, TopK: 5},
			Tier:     "flex",
		})
		write("text", data, err)
		data, err = d.Tokenize("weights", "Once", true, d.Can.Pieces)
		write("tokenize", data, err)
		name := filepath.Join("testdata", string(kind)+".request")
		if *update {
			if err := os.WriteFile(name, golden.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), golden.String()); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
}

func TestKindsHaveNames(t *testing.T) {
	if d, err := For("other"); err == nil {
		t.Error(d)
	}
}

func TestWhatSeveralKindsCanDo(t *testing.T) {
	var all []Capabilities
	for _, k := range Kinds() {
		d, err := For(k)
		if err != nil {
			t.Fatal(err)
		}
		if got := Common(d.Can, d.Can); got != d.Can {
			t.Errorf("%s with itself: %+v", k, got)
		}
		all = append(all, d.Can)
	}
	if got := Common(all...); got != (Capabilities{Budget: BudgetAsked}) {
		t.Errorf("%+v", got)
	}
}

func TestModelsTokensAndTextsAreRead(t *testing.T) {
	cards, err := Models([]byte(`{"object":"list","data":[{"id":"a","max_model_len":8},{"id":"b","meta":{"n_ctx":9,"n_ctx_train":10}},{"id":"c","meta":{"n_ctx_train":10}},{"id":"d","variants":[{"loaded":true,"vision":{"token_edge":32,"min_pixels":1024,"max_pixels":2048}}]}]}`))
	if want := []Card{{ID: "a", ContextSize: 8}, {ID: "b", ContextSize: 9}, {ID: "c", ContextSize: 10}, {ID: "d", MinPixels: 1024, MaxPixels: 2048}}; err != nil || !cmp.Equal(cards, want) {
		t.Errorf("%+v, %v", cards, err)
	}
	d, err := For(VLLM)
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := d.Tokens([]byte(`{"count":2,"tokens":[1,2]}`)); err != nil || !cmp.Equal(ids, []int32{1, 2}) {
		t.Errorf("%v, %v", ids, err)
	}
	for _, reply := range []string{`{"content":"a"}`, `{"prompt":"a"}`, `{"text":"a"}`} {
		if s, err := d.DetokenizedText([]byte(reply)); err != nil || s != "a" {
			t.Errorf("%s: %q, %v", reply, s, err)
		}
	}
	for _, reply := range []string{"", "{}", "[]"} {
		_, one := d.Tokens([]byte(reply))
		_, two := d.DetokenizedText([]byte(reply))
		if one == nil || two == nil {
			t.Errorf("%q: %v, %v", reply, one, two)
		}
	}
}

func TestBytesOfTokensAreRead(t *testing.T) {
	want := [][]byte{[]byte("h"), {0xc3}, {0xa9}, []byte(" x\n"), []byte("<|im_end|>")}
	for kind, reply := range map[Kind]string{
		VLLM: `{"tokens":[1,2,3,4,5],"token_strs":["h","Ã","©","ĠxĊ","<|im_end|>"]}`,
		LlamaServer: `{"tokens":[{"id":1,"piece":"h"},{"id":2,"piece":[195]},{"id":3,"piece":[169]},{"id":4,"piece":" x\n"},` +
			`{"id":5,"piece":"<|im_end|>"}]}`,
	} {
		d, err := For(kind)
		if err != nil {
			t.Fatal(err)
		}
		ids, pieces, err := d.Pieces([]byte(reply))
		if err != nil || !cmp.Equal(ids, []int32{1, 2, 3, 4, 5}) || !cmp.Equal(pieces, want) {
			t.Errorf("%s: %v %q, %v", kind, ids, pieces, err)
		}
		for _, reply := range []string{
			"", "[]", `{"tokens":[1,2]}`, `{"tokens":[{"id":1,"piece":[256]}]}`, `{"tokens":[{"id":1}]}`, `{"tokens":[1],"token_strs":["漢"]}`,
		} {
			if ids, pieces, err := d.Pieces([]byte(reply)); err == nil {
				t.Errorf("%s: %q is %v %q", kind, reply, ids, pieces)
			}
		}
	}
}

func TestWeightsThatComeWhenTheyAreAskedForAreNotDown(t *testing.T) {
	for status, down := range map[string]bool{"ready": false, "unloaded": false, "loading": false, "unloading": false, "failed": true, "restarting": true} {
		loaded := fmt.Sprint(status == "ready")
		cards, err := Models([]byte(`{"data":[{"id":"m","variants":[{"loaded":` + loaded + `,"status":"` + status + `"}]}]}`))
		if err != nil || len(cards) != 1 || cards[0].Down != down {
			t.Errorf("%s: %+v, %v", status, cards, err)
		}
	}
}

func TestTokensOfListsAreReadAsTheyAreSpelled(t *testing.T) {
	for token, want := range map[string]string{
		"é": "é", "": "", "bytes:": "bytes:", `bytes:\xe6\xbc`: "\xe6\xbc", `bytes:\xe`: `bytes:\xe`, `bytes:\xzz`: `bytes:\xzz`,
		"bytes: 7": "bytes: 7", `bytes:\xe6 `: `bytes:\xe6 `,
	} {
		if got := string(spelled(token)); got != want {
			t.Errorf("%q: %q", token, got)
		}
	}
}
