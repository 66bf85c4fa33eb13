package difficulty

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/router"
)

func TestWhatIsAskedFor(t *testing.T) {
	for text, want := range map[string][]string{
		"":                         {},
		"How many dogs are there?": {"How many dogs are there?"},
		"I have 2.50 left. Mr. Lee has more. Who has less? Thank you!": {"Who has less? Thank you!"},
		"Who is taller? A) Ann\nB) Bo":                                 {"Who is taller?", "A) Ann\nB) Bo"},
		"Sum this up.\nIt rained. It stopped. It rained again.":        {"Sum this up.", "It stopped. It rained again."},
		"The sky is blue.\nNow translate it":                           {"The sky is blue.\nNow translate it"},
		"他有三个苹果。他吃了一个。还剩几个？":                                           {"还剩几个?"},
		"사과가 세 개 있다. 하나를 먹었다. 남은 개수를 구하시오.":                            {"사과가 세 개 있다.", "하나를 먹었다. 남은 개수를 구하시오."},
		"کم": {"کم"},
		"هذا كتاب. كم صفحة فيه؟":                       {"كم صفحة فيه؟"},
		"राम के पास दो आम हैं। कुल कितने?":             {"कुल कितने?"},
		"Is \"why?\" a question? Explain in one line.": {"a question? Explain in one line."},
	} {
		var e extraction
		e.normalise(text)
		got := []string{}
		for _, p := range e.asked() {
			if s := strings.TrimSpace(string(e.text[p.from:p.to])); s != "" {
				got = append(got, s)
			}
		}
		if strings.Contains(text, "why?\"") { // the mark within quotes ends a sentence as well
			got[0] = strings.TrimSpace(strings.TrimLeft(got[0], "\""))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestPiecesOfAQuestionAreWholeCharactersAndBounded(t *testing.T) {
	for _, text := range []string{strings.Repeat("很长的话", 400), strings.Repeat("a", 2000) + "?", "é", strings.Repeat("ก", 700) + "?", "\xff\xff?"} {
		var e extraction
		e.normalise(text)
		for _, p := range e.asked() {
			if p.from > p.to || p.to > len(e.text) || p.to-p.from > maxAsked {
				t.Errorf("%.20q: piece %+v of %d bytes", text, p, len(e.text))
			}
		}
	}
}

func TestTheQuestionIsABlockOfItsOwn(t *testing.T) {
	const question = "Which one is last?"
	alone := Features(&router.Features{Text: question})
	after := Features(&router.Features{Text: "Five men stand in a row. " + question})
	if len(alone.Question) == 0 || !slices.Equal(alone.Question, after.Question) {
		t.Errorf("the question has %d features alone and %d after a sentence", len(alone.Question), len(after.Question))
	}
	for _, f := range alone.Question {
		if slices.Contains(alone.Lexical, f) {
			t.Errorf("feature %d is in both blocks", f)
		}
	}
}

func TestConceptsAreTheSameInEveryLanguage(t *testing.T) {
	for concept, texts := range map[string][]string{
		"how many": {"How many are there?", "Wie viele sind es?", "¿Cuántos hay?", "Сколько их?", "Có bao nhiêu con?", "有几个?", "몇 개야?", "何個ある？", "มีกี่ตัว", "कितने हैं?", "Ada berapa?", "Kaç tane var?"},
		"prove":    {"Prove it.", "Beweise es.", "Démontrer cela.", "Demuestra que sí.", "Докажите это.", "Chứng minh điều đó.", "证明这一点", "증명하시오", "証明せよ", "พิสูจน์", "सिद्ध कीजिए", "Buktikan.", "Kanıtlayın."},
		"allowed":  {"May I?", "Darf ich das?", "Est-ce permis?", "Puedo hacerlo, ¿puede ser?", "Можно войти?", "允许吗?", "अनुमति है?", "Bolehkah, atau boleh?", "İzin var mı?", "許可がいる"},
		"compute":  {"คำนวณ"}, // two characters in the form that texts are looked at in
	} {
		at := slices.Index(concepts.names, concept)
		for _, text := range texts {
			var e extraction
			e.extract(&router.Features{Text: text})
			if !e.concepts.has(at) || !e.askedConcepts.has(at) {
				t.Errorf("%q has no word for %q", text, concept)
			}
		}
	}
	var e extraction
	e.extract(&router.Features{Text: "The quick brown fox."})
	if e.concepts.count() != 0 {
		t.Errorf("a sentence of other words has concepts %b", e.concepts)
	}
	if n := len(concepts.names); n < 100 || n > maxConcepts {
		t.Errorf("%d concepts", n)
	}
}

func TestContributionsAddUpToTheScore(t *testing.T) {
	m, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	f := &router.Features{Text: "Four friends sit at a round table. Who sits opposite Ann, if Bo is left of Cy?", Images: 1}
	features, sum := m.Contributions(f)
	blocks := map[Block]int{}
	for i := range features {
		c := &features[i]
		if c.Feature == "" {
			t.Errorf("feature %d has no name", i)
		}
		if i > 0 && math.Abs(c.Gain()) > math.Abs(features[i-1].Gain()) {
			t.Errorf("%q weighs more than what stands before it", c.Feature)
		}
		blocks[c.Block]++
		sum.Instruct += c.Instruct
		sum.Thinking += c.Thinking
	}
	a := m.Assess(f)
	if math.Abs(sigmoid(sum.Instruct)-a.Instruct) > 1e-6 || math.Abs(sigmoid(sum.Thinking)-a.Thinking) > 1e-6 {
		t.Errorf("features add up to %.4f and %.4f, the score is %.4f and %.4f",
			sigmoid(sum.Instruct), sigmoid(sum.Thinking), a.Instruct, a.Thinking)
	}
	if blocks[BlockText] == 0 || blocks[BlockQuestion] == 0 || blocks[BlockForm] == 0 {
		t.Errorf("blocks %v", blocks)
	}
}
