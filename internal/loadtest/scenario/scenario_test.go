package scenario

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/internal/loadtest/measure"
)

// small are sizes that are drawn quickly.
func small() *Sizes {
	s := Quick()
	s.Picture.Width, s.Picture.Height, s.Video.Width, s.Video.Height = 32, 32, 32, 32
	s.Requests = []Body{{"messages": []message{user("Hello")}, "max_tokens": 3}}
	return &s
}

func planOf(t *testing.T, name string, s *Sizes, seed uint64) []Stage {
	t.Helper()
	found, err := Named([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	stages, err := found[0].Plan(s, seed)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

func TestEveryPlanIsItsSeeds(t *testing.T) {
	for _, s := range All() {
		first, err := s.Plan(small(), 1)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := s.Plan(small(), 1)
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("%s: the same seed gives another plan:\n%s", s.Name, diff)
		}
		if other, _ := s.Plan(small(), 2); s.Name != "requests" && cmp.Equal(first, other) {
			t.Errorf("%s: another seed gives the same plan, so a server may know it", s.Name)
		}
		if _, err := json.Marshal(first); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

func TestNoTwoScenariosBeginAlike(t *testing.T) {
	one, two := planOf(t, "text-1", small(), 1)[0].Asks[0], planOf(t, "depth", small(), 1)[0].Asks[0]
	if a, b := text(t, one), text(t, two); a[:60] == b[:60] {
		t.Errorf("both begin with %s", a[:60])
	}
}

// roles are those of what is asked.
func roles(stages []Stage) []string {
	var out []string
	for _, s := range stages {
		for _, a := range slices.Concat(s.Beside, s.Asks) {
			if !slices.Contains(out, a.Role) {
				out = append(out, a.Role)
			}
		}
	}
	return out
}

func TestWhatIsShownIsMeasured(t *testing.T) {
	full := Full()
	sizes := small()
	sizes.Depths = full.Depths
	ofRun := []string{measure.Total, measure.TokenRate, measure.Good, measure.GoodRate, measure.LiveCells, measure.CellsFreed}
	for _, s := range All() {
		stages, err := s.Plan(sizes, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range s.Show {
			role, _, hasRole := strings.Cut(name, ".")
			if hasRole && !slices.Contains(roles(stages), role) || !hasRole && !slices.Contains(ofRun, name) {
				t.Errorf("%s shows %s, and asks %v", s.Name, name, roles(stages))
			}
		}
	}
}

func text(t *testing.T, a Ask) string {
	t.Helper()
	data, err := json.Marshal(a.Body["messages"])
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestATextHasItsTokensAndBeginsAsNoOther(t *testing.T) {
	b := newBuilder(small(), 1)
	one, two := b.text(100), b.text(100)
	if n := len(strings.Fields(one)); n != 2+100-12 {
		t.Errorf("%d words", n)
	}
	if one[:13] == two[:13] || !strings.HasPrefix(one, "Note ") {
		t.Errorf("%q, %q", one[:13], two[:13])
	}
}

func TestEightShareTheirBeginningAndNothingElse(t *testing.T) {
	asks := planOf(t, "text-8", small(), 1)[0].Asks
	if len(asks) != 8 {
		t.Fatalf("%d asks", len(asks))
	}
	common := asks[0].Body["messages"].([]message)[0]
	questions := map[string]bool{}
	for _, a := range asks {
		m := a.Body["messages"].([]message)
		if !cmp.Equal(m[0], common) {
			t.Error("the beginnings differ")
		}
		questions[m[1]["content"].(string)] = true
	}
	if len(questions) != 8 {
		t.Errorf("%d questions", len(questions))
	}
}

func TestAPictureIsAskedAboutAgainWithOtherTrafficBetween(t *testing.T) {
	stages := planOf(t, "image-again", small(), 1)
	pictures := map[string]bool{}
	for _, i := range []int{0, 1, 3, 4} {
		messages := stages[i].Asks[0].Body["messages"].([]message)
		content := messages[len(messages)-1]["content"].([]part)
		data, _ := json.Marshal(content[0])
		pictures[string(data)] = true
	}
	if len(pictures) != 1 || text(t, stages[0].Asks[0]) == text(t, stages[1].Asks[0]) {
		t.Errorf("%d pictures, and the questions are the same: %v", len(pictures), text(t, stages[0].Asks[0]) == text(t, stages[1].Asks[0]))
	}
	if len(stages[2].Asks) != 16 || stages[2].Asks[0].Role != measure.Aside {
		t.Errorf("traffic: %v", stages[2])
	}
}

func TestAConversationGrows(t *testing.T) {
	sizes := small()
	sizes.Turns = 8
	stages := planOf(t, "conversation", sizes, 1)
	if len(stages) != 8 {
		t.Fatalf("%d turns", len(stages))
	}
	for i := 1; i < len(stages); i++ {
		before, now := text(t, stages[i-1].Asks[0]), text(t, stages[i].Asks[0])
		if !strings.HasPrefix(now, strings.TrimSuffix(before, "]")) {
			t.Errorf("turn %d does not go on where turn %d was", i, i-1)
		}
	}
	if n := strings.Count(text(t, stages[7].Asks[0]), "data:image/png"); n != 2 {
		t.Errorf("%d pictures", n)
	}
}

func TestArrivalsComeByChanceAtTheirRate(t *testing.T) {
	sizes := small()
	sizes.Count, sizes.Arrivals = 4000, 2
	sizes.Requests = []Body{{"max_tokens": 1}}
	asks := planOf(t, "requests", sizes, 1)[0].Asks
	var gaps []float64
	last := time.Duration(0)
	for _, a := range asks {
		gaps = append(gaps, (a.At - last).Seconds())
		last = a.At
	}
	// Of an exponential distribution, mean and deviation are the same: half a second each.
	mean, variance := 0.0, 0.0
	for _, g := range gaps {
		mean += g / float64(len(gaps))
	}
	for _, g := range gaps {
		variance += (g - mean) * (g - mean) / float64(len(gaps))
	}
	if math.Abs(mean-0.5) > 0.03 || math.Abs(math.Sqrt(variance)-0.5) > 0.05 || slices.Min(gaps) < 0 {
		t.Errorf("mean %v, deviation %v, least %v", mean, math.Sqrt(variance), slices.Min(gaps))
	}
	sizes.Arrivals = 0
	for _, a := range planOf(t, "requests", sizes, 1)[0].Asks {
		if a.At != 0 {
			t.Fatalf("without a rate one comes at %v", a.At)
		}
	}
}

func TestClientsLeaveMidway(t *testing.T) {
	sizes := small()
	sizes.Cancels = 100
	stages := planOf(t, "cancel-100", sizes, 1)
	if n := len(stages[0].Asks); n != 100 {
		t.Errorf("%d asks", n)
	}
	for i, a := range stages[0].Asks {
		if (a.LeaveAfter == 0) == (a.LeaveAt == 0) {
			t.Errorf("ask %d leaves after %d texts and %v", i, a.LeaveAfter, a.LeaveAt)
		}
	}
}

func TestTokensThatEndAnAnswerCanBeBanned(t *testing.T) {
	sizes := small()
	sizes.Banned = []int{7, 9}
	body := planOf(t, "text-1", sizes, 1)[0].Asks[0].Body
	if diff := cmp.Diff(map[string]int{"7": -100, "9": -100}, body["logit_bias"]); diff != "" {
		t.Error(diff)
	}
}

func TestAVideoIsDrawnOrGiven(t *testing.T) {
	sizes := small()
	drawn := text(t, planOf(t, "video", sizes, 1)[0].Asks[0])
	sizes.Video.Data, sizes.Video.MaxPixels = []byte("RIFF"), 4096
	given := text(t, planOf(t, "video", sizes, 1)[0].Asks[0])
	if !strings.Contains(drawn, `"input_video":{"data":"UklGR`) || strings.Contains(drawn, "max_pixels") {
		t.Errorf("drawn: %.200s", drawn)
	}
	if !strings.Contains(given, `"input_video":{"data":"UklGRg=="},"max_pixels":4096`) {
		t.Errorf("given: %s", given)
	}
}

func TestUnknownScenariosAreRefusedByName(t *testing.T) {
	if _, err := Named([]string{"text-1", "text-2"}); err == nil || !strings.Contains(err.Error(), `"text-2"`) || !strings.Contains(err.Error(), "text-8") {
		t.Errorf("%v", err)
	}
	found, err := Named(nil)
	if err != nil || len(found) != len(All())-2 {
		t.Errorf("without names: %d of %d, %v", len(found), len(All()), err)
	}
}

func TestAPlanNeedsWhatItAsksWith(t *testing.T) {
	sizes := small()
	sizes.Requests = nil
	sizes.Picture.Kind = "cats"
	for _, name := range []string{"requests", "mixed", "image-new", "image-again", "conversation", "arrivals"} {
		found, _ := Named([]string{name})
		if _, err := found[0].Plan(sizes, 1); err == nil {
			t.Errorf("%s was planned", name)
		}
	}
}
