package train

import (
	"slices"
	"strings"
)

// HeldBack are the sources that no weights are ever trained on.
func HeldBack() []string {
	return []string{
		"gsm8k_test", "mgsm", "mathverse_text", "lrv", "vicuna_bench", "folio", "banking77", "belle_seed_zh", "followbench_zh",
		"screenqa_complex",
	}
}

// HeldBackTopics and HeldBackLanguages are the contrasting prompts that no weights are trained on of which measures are
// reported. The shipped weights have seen them.
func HeldBackTopics() []string { return []string{"own_scenes", "own_science", "own_everyday"} }

// HeldBackLanguages are held back with HeldBackTopics, in all topics.
func HeldBackLanguages() []string { return []string{"hi", "tr", "pt"} }

// contrasting prompts were written for this router in pairs that share their words and differ in their label.
func (e *Example) contrasting() bool { return e.Pair != 0 }

// judged reports whether an example is kept for judgement only.
func (e *Example) judged() bool {
	if e.contrasting() {
		return slices.Contains(HeldBackTopics(), e.Source) || slices.Contains(HeldBackLanguages(), e.Lang)
	}
	return slices.Contains(HeldBack(), e.Source)
}

// alwaysSeen are prompts that were written for this router without a contrast: they are always trained on and never
// counted.
func (e *Example) alwaysSeen() bool { return strings.HasPrefix(e.Source, "own_") && !e.contrasting() }

// topics are the sources of contrasting prompts, in the order of their names.
func topics(examples []*Example) []string {
	var out []string
	for _, e := range examples {
		if e.contrasting() && !slices.Contains(out, e.Source) {
			out = append(out, e.Source)
		}
	}
	slices.Sort(out)
	return out
}
