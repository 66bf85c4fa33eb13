// Package footprint says from the headers of its files how much memory a set of weights will take, on each device,
// before anything is loaded.
//
// It must not read weights, know of C, or ask the machine how much memory there is.
package footprint

import (
	"fmt"
	"strings"

	"github.com/qwenvld/qwenvld/engine/gguf"
)

// Sizes are what a worker is told of its caches and batches, every default filled in.
type Sizes struct {
	CacheTokens  int
	CacheType    string // f16, q8_0 or f32; empty is f16
	BatchSize    int
	MaxSequences int
	GPULayers    int   // negative: all
	TowerOnGPU   bool  // where pictures are encoded
	ImageMemory  int64 // bytes of encoding one picture, at most
	VisionCache  int64 // bytes of rows of pictures, at most; negative: none
}

// Need is what one device must have, in bytes.
type Need struct {
	Weights, Cache, Tower, Buffers int64
}

// Total is all of it.
func (n Need) Total() int64 { return n.Weights + n.Cache + n.Tower + n.Buffers }

// Estimate is what one worker takes.
type Estimate struct {
	// Host is the processor's memory, GPU the graphics card's. With several cards it is their sum.
	Host, GPU Need
	// Mapped is what of Host.Weights stays as it is in the file, which workers that map the same file have in common.
	// Formats that ggml rearranges for the processor are copied.
	Mapped int64
	// Pictures is what may come on top of that while it works: encoding a large picture, where the tower is, and rows
	// kept in the host's memory.
	Pictures, Rows int64
}

// Of estimates for a model that gguf.ReadModel or gguf.Parse has read, and its projector, which may be nil.
func Of(model, projector *gguf.File, s Sizes) (Estimate, error) {
	m, err := readShape(model)
	if err != nil {
		return Estimate{}, err
	}
	var e Estimate
	onGPU := m.onGPU(s.GPULayers)
	e.addWeights(model, m.layers, onGPU)
	perLayer, err := m.cacheOfLayer(s)
	if err != nil {
		return Estimate{}, err
	}
	for layer := range m.layers {
		if onGPU(layer) {
			e.GPU.Cache += perLayer
		} else {
			e.Host.Cache += perLayer
		}
	}
	computes, tower := &e.Host, &e.Host
	if s.TowerOnGPU {
		tower = &e.GPU
	}
	switch {
	case onGPU(m.layers):
		computes = &e.GPU
	case s.GPULayers != 0: // both compute a part of each batch
		e.GPU.Buffers += m.buffers(s)
	}
	computes.Buffers += m.buffers(s)
	e.Host.Buffers += m.logits * int64(s.MaxSequences)
	if projector != nil {
		for i := range projector.Tensors {
			tower.Tower += projector.Tensors[i].Bytes
		}
		e.Pictures, e.Rows = s.ImageMemory, max(0, s.VisionCache)
	}
	return e, nil
}

// Layers is how many layers of a model a card can take: its own, and the output as one more.
func Layers(model *gguf.File) (int, error) {
	m, err := readShape(model)
	return int(m.layers) + 1, err
}

const embedding = "token_embd.weight"

// addWeights counts each tensor where it will lie. The layer after the last is the output.
func (e *Estimate) addWeights(model *gguf.File, layers int64, onGPU func(layer int64) bool) {
	for i := range model.Tensors {
		t := &model.Tensors[i]
		switch layer, ok := layerOf(t.Name); {
		case ok && onGPU(layer), !ok && t.Name != embedding && onGPU(layers):
			e.GPU.Weights += t.Bytes
		default:
			e.Host.Weights += t.Bytes
			if t.Type == gguf.F32 || t.Type == gguf.F16 || t.Type == gguf.BF16 {
				e.Mapped += t.Bytes
			}
		}
	}
	// Where input and output share a matrix, the graphics card gets a copy.
	if t := model.Tensor(embedding); t != nil && model.Tensor("output.weight") == nil && onGPU(layers) {
		e.GPU.Weights += t.Bytes
	}
}

// layerOf is the number in "blk.12.attn_q.weight".
func layerOf(name string) (layer int64, ok bool) {
	rest, ok := strings.CutPrefix(name, "blk.")
	if !ok {
		return 0, false
	}
	_, err := fmt.Sscanf(rest, "%d.", &layer)
	return layer, err == nil
}

// shape is what the sizes of caches and buffers follow from.
type shape struct {
	layers, width, feed, heads int64
	keys                       int64 // values of all heads' keys of a token; as many are its values
	inputs                     int64 // width of an input row, with those of DeepStack
	logits                     int64 // bytes of a token's
}

func readShape(f *gguf.File) (shape, error) {
	arch, _ := f.Text("general.architecture")
	number := func(key string) int64 {
		n, _ := f.Integer(arch + "." + key)
		return max(0, min(n, 1<<24)) // what is more is no model's
	}
	s := shape{
		layers: number("block_count"), width: number("embedding_length"), heads: number("attention.head_count"),
		feed: max(number("feed_forward_length"), number("expert_feed_forward_length")*number("expert_used_count")),
	}
	if s.layers == 0 || s.width == 0 || s.heads == 0 {
		return s, fmt.Errorf("%q is no language model whose layers can be told", arch)
	}
	groups, head := number("attention.head_count_kv"), number("attention.key_length")
	if groups == 0 {
		groups = s.heads
	}
	if head == 0 {
		head = s.width / s.heads
	}
	s.keys = groups * head
	s.inputs = s.width * (1 + number("n_deepstack_layers"))
	tokens, _ := f.Texts("tokenizer.ggml.tokens")
	s.logits = 4 * int64(len(tokens))
	return s, nil
}

// onGPU says which layers lie on the graphics card: the last ones. The output counts as one more layer.
func (s *shape) onGPU(layers int) func(layer int64) bool {
	n := int64(layers)
	if n < 0 {
		n = s.layers + 1
	}
	first := max(0, s.layers-n)
	return func(layer int64) bool { return layer >= first && layer-first < n }
}

// cacheOfLayer is the KV cache of one layer.
func (s *shape) cacheOfLayer(o Sizes) (int64, error) {
	const padding = 256 // cells
	cells := (int64(o.CacheTokens) + padding - 1) / padding * padding
	values := 2 * s.keys * cells
	switch o.CacheType {
	case "", "f16":
		return 2 * values, nil
	case "f32":
		return 4 * values, nil
	case "q8_0":
		return values / 32 * 34, nil
	}
	return 0, fmt.Errorf("the cache type %q is not one of f16, q8_0, f32", o.CacheType)
}

// buffers are what the graph of one batch is computed in: its mask, and either a layer's rows with the scores of plain
// attention or the mask in half precision, or, at the end, the logits of all rows, for which llama.cpp reserves memory
// too.
func (s *shape) buffers(o Sizes) int64 {
	rows, cells := int64(o.BatchSize), int64(o.CacheTokens)
	mask := rows * cells
	layer := 4 * rows * (s.inputs + 2*s.width + 2*s.feed)
	if o.CacheType == "f32" {
		layer += min(512<<20, 4*rows*s.heads*cells)
	} else {
		layer += 2 * mask
	}
	return 4*mask + max(layer, rows*s.logits+4*rows*s.width)
}
