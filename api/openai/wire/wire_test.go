package wire

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/engine"
)

func TestFormsThatSurfacesHaveInCommon(t *testing.T) {
	token := engine.Token{Bytes: []byte("é"), Logprob: -0.5, Top: []engine.TopToken{{Bytes: []byte{0xe2, 0x0f}, Logprob: -2}}}
	for want, v := range map[string]any{
		`{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":4,"image_tokens":2,` +
			`"video_tokens":1},"completion_tokens_details":{"reasoning_tokens":2}}`: NewUsage(&engine.Usage{
			PromptTokens: 7, CompletionTokens: 3, CachedTokens: 4, ImageTokens: 2, VideoTokens: 1, ReasoningTokens: 2,
		}),
		`{"prompt_tokens":1,"completion_tokens":3,"total_tokens":4,"prompt_tokens_details":{"cached_tokens":0,"image_tokens":0,` +
			`"video_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"accepted_prediction_tokens":2,` +
			`"rejected_prediction_tokens":5}}`: NewUsage(&engine.Usage{
			PromptTokens: 1, CompletionTokens: 3, AcceptedPrediction: 2, RejectedPrediction: 5,
		}),
		`{"object":"response.input_tokens","input_tokens":9,"input_tokens_details":{"cached_tokens":0,"image_tokens":4,"video_tokens":3}}`: NewInputTokens(
			generation.Count{InputTokens: 9, ImageTokens: 4, VideoTokens: 3}),
		`[]`: NewLogprobs(nil),
		`[{"token":"é","logprob":-0.5,"bytes":[195,169],"top_logprobs":[{"token":"bytes:\\xe2\\x0f","logprob":-2,"bytes":[226,15]}]}]`: NewLogprobs(
			[]engine.Token{token}),
		`null`: Null(),
		`3`:    new(3),
	} {
		got, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestTokensThatArePartsOfCharactersAreShownAsBytes(t *testing.T) {
	for in, want := range map[string]string{"": "", "a b": "a b", "\uFFFD": "\uFFFD", "\xe2\x9c": `bytes:\xe2\x9c`, "a\xff": `bytes:\x61\xff`} {
		if got := TokenText([]byte(in)); got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
}
