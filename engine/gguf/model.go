package gguf

import (
	"slices"
	"strconv"
)

const keyArchitecture = "general.architecture"

// Bounds that llama.cpp asserts, or above which its 32-bit arithmetic ends.
const (
	maxLayers    = 512
	maxExperts   = 512
	maxWidth     = 1 << 20
	maxHeads     = 1 << 12
	maxContext   = 1 << 30
	maxTaps      = 16
	ropeSections = 4
)

// visionArchitecture says whether positions have three axes, as pictures need.
func visionArchitecture(name string) bool { return name == "qwen3vl" || name == "qwen3vlmoe" }

func (f *File) checkModel() error {
	c := &checker{file: f, used: map[string]bool{}}
	arch, ok := f.Text(keyArchitecture)
	switch {
	case !ok:
		c.fail("has no key %q", keyArchitecture)
	case arch == "clip":
		c.fail("is a projector (mmproj), not a language model")
	}
	if c.err != nil {
		return c.err
	}
	if foreign := f.foreign(arch); foreign != nil {
		return foreign
	}
	c.finite()
	c.vocabulary()
	if visionArchitecture(arch) {
		c.language(arch)
	}
	return c.err
}

// language checks keys and tensors of Qwen3-VL's language models. Other architectures are llama.cpp's own to judge.
func (c *checker) language(arch string) {
	a := arch + "."
	layers := c.number(a+"block_count", 1, maxLayers)
	width := c.number(a+"embedding_length", 1, maxWidth)
	heads := c.number(a+"attention.head_count", 1, maxHeads)
	groups := c.numberOr(a+"attention.head_count_kv", heads, 1, heads)
	head := c.numberOr(a+"attention.key_length", width/heads, 2, maxWidth)
	c.number(a+"context_length", 1, maxContext)
	c.positive(a+"attention.layer_norm_rms_epsilon", false)
	c.positive(a+"rope.freq_base", false) // without it llama.cpp takes another one and computes nonsense
	c.numberOr(a+"n_deepstack_layers", 0, 0, min(layers, maxTaps))
	if heads%groups != 0 {
		c.fail("key %q is %d, which does not divide the %d heads", a+"attention.head_count_kv", groups, heads)
	}
	for _, key := range []string{"attention.value_length", "rope.dimension_count"} {
		if n := c.numberOr(a+key, head, 1, maxWidth); n != head {
			c.fail("key %q is %d, expected the heads' width, %d", a+key, n, head)
		}
	}
	c.rope(a, head)
	if c.err != nil {
		return
	}
	tokens, _ := c.file.Texts(keyTokens)
	rows := int64(len(tokens))
	c.tensor("token_embd.weight", factor, width, rows)
	c.optional("output.weight", factor, width, rows)
	c.tensor("output_norm.weight", norm, width)
	feed := c.feedForward(arch, width)
	for i := range layers {
		if c.err != nil {
			return
		}
		p := "blk." + strconv.FormatInt(i, 10) + "."
		c.tensor(p+"attn_norm.weight", norm, width)
		c.tensor(p+"attn_q.weight", factor, width, head*heads)
		c.tensor(p+"attn_k.weight", factor, width, head*groups)
		c.tensor(p+"attn_v.weight", factor, width, head*groups)
		c.tensor(p+"attn_output.weight", factor, head*heads, width)
		c.tensor(p+"attn_q_norm.weight", norm, head)
		c.tensor(p+"attn_k_norm.weight", norm, head)
		c.tensor(p+"ffn_norm.weight", norm, width)
		feed(p)
	}
	c.allUsed()
}

// feedForward returns the check of a layer's second half.
func (c *checker) feedForward(arch string, width int64) func(prefix string) {
	a := arch + "."
	if arch == "qwen3vl" {
		hidden := c.number(a+"feed_forward_length", 1, maxWidth)
		c.numberOr(a+"expert_count", 0, 0, 0)
		c.numberOr(a+"expert_used_count", 0, 0, 0)
		c.numberOr(a+"expert_group_count", 0, 0, 0)
		return func(p string) {
			c.tensor(p+"ffn_gate.weight", factor, width, hidden)
			c.tensor(p+"ffn_up.weight", factor, width, hidden)
			c.tensor(p+"ffn_down.weight", factor, hidden, width)
		}
	}
	experts := c.number(a+"expert_count", 1, maxExperts)
	c.number(a+"expert_used_count", 1, experts)
	c.numberOr(a+"expert_group_count", 0, 0, 0)
	c.numberOr(a+"feed_forward_length", 0, 0, maxWidth)
	hidden := c.number(a+"expert_feed_forward_length", 1, maxWidth)
	return func(p string) {
		c.tensor(p+"ffn_gate_inp.weight", factor, width, experts)
		c.tensor(p+"ffn_gate_exps.weight", factor, width, hidden, experts)
		c.tensor(p+"ffn_up_exps.weight", factor, width, hidden, experts)
		c.tensor(p+"ffn_down_exps.weight", factor, hidden, width, experts)
	}
}

// rope checks the three position axes and the scaling of positions.
func (c *checker) rope(a string, head int64) {
	key := a + "rope.dimension_sections"
	sections, ok := c.file.Int32s(key)
	switch {
	case !ok || len(sections) != ropeSections:
		c.fail("has no usable key %q (four 32-bit integers), which its position axes need", key)
		return
	case head%2 != 0:
		c.fail("key %q is %d, which is odd", a+"attention.key_length", head)
	}
	sum := int64(0)
	for _, n := range sections {
		if n < 0 || int64(n) > head {
			c.fail("key %q is %v, expected sections of 0 to %d", key, sections, head/2)
		}
		sum += int64(n)
	}
	if sum == 0 || sum > head/2 {
		c.fail("key %q is %v, expected a sum of 1 to %d", key, sections, head/2)
	}
	if v := c.file.keys[a+"rope.scaling.type"]; v != nil {
		name, ok := c.file.Text(a + "rope.scaling.type")
		if !ok || !slices.Contains([]string{"none", "linear", "yarn"}, name) {
			c.fail("key %q is %q, expected none, linear or yarn", a+"rope.scaling.type", name)
		}
	}
	c.positive(a+"rope.scaling.factor", true)
	c.numberOr(a+"rope.scaling.original_context_length", 1, 1, maxContext)
}
