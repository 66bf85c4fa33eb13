package phrases_test

import (
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/router/phrases"
)

func TestPhrasesAreFoundAndDenialsAreNot(t *testing.T) {
	const think, direct = "think", "direct"
	tests := []struct {
		text string
		want string
	}{
		{"Solve it. Think step by step.", think},
		{"Explain STEP BY STEP how a bill becomes law", think},
		{"이 문제를 단계별로 풀어 줘", think},
		{"차근차근 설명해줘", think},
		{"请一步一步地推理", think},
		{"順を追って説明して", think},
		{"简单说一下黑洞", direct},
		{"블랙홀을 간단히 설명해줘", direct},
		{"一言で答えて", direct},
		{"Quick answer: capital of France?", direct},
		{"What is 2+2? /no_think", direct},
		{"What is in the picture? /think", think},
		{"Answer briefly. /think", think},
		{"Think step by step, then give just the answer", direct},
		{"No need to go step by step", ""},
		{"Write a step-by-step guide to knitting", ""},
		{`Translate "step by step" into German`, ""},
		{"A misstep by stepmother", ""},
		{"What is this?", ""},
		{"", ""},
	}
	for _, tt := range tests {
		p, ok := phrases.Find(tt.text)
		got := ""
		switch {
		case p.Think:
			got = think
		case ok:
			got = direct
		}
		if got != tt.want {
			t.Errorf("%q: %q by %q, want %q", tt.text, got, p.Text, tt.want)
		}
	}
}

func FuzzAnyTextCanBeSearched(f *testing.F) {
	f.Add("Think step by step")
	f.Add("\xff\xfe단계별로「」")
	f.Fuzz(func(t *testing.T, text string) {
		if p, ok := phrases.Find(text); ok != (p.Text != "") || p.Think && !ok {
			t.Errorf("%q: %+v %v", text, p, ok)
		}
	})
}

func TestPhrasesAreFoundWithoutAllocating(t *testing.T) {
	for _, text := range []string{strings.Repeat("What is the height of this house? ", 40), strings.Repeat("이 건물의 높이는? ", 400)} {
		if n := testing.AllocsPerRun(100, func() { phrases.Find(text) }); n != 0 {
			t.Errorf("%.20q: %g allocations", text, n)
		}
	}
}
