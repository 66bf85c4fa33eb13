package e2e

import (
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
)

func TestPlainCompletions(t *testing.T) { plainCompletions(t, serve(t)) }

func plainCompletions(t *testing.T, d *daemon) {
	t.Helper()
	ctx := timeout(t, patience)
	// The chat template's own text gives the chat's answer.
	const question, answer = "What is 6 + 7?", "6 + 7 = 13"
	chat, err := d.client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model: "qwen3-vl-instruct", MaxTokens: openai.Int(30), Temperature: openai.Float(0),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(question)},
	})
	if err != nil || chat.Choices[0].Message.Content != answer {
		t.Fatalf("%+v, %v", chat, err)
	}
	const prompt = "<|im_start|>user\n" + question + "<|im_end|>\n<|im_start|>assistant\n"
	p := openai.CompletionNewParams{Model: "qwen3-vl-instruct", Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String(prompt)}, MaxTokens: openai.Int(30), Temperature: openai.Float(0)}
	got, err := d.client.Completions.New(ctx, p)
	if err != nil || got.Choices[0].Text != answer || got.Choices[0].FinishReason != "stop" {
		t.Fatalf("%+v, %v", got, err)
	}
	var tokens struct{ Tokens []int64 }
	call(t, d.url+"/tokenize", map[string]any{"content": prompt}, &tokens)
	p.Prompt = openai.CompletionNewParamsPromptUnion{OfArrayOfTokens: tokens.Tokens}
	stream := d.client.Completions.NewStreaming(ctx, p)
	var text strings.Builder
	for stream.Next() {
		text.WriteString(stream.Current().Choices[0].Text)
	}
	if err := stream.Err(); err != nil || text.String() != got.Choices[0].Text {
		t.Errorf("%q, %v", text.String(), err)
	}
}
