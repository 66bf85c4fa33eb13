package probe

import "testing"

func TestScoresByReference(t *testing.T) {
	tests := []struct {
		answer, reference string
		want              float64
	}{
		{"The sum is 42.", "42", 1},
		{"12 + 30 = 42", "42", 1},
		{"42 is not it: 41", "42", 0},
		{"It costs $1,200.50", "1200.5", 1},
		{"No idea.", "42", 0},
		{"", "42", 0},
		{`So \boxed{\frac{1}{4}} of it, in 3 steps.`, "0.25", 1},
		{"A half, 1/2", "0.5", 1},
		{"The temperature is −7", "-7", 1},
		{"B", "B", 1},
		{"(B) because of A.", "B", 1},
		{"Let me see. The answer is B.", "B", 1},
		{"Answer: **C**", "B", 0},
		{`Therefore \boxed{\text{B}}`, "B", 1},
		{"Answer: A red circle.", "A", 0},
		{"정답은 B입니다", "B", 1},
		{"The circle is red.", "red", 1},
		{"The circle is blue.", "red", 0},
		{"The green star is larger.", "green star", 1},
		{"Yes, there is one.", "yes", 1},
		{"No.", "yes", 0},
		{"아니요, 없습니다.", "아니요", 1},
		{"원은 빨간색입니다.", "빨간색", 1},
		{"```json\n[{\"b\": 1, \"a\": 2}]\n```", `[{"a":2,"b":1}]`, 1},
		{`[{"a":2}]`, `[{"a":3}]`, 0},
	}
	for _, tt := range tests {
		if got, ok := score(&reply{text: tt.answer}, tt.reference); !ok || got != tt.want {
			t.Errorf("%q by %q: %g, %v", tt.answer, tt.reference, got, ok)
		}
	}
}

func TestAgreementOfWhatCanBeCompared(t *testing.T) {
	call := func(calls ...string) *reply { return &reply{calls: calls} }
	said := func(text string) *reply { return &reply{text: text} }
	const open = "There are many ways to look at this, and each of them has its own merits, so it depends on what you want to do with it."
	tests := []struct {
		direct, thinking *reply
		want             float64
		ok               bool
	}{
		{said("The total is 7."), said("It is 7"), 1, true},
		{said("The total is 8."), said("It is 7"), 0, true},
		{said("red"), said("The circle is red."), 1, true},
		{said("The circle is left."), said("The circle is right."), 0, true},
		{said("The red circle"), said("circle, red"), 1, true},
		{said("top left"), said("The star is at the top left."), 1, true},
		{said("Yes"), said("Yes, there is no doubt."), 1, true},
		{said("B. Rome"), said("(B)"), 1, true},
		{said(open + " 7"), said(open), 0, false},
		{said(open), said(" " + open), 1, true},
		{said(open), said(`It follows that \boxed{x+1} is what we looked for, after all those steps that I have shown.`), 0, true},
		{said(`\boxed{x - 1}`), said(`\boxed{x+1}`), 0, true},
		{said(`Thus \boxed{x + 1}.`), said(`\boxed{x+1}`), 1, true},
		{said("7"), said("-7"), 0, true},
		{call(`f {"a":1}`), call(`f {"a":1}`), 1, true},
		{call(`f {"a":1}`), call(`f {"a":2}`), 0, true},
		{said("I cannot."), call(`f {"a":2}`), 0, true},
		{call(`f {"a":2}`), said("7"), 0, true},
		{said("7"), said(""), 0, false},
	}
	for _, tt := range tests {
		if got, ok := agreement(tt.direct, tt.thinking); ok != tt.ok || got != tt.want {
			t.Errorf("%q with %q: %g, %v", tt.direct, tt.thinking, got, ok)
		}
	}
}
