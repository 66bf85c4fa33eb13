package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
)

// call posts JSON and decodes the reply.
func call(t *testing.T, url string, in, out any) {
	t.Helper()
	status, data, err := send(timeout(t, patience), t, url, in)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", url, status, data, err)
	}
	if err := json.Unmarshal(data, out); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
}

func TestTokensAreThoseOfTheAnswer(t *testing.T) { tokensAreThoseOfTheAnswer(t, serve(t)) }

func tokensAreThoseOfTheAnswer(t *testing.T, d *daemon) {
	t.Helper()
	const text = "안녕 <|im_end|> {1}"
	var plain, special struct{ Tokens []int }
	call(t, d.url+"/tokenize", map[string]any{"content": text, "parse_special": false}, &plain)
	call(t, d.url+"/tokenize", map[string]any{"content": text}, &special)
	if len(plain.Tokens) <= len(special.Tokens) || !slices.Contains(special.Tokens, 1512) || slices.Contains(plain.Tokens, 1512) {
		t.Errorf("plain %v, special %v", plain.Tokens, special.Tokens)
	}
	for _, tokens := range [][]int{plain.Tokens, special.Tokens} {
		var back struct{ Content, Prompt string }
		if call(t, d.url+"/detokenize", map[string]any{"tokens": tokens}, &back); back.Content != text || back.Prompt != text {
			t.Errorf("%+v", back)
		}
	}

	request := map[string]any{
		"model": "qwen3-vl-instruct",
		"messages": []any{map[string]any{"role": "user", "content": []any{
			map[string]any{"type": "image_url", "image_url": map[string]any{"url": photo(t, "coffee.png")}},
			map[string]any{"type": "text", "text": "What is it?"},
		}}},
	}
	var counted struct {
		InputTokens int `json:"input_tokens"`
	}
	var answered struct {
		Usage struct {
			PromptTokens int `json:"prompt_tokens"`
		} `json:"usage"`
	}
	call(t, d.url+"/v1/chat/completions/input_tokens", request, &counted)
	call(t, d.url+"/v1/chat/completions", request, &answered)
	if counted.InputTokens == 0 || counted.InputTokens != answered.Usage.PromptTokens {
		t.Errorf("counted %d, used %d", counted.InputTokens, answered.Usage.PromptTokens)
	}
}
