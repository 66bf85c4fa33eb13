package prompt

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mistral is a template in the manner of models that know no system role and want turns to alternate.
const mistral = `{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}` +
	`{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}` +
	`[{{ m.role }}]{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}{% endfor %}`

func system(text string) Message { return Message{Role: "system", Content: TextContent(text)} }

func user(text string) Message { return Message{Role: "user", Content: TextContent(text)} }

func says(text string) Message { return Message{Role: "assistant", Content: TextContent(text)} }

func TestSystemMessagesMayStandAnywhere(t *testing.T) {
	parts := Message{Role: "system", Content: ListContent(Part{Kind: PartText, Text: "P"})}
	qwen := strings.NewReplacer("{", messageStart, "}", messageEnd+"\n", "|", "\n")
	for name, tc := range map[string]struct {
		messages      []Message
		qwen, mistral string
	}{
		"none":             {[]Message{user("a")}, "{user|a}", "[user]a"},
		"first":            {[]Message{system("S"), user("a")}, "{system|S}{user|a}", "[user]S\n\na"},
		"several first":    {[]Message{system("S"), parts, system("T"), user("a")}, "{system|S||P||T}{user|a}", "[user]S\n\nP\n\nT\n\na"},
		"an empty one":     {[]Message{system(""), system("T"), user("a")}, "{system|T}{user|a}", "[user]T\n\na"},
		"between":          {[]Message{system("S"), user("a"), system("T"), user("b")}, "{system|S}{user|a}{system|T}{user|b}", ""},
		"before an answer": {[]Message{user("a"), system("T"), says("b"), user("c")}, "{user|a}{system|T}{assistant|b}{user|c}", "[user]a\n\nT[assistant]b[user]c"},
		"last":             {[]Message{user("a"), says("b"), system("T"), system("U")}, "{user|a}{assistant|b}{system|T}{system|U}", "[user]a[assistant]b[user]T\n\nU"},
		"alone":            {[]Message{system("S")}, "{system|S}", "[user]S"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []Renderer{instructRenderer{}, thinkingRenderer{}, foreign(t, ThinkingTemplate(), controlTokens)} {
				got, err := Show(r, &Conversation{Messages: tc.messages})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(qwen.Replace(tc.qwen), strings.ReplaceAll(got.String(), "<think>\n\n</think>\n\n", "")); diff != "" {
					t.Errorf("%s (-want +got):\n%s", r.Name(), diff)
				}
			}
			got, err := Show(foreign(t, mistral, controlTokens), &Conversation{Messages: tc.messages})
			switch {
			case tc.mistral == "" && err == nil:
				t.Errorf("two turns of the user in a row were shown: %s", got)
			case tc.mistral != "" && (err != nil || got.String() != tc.mistral):
				t.Errorf("%v %q, want %q", err, got, tc.mistral)
			}
		})
	}
}

func TestMessagesAreNamedByTheirPath(t *testing.T) {
	bad := Message{Role: "assistant", Path: "input[3]", ToolCalls: []ToolCall{{Name: "f", Arguments: []byte("{")}}}
	for _, r := range []Renderer{instructRenderer{}, thinkingRenderer{}, foreign(t, InstructTemplate(), controlTokens)} {
		_, err := Show(r, &Conversation{Messages: []Message{system("a"), system("b"), user("c"), bad}})
		var refused *ConversationError
		if !errors.As(err, &refused) || refused.Param != "input[3].tool_calls[0].function.arguments" {
			t.Errorf("%s: %v", r.Name(), err)
		}
	}
}
