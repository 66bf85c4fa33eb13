package api

import (
	"cmp"
	"encoding/json"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// chatRequest is a decoded and checked chat completions body. Pointers are nil where the client said nothing.
type chatRequest struct {
	Model    string
	Messages []chatMessage
	// Images and Videos are those that the parts of messages show, each at its own Index; VideoDefaults is what is said of all videos.
	Images        []*imageRef
	Videos        []*videoRef
	VideoDefaults videoOptions

	// Tools hold each tool object as the client wrote it, since key order reaches the prompt.
	Tools []json.RawMessage
	// Form is what the answer must look like, nil for free text. FreeText says that it bounds no more than the calls in free text;
	// Loose that not all of its schema is enforced.
	Form            *engine.Form
	FreeText, Loose bool
	// Callable names the tools that may be called; Skipped the kinds of those that this server does not have.
	Callable, Skipped []string
	// ToolsOff is tool_choice none: the tools stay out of the prompt.
	ToolsOff bool

	// PromptParam is the member that carries the prompt where it is not "messages".
	PromptParam string

	MaxTokens *int
	Sampling  samplingParams
	Stop      []string
	// Choices is n, 0 where the client said nothing.
	Choices     int
	Logprobs    bool
	TopLogprobs int
	// MayRepeat lets an answer go on that only repeats itself.
	MayRepeat bool

	Stream       bool
	IncludeUsage bool
	// RunningUsage puts the usage so far into each chunk.
	RunningUsage bool
	// MergeReasoning puts reasoning into the content, in think tags. HideReasoning keeps it back; it is counted all the same.
	MergeReasoning, HideReasoning bool
	// VisionID numbers the pictures and videos in the prompt.
	VisionID bool
	// NewTurn lets an assistant message at the end stand, instead of going on from it.
	NewTurn bool

	Controls router.Controls
	// MinPixels and MaxPixels narrow every image's area, in pixels, and by way of VideoDefaults that of every frame.
	MinPixels, MaxPixels *int
}

// formed says whether the whole answer must have a form.
func (r *chatRequest) formed() bool { return r.Form != nil && !r.FreeText }

// promptParam is the member of the request that carries the prompt.
func (r *chatRequest) promptParam() string { return cmp.Or(r.PromptParam, "messages") }

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
	// Path is where the message stands in the request, for errors.
	Path string
	// Text is string content; Parts is content given as a list. IsText tells which of them holds.
	IsText bool
	Text   string
	Parts  []chatPart
	// Reasoning is an assistant turn's reasoning_content or reasoning.
	Reasoning  *string
	ToolCalls  []toolCall
	ToolCallID string
}

// chatPart is an image or a video, or text where it is neither.
type chatPart struct {
	Text  string
	Image *imageRef
	Video *videoRef
}

// isText says whether the part is text.
func (p *chatPart) isText() bool { return p.Image == nil && p.Video == nil }

type toolCall struct {
	ID, Name string
	// Arguments is a JSON value: usually a string that holds an object's text, as OpenAI has it.
	Arguments json.RawMessage
}

// imageRef is an image to bring in.
type imageRef struct {
	// Index is its place in chatRequest.Images.
	Index int
	// Path locates the URL in the request, for errors.
	Path string
	URL  string
	// Low is detail low.
	Low bool
}
