package hub

import (
	"fmt"
	"strings"
)

const (
	presetName   = "qwen3-vl"
	presetOwner  = "Qwen"
	presetQuant  = "Q4_K_M"
	presetPrefix = "Qwen3-VL-"
)

// size is a published size of Qwen3-VL, with what tells its language model from the others'.
type size struct {
	tag, name     string
	layers, width int64
}

// published are all sizes, the smallest first.
func published() []size {
	return []size{
		{"2b", "2B", 28, 2048},
		{"4b", "4B", 36, 2560},
		{"8b", "8B", 36, 4096},
		{"32b", "32B", 64, 5120},
		{"30b-a3b", "30B-A3B", 48, 2048},
		{"235b-a22b", "235B-A22B", 94, 4096},
	}
}

// Sizes are the tags of the presets.
func Sizes() []string {
	var out []string
	for _, s := range published() {
		out = append(out, s.tag)
	}
	return out
}

// PresetFor is the preset of the model that has so many layers of such a width, "" where there is none.
func PresetFor(layers, width int64) string {
	for _, s := range published() {
		if s.layers == layers && s.width == width {
			return presetName + ":" + s.tag
		}
	}
	return ""
}

// PresetOf is the preset that a repository belongs to, with the variant that it holds there; "" where it belongs to
// none.
func PresetOf(repo string) (preset string, variant Variant) {
	for _, s := range published() {
		for _, v := range []Variant{Instruct, Thinking} {
			if repo == s.repo(v) {
				return presetName + ":" + s.tag, v
			}
		}
	}
	return "", ""
}

// repo is the repository of Qwen's own conversion of a variant.
func (s size) repo(v Variant) string {
	return presetOwner + "/" + presetPrefix + s.name + "-" + map[Variant]string{Instruct: "Instruct", Thinking: "Thinking"}[v] + "-GGUF"
}

// preset reads SIZE[-VARIANT][@QUANT].
func preset(tag string) ([]Source, error) {
	name, quant, hasQuant := strings.Cut(strings.ToLower(tag), "@")
	if hasQuant && !quantName.MatchString(quant) {
		return nil, fmt.Errorf("%s:%s: %q is no quantisation such as q4_k_m or q8_0", presetName, tag, quant)
	}
	if !hasQuant {
		quant = presetQuant
	}
	variants := []Variant{Instruct, Thinking}
	for _, v := range variants {
		if rest, ok := strings.CutSuffix(name, "-"+string(v)); ok {
			name, variants = rest, []Variant{v}
			break
		}
	}
	for _, s := range published() {
		if s.tag != name {
			continue
		}
		var sources []Source
		for _, v := range variants {
			sources = append(sources, Source{
				Host: HuggingFace, Repo: s.repo(v), Revision: defaultRevision(HuggingFace), Quant: strings.ToUpper(quant), Variant: v,
			})
		}
		return sources, nil
	}
	return nil, fmt.Errorf("%s has no size %q: there are %s", presetName, name, strings.Join(Sizes(), ", "))
}
