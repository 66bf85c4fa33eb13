package train

import (
	"math"
	"strings"

	"github.com/qwenvld/qwenvld/router/difficulty"
)

// target is what a head is trained towards, 0 to 1. A label says whether the direct answer suffices, so it teaches the
// instruct head, and sharply; what the thinking variant can do is learnt from measured outcomes alone.
func target(head int, e *Example) float64 {
	const unsure, usual = 0.6, 0.8
	switch {
	case head == difficulty.HeadTokens:
		return tokensTarget(e)
	case e.measured() && head == difficulty.HeadInstruct:
		return *e.Weak
	case e.measured():
		return *e.Strong
	case head == difficulty.HeadThinking:
		return usual
	case e.Label == LabelInstruct:
		return 1
	case e.Label == LabelThinking:
		return 0
	default:
		return unsure
	}
}

// likely is how often the variant's answer is right for prompts of a label, by published results of weights of about
// 30B. The heads are calibrated to it; calibration on one's own pair moves it.
func likely(head int, e *Example) float64 {
	if head == difficulty.HeadTokens {
		return tokensTarget(e)
	}
	instruct, thinking := 0.78, 0.81 // unsure: both near their ceiling, or nothing known
	switch e.Label {
	case LabelInstruct:
		instruct, thinking = 0.88, 0.84 // MMLU-Pro, SimpleQA, OCR, photos: thinking loses a few points
	case LabelThinking:
		instruct, thinking = 0.45, 0.75 // AIME, GPQA, LiveCodeBench, MathVision: it gains 8 to 22
	default:
	}
	if head == difficulty.HeadInstruct {
		return instruct
	}
	return thinking
}

// tokensTarget places the logarithm of the thinking tokens on the head's scale.
func tokensTarget(e *Example) float64 {
	tokens := float64(e.Tokens)
	if tokens == 0 {
		tokens = assumedTokens(e)
	}
	p := ((math.Log2(tokens)-difficulty.TokensMiddle)/difficulty.TokensScale + 1) / 2
	return min(max(p, 0.02), 0.98)
}

// assumedTokens is a guess for kinds of prompts whose thinking was not measured.
func assumedTokens(e *Example) float64 {
	switch {
	case e.Source == "olympiadbench":
		return 12000
	case strings.Contains(e.Kind, "competition"), strings.Contains(e.Kind, "theorem"):
		return 6000
	case e.Label == LabelInstruct:
		return 300
	case e.Label == LabelUnsure, strings.Contains(e.Kind, "grade"):
		return 1000
	case e.measured():
		return 5000
	default:
		return 3000
	}
}

// kindRules map the data sets' own words for kinds, the first that is found, to the names of difficulty.Kinds.
var kindRules = []struct{ part, kind string }{
	{"perceive", "recognition"},
	{"summary", "language"},
	{"translate", "language"},
	{"image_math", "image math"},
	{"image-math", "image math"},
	{"image_science", "image math"},
	{"image-puzzle", "image logic"},
	{"image_logic", "image logic"},
	{"image-compare", "image logic"},
	{"image-reason", "image math"},
	{"chart", "chart"},
	{"figure question", "chart"},
	{"screen", "text reading"},
	{"ocr", "text reading"},
	{"document", "text reading"},
	{"image-direct", "recognition"},
	{"recogni", "recognition"},
	{"image-", "recognition"},
	{"describe", "recognition"},
	{"locate", "recognition"},
	{"count", "recognition"},
	{"math", "math"},
	{"algebra", "math"},
	{"text-reason", "math"},
	{"arithmetic", "math"},
	{"stem", "science"},
	{"science", "science"},
	{"stats", "math"},
	{"estimation", "math"},
	{"fermi", "math"},
	{"logic", "logic"},
	{"puzzle", "logic"},
	{"planning", "logic"},
	{"games", "logic"},
	{"graphs", "logic"},
	{"induction", "logic"},
	{"multi-hop", "knowledge"},
	{"code", "code"},
	{"coding", "code"},
	{"algorithm", "code"},
	{"reading", "reading"},
	{"factoid", "knowledge"},
	{"knowledge", "knowledge"},
	{"commonsense", "knowledge"},
	{"common-sense", "knowledge"},
	{"writ", "writing"},
	{"roleplay", "writing"},
	{"instruction-following", "writing"},
	{"assistant-task", "writing"},
	{"nlu", "language"},
	{"language", "language"},
	{"extraction", "language"},
	{"advice", "chat"},
	{"chat", "chat"},
	{"assistant", "chat"},
	{"text-direct", "chat"},
	{"chitchat", "chat"},
}

// kindOf is the index of an example's kind, -1 if its words say none.
func kindOf(e *Example) int {
	words := e.Kind
	switch {
	case words == "read" && e.Source == "own_charts":
		words = "chart"
	case words == "read" && e.pictured():
		words = "document"
	case words == "read":
		words = "reading"
	case words == "math" && e.pictured():
		words = "image_math"
	case words == "logic" && e.pictured():
		words = "image_logic"
	}
	for _, r := range kindRules {
		if strings.Contains(words, r.part) {
			for i, name := range difficulty.Kinds() {
				if name == r.kind {
					return i
				}
			}
		}
	}
	return -1
}
