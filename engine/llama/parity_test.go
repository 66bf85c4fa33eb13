package llama

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/qwenvld/qwenvld/engine/tokenizer"
)

// Tolerances against transformers in float32, relative to the reference's largest magnitude.
func rowTolerance() float64 { return within(1e-4, 2e-3) }

func logitTolerance() float64 {
	if roundsFloat32() {
		return 1e-2
	}
	return within(1e-3, 5e-3)
}

// noticed is how far off at least a fault must be.
func noticed() float64 { return within(1e-2, 5e-2) }

var variants = []string{"dense-tied", "dense-untied", "moe"}

// The types below mirror testdata/reference/*/manifest.json.
type arrayRef struct {
	Offset int   `json:"offset"`
	Shape  []int `json:"shape"`
}

type referenceImage struct {
	Width  int      `json:"width"`
	Height int      `json:"height"`
	Pixels arrayRef `json:"pixels"`
	Rows   arrayRef `json:"rows"`
}

type referenceCase struct {
	Name   string `json:"name"`
	Pieces []struct {
		Kind  string `json:"kind"`
		Text  string `json:"text"`
		Image int    `json:"image"`
	} `json:"pieces"`
	IDs       []Token             `json:"ids"`
	Positions [3][]int32          `json:"positions"`
	RopeDelta int32               `json:"rope_delta"`
	Logits    arrayRef            `json:"logits"`
	Images    []referenceImage    `json:"images"`
	Mutations map[string]arrayRef `json:"mutations"`
}

type reference struct {
	Cases     []referenceCase `json:"cases"`
	FramePair struct {
		Width  int         `json:"width"`
		Height int         `json:"height"`
		Pixels [2]arrayRef `json:"pixels"`
		Rows   arrayRef    `json:"rows"`
	} `json:"frame_pair"`
	Formats struct {
		Width  int                 `json:"width"`
		Height int                 `json:"height"`
		Pixels arrayRef            `json:"pixels"`
		Rows   map[string]arrayRef `json:"rows"`
	} `json:"formats"`

	rawFloats, rawPixels []byte
}

