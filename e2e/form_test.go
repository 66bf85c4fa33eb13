package e2e

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
)

func jsonSchema(schema map[string]any) openai.ChatCompletionNewParamsResponseFormatUnion {
	return openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "answer", Schema: schema},
	}}
}

// TestAnswersHaveTheirForm asks small models, which would rather say something else, with high temperature.
func TestAnswersHaveTheirForm(t *testing.T) { answersHaveTheirForm(t, serve(t)) }

func answersHaveTheirForm(t *testing.T, d *daemon) {
	t.Helper()
	ctx := timeout(t, patience)
	hot := func(model string) openai.ChatCompletionNewParams {
		p := question(model, "Tell me a joke about cats.")
		p.Temperature = openai.Float(1.5)
		return p
	}
	for _, model := range []string{"qwen3-vl-instruct", "qwen3-vl-thinking"} {
		t.Run(model+", schema", func(t *testing.T) {
			p := hot(model)
			p.ResponseFormat = jsonSchema(map[string]any{
				"type": "object", "required": []string{"colours", "count", "sure"}, "additionalProperties": false,
				"properties": map[string]any{
					"colours": map[string]any{"type": "array", "items": map[string]any{"enum": []string{"red", "blue"}}, "maxItems": 3},
					"count":   map[string]any{"type": "integer", "minimum": 1, "maximum": 5},
					"sure":    map[string]any{"type": "boolean"},
				},
			})
			p.Seed = openai.Int(3)
			got, err := d.client.Chat.Completions.New(ctx, p)
			if err != nil {
				t.Fatal(err)
			}
			var answer struct {
				Colours []string
				Count   int
				Sure    *bool
			}
			text := got.Choices[0].Message.Content
			if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Count < 1 || answer.Count > 5 || answer.Sure == nil {
				t.Errorf("%q: %v", text, err)
			}
			if got.Choices[0].FinishReason != "stop" {
				t.Errorf("finish reason %s", got.Choices[0].FinishReason)
			}
		})
		t.Run(model+", pattern", func(t *testing.T) {
			got, err := d.client.Chat.Completions.New(ctx, hot(model), option.WithJSONSet("structured_outputs", map[string]any{"regex": "[A-C]-[0-9]{4}"}))
			if err != nil || !regexp.MustCompile(`^[A-C]-[0-9]{4}$`).MatchString(got.Choices[0].Message.Content) {
				t.Errorf("%+v, %v", got, err)
			}
		})
		t.Run(model+", tool", func(t *testing.T) {
			p := hot(model)
			for _, name := range []string{"lamp", "door"} {
				p.Tools = append(p.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
					Name: name, Strict: openai.Bool(true), Parameters: shared.FunctionParameters{
						"type": "object", "properties": map[string]any{"on": map[string]any{"type": "boolean"}}, "required": []string{"on"}, "additionalProperties": false,
					},
				}))
			}
			p.ParallelToolCalls = openai.Bool(false)
			p.ToolChoice = openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: "door"})
			stream := d.client.Chat.Completions.NewStreaming(ctx, p)
			var acc openai.ChatCompletionAccumulator
			for stream.Next() {
				acc.AddChunk(stream.Current())
			}
			if err := stream.Err(); err != nil {
				t.Fatal(err)
			}
			calls := acc.Choices[0].Message.ToolCalls
			var arguments struct{ On *bool }
			if len(calls) != 1 || calls[0].Function.Name != "door" || acc.Choices[0].FinishReason != "tool_calls" {
				t.Fatalf("%+v", acc.Choices[0])
			}
			if err := json.Unmarshal([]byte(calls[0].Function.Arguments), &arguments); err != nil || arguments.On == nil {
				t.Errorf("%q: %v", calls[0].Function.Arguments, err)
			}
		})
	}

	t.Run("several answers", func(t *testing.T) {
		p := hot("qwen3-vl-thinking")
		p.N, p.Seed = openai.Int(3), openai.Int(7)
		got, err := d.client.Chat.Completions.New(ctx, p)
		if err != nil || len(got.Choices) != 3 {
			t.Fatalf("%+v, %v", got, err)
		}
		p.N = openai.Int(1)
		for i := range got.Choices {
			p.Seed = openai.Int(7 + int64(i))
			if one, err := d.client.Chat.Completions.New(ctx, p); err != nil || one.Choices[0].Message.Content != got.Choices[i].Message.Content {
				t.Errorf("choice %d is not what its seed gives alone: %v", i, err)
			}
		}
	})

	t.Run("cut at the limit", func(t *testing.T) {
		p := hot("qwen3-vl-instruct")
		p.ResponseFormat = jsonSchema(map[string]any{"type": "object", "properties": map[string]any{"text": map[string]any{"type": "string", "minLength": 400}}, "required": []string{"text"}})
		p.MaxTokens = openai.Int(20)
		got, err := d.client.Chat.Completions.New(ctx, p)
		if err != nil || got.Choices[0].FinishReason != "length" {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
