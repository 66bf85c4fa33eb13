package escalation

import (
	"math"
	"strings"
	"testing"
)

func candidates(pairs ...any) []Candidate {
	var out []Candidate
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, Candidate{pairs[i].(string), math.Log(pairs[i+1].(float64))})
	}
	return out
}

func TestTokensAreMeasuredByTheirCandidates(t *testing.T) {
	for _, c := range []struct {
		name       string
		candidates []Candidate
		listed     bool
		want       TokenStats
	}{
		{"a sure one", candidates("7", 1.0), false, TokenStats{Margin: 1}},
		{
			"spellings of one word count together", candidates("Yes", 0.5, " yes", 0.3, "No", 0.2), false,
			TokenStats{Margin: 0.6, Entropy: (entropyTerm(0.8) + entropyTerm(0.2)) / math.Log(21)},
		},
		{
			"merging may change the order", candidates("Red", 0.4, "blue", 0.3, "Blue", 0.3), false,
			TokenStats{Margin: 0.2, Entropy: (entropyTerm(0.4) + entropyTerm(0.6)) / math.Log(21)},
		},
		{
			"what is not listed counts as one more", candidates("a", 0.5), false,
			TokenStats{Margin: 0.5, Entropy: 2 * entropyTerm(0.5) / math.Log(21)},
		},
		{
			"the options that hold nine tenths", candidates("A", 0.5, "(C", 0.35, "B", 0.1, "The", 0.05), true,
			TokenStats{Margin: 0.15, LikelyOptions: 3, Entropy: (entropyTerm(0.5) + entropyTerm(0.35) + entropyTerm(0.1) + entropyTerm(0.05)) / math.Log(21)},
		},
		{
			"letters are words where nobody asked for options", candidates("A", 0.5, "I", 0.5), false,
			TokenStats{Entropy: 2 * entropyTerm(0.5) / math.Log(21)},
		},
		{
			"an answer that begins with words", candidates("The", 0.75, "B", 0.25), true,
			TokenStats{Margin: 0.5, Entropy: (entropyTerm(0.75) + entropyTerm(0.25)) / math.Log(21)},
		},
		{"nothing", nil, true, TokenStats{}},
	} {
		got := StatsOf(c.candidates, c.listed)
		if math.Abs(got.Margin-c.want.Margin) > 1e-9 || math.Abs(got.Entropy-c.want.Entropy) > 1e-9 || got.LikelyOptions != c.want.LikelyOptions {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestThresholdsSayOfWhatTheModelIsUnsure(t *testing.T) {
	limits := Thresholds{Margin: 0.3, Entropy: 0.5}
	sure := TokenStats{Margin: 0.9, Entropy: 0.1}
	for _, c := range []struct {
		first   []TokenStats
		want    string
		certain bool
	}{
		{[]TokenStats{sure}, "", false},
		{[]TokenStats{{Margin: 0.2, Entropy: 0.1}}, "token 1 is a close call", false},
		{[]TokenStats{{Margin: 0.4, Entropy: 0.6}}, "token 1 is open", false},
		{[]TokenStats{sure, sure, {Margin: 0.2}, {Entropy: 1}}, "token 3 is a close call", false},
		{[]TokenStats{{LikelyOptions: 1, Margin: 0.1, Entropy: 0.9}, {Margin: 0.1}}, "", true},
		{[]TokenStats{{LikelyOptions: 2, Margin: 0.9}, sure}, "2 options are likely", false},
		{nil, "there is no answer", false},
	} {
		if got := limits.Uncertainty(c.first); got != c.want {
			t.Errorf("%+v: %q, want %q", c.first, got, c.want)
		}
		if got := SettlesOnOption(c.first); got != c.certain {
			t.Errorf("%+v: certain %v", c.first, got)
		}
	}
}

func TestTheSurestCauseIsNamed(t *testing.T) {
	looping := strings.Repeat("and so on, ", 60)
	for _, c := range []struct {
		name   string
		causes []Cause
		answer Answer
		want   Cause
	}{
		{"a good answer", Causes(), Answer{Text: "42", MeanLogprob: -0.1}, ""},
		{"cut", Causes(), Answer{Text: "It is", Truncated: true, MeanLogprob: math.NaN()}, CauseLength},
		{"cut in a loop", Causes(), Answer{Text: looping, Truncated: true}, CauseLoop},
		{"no JSON", Causes(), Answer{Text: looping, Truncated: true, Malformed: true}, CauseForm},
		{"only what was asked for", []Cause{CauseLength}, Answer{Text: looping, Truncated: true, Malformed: true}, CauseLength},
		{"nothing was asked for", nil, Answer{Truncated: true}, ""},
	} {
		if got := NewReviewer(c.causes).Review(&c.answer); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAnswersAreUnlikelyForTheirKind(t *testing.T) {
	r := NewReviewer(Causes())
	judge := func(kind string, mean float64) Cause {
		return r.Review(&Answer{Text: "x", Kind: kind, MeanLogprob: mean})
	}
	for i := range 3 * historySize {
		mean := -0.2 - 0.001*float64(i%100)
		if got := judge("math", mean); got != "" && mean > -0.29 {
			t.Fatalf("answer %d with %v: %q", i, mean, got)
		}
	}
	if got := judge("math", -0.5); got != CauseLogprob {
		t.Errorf("an unlikely answer: %q", got)
	}
	if got := judge("math", -0.25); got != "" {
		t.Errorf("a usual answer: %q", got)
	}
	if got := judge("chat", -0.5); got != "" {
		t.Errorf("the first answer of its kind: %q", got)
	}
	if n := len(r.byKind["math"].means); n != historySize {
		t.Errorf("%d answers are remembered", n)
	}
}

func TestLoopsAreToldFromTables(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"words", strings.Repeat("the same again ", 30), true},
		{"one letter", strings.Repeat("0", 400), true},
		{"after an answer, with spaces at the end", "So x = 4.\n" + strings.Repeat("x = 4, thus ", 40) + "\n\n", true},
		{"a rule under a heading", "Title\n" + strings.Repeat("-", 80), false},
		{"a short list", strings.Repeat("- item\n", 20), false},
		{"prose", "It was the best of times, it was the worst of times, it was the age of wisdom", false},
		{"counting", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 " + strings.Repeat("x", 200) + "y", false},
		{"nothing", "", false},
	} {
		if got := Loops(c.text); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestAShareOfRequestsIsLetThrough(t *testing.T) {
	for _, share := range []float64{0, 0.1, 0.15, 1} {
		q, taken := NewQuota(share), 0
		for range 1000 {
			q.Accrue()
			if q.Take() {
				taken++
			}
		}
		if want := int(1000 * share); taken < want-1 || taken > want+1 {
			t.Errorf("%v: %d of 1000", share, taken)
		}
	}
}

func TestABurstIsBounded(t *testing.T) {
	q, taken := NewQuota(0.5), 0
	for range 1000 {
		q.Accrue()
	}
	for range 100 {
		if q.Take() {
			taken++
		}
	}
	if taken != quotaBurst {
		t.Errorf("%d at once", taken)
	}
}

func TestUnknownCausesAreRefused(t *testing.T) {
	if _, err := ParseCauses([]string{"length", "mood"}); err == nil || !strings.Contains(err.Error(), `"mood"`) {
		t.Errorf("error %v", err)
	}
	if got, err := ParseCauses([]string{"loop"}); err != nil || len(got) != 1 || got[0] != CauseLoop {
		t.Errorf("%v, %v", got, err)
	}
}