func loadReference(t *testing.T, variant string) *reference {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile(modelFile(t, variant+"/"+name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	r := &reference{rawFloats: read("floats.bin"), rawPixels: read("pixels.bin")}
	if err := json.Unmarshal(read("manifest.json"), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func size(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}

func (r *reference) floats(a arrayRef) []float32 {
	out := make([]float32, size(a.Shape))
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(r.rawFloats[a.Offset+4*i:]))
	}
	return out
}

func (r *reference) pixels(a arrayRef) []byte {
	return r.rawPixels[a.Offset : a.Offset+size(a.Shape)]
}

// worstRow compares row by row and returns the largest relative difference.
func worstRow(got, want []float32, width int) float64 {
	worst := 0.0
	for i := 0; i < len(want); i += width {
		worst = math.Max(worst, relative(got[i:i+width], want[i:i+width]))
	}
	return worst
}

// judged is the deviation that counts: the largest of any row. On a card roundings may have a mixture of experts choose another one where
// two are close. That changes such a row altogether, and those behind it a little, so that there the best quarter of the rows counts.
func judged(variant string, got, want []float32, width int) float64 {
	var off []float64
	for i := 0; i < len(want); i += width {
		off = append(off, relative(got[i:i+width], want[i:i+width]))
	}
	slices.Sort(off)
	if tips(variant) {
		return off[len(off)/4]
	}
	return off[len(off)-1]
}

func tips(variant string) bool { return variant == "moe" && len(testCards()) > 0 }

// sameTop says whether the likeliest token is the same. On a card it may be another where the right one leads by less than what two
// deviations within the tolerance make up for.
func sameTop(got, want []float32) bool {
	g, w := argmax(got), argmax(want)
	if g == w || len(testCards()) == 0 {
		return g == w
	}
	magnitude := 0.0
	for _, v := range want {
		magnitude = math.Max(magnitude, math.Abs(float64(v)))
	}
	return float64(want[w]-want[g]) <= 2*logitTolerance()*magnitude
}

func argmax(v []float32) int {
	best := 0
	for i := range v {
		if v[i] > v[best] {
			best = i
		}
	}
	return best
}

func TestVisionRowsMatchTransformers(t *testing.T) {
	for _, variant := range variants {
		ref := loadReference(t, variant)
		v := loadVision(t, variant+"/mmproj.gguf", 0)
		check := func(t *testing.T, frames [2][]byte, width, height int, rows arrayRef) {
			t.Helper()
			got, err := v.Encode(context.Background(), frames, width, height)
			if err != nil {
				t.Fatal(err)
			}
			want := ref.floats(rows)
			if len(got) != len(want) || rows.Shape[1] != v.RowWidth() {
				t.Fatalf("%d floats of width %d, want %v", len(got), v.RowWidth(), rows.Shape)
			}
			// Each of the four parts on its own, so that a large one cannot hide a small one.
			worst := worstRow(got, want, rows.Shape[1]/4)
			t.Logf("worst relative error %.2g", worst)
			if worst > rowTolerance() {
				t.Errorf("relative error %g, want at most %g", worst, rowTolerance())
			}
		}
		for _, c := range ref.Cases {
			for i, img := range c.Images {
				t.Run(fmt.Sprintf("%s/%s/%d", variant, c.Name, i), func(t *testing.T) {
					px := ref.pixels(img.Pixels)
					check(t, [2][]byte{px, px}, img.Width, img.Height, img.Rows)
				})
			}
		}
		t.Run(variant+"/frame pair", func(t *testing.T) {
			p := ref.FramePair
			check(t, [2][]byte{ref.pixels(p.Pixels[0]), ref.pixels(p.Pixels[1])}, p.Width, p.Height, p.Rows)
		})
	}
}

// The reference rows were computed with the weights as each format rounds them. What is left are ggml's kernels, which round the
// activations to half precision for f16 weights and to 8 bits for q8_0.
func TestVisionRowsInOtherWeightFormats(t *testing.T) {
	ref := loadReference(t, "dense-tied")
	for format, tolerance := range map[string]float64{"f16": 2e-3, "bf16": 2e-3, "q8_0": 3e-2} {
		t.Run(format, func(t *testing.T) {
			v := loadVision(t, "dense-tied/mmproj-"+format+".gguf", 0)
			px := ref.pixels(ref.Formats.Pixels)
			got, err := v.Encode(context.Background(), [2][]byte{px, px}, ref.Formats.Width, ref.Formats.Height)
			if err != nil {
				t.Fatal(err)
			}
			rows := ref.Formats.Rows[format]
			worst := worstRow(got, ref.floats(rows), rows.Shape[1]/4)
			t.Logf("worst relative error %.2g", worst)
			if worst > within(tolerance, 2*tolerance) {
				t.Errorf("relative error %g, want at most %g", worst, tolerance)
			}
		})
	}
}

// decodeCase runs a whole prompt, with rows changed by edit, and returns the logits of every position.
func decodeCase(t *testing.T, ctx *Context, m *Model, v *Vision, ref *reference, c *referenceCase, edit func(rows []float32)) []float32 {
	t.Helper()
	ctx.RemoveSequence(0, 0, -1)
	var out []float32
	pad := special(t, "<|image_pad|>")
	image := 0
	for at := 0; at < len(c.IDs); {
		end := at
		for end < len(c.IDs) && (c.IDs[end] == pad) == (c.IDs[at] == pad) {
			end++
		}
		var b *Batch
		if c.IDs[at] == pad {
			img := c.Images[image]
			image++
			px := ref.pixels(img.Pixels)
			end = at + v.Rows(img.Width, img.Height)
			rows, err := v.Encode(context.Background(), [2][]byte{px, px}, img.Width, img.Height)
			if err != nil {
				t.Fatal(err)
			}
			if edit != nil {
				edit(rows)
			}
			b = NewEmbeddingBatch(end-at, v.RowWidth())
			for i := at; i < end; i++ {
				p := Position{c.Positions[0][i], c.Positions[1][i], c.Positions[2][i]}
				b.AddRow(rows[(i-at)*v.RowWidth():(i-at+1)*v.RowWidth()], p, 0, true)
			}
		} else {
			b = NewTokenBatch(end - at)
			for i := at; i < end; i++ {
				b.AddToken(c.IDs[i], c.Positions[0][i], 0, true)
			}
		}
		if err := ctx.Decode(b); err != nil {
			t.Fatal(err)
		}
		for i := range end - at {
			logits, err := ctx.Logits(i)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, logits...)
		}
		b.Close()
		at = end
	}
	return out
}

// exact is the attention without half precision anywhere.
func exact(t *testing.T, m *Model) *Context {
	t.Helper()
	return newContext(t, m, ContextOptions{ContextSize: 512, BatchSize: 128, MaxSequences: 1, KV: KVFloat32, PlainAttention: true})
}

func TestPromptsMatchTransformers(t *testing.T) {
	for _, variant := range variants {
		ref := loadReference(t, variant)
		m := loadModel(t, variant+"/model.gguf")
		v := loadVision(t, variant+"/mmproj.gguf", 0)
		if err := v.Compatible(m); err != nil {
			t.Fatal(err)
		}
		ctx := exact(t, m)
		for _, c := range ref.Cases {
			t.Run(variant+"/"+c.Name, func(t *testing.T) {
				checkIDs(t, v, &c)
				width := m.VocabSize()
				got := decodeCase(t, ctx, m, v, ref, &c, nil)
				checkLogits(t, variant, got, ref.floats(c.Logits), width, func(row int) int { return row })
				for name, mutation := range c.Mutations {
					if r := judged(variant, got, ref.floats(mutation), width); r < noticed() {
						t.Errorf("%s is within %g of ours: the check could not tell it apart", name, r)
					}
				}
			})
		}
	}
}

// checkLogits compares rows of logits with those of transformers; position says where in the prompt a row stands.
func checkLogits(t *testing.T, variant string, got, want []float32, width int, position func(row int) int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d logits, want %d", len(got), len(want))
	}
	off := judged(variant, got, want, width)
	t.Logf("worst relative error %.2g over %d positions, judged by %.2g", worstRow(got, want, width), len(want)/width, off)
	if off > logitTolerance() {
		t.Errorf("relative error %g, want at most %g", off, logitTolerance())
	}
	for i := 0; i < len(want) && !tips(variant); i += width {
		if g, w := got[i:i+width], want[i:i+width]; !sameTop(g, w) {
			t.Errorf("top token at position %d is %d, want %d", position(i/width), argmax(g), argmax(w))
		}
	}
}

