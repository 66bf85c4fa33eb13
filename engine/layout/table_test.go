package layout

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine/device"
	"github.com/qwenvld/qwenvld/engine/footprint"
	"github.com/qwenvld/qwenvld/engine/gguf"
)

// dimensions are those of Qwen3-VL's models, from their configurations.
type dimensions struct {
	name                                     string
	layers, width, heads, groups, feed       int
	experts, expertFeed                      int
	tied                                     bool
	towerDepth, towerWidth, towerFeed, patch int
}

func published() []dimensions {
	return []dimensions{
		{"2B", 28, 2048, 16, 8, 6144, 0, 0, true, 24, 1024, 4096, 16},
		{"4B", 36, 2560, 32, 8, 9728, 0, 0, true, 24, 1024, 4096, 16},
		{"8B", 36, 4096, 32, 8, 12288, 0, 0, false, 27, 1152, 4304, 16},
		{"30B-A3B", 48, 2048, 32, 4, 6144, 128, 768, false, 27, 1152, 4304, 16},
		{"32B", 64, 5120, 64, 8, 25600, 0, 0, false, 27, 1152, 4304, 16},
	}
}

const headWidth, vocabulary = 128, 151936

// Types of ggml's, and bytes of 256 values.
const (
	f32, f16, q8, q4K, q6K = 0, 1, 8, 12, 14
)

func bytesOf(kind, values int) int {
	return map[int]int{f32: 1024, f16: 512, q8: 272, q4K: 144, q6K: 210}[kind] * values / 256
}

// header writes what comes before the weights in a GGUF file.
type header struct {
	keys, tensors  bytes.Buffer
	nKeys, nTensor int
	data           int
}

func (h *header) text(out *bytes.Buffer, s string) {
	_ = binary.Write(out, binary.LittleEndian, uint64(len(s)))
	out.WriteString(s)
}

func (h *header) number(key string, n int) {
	h.nKeys++
	h.text(&h.keys, key)
	_ = binary.Write(&h.keys, binary.LittleEndian, []uint32{4, uint32(n)})
}

func (h *header) word(key, value string) {
	h.nKeys++
	h.text(&h.keys, key)
	_ = binary.Write(&h.keys, binary.LittleEndian, uint32(8))
	h.text(&h.keys, value)
}

func (h *header) words(key string, n int) {
	h.nKeys++
	h.text(&h.keys, key)
	_ = binary.Write(&h.keys, binary.LittleEndian, []uint32{9, 8})
	_ = binary.Write(&h.keys, binary.LittleEndian, uint64(n))
	for range n {
		h.text(&h.keys, "t")
	}
}

func (h *header) tensor(name string, kind int, shape ...int) {
	h.nTensor++
	h.text(&h.tensors, name)
	_ = binary.Write(&h.tensors, binary.LittleEndian, uint32(len(shape)))
	values := 1
	for _, n := range shape {
		_ = binary.Write(&h.tensors, binary.LittleEndian, uint64(n))
		values *= n
	}
	_ = binary.Write(&h.tensors, binary.LittleEndian, uint32(kind))
	_ = binary.Write(&h.tensors, binary.LittleEndian, uint64(h.data))
	h.data += (bytesOf(kind, values) + 31) / 32 * 32
}

