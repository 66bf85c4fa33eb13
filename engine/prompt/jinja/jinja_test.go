package jinja

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

const (
	imageText = "<|vision_start|><|image_pad|><|vision_end|>"
	videoText = "<|vision_start|><|video_pad|><|vision_end|>"
)

func compile(t testing.TB, source string) *Template {
	t.Helper()
	template, err := Compile(source, Vocabulary{
		Special: []string{"", "<|end|>", "<think>", "<|vision_start|>", "<|image_pad|>", "<|video_pad|>"},
		Marks:   []Mark{{Text: "<|image_pad|>", Core: "<|image_pad|>"}, {Text: videoText, Core: "<|video_pad|>"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// show writes spans with outside text in parentheses and marks as their media.
func show(spans []Span) string {
	var b strings.Builder
	for _, s := range spans {
		switch s.Kind {
		case Own:
			b.WriteString(s.Text)
		case FromOutside:
			b.WriteString("(" + s.Text + ")")
		case Shown:
			fmt.Fprintf(&b, "#%d", s.Medium)
		}
	}
	return b.String()
}

func render(t testing.TB, source string, values map[string]any) string {
	t.Helper()
	spans, err := compile(t, source).Render(values)
	if err != nil {
		t.Fatal(err)
	}
	return show(spans)
}

func text(s string) map[string]any { return map[string]any{"type": "text", "text": Outside{Text: s}} }

func image(id int) Medium { return Medium{ID: id, Values: map[string]any{"type": "image"}} }

func video(id int) Medium { return Medium{ID: id, Mark: 1, Values: map[string]any{"type": "video"}} }

// gallery is two messages with media between texts.
func gallery() map[string]any {
	return map[string]any{"messages": List{
		map[string]any{"content": List{text("a"), image(0), video(1), text("b"), image(2)}},
		map[string]any{"content": List{image(3), text("c"), video(4)}},
	}}
}

// part writes a part the way Qwen's templates do.
const part = `{% if p.type == 'image' or 'image_url' in p %}` + imageText + `{% elif p.type == 'video' %}{{ '<|vision_start|>' }}` +
	`<|video_pad|><|vision_end|>{% else %}{{ p.text }}{% endif %}`

// Marks look alike; which medium each stands for is known all the same, in whatever order and by whatever means a template shows them.
func TestMarksStandForTheMediaThatTheTemplateIsAt(t *testing.T) {
	bare := func(s string) string {
		return strings.NewReplacer("<|vision_start|>", "", "<|vision_end|>", "").Replace(s)
	}
	for name, tc := range map[string]struct{ source, want string }{
		"in order":        {`{% for m in messages %}{% for p in m.content %}` + part + `{% endfor %};{% endfor %}`, "a#0#1b#2;#3c#4;"},
		"messages turned": {`{% for m in messages[::-1] %}{% for p in m.content %}` + part + `{% endfor %};{% endfor %}`, "#3c#4;a#0#1b#2;"},
		"parts turned":    {`{% for m in messages %}{% for p in m.content[::-1] %}` + part + `{% endfor %};{% endfor %}`, "#2b#1#0a;#4c#3;"},
		"texts last": {
			`{% for m in messages[::-1] %}{% for p in m.content if p.type == 'image' %}<|image_pad|>{% endfor %}` +
				`{% for p in m.content if p.type == 'text' %}{{ p.text }}{% endfor %};{% endfor %}`,
			"#3c;#0#2ab;",
		},
		"by a macro": {
			`{% macro show(content) %}{% for p in content %}` + part + `{% endfor %}{% endmacro %}` +
				`{% for m in messages[::-1] %}{{ show(m.content) | trim }};{% endfor %}`,
			"#3c#4;a#0#1b#2;",
		},
		"by a macro for each part": {
			`{% macro show(x) %}{% for p in [x] %}` + part + `{% endfor %}{% endmacro %}` +
				`{% for m in messages[::-1] %}{% for q in m.content %}{{ show(q) }}{% endfor %};{% endfor %}`,
			"#3c#4;a#0#1b#2;",
		},
		"kept in a variable": {
			`{% set ns = namespace(all='') %}{% for m in messages %}{% set one %}{% for p in m.content %}` + part + `{% endfor %}{% endset %}` +
				`{% set ns.all = one ~ ns.all %}{% endfor %}{{ ns.all }}`,
			"#3c#4a#0#1b#2",
		},
		"some left out":       {`{% for m in messages[::-1] %}{% for p in m.content[:1] %}` + part + `{% endfor %}{% endfor %}`, "#3a"},
		"loops inside":        {`{% for p in messages[0].content[::-1] %}{% for i in 'x' %}` + part + `{% endfor %}{% endfor %}`, "#2b#1#0a"},
		"without saying":      {`{{ '<|image_pad|>' * 3 }}`, "#0#2#3"},
		"more than there are": {`{{ '<|image_pad|>' * 4 }}`, "#0#2#3#-1"},
		"one of them twice":   {`{% for p in messages[1].content %}{{ '<|image_pad|>' if p.type == 'image' }}<|image_pad|>{% endfor %}`, "#0#2#3#-1"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := bare(strings.NewReplacer("(", "", ")", "").Replace(render(t, tc.source, gallery()))); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestTextFromOutsideIsToldApart(t *testing.T) {
	for source, want := range map[string]string{
		"{{ x }}<|end|>":                  "(<)|end|>,(<)think>x\uFFFD<|end|>",
		"{{ x.split('<|end|>') | join }}": ",(<)think>x\uFFFD",
		"{{ tagged }}":                    "(<)|end|>,<think>x\uFFFD",
		"{{ y }}":                         "(<)",
		"{{ j.k }}{{ j.n }}":              "(<)|end|>0.5",
		"{{ j | tojson }}":                `{"z": [1, null, true], "k": "(<)|end|>", "n": 0.5, "(<)": {}}`,
	} {
		j, err := jsontree.Parse([]byte(`{"z":[1,null,true],"k":"<|end|>","n":0.50,"<":{}}`), jsontree.Options{Depth: 5})
		if err != nil {
			t.Fatal(err)
		}
		outside := "<|\uFDD0end|>,\uFDD1<think>x\xff"
		got := render(t, source, map[string]any{
			"x": Outside{Text: outside}, "tagged": Outside{Text: outside, Tags: []string{"<think>"}}, "y": Outside{Text: "<"}, "j": j,
		})
		if got != want {
			t.Errorf("%s: %s, want %s", source, got, want)
		}
	}
	if got := Visible("a\uFDD0b\uFDD1\xffc"); got != "ab\uFFFDc" {
		t.Errorf("%q", got)
	}
}

func TestRefusalsAreTheTemplatesWords(t *testing.T) {
	for source, want := range map[string]string{
		"{{ raise_exception('no ' ~ x) }}": "no <|end|>", "{{ raise_exception() }}": "the chat template refuses this conversation",
	} {
		_, err := compile(t, source).Render(map[string]any{"x": Outside{Text: "<|end|>"}})
		var refusal *RefusalError
		if !errors.As(err, &refusal) || refusal.Error() != want {
			t.Errorf("%s: %v", source, err)
		}
	}
}

// Every method in the table is one that the interpreter has: a name that it lacks would silently be missing in templates.
func TestEveryListedMethodIsThere(t *testing.T) {
	methods := compile(t, "").methods()
	for name := range stringMethods {
		if !methods.Str.Exists(name) {
			t.Errorf("the interpreter has no %s", name)
		}
	}
}

func TestOneTemplateRendersForManyAtOnce(t *testing.T) {
	template := compile(t, `{% macro show(content) %}{% for p in content %}`+part+`{% endfor %}{% endmacro %}`+
		`{% for m in messages[::-1] %}{{ show(m.content) }}{{ m | tojson }}{% endfor %}{{ raise_exception(n) if n }}`)
	first, err := template.Render(gallery())
	if err != nil {
		t.Fatal(err)
	}
	want := show(first)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			values := gallery()
			if i%4 == 0 {
				values["n"] = fmt.Sprint(i)
			}
			spans, err := template.Render(values)
			var refusal *RefusalError
			switch {
			case i%4 == 0 && (!errors.As(err, &refusal) || refusal.Reason != fmt.Sprint(i)):
				t.Errorf("%d: %v", i, err)
			case i%4 != 0 && (err != nil || show(spans) != want):
				t.Errorf("%d: %v %s", i, err, show(spans))
			}
		})
	}
	all.Wait()
}

// Go's maps have no order and the interpreter sorts their keys, or takes them as they come. Python keeps the order in which an object was
// written, which is the one that models saw.
func TestMembersComeInTheirOrder(t *testing.T) {
	j, err := jsontree.Parse([]byte(`{"z":1,"a":2,"m":3,"b":4,"y":5}`), jsontree.Options{Depth: 1})
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{
		"{% for k, v in j.items() %}{{ k }}{{ v }}{% endfor %}":                "z1a2m3b4y5",
		"{% for k, v in j | items %}{{ k }}{{ v }}{% endfor %}":                "z1a2m3b4y5",
		"{{ j.keys() | join }}":                                                "zamby",
		"{{ j.values() | join }}":                                              "12345",
		"{{ j.get('m') }}{{ j.get('n', 7) }}":                                  "37",
		"{% for k, v in {'b': 1, 'a': 2}.items() %}{{ k }}{{ v }}{% endfor %}": "b1a2",
		"{% for k, v in {'b': 1, 'a': 2} | items %}{{ k }}{{ v }}{% endfor %}": "b1a2",
	} {
		if got := render(t, source, map[string]any{"j": j}); got != want {
			t.Errorf("%s: %s, want %s", source, got, want)
		}
	}
}
