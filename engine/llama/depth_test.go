package llama

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
)

// A prompt is fed in batches of this size, as a worker does it beside others.
const depthBatch = 250

// depthText is n ordinary tokens; tools/reference/make_depth_reference.py has the same formula.
func depthText(n int) []Token {
	const ordinary = 384 - 26 // special tokens stand at the end of the reference vocabulary
	out, x := make([]Token, n), int64(12345)
	for i := range out {
		x = (x*1103515245 + 12345) % (1 << 31)
		out[i] = Token((x >> 8) % ordinary)
	}
	return out
}

const depthSide = 1024 // of the picture in pixels: 32 x 32 tokens

func depthPicture() []byte {
	out := make([]byte, 0, 3*depthSide*depthSide)
	for y := range depthSide {
		for x := range depthSide {
			for c := range 3 {
				out = append(out, byte(x*(c+3)+y*(5-c)+(x*y>>(5+c))))
			}
		}
	}
	return out
}

// depthPrompt is a long prompt: text, then the rows of a picture if there is one, then text again.
type depthPrompt struct {
	name         string
	before, tail []Token
	rows         []float32
}

func depthPrompts(t *testing.T, v *Vision, lengths ...int) []depthPrompt {
	t.Helper()
	var out []depthPrompt
	for _, n := range lengths {
		out = append(out, depthPrompt{name: fmt.Sprintf("%d tokens", n), before: depthText(n)})
	}
	if v == nil {
		return out
	}
	px := depthPicture()
	rows, err := v.Encode(context.Background(), [2][]byte{px, px}, depthSide, depthSide)
	if err != nil {
		t.Fatal(err)
	}
	return append(out, depthPrompt{
		name: "picture", before: append(depthText(8), special(t, "<|vision_start|>")), rows: rows,
		tail: append([]Token{special(t, "<|vision_end|>")}, depthText(24)...),
	})
}

// logits computes the prompt in batches and returns the rows at these distances from its end, as far as they lie in its text.
func (p *depthPrompt) logits(t *testing.T, c *Context, distances []int) [][]float32 {
	t.Helper()
	c.RemoveSequence(0, 0, -1)
	const side = depthSide / 32
	pictureRows, next := 0, int32(len(p.before))
	if p.rows != nil {
		pictureRows, next = side*side, int32(len(p.before)+side)
	}
	total := len(p.before) + pictureRows + len(p.tail)
	wanted := func(i int) bool { return slices.Contains(distances, total-1-i) }
	got := map[int][]float32{}
	run := func(b *Batch, from int) {
		if err := c.Decode(b); err != nil {
			t.Fatal(err)
		}
		for i := range b.Len() {
			if wanted(from + i) {
				row, err := c.Logits(i)
				if err != nil {
					t.Fatal(err)
				}
				got[from+i] = slices.Clone(row)
			}
		}
	}
	text := func(tokens []Token, pos int32, from int) {
		b := NewTokenBatch(depthBatch)
		defer b.Close()
		for at := 0; at < len(tokens); at += depthBatch {
			b.Reset()
			for i := at; i < min(at+depthBatch, len(tokens)); i++ {
				b.AddToken(tokens[i], pos+int32(i), 0, wanted(from+i))
			}
			run(b, from+at)
		}
	}
	text(p.before, 0, 0)
	if pictureRows > 0 {
		width := len(p.rows) / pictureRows
		b := NewEmbeddingBatch(depthBatch, width)
		defer b.Close()
		for at := 0; at < pictureRows; at += depthBatch {
			b.Reset()
			for i := at; i < min(at+depthBatch, pictureRows); i++ {
				base := int32(len(p.before))
				pos := Position{base, base + int32(i/side), base + int32(i%side)}
				b.AddRow(p.rows[i*width:(i+1)*width], pos, 0, wanted(len(p.before)+i))
			}
			run(b, len(p.before)+at)
		}
	}
	text(p.tail, next, len(p.before)+pictureRows)
	var out [][]float32
	for _, d := range distances {
		if row := got[total-1-d]; row != nil {
			out = append(out, row)
		}
	}
	return out
}

