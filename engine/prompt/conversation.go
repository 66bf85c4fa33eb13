package prompt

import (
	"encoding/json"
	"fmt"
)

// Conversation is what a chat template renders.
type Conversation struct {
	Messages []Message
	// Tools are the function definitions offered to the model, as the client wrote them: key order and
	// number spelling reach the prompt.
	Tools []json.RawMessage
	// AddVisionID puts "Picture N: " and "Video N: " before media.
	AddVisionID bool
	// AddGenerationPrompt opens the assistant's turn at the end.
	AddGenerationPrompt bool
	// ShowAll has the instruct renderer show what its template drops, as the thinking template shows it: system
	// messages that do not come first, and the media of system and assistant messages. Whether a conversation is valid
	// must not depend on the weights.
	ShowAll bool
}

// Message is one turn.
type Message struct {
	// Role is "system", "user", "assistant" or "tool"; other roles depend on the template.
	Role    string
	Content Content
	// ReasoningContent is an assistant's earlier reasoning; nil when the client sent none, in which case
	// a thinking template looks for a think block in the content.
	ReasoningContent *string
	// ToolCalls are an assistant's calls, in order.
	ToolCalls []ToolCall
	// ToolCallID and Name are given to templates other than Qwen3-VL's, which do not read them.
	ToolCallID string
	Name       string
	// Path is where the message stands in the request, for errors; empty means messages[i].
	Path string
}

// Content is a message's content: one string or a list of parts. Templates tell the two apart.
type Content struct {
	// Text is the string form.
	Text string
	// Parts is the list form. When it is not nil, even if empty, Text is not used.
	Parts []Part
}

// PartKind says what a Part holds.
type PartKind string

const (
	// PartText is text.
	PartText PartKind = "text"
	// PartImage is a still image, whose pixels travel beside the conversation.
	PartImage PartKind = "image"
	// PartVideo is a video.
	PartVideo PartKind = "video"
)

// Part is one element of a list content.
type Part struct {
	Kind PartKind
	// Text is set for PartText.
	Text string
	// Media says which of the images, or of the videos, beside the conversation the part shows.
	Media int
}

// ToolCall is a call the assistant made in an earlier turn.
type ToolCall struct {
	ID   string
	Name string
	// Arguments is a JSON value. A JSON string is decoded and written as it stands, which is how clients
	// of the OpenAI API send arguments; any other value is written in the template's JSON style.
	Arguments json.RawMessage
}

// TextContent makes string content.
func TextContent(text string) Content { return Content{Text: text} }

// ListContent makes list content.
func ListContent(parts ...Part) Content {
	if parts == nil {
		parts = []Part{}
	}
	return Content{Parts: parts}
}

// empty reports whether Jinja takes the content for false: an empty string or an empty list.
func (c Content) empty() bool {
	if c.Parts != nil {
		return len(c.Parts) == 0
	}
	return c.Text == ""
}

// ConversationError says which part of a conversation a template cannot render. Its text is fit for the
// client.
type ConversationError struct {
	// Message is the index of the message, -1 when the fault is not in one.
	Message int
	// Param is the path of the field in the request, such as "messages[2].content[0]".
	Param string
	// Reason is a sentence without a full stop.
	Reason string
}

func (e *ConversationError) Error() string { return e.Param + ": " + e.Reason }

func messageError(message int, field, format string, args ...any) *ConversationError {
	return &ConversationError{
		Message: message,
		Param:   fmt.Sprintf("messages[%d].%s", message, field),
		Reason:  fmt.Sprintf(format, args...),
	}
}
