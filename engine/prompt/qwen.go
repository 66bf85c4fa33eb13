package prompt

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt/pyjson"
)

// The wording of the tool section is part of what the models were trained on.
const (
	toolsIntro = "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n" +
		"You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
	toolsOutro = "\n</tools>\n\nFor each function call, return a json object with function name and arguments" +
		" within <tool_call></tool_call> XML tags:\n<tool_call>\n" +
		"{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>" + messageEnd + "\n"
	toolResponseOpen  = "<tool_response>"
	toolResponseClose = "</tool_response>"
	thinkOpen         = "<think>"
	thinkClose        = "</think>"
)

// mediaCount numbers media for "Picture N: " across a conversation.
type mediaCount struct{ images, videos int }

// qwenContent renders content with media in place. With counting off, media still get the number the
// counter stands at, as the thinking template does for the system message.
func qwenContent(c Content, visionID bool, n *mediaCount, count bool) passage {
	var p passage
	if c.Parts == nil {
		p.outside(validUTF8(c.Text))
		return p
	}
	for _, part := range c.Parts {
		switch part.Kind {
		case PartImage:
			if count {
				n.images++
			}
			p.mark(engine.PieceControl, mediaLabel(visionID, "Picture ", n.images)+visionStart)
			p.media(engine.PieceImage, imagePad, part.Media)
			p.mark(engine.PieceControl, visionEnd)
		case PartVideo:
			if count {
				n.videos++
			}
			p.mark(engine.PieceControl, mediaLabel(visionID, "Video ", n.videos))
			p.media(engine.PieceVideo, videoMark, part.Media)
		case PartText:
			p.outside(validUTF8(part.Text))
		}
	}
	return p
}

func mediaLabel(on bool, word string, n int) string {
	if !on {
		return ""
	}
	return word + strconv.Itoa(n) + ": "
}

// qwenTurn renders a turn that is nothing but content.
func qwenTurn(b *builder, role string, content passage) {
	b.control(messageStart + role + "\n")
	content.place(b)
	b.control(messageEnd + "\n")
}

// qwenTools renders the tool section, up to and with the end of the system turn.
func qwenTools(b *builder, tools []json.RawMessage) error {
	b.control(toolsIntro)
	for i, tool := range tools {
		v, err := pyjson.Parse(tool)
		if err != nil {
			return &ConversationError{Message: -1, Param: fmt.Sprintf("tools[%d]", i), Reason: err.Error()}
		}
		b.control("\n")
		b.text(pyjson.Text(v))
	}
	b.control(toolsOutro)
	return nil
}

// qwenToolCalls renders the calls of a message, given by its index. newline puts a line break before the first of them.
func qwenToolCalls(b *builder, message int, calls []ToolCall, newline bool) error {
	for i, call := range calls {
		if i > 0 || newline {
			b.control("\n")
		}
		args, err := argumentsText(call.Arguments)
		if err != nil {
			return messageError(message, fmt.Sprintf("tool_calls[%d].function.arguments", i), "%s", err)
		}
		b.control("<tool_call>\n{\"name\": \"")
		b.text(validUTF8(call.Name))
		b.control("\", \"arguments\": ")
		b.text(args)
		b.control("}\n</tool_call>")
	}
	return nil
}

func argumentsText(raw json.RawMessage) (string, error) {
	v, err := pyjson.Parse(raw)
	if err != nil {
		return "", err
	}
	if s, ok := v.Text(); ok {
		return s, nil
	}
	return pyjson.Text(v), nil
}

// qwenToolResponse renders tool message i. Consecutive ones share a user turn.
func qwenToolResponse(b *builder, messages []Message, i int, content passage) {
	if i == 0 || messages[i-1].Role != "tool" {
		b.control(messageStart + "user")
	}
	b.control("\n" + toolResponseOpen + "\n")
	content.place(b)
	b.control("\n" + toolResponseClose)
	if i == len(messages)-1 || messages[i+1].Role != "tool" {
		b.control(messageEnd + "\n")
	}
}

// checkCommon finds what neither Qwen template renders.
func checkCommon(c *Conversation) error {
	if len(c.Messages) == 0 {
		return errNoMessages()
	}
	for i, m := range c.Messages {
		switch m.Role {
		case "system", "user", "assistant", "tool":
		default:
			return messageError(i, "role", "this model's chat template has no role %q", m.Role)
		}
		if len(m.ToolCalls) > 0 && m.Role != "assistant" {
			return messageError(i, "tool_calls", "only assistant messages have tool calls")
		}
	}
	return nil
}

func errNoMessages() error {
	return &ConversationError{Message: -1, Param: "messages", Reason: "at least one message is needed"}
}

// validUTF8 replaces broken bytes, which JSON and tokenizers cannot carry.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
