package api

import (
	"encoding/json"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// chatRequest is a decoded and checked chat completions body. Pointers are nil where the client said nothing.
type chatRequest struct {
	Model    string
	Messages []chatMessage
	// Images are the image parts of all messages in order of appearance.
	Images []imageRef
	// Videos are the video parts of all messages in order of appearance, VideoDefaults what is said of all of them.
	Videos        []videoRef
	VideoDefaults videoOptions

	// Tools hold each tool object as the client wrote it, since key order reaches the prompt.
	Tools []json.RawMessage
	// Form is what the answer must look like, nil for free text.
	Form *engine.Form
	// ToolsOff is tool_choice none: the tools stay out of the prompt.
	ToolsOff bool

	MaxTokens *int
	// MaxTokensParam is the name under which MaxTokens came.
	MaxTokensParam string
	Sampling       samplingParams
	Stop           []string
	// Choices is n, 0 where the client said nothing.
	Choices     int
	Logprobs    bool
	TopLogprobs int

	Stream       bool
	IncludeUsage bool
	// RunningUsage puts the usage so far into each chunk.
	RunningUsage bool
	// MergeReasoning puts reasoning into the content, in think tags.
	MergeReasoning bool
	// NewTurn lets an assistant message at the end stand, instead of going on from it.
	NewTurn bool

	Controls router.Controls
	// MinPixels and MaxPixels narrow every image's area, in pixels, and by way of VideoDefaults that of every frame.
	MinPixels, MaxPixels *int
}

// samplingParams are the client's own choices; what is nil comes from the variant's defaults.
type samplingParams struct {
	Temperature, TopP, MinP                              *float64
	TopK                                                 *int
	PresencePenalty, FrequencyPenalty, RepetitionPenalty *float64
	LogitBias                                            map[int32]float64
	Seed                                                 *int64
}

// role is who speaks. The wire's developer is decoded as system.
type role string

const (
	roleSystem    role = "system"
	roleUser      role = "user"
	roleAssistant role = "assistant"
	roleTool      role = "tool"
)

type chatMessage struct {
	Role role
	// Text is string content; Parts is content given as a list. IsText tells which of them holds.
	IsText bool
	Text   string
	Parts  []chatPart
	// Reasoning is an assistant turn's reasoning_content or reasoning.
	Reasoning  *string
	ToolCalls  []toolCall
	ToolCallID string
}

// chatPart is text or the next image of chatRequest.Images or the next video of chatRequest.Videos.
type chatPart struct {
	IsImage, IsVideo bool
	Text             string
}

type toolCall struct {
	ID, Name string
	// Arguments is a JSON value: usually a string that holds an object's text, as OpenAI has it.
	Arguments json.RawMessage
}

// imageRef is an image to bring in.
type imageRef struct {
	// Path locates the URL in the request, for errors.
	Path string
	URL  string
	// Low is detail low.
	Low bool
}
