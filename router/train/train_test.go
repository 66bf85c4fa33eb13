package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

// small is a part of our own prompts, enough to train on in a moment.
func small(t *testing.T) *Set {
	t.Helper()
	set, err := Load("prompts")
	if err != nil {
		t.Fatal(err)
	}
	var part []*Example
	for i, e := range set.Examples {
		if i/2%5 == 0 { // contrasting prompts stand one after the other
			part = append(part, e)
		}
	}
	set.Examples = part
	return set
}

func TestTrainingLearnsAndRepeatsItself(t *testing.T) {
	set := small(t)
	o := DefaultOptions()
	o.Epochs, o.Seeds = 3, 2
	var seen, unseen []*Example
	for i, e := range set.Examples {
		if i/2%5 == 0 {
			unseen = append(unseen, e)
		} else {
			seen = append(seen, e)
		}
	}
	heads := fitHeads(balanced(seen), &o)
	again := fitHeads(balanced(seen), &o)
	var scores []float64
	var hard []bool
	for _, e := range unseen {
		s := heads[difficulty.HeadInstruct].score(&e.vector)
		if s != again[difficulty.HeadInstruct].score(&e.vector) {
			t.Fatalf("%q: training twice gives two scores", e.Text)
		}
		scores, hard = append(scores, -s), append(hard, e.Label == LabelThinking)
	}
	if a := auc(scores, hard); a < 0.85 {
		t.Errorf("AUC %.3f on prompts not trained on", a)
	}
}

func TestMeasuresOfKnownAnswers(t *testing.T) {
	if a := auc([]float64{1, 2, 2, 3}, []bool{false, false, true, true}); a != 0.875 {
		t.Errorf("AUC %g, want 0.875", a)
	}
	if e := calibrationError([]float64{0.95, 0.95, 0.05, 0.05}, []bool{true, true, false, true}, []float64{1, 1, 1, 1}); math.Abs(e-0.25) > 1e-9 {
		t.Errorf("calibration error %g, want (|1.9-2| + |0.1-1|)/4", e)
	}
	z, goal := []float64{-3, -2, -1, 0, 1, 2, 3}, make([]float64, 7)
	want := difficulty.Platt{A: 1.5, B: -0.5}
	for i := range z {
		goal[i] = want.Apply(z[i])
	}
	got := fitPlatt(z, goal, nil)
	if math.Abs(got.A-want.A) > 1e-3 || math.Abs(got.B-want.B) > 1e-3 {
		t.Errorf("Platt %+v, want %+v", got, want)
	}
	zero, one := 0.0, 1.0
	outcomes := []*Example{{Weak: &zero, Strong: &one}, {Weak: &one, Strong: &one}, {Weak: &one, Strong: &zero}, {Weak: &zero, Strong: &one}}
	g := gapWon(outcomes, []float64{3, 1, 0, 2})
	if diff := cmp.Diff(Gap{Area: (0 + 1 + 2 + 2 + 1) / 5.0, Peak: 2, At: [3]float64{0, 2, 2}, Needed: 0.25}, g); diff != "" {
		t.Errorf("gap won (-want +got):\n%s", diff)
	}
}