func (h *header) parse(t *testing.T) *gguf.File {
	t.Helper()
	var out bytes.Buffer
	out.WriteString("GGUF")
	_ = binary.Write(&out, binary.LittleEndian, uint32(3))
	_ = binary.Write(&out, binary.LittleEndian, []uint64{uint64(h.nTensor), uint64(h.nKeys)})
	out.Write(h.keys.Bytes())
	out.Write(h.tensors.Bytes())
	size := (out.Len()+31)/32*32 + h.data
	f, err := gguf.Parse(&out, int64(size))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// model is the header of a language model. In Q4_K_M half of the value and down matrices, and the output, have six
// bits.
func (r *dimensions) model(t *testing.T, format string) *gguf.File {
	t.Helper()
	kind := map[string]int{"Q4_K_M": q4K, "Q8_0": q8, "F16": f16}[format]
	fine := kind
	if kind == q4K {
		fine = q6K
	}
	arch := "qwen3vl"
	if r.experts > 0 {
		arch = "qwen3vlmoe"
	}
	h := &header{}
	h.word("general.architecture", arch)
	for key, n := range map[string]int{
		"block_count": r.layers, "embedding_length": r.width, "attention.head_count": r.heads, "attention.head_count_kv": r.groups,
		"attention.key_length": headWidth, "feed_forward_length": r.feed, "context_length": 262144, "n_deepstack_layers": 3,
		"expert_feed_forward_length": r.expertFeed, "expert_used_count": min(8, r.experts),
	} {
		h.number(arch+"."+key, n)
	}
	h.words("tokenizer.ggml.tokens", vocabulary)
	embedding := kind
	if r.tied {
		embedding = fine
	} else {
		h.tensor("output.weight", fine, r.width, vocabulary)
	}
	h.tensor("token_embd.weight", embedding, r.width, vocabulary)
	h.tensor("output_norm.weight", f32, r.width)
	for i := range r.layers {
		p, better := fmt.Sprintf("blk.%d.", i), kind
		if i%2 == 0 {
			better = fine
		}
		h.tensor(p+"attn_norm.weight", f32, r.width)
		h.tensor(p+"ffn_norm.weight", f32, r.width)
		h.tensor(p+"attn_q.weight", kind, r.width, r.heads*headWidth)
		h.tensor(p+"attn_k.weight", kind, r.width, r.groups*headWidth)
		h.tensor(p+"attn_v.weight", better, r.width, r.groups*headWidth)
		h.tensor(p+"attn_output.weight", kind, r.heads*headWidth, r.width)
		if r.experts > 0 {
			h.tensor(p+"ffn_gate_inp.weight", f32, r.width, r.experts)
			h.tensor(p+"ffn_gate_exps.weight", kind, r.width, r.expertFeed, r.experts)
			h.tensor(p+"ffn_up_exps.weight", kind, r.width, r.expertFeed, r.experts)
			h.tensor(p+"ffn_down_exps.weight", better, r.expertFeed, r.width, r.experts)
			continue
		}
		h.tensor(p+"ffn_gate.weight", kind, r.width, r.feed)
		h.tensor(p+"ffn_up.weight", kind, r.width, r.feed)
		h.tensor(p+"ffn_down.weight", better, r.feed, r.width)
	}
	return h.parse(t)
}

// projector is the header of a tower in half precision.
func (r *dimensions) projector(t *testing.T) *gguf.File {
	t.Helper()
	h := &header{}
	h.word("general.architecture", "clip")
	w, merged := r.towerWidth, 4*r.towerWidth
	h.tensor("v.position_embd.weight", f32, w, 2304)
	for _, name := range []string{"v.patch_embd.weight", "v.patch_embd.weight.1"} {
		h.tensor(name, f32, r.patch, r.patch, 3, w) // as it is loaded
	}
	for i := range r.towerDepth {
		p := fmt.Sprintf("v.blk.%d.", i)
		h.tensor(p+"attn_qkv.weight", f16, w, 3*w)
		h.tensor(p+"attn_out.weight", f16, w, w)
		h.tensor(p+"ffn_up.weight", f16, w, r.towerFeed)
		h.tensor(p+"ffn_down.weight", f16, r.towerFeed, w)
	}
	for i := range 4 {
		h.tensor(fmt.Sprintf("m.%d.fc1", i), f16, merged, merged)
		h.tensor(fmt.Sprintf("m.%d.fc2", i), f16, merged, r.width)
	}
	return h.parse(t)
}

// needs are the card's memory for variants at a time, with the daemon's defaults.
func (r *dimensions) needs(t *testing.T, format string, variants int) int64 {
	t.Helper()
	model, projector := r.model(t, format), r.projector(t)
	var all []Weights
	for range variants {
		all = append(all, Weights{Name: "w", Model: model, Projector: projector, Sizes: footprint.Sizes{
			CacheTokens: 32768, BatchSize: 512, MaxSequences: 8, ImageMemory: 4 << 30, VisionCache: 512 << 20,
		}})
	}
	const large = 1 << 50
	l, err := Plan(Wish{Layers: AllLayers}, []device.Device{{Name: "CUDA0", Backend: "CUDA", Kind: device.Discrete, Free: large, Total: large}}, all)
	if err != nil {
		t.Fatal(err)
	}
	return l.Need + large - l.Room
}

// The tables of docs/GPU.md are what would be planned.
func TestTheMemoryTablesAreTrue(t *testing.T) {
	text, err := os.ReadFile("../../docs/GPU.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	for _, r := range published() {
		fmt.Fprintf(&table, "| %s |", r.name)
		for _, format := range []string{"Q4_K_M", "Q8_0", "F16"} {
			fmt.Fprintf(&table, " %s | %s |", gib(r.needs(t, format, 1)), gib(r.needs(t, format, 2)))
		}
		table.WriteString("\n")
	}
	if !strings.Contains(string(text), table.String()) {
		t.Errorf("docs/GPU.md lacks\n%s", table.String())
	}
}

func gib(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<30)) }