// worstAndMean compares logits row by row and counts the rows whose top token differs.
func worstAndMean(t *testing.T, got, want [][]float32) (worst, mean float64, flips int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows of logits, want %d", len(got), len(want))
	}
	for i := range want {
		r := relative(got[i], want[i])
		worst = max(worst, r)
		mean += r / float64(len(want))
		if !sameTop(got[i], want[i]) {
			flips++
		}
	}
	return worst, mean, flips
}

// One thread: on a busy machine several wait for each other, and the result is the same.
func depthContext(t *testing.T, m *Model, o ContextOptions) *Context {
	t.Helper()
	o.BatchSize, o.MaxSequences, o.Threads = depthBatch, 1, 1
	if o.ContextSize == 0 {
		o.ContextSize = 4096
	}
	return newContext(t, m, o)
}

// The kept positions of make_depth_reference.py, counted from the end.
var depthDistances = []int{0, 1, 100, 499, 999}

func depthReference(t *testing.T, variant string, width int) (rows [][]float32) {
	t.Helper()
	data, err := os.ReadFile(modelFile(t, variant+"/depth.bin"))
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(data); at += 4 * width {
		row := make([]float32, width)
		for i := range row {
			row[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[at+4*i:]))
		}
		rows = append(rows, row)
	}
	return rows
}

// What is served by default must be what transformers computes, also at the end of a long prompt and behind a large picture.
func TestServedLogitsMatchTransformersAtDepth(t *testing.T) {
	for _, variant := range variants {
		m := loadModel(t, variant+"/model.gguf")
		prompts := depthPrompts(t, loadVision(t, variant+"/mmproj.gguf", 0), 2000, 4000)
		want := depthReference(t, variant, m.VocabSize())
		if len(want) != len(prompts)*len(depthDistances) {
			t.Fatalf("%d rows in depth.bin", len(want))
		}
		for i, p := range prompts {
			t.Run(variant+"/"+p.name, func(t *testing.T) {
				want := want[i*len(depthDistances):][:len(depthDistances)]
				for name, o := range map[string]ContextOptions{"served": {}, "f32": {KV: KVFloat32}} {
					worst, mean, flips := worstAndMean(t, p.logits(t, depthContext(t, m, o), depthDistances), want)
					t.Logf("%s: worst relative error %.2g, mean %.2g", name, worst, mean)
					if limit := depthTolerance(variant, name == "f32"); worst > limit || flips > 0 {
						t.Errorf("%s: relative error %g, want at most %g; %d top tokens differ", name, worst, limit, flips)
					}
				}
			})
		}
	}
}

// A mixture of experts of random weights has near ties between experts, which any rounding may tip.
func depthTolerance(variant string, exact bool) float64 {
	switch {
	case exact && !tips(variant):
		return logitTolerance()
	case variant == "moe":
		return 2e-2
	default:
		return 3e-3
	}
}

// The same without outside data, deeper, and for the compact cache, whose error is its own.
func TestServedLogitsStayCloseToExactOnes(t *testing.T) {
	cases := []struct {
		kv        KVType
		n         int
		tolerance float64
	}{{KVFloat16, 4000, 3e-3}, {KVFloat16, 16000, 5e-3}, {KVQ8, 4000, 6e-2}}
	m := loadModel(t, "dense-untied/model.gguf")
	distances := []int{0, 1, 2, 100, 1000, 2000, 3000}
	for _, tc := range cases {
		t.Run(fmt.Sprintf("%s/%d", tc.kv, tc.n), func(t *testing.T) {
			if tc.n > 4000 && os.Getenv("QWENVLD_SLOW_TESTS") == "" {
				t.Skip("takes a minute: set QWENVLD_SLOW_TESTS")
			}
			p := depthPrompts(t, nil, tc.n)[0]
			o := ContextOptions{ContextSize: 16384, KV: KVFloat32, PlainAttention: true}
			want := p.logits(t, depthContext(t, m, o), distances)
			worst, mean, flips := worstAndMean(t, p.logits(t, depthContext(t, m, ContextOptions{ContextSize: 16384, KV: tc.kv}), distances), want)
			t.Logf("worst relative error %.2g, mean %.2g", worst, mean)
			if worst > tc.tolerance || (tc.kv == KVFloat16 && flips > 0) {
				t.Errorf("relative error %g, want at most %g; %d top tokens differ", worst, tc.tolerance, flips)
			}
		})
	}
}