func TestLoadNamesTheLineAtFault(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":       "{\"text\":\"a\",\"source\":\"s\",\"label\":\"instruct\"}\n{oops",
		"no label":      `{"text":"a","source":"s"}`,
		"another label": `{"text":"a","source":"s","label":"maybe"}`,
		"no text":       `{"source":"s","label":"instruct"}`,
		"nothing":       "",
	} {
		file := filepath.Join(t.TempDir(), "x.jsonl")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(file); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestHarmlessChangesKeepTheWords(t *testing.T) {
	const options = "Which?\nA) one\nB) two\nC) three"
	for name, want := range map[string]string{
		"order of options": "Which?\nC) three\nA) one\nB) two",
		"a typing slip":    "Wihch?\nA) one\nB) two\nC) three",
	} {
		if got := changes()[name](options, 0); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, change := range changes() {
		for n, text := range []string{"", "ab", "구하시오 단어들", "字", "a-b c_d 日本語です"} {
			_ = change(text, n) // total
			_ = name
		}
	}
}

// Of the pictures' sources nine in ten are easy. That says nothing of what other people ask about theirs, so as many hard
// ones must be caught as easy ones are kept.
func TestPicturesAreBalancedWhateverTheirSourcesAre(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	v := &Validation{}
	add := func(source string, label Label, image bool, middle float64) {
		for i := range 200 {
			v.Examples = append(v.Examples, &Example{Text: fmt.Sprint(source, i), Source: source, Image: image, Label: label})
			v.raw = append(v.raw, [difficulty.Heads]float64{middle + 2*rng.NormFloat64(), 1, 0})
		}
	}
	for i := range 4 {
		add(fmt.Sprint("easy", i), LabelInstruct, false, 2)
		add(fmt.Sprint("hard", i), LabelThinking, false, -2)
	}
	for i := range 9 {
		add(fmt.Sprint("easy picture", i), LabelInstruct, true, 1)
	}
	add("hard picture", LabelThinking, true, -1)
	v.calibrate()
	think := v.Think()
	for name, choose := range map[string]func(*Example) bool{
		"pictures": (*Example).pictured, "text": func(e *Example) bool { return !e.pictured() },
	} {
		r, _ := macro(v.Examples, think, choose)
		if math.Abs(r.Kept-r.Caught) > 0.2 || r.Mean() < 0.66 {
			t.Errorf("%s: %.3f kept, %.3f caught", name, r.Kept, r.Caught)
		}
	}
}

func TestCalibrationLearnsWhatOnePairCannotDo(t *testing.T) {
	m, err := difficulty.Default()
	if err != nil {
		t.Fatal(err)
	}
	// A pair whose direct answers fail at the zorps of things, of which no other prompt speaks, and do everything else.
	zero, one := 0.0, 1.0
	var outcomes []*Example
	for _, thing := range strings.Fields("lamp boat chair tree wall cup shoe door clock bell ring coin leaf bridge tower flag rope wheel key sail") {
		for i, ask := range []string{"Which zorp has the %s?", "Tell me the zorp of the %s.", "Where is the %s?", "Is there a %s?", "Name the %s.", "Who made the %s?"} {
			e := &Example{Text: fmt.Sprintf(ask, thing), Image: i%2 == 0, Lang: "en", Source: "pair", Weak: &one, Strong: &one}
			if i < 2 {
				e.Weak = &zero
			}
			e.vector = difficulty.Features(e.features())
			outcomes = append(outcomes, e)
		}
	}
	a, err := Adapt(m, outcomes, 1)
	if err != nil {
		t.Fatal(err)
	}
	if a.Chosen.Score < 0.97 {
		t.Errorf("chosen %+v of direct %.2f, always %.2f", a.Chosen, a.Direct, a.Always)
	}
	for _, p := range a.Prices { // a random order has a score of 0.83 here
		if p.Share >= 0.5 {
			if p.Score < 0.93 {
				t.Errorf("at half the thinking the score is %.3f", p.Score)
			}
			break
		}
	}
	// Wishes in words ("step by step") are followed whatever the price.
	if q := a.Qualities[router.DefaultQuality]; math.Abs(q.Share-a.Chosen.Share) > 0.01 || math.Abs(q.Score-a.Chosen.Score) > 0.01 {
		t.Errorf("quality 5 comes to %+v, not to what was chosen: %+v", q, a.Chosen)
	}
	f := router.Features{Text: "Which zorp has the sky?"}
	if before, after := m.Assess(&f), a.Model.Assess(&f); after.Instruct >= before.Instruct {
		t.Errorf("before %+v, after %+v", before, after)
	}
	loss, err := GeneralLoss(m, a.Model)
	if err != nil {
		t.Fatal(err)
	}
	if loss > generalLoss+1e-9 {
		t.Errorf("a source of general prompts loses %.3f", loss)
	}
	if _, err := Adapt(m, outcomes[:10], 1); err == nil {
		t.Error("ten outcomes are enough")
	}
}

func TestPriceIsNotFittedToNoise(t *testing.T) {
	cheap, dear := Price{Lambda: 0.2, Share: 0.2, Score: 0.962}, Price{Lambda: 0.01, Share: 0.7, Score: 0.979}
	for name, tt := range map[string]struct {
		noise float64
		want  Price
	}{
		"many outcomes": {0.003, dear},
		"few outcomes":  {0.018, cheap},
	} {
		first := cheap
		first.noise = tt.noise
		a := Adapted{Always: Cost{Score: 0.98}, Prices: []Price{{Lambda: 1, Score: 0.85, noise: 0.03}, first, dear}}
		if a.choose(func(float64) bool { return true }); a.Chosen.Lambda != tt.want.Lambda {
			t.Errorf("%s: chose %+v", name, a.Chosen)
		}
	}
}

func TestCostsOfOutcomes(t *testing.T) {
	zero, one := 0.0, 1.0
	outcomes := []*Example{
		{Weak: &zero, Strong: &one, WeakTokens: 2, Tokens: 20, WeakSeconds: 1, StrongSeconds: 4},
		{Weak: &one, Strong: &one, WeakTokens: 4, Tokens: 40, WeakSeconds: 2, StrongSeconds: 8},
	}
	got := costOf(outcomes, func(i int) bool { return i == 0 })
	if diff := cmp.Diff(Cost{Share: 0.5, Score: 1, Tokens: 12, Seconds: 3}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	outcomes[1].WeakTokens, outcomes[0].StrongSeconds = 0, 0
	if got := costOf(outcomes, func(int) bool { return false }); got.Tokens != 0 || got.Seconds != 0 {
		t.Errorf("what is not known was added up: %+v", got)
	}
}

func TestMarksAreFeaturesOnlyWhenAskedFor(t *testing.T) {
	set := &Set{}
	if err := set.read([]byte(`{"text":"how many?","source":"a","label":"thinking","marks":["chart","two"]}
{"text":"how many?","source":"a","label":"thinking","marks":["chart"]}
{"text":"how many?","source":"a","label":"thinking"}
`)); err != nil {
		t.Fatal(err)
	}
	bare := difficulty.Features(&router.Features{Text: "how many?"})
	for i, e := range set.Examples {
		if diff := cmp.Diff(bare, e.vector); diff != "" {
			t.Errorf("example %d has other features before its marks are asked for:\n%s", i, diff)
		}
	}
	set.Mark()
	n := len(bare.Shapes)
	both, one, none := set.Examples[0].vector.Shapes, set.Examples[1].vector.Shapes, set.Examples[2].vector.Shapes
	if len(both) != n+2 || len(one) != n+1 || len(none) != n || both[n] != one[n] || both[n] == both[n+1] {
		t.Errorf("%d shapes of the text, with marks %v, %v and %v", n, both[n:], one[n:], none[n:])
	}
}

func TestContrastingPromptsAreInOrder(t *testing.T) {
	set, err := Load("prompts")
	if err != nil {
		t.Fatal(err)
	}
	type side struct {
		source, lang string
		label        Label
	}
	seen := map[string]bool{}
	count, languages := map[side]int{}, map[string]map[string]bool{}
	var before *Example
	for _, e := range set.Examples {
		if e.Pair == 0 {
			continue
		}
		if seen[e.Text] {
			t.Errorf("%s: %q is there twice", e.Source, e.Text)
		}
		seen[e.Text] = true
		if before != nil && before.Source == e.Source && before.Lang == e.Lang && before.Pair > e.Pair {
			t.Errorf("%s, %s: pair %d comes after pair %d", e.Source, e.Lang, e.Pair, before.Pair)
		}
		before = e
		if kindOf(e) < 0 {
			t.Errorf("%s, pair %d: kind %q has no name in reports", e.Source, e.Pair, e.Kind)
		}
		count[side{e.Source, e.Lang, e.Label}]++
		if languages[e.Source] == nil {
			languages[e.Source] = map[string]bool{}
		}
		languages[e.Source][e.Lang] = true
	}
	if len(languages) != 15 {
		t.Errorf("%d topics", len(languages))
	}
	for source, spoken := range languages {
		if len(spoken) != 16 {
			t.Errorf("%s: %d languages", source, len(spoken))
		}
		for lang := range spoken {
			easy, hard := count[side{source, lang, LabelInstruct}], count[side{source, lang, LabelThinking}]
			if min(easy, hard) < 4 || 10*max(easy, hard) > 12*min(easy, hard)+20 {
				t.Errorf("%s, %s: %d easy and %d hard prompts", source, lang, easy, hard)
			}
		}
	}
}

func TestAClipIsScoredAsServed(t *testing.T) {
	clip := &Example{Text: "who?", Video: true}
	if diff := cmp.Diff(&router.Features{Text: "who?", Images: 1}, clip.features()); diff != "" {
		t.Errorf("(-served +trained):\n%s", diff)
	}
}
