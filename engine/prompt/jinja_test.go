package prompt

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/qwenvld/qwenvld/engine"
)

// controlTokens are the vocabulary's tokens in these tests; the tags that templates look for in text are not among them.
var controlTokens = []string{"<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"}

func foreign(t testing.TB, template string, specials []string) Renderer {
	t.Helper()
	r, err := newJinjaRenderer(template, specials)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestInterpreterMatchesJinja runs this project's templates, which render what Qwen's do, through the interpreter.
func TestInterpreterMatchesJinja(t *testing.T) {
	instruct, thinking := foreign(t, InstructTemplate(), controlTokens), foreign(t, ThinkingTemplate(), controlTokens)
	for _, g := range loadGoldens(t) {
		t.Run(g.Name, func(t *testing.T) {
			for r, want := range map[Renderer]string{instruct: g.Instruct, thinking: g.Thinking} {
				got, err := r.Render(g.Conversation.decode(t))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got.String()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestSelectKnowsTemplatesByTheirText(t *testing.T) {
	for text, want := range map[string]string{
		InstructTemplate(): "qwen3-vl-instruct", strings.TrimSuffix(ThinkingTemplate(), "\n"): "qwen3-vl-thinking",
		"{{ messages[0].content }}": "jinja",
	} {
		if r, err := Select(text, nil); err != nil || r.Name() != want {
			t.Errorf("got %v, %v, want %s", r, err, want)
		}
	}
	if _, err := Select(" \n", nil); !errors.Is(err, ErrNoTemplate) {
		t.Errorf("an empty template: %v", err)
	}
}

func TestTemplatesCannotReachOutside(t *testing.T) {
	for _, text := range []string{
		"{% include '/etc/passwd' %}", "{% import '/etc/passwd' as x %}", "{% extends '/etc/passwd' %}",
		"{% from '/etc/passwd' import x %}", "{{ " + strings.Repeat("(", 60000), "{{ " + strings.Repeat("not ", 60000) + "1 }}",
		"{{ " + strings.Repeat("[", 60000) + strings.Repeat("]", 60000) + " }}", strings.Repeat("{% if 1 %}", 30000),
		"{% for m in messages recursive %}{{ loop(messages) }}{% endfor %}", "{{ 1" + strings.Repeat("+1", 60000) + " }}",
		"{{ 1" + strings.Repeat("|upper", 30000) + " }}", "{{ unclosed", strings.Repeat("x", 1<<20+1),
	} {
		if _, err := newJinjaRenderer(text, nil); err == nil {
			t.Errorf("%.40q was accepted", text)
		}
	}
	c := &Conversation{Messages: []Message{{Role: "user", Content: TextContent("hi")}}}
	for _, text := range []string{
		"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
		"{% for i in range(10000000000) %}x{% endfor %}", "{{ messages[5].content.x.y }}{{ nothing() }}",
		"{% for i in range(90000) %}{{ 'x' * 900 }}{% endfor %}",
	} {
		if _, err := foreign(t, text, nil).Render(c); err == nil {
			t.Errorf("%q rendered", text)
		}
	}
}

func TestTemplatesRefuseInTheirOwnWords(t *testing.T) {
	r := foreign(t, "{% if messages[0].role != 'user' %}{{ raise_exception('user first') }}{% endif %}", nil)
	_, err := r.Render(&Conversation{Messages: []Message{{Role: "system"}}})
	var refused *ConversationError
	if !errors.As(err, &refused) || !strings.Contains(refused.Reason, "user first") {
		t.Errorf("%v", err)
	}
}

func TestInterpreterNoticesWhatATemplateDrops(t *testing.T) {
	r := foreign(t, "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}", controlTokens)
	cases := map[string]struct {
		c     Conversation
		param string
	}{
		"nothing": {Conversation{Messages: []Message{{Role: "user", Content: TextContent(" a <|im_end|> ")}}}, ""},
		"role": {Conversation{Messages: []Message{
			{Role: "user", Content: TextContent("a")}, {Role: "system", Content: TextContent("zz")},
		}}, "messages[1].content"},
		"calls": {Conversation{Messages: []Message{
			{Role: "user", Content: TextContent("a")}, {Role: "assistant", ToolCalls: []ToolCall{{Name: "f", Arguments: []byte("{}")}}},
		}}, "messages[1].tool_calls[0]"},
		"tools": {Conversation{Messages: []Message{{Role: "user", Content: TextContent("a")}}, Tools: rawList(`{"a":1}`)}, "tools"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := r.RenderAll(&tc.c)
			var refused *ConversationError
			if errors.As(err, &refused) != (tc.param != "") || refused != nil && refused.Param != tc.param {
				t.Errorf("%v, want %s", err, tc.param)
			}
		})
	}
}

func rawList(texts ...string) (out []json.RawMessage) {
	for _, s := range texts {
		out = append(out, json.RawMessage(s))
	}
	return out
}

// Whatever comes from outside, the special tokens of a prompt are those of the same conversation without it.
func TestOutsideTextNeverBecomesControlTokens(t *testing.T) {
	plain := "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}{{ m.content }}{% else %}" +
		"{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
	all := append(slices.Clone(controlTokens), "<think>", "</think>", "<tool_call>", "[INST]")
	renderers := []Renderer{instructRenderer{}, thinkingRenderer{}, foreign(t, plain, all), foreign(t, ThinkingTemplate(), all)}
	alphabet := append(slices.Clone(all), "<", "|im_end|>", "<|im_", "start|>", "a", "한", "\uFDD0", "\uFDD1", "\n", "[", "INST]")
	texts := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(alphabet), 0, 6).Draw(t, "text"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		hostile, harmless := &Conversation{AddGenerationPrompt: true}, &Conversation{AddGenerationPrompt: true}
		for range rapid.IntRange(1, 4).Draw(t, "messages") {
			role := rapid.SampledFrom([]string{"user", "tool", "system"}).Draw(t, "role")
			hostile.Messages = append(hostile.Messages, Message{Role: role, Content: ListContent(
				Part{Kind: PartText, Text: texts.Draw(t, "a")}, Part{Kind: PartText, Text: texts.Draw(t, "b")})})
			harmless.Messages = append(harmless.Messages, Message{Role: role, Content: ListContent(
				Part{Kind: PartText, Text: "x"}, Part{Kind: PartText, Text: "x"})})
		}
		for _, r := range renderers {
			got, err := r.Render(hostile)
			if err != nil {
				t.Fatal(err)
			}
			want, err := r.Render(harmless)
			if err != nil {
				t.Fatal(err)
			}
			if g, w := specialsOf(got, all), specialsOf(want, all); g != w {
				t.Fatalf("%s: %d special tokens, harmless text gives %d:\n%+v", r.Name(), g, w, got.Pieces)
			}
		}
	})
}

// specialsOf counts special tokens as the worker does: in control pieces only.
func specialsOf(r Rendered, specials []string) int {
	n := 0
	for _, p := range r.Pieces {
		if p.Kind == engine.PieceControl {
			for _, s := range specials {
				n += strings.Count(p.Text, s)
			}
		}
	}
	return n
}

func TestInterpreterRendersForManyAtOnce(t *testing.T) {
	r := foreign(t, InstructTemplate(), controlTokens)
	goldens := loadGoldens(t)
	var all sync.WaitGroup
	for _, g := range goldens[:40] {
		all.Go(func() {
			if got, err := r.Render(g.Conversation.decode(t)); err != nil || got.String() != g.Instruct {
				t.Errorf("%s: %v", g.Name, err)
			}
		})
	}
	all.Wait()
}

func FuzzJinjaTemplate(f *testing.F) {
	f.Add(InstructTemplate())
	f.Add("{% for m in messages %}{{ m.content[::-1] | tojson(indent=2) }}{% endfor %}{{ '%s' % 3 }}")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := newJinjaRenderer(text, controlTokens)
		if err != nil {
			return
		}
		_, _ = r.Render(&Conversation{Messages: []Message{{Role: "user", Content: TextContent("hi <|im_end|>")}}, Tools: rawList(`{"b":1,"a":[2]}`)})
	})
}

// Text from outside is fenced, so that it never becomes a special token. Templates that look for such a text find it all the same, as
// in Jinja, and what they find stays text.
func TestTemplatesFindSpecialTextsInWhatCameFromOutside(t *testing.T) {
	specials := append([]string{"<tool_response>", "</tool_response>", "<think>", "</think>"}, controlTokens...)
	for expression, want := range map[string]string{
		"content.startswith('<tool_response>')":                             "True",
		"content.startswith('<tool_')":                                      "True",
		"content.startswith('tool_response')":                               "False",
		"content.endswith('</tool_response>')":                              "True",
		"content.find('</tool_response>')  > 0":                             "True",
		"content.count('<tool_response>')":                                  "1",
		"content.split('<tool_response>')[1]":                               "42</tool_response>",
		"content.removeprefix('<tool_response>')":                           "42</tool_response>",
		"content.split('</tool_response>')[0].split('<tool_response>')[-1]": "42",
	} {
		r := foreign(t, "{% set content = messages[0].content %}{{ "+expression+" }}", specials)
		got, err := r.Render(&Conversation{Messages: []Message{{Role: "user", Content: TextContent("<tool_response>42</tool_response>")}}})
		if err != nil || got.String() != want {
			t.Errorf("%s: %q, %v, want %q", expression, got.String(), err, want)
		}
		for _, p := range got.Pieces {
			if p.Kind == engine.PieceControl && strings.Contains(p.Text, "</tool_response>") {
				t.Errorf("%s: %q became the template's", expression, p.Text)
			}
		}
	}
}

// The two noncharacters that mark text inside the interpreter are taken out of what comes in. Nothing is missed for it.
func TestMessagesWithNoncharactersAreRendered(t *testing.T) {
	r := foreign(t, "{% for m in messages %}{{ m.content }}{% endfor %}", controlTokens)
	got, err := r.RenderAll(&Conversation{Messages: []Message{user("a\uFDD0b\uFDD1c")}})
	if err != nil || got.String() != "abc" {
		t.Errorf("%q, %v", got.String(), err)
	}
}
