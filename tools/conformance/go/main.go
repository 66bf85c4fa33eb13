// Command go asks a running daemon through go-openai and prints a row of the table for each case. It tests nothing else
// than that this client works.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	openai "github.com/sashabaranov/go-openai"
	"github.com/sashabaranov/go-openai/jsonschema"
)

const instruct, thinking = "qwen3-vl-instruct", "qwen3-vl-thinking"

func main() {
	config := openai.DefaultConfig("none")
	config.BaseURL = os.Getenv("CONFORMANCE_URL") + "/v1"
	s := suite{client: openai.NewClientWithConfig(config), examples: os.Getenv("CONFORMANCE_EXAMPLES")}
	failed := false
	for _, c := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"text", s.text},
		{"stream", s.stream},
		{"image", s.image},
		{"tools", s.tools},
		{"structured output", s.structured},
		{"reasoning", s.reasoning},
	} {
		result := "pass"
		if err := c.run(context.Background()); err != nil {
			failed, result = true, "FAIL: "+strings.NewReplacer("|", " ", "\n", " ").Replace(err.Error())
		}
		fmt.Printf("| go-openai | %s | %s |\n", c.name, result)
	}
	if failed {
		os.Exit(1)
	}
}

type suite struct {
	client   *openai.Client
	examples string
}

// request asks model one question, of examples/PICTURE.png where that is not empty.
func (s suite) request(model, question, picture string) (openai.ChatCompletionRequest, error) {
	message := openai.ChatCompletionMessage{Role: openai.ChatMessageRoleUser}
	if picture == "" {
		message.Content = question
	} else {
		data, err := os.ReadFile(filepath.Join(s.examples, picture+".png"))
		if err != nil {
			return openai.ChatCompletionRequest{}, err
		}
		url := "data:image/png;base64," + base64.StdEncoding.EncodeToString(data)
		message.MultiContent = []openai.ChatMessagePart{
			{Type: openai.ChatMessagePartTypeImageURL, ImageURL: &openai.ChatMessageImageURL{URL: url, Detail: openai.ImageURLDetailAuto}},
			{Type: openai.ChatMessagePartTypeText, Text: question},
		}
	}
	return openai.ChatCompletionRequest{Model: model, Messages: []openai.ChatCompletionMessage{message}}, nil
}

func (s suite) complete(ctx context.Context, request openai.ChatCompletionRequest) (openai.ChatCompletionMessage, error) {
	reply, err := s.client.CreateChatCompletion(ctx, request)
	if err != nil {
		return openai.ChatCompletionMessage{}, err
	}
	return reply.Choices[0].Message, nil
}

func (s suite) text(ctx context.Context) error {
	request, _ := s.request(instruct, "Hello, who are you?", "")
	message, err := s.complete(ctx, request)
	return check(err, message.Content != "", message)
}

func (s suite) stream(ctx context.Context) error {
	request, _ := s.request(instruct, "Hello, who are you?", "")
	request.StreamOptions = &openai.StreamOptions{IncludeUsage: true}
	stream, err := s.client.CreateChatCompletionStream(ctx, request)
	if err != nil {
		return err
	}
	defer stream.Close()
	text, tokens := "", 0
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return check(nil, text != "" && tokens > 0, text, tokens)
		}
		if err != nil {
			return err
		}
		for _, choice := range chunk.Choices {
			text += choice.Delta.Content
		}
		if chunk.Usage != nil {
			tokens = chunk.Usage.CompletionTokens
		}
	}
}

func (s suite) image(ctx context.Context) error {
	request, err := s.request(instruct, "What is the number in the picture?", "number")
	if err != nil {
		return err
	}
	message, err := s.complete(ctx, request)
	return check(err, strings.Contains(message.Content, "720"), message)
}

func (s suite) tools(ctx context.Context) error {
	request, _ := s.request(instruct, "How much is 530 * 634?", "")
	request.Tools = []openai.Tool{{Type: openai.ToolTypeFunction, Function: &openai.FunctionDefinition{
		Name: "calculator", Description: "Evaluates an arithmetic expression.",
		Parameters: jsonschema.Definition{
			Type: jsonschema.Object, Required: []string{"expression"},
			Properties: map[string]jsonschema.Definition{"expression": {Type: jsonschema.String}},
		},
	}}}
	request.ToolChoice = "required"
	message, err := s.complete(ctx, request)
	if err != nil || len(message.ToolCalls) == 0 {
		return check(err, false, message)
	}
	var arguments struct{ Expression string }
	if err := json.Unmarshal([]byte(message.ToolCalls[0].Function.Arguments), &arguments); err != nil {
		return err
	}
	request.Messages = append(request.Messages, message, openai.ChatCompletionMessage{
		Role: openai.ChatMessageRoleTool, ToolCallID: message.ToolCalls[0].ID, Content: "336020",
	})
	request.ToolChoice = "none"
	message, err = s.complete(ctx, request)
	return check(err, arguments.Expression != "" && message.Content != "", arguments, message)
}

func (s suite) structured(ctx context.Context) error {
	var answer struct {
		Sum int `json:"sum"`
	}
	schema, err := jsonschema.GenerateSchemaForType(answer)
	if err != nil {
		return err
	}
	request, _ := s.request(instruct, "How much is 3 + 4?", "")
	request.ResponseFormat = &openai.ChatCompletionResponseFormat{
		Type:       openai.ChatCompletionResponseFormatTypeJSONSchema,
		JSONSchema: &openai.ChatCompletionResponseFormatJSONSchema{Name: "answer", Schema: schema, Strict: true},
	}
	message, err := s.complete(ctx, request)
	if err != nil {
		return err
	}
	return schema.Unmarshal(message.Content, &answer)
}

func (s suite) reasoning(ctx context.Context) error {
	request, err := s.request(thinking, "What is the sum of the numbers?", "sum")
	if err != nil {
		return err
	}
	message, err := s.complete(ctx, request)
	return check(err, strings.Contains(message.ReasoningContent, "+") && strings.Contains(message.Content, "132"), message)
}

func check(err error, ok bool, what ...any) error {
	if err != nil || ok {
		return err
	}
	return fmt.Errorf("%+v", what)
}