// Serving keeps keys and values in half precision or in 8 bits. The first costs a little accuracy and no answer; the second
// costs more, and in a mixture of experts of random weights it tips the choice of experts, so that one is left out.
func TestServingPrecisionStaysClose(t *testing.T) {
	cases := []struct {
		kv        KVType
		variant   string
		tolerance float64
		sameTop   bool
	}{
		{KVFloat16, "dense-tied", 2e-3, true},
		{KVFloat16, "dense-untied", 2e-3, true},
		{KVFloat16, "moe", 2e-3, true},
		{KVQ8, "dense-tied", 6e-2, false},
		{KVQ8, "dense-untied", 6e-2, false},
	}
	for _, tc := range cases {
		t.Run(string(tc.kv)+"/"+tc.variant, func(t *testing.T) {
			ref := loadReference(t, tc.variant)
			m := loadModel(t, tc.variant+"/model.gguf")
			v := loadVision(t, tc.variant+"/mmproj.gguf", 0)
			ctx := newContext(t, m, ContextOptions{ContextSize: 512, BatchSize: 128, MaxSequences: 1, KV: tc.kv})
			worst, width := 0.0, m.VocabSize()
			for _, c := range ref.Cases {
				got, want := decodeCase(t, ctx, m, v, ref, &c, nil), ref.floats(c.Logits)
				worst = max(worst, judged(tc.variant, got, want, width))
				for i := 0; i < len(want) && tc.sameTop && !tips(tc.variant); i += width {
					if g, w := got[i:i+width], want[i:i+width]; !sameTop(g, w) {
						t.Errorf("%s: top token at position %d is %d, want %d", c.Name, i/width, argmax(g), argmax(w))
					}
				}
			}
			t.Logf("worst relative error %.2g", worst)
			if worst > within(tc.tolerance, 4*tc.tolerance) {
				t.Errorf("relative error %g, want at most %g", worst, tc.tolerance)
			}
		})
	}
}

// checkIDs tokenises the pieces as a prompt and compares with transformers' ids, image pads expanded.
func checkIDs(t *testing.T, v *Vision, c *referenceCase) {
	t.Helper()
	var pieces []tokenizer.Piece
	for _, p := range c.Pieces {
		if p.Kind == "image" {
			img := c.Images[p.Image]
			for range v.Rows(img.Width, img.Height) {
				pieces = append(pieces, tokenizer.Piece{Text: "<|image_pad|>", Control: true})
			}
			continue
		}
		pieces = append(pieces, tokenizer.Piece{Text: p.Text, Control: p.Kind == "control"})
	}
	ids := tokenize(t, pieces...)
	if fmt.Sprint(ids) != fmt.Sprint(c.IDs) {
		t.Fatalf("token ids\n%v, want\n%v", ids, c.IDs)
	}
}

// Swapping two DeepStack parts in our own rows must break parity.
func TestParityNoticesSwappedDeepStackParts(t *testing.T) {
	for _, variant := range variants {
		ref := loadReference(t, variant)
		m := loadModel(t, variant+"/model.gguf")
		v := loadVision(t, variant+"/mmproj.gguf", 0)
		ctx := exact(t, m)
		for _, c := range ref.Cases {
			if len(c.Images) == 0 {
				continue
			}
			part := v.RowWidth() / 4
			got := decodeCase(t, ctx, m, v, ref, &c, func(rows []float32) {
				for at := 0; at < len(rows); at += v.RowWidth() {
					for i := range part {
						a, b := at+part+i, at+2*part+i
						rows[a], rows[b] = rows[b], rows[a]
					}
				}
			})
			if r := judged(variant, got, ref.floats(c.Logits), m.VocabSize()); r < noticed() {
				t.Errorf("%s: swapped parts stay within %g", variant, r)
			}
		}
	}
}
