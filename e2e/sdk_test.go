package e2e

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
)

func question(model, text string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model: model, MaxTokens: openai.Int(200), Seed: openai.Int(1),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)},
	}
}

func withImage(model, url string) openai.ChatCompletionNewParams {
	p := question(model, "")
	p.Messages = []openai.ChatCompletionMessageParamUnion{openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
		openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: url}),
		openai.TextContentPart("Who is this?"),
	})}
	return p
}

func TestSDK(t *testing.T) { sdk(t, serve(t)) }

func sdk(t *testing.T, d *daemon) {
	t.Helper()
	ctx := timeout(t, patience)

	t.Run("completion", func(t *testing.T) {
		got, err := d.client.Chat.Completions.New(ctx, question("qwen3-vl", "hello"))
		if err != nil {
			t.Fatal(err)
		}
		if got.Model != "qwen3-vl-instruct" || got.Choices[0].Message.Content == "" || got.Usage.TotalTokens != got.Usage.PromptTokens+got.Usage.CompletionTokens {
			t.Errorf("%s", got.RawJSON())
		}
		again, err := d.client.Chat.Completions.New(ctx, question("qwen3-vl", "hello"))
		if err != nil || again.Choices[0].Message.Content != got.Choices[0].Message.Content {
			t.Errorf("the same seed gave another answer: %v", err)
		}
	})

	for _, variant := range []string{"instruct", "thinking"} {
		t.Run("image stream, "+variant, func(t *testing.T) {
			p := withImage("qwen3-vl-"+variant, photo(t, "astronaut.png"))
			p.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
			stream := d.client.Chat.Completions.NewStreaming(ctx, p)
			var acc openai.ChatCompletionAccumulator
			reasoning := ""
			for stream.Next() {
				chunk := stream.Current()
				acc.AddChunk(chunk)
				for _, c := range chunk.Choices {
					if f, ok := c.Delta.JSON.ExtraFields["reasoning_content"]; ok {
						reasoning += f.Raw()
					}
				}
			}
			if err := stream.Err(); err != nil {
				t.Fatal(err)
			}
			if acc.Model != "qwen3-vl-"+variant || acc.Choices[0].Message.Content == "" || acc.Choices[0].FinishReason == "" {
				t.Errorf("%+v", acc)
			}
			if (reasoning != "") != (variant == "thinking") {
				t.Errorf("reasoning %q", reasoning)
			}
			if raw := acc.Usage.PromptTokensDetails.RawJSON(); acc.Usage.PromptTokens < 25 || raw != "" && !strings.Contains(raw, `"image_tokens":25`) {
				t.Errorf("usage %+v", acc.Usage)
			}
		})
	}

	t.Run("log-probabilities", func(t *testing.T) {
		p := question("qwen3-vl-instruct", "hello")
		p.Logprobs, p.TopLogprobs = openai.Bool(true), openai.Int(3)
		got, err := d.client.Chat.Completions.New(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		tokens := got.Choices[0].Logprobs.Content
		if len(tokens) == 0 || len(tokens[0].TopLogprobs) != 3 || tokens[0].Logprob > 0 || tokens[0].TopLogprobs[0].Logprob < tokens[0].TopLogprobs[2].Logprob {
			t.Errorf("%+v", tokens)
		}
	})

	t.Run("tools are offered", func(t *testing.T) {
		p := question("qwen3-vl-instruct", "weather?")
		p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: "weather", Parameters: shared.FunctionParameters{"type": "object"},
		})}
		if got, err := d.client.Chat.Completions.New(ctx, p); err != nil || got.Usage.PromptTokens < 100 {
			t.Errorf("%v", err)
		}
	})

	t.Run("models", func(t *testing.T) {
		page, err := d.client.Models.List(ctx)
		if err != nil || len(page.Data) != 3 || page.Data[0].ID != "qwen3-vl" {
			t.Errorf("%+v, %v", page, err)
		}
		if m, err := d.client.Models.Get(ctx, "qwen3-vl-thinking"); err != nil || m.ID != "qwen3-vl-thinking" {
			t.Errorf("%+v, %v", m, err)
		}
	})

	t.Run("the reply says who answered", func(t *testing.T) {
		var resp *http.Response
		_, err := d.client.Chat.Completions.New(ctx, question("auto", "hello"), option.WithResponseInto(&resp), option.WithHeader("X-Qwenvld-Route", "thinking"))
		if err != nil || resp.Header.Get("X-Qwenvld-Variant") != "thinking" || resp.Header.Get("X-Request-Id") == "" {
			t.Errorf("%v", err)
		}
	})
}

func TestSDKErrors(t *testing.T) { sdkErrors(t, serve(t)) }

func sdkErrors(t *testing.T, d *daemon) {
	t.Helper()
	ctx := timeout(t, patience)
	long := question("qwen3-vl", strings.Repeat("many words ", 5000))
	hot := question("qwen3-vl", "hi")
	hot.Temperature = openai.Float(9)
	schema := question("qwen3-vl", "hi")
	schema.ResponseFormat = jsonSchema(map[string]any{"type": "object", "patternProperties": map[string]any{}})
	schema.ResponseFormat.OfJSONSchema.JSONSchema.Strict = openai.Bool(true)
	cases := map[string]struct {
		params openai.ChatCompletionNewParams
		status int
		code   string
		param  string
	}{
		"unknown model":   {question("gpt-4", "hi"), 404, "model_not_found", "model"},
		"range":           {hot, 400, "invalid_value", "temperature"},
		"schema":          {schema, 400, "invalid_json_schema", "response_format.json_schema.schema"},
		"too long":        {long, 400, "context_length_exceeded", "messages"},
		"broken image":    {withImage("qwen3-vl", "data:image/png;base64,AAAA"), 400, "invalid_image", "messages[0].content[0].image_url.url"},
		"private address": {withImage("qwen3-vl", "http://169.254.169.254/latest/meta-data"), 400, "image_url_forbidden", "messages[0].content[0].image_url.url"},
		"own address":     {withImage("qwen3-vl", d.url+"/v1/models"), 400, "image_url_forbidden", "messages[0].content[0].image_url.url"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := d.client.Chat.Completions.New(ctx, tc.params)
			var e *openai.Error
			if !errors.As(err, &e) || e.StatusCode != tc.status || e.Code != tc.code || e.Param != tc.param {
				t.Errorf("%v", err)
			}
			stream := d.client.Chat.Completions.NewStreaming(ctx, tc.params)
			for stream.Next() {
				t.Errorf("a chunk: %s", stream.Current().RawJSON())
			}
			if !errors.As(stream.Err(), &e) || e.StatusCode != tc.status {
				t.Errorf("as a stream: %v", stream.Err())
			}
		})
	}
}
