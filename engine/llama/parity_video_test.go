package llama

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/qwenvld/qwenvld/engine/tokenizer"
)

// videoCase mirrors testdata/reference/*/videos.json.
type videoCase struct {
	Name   string `json:"name"`
	Pieces []struct {
		Kind  string `json:"kind"`
		Text  string `json:"text"`
		Image int    `json:"image"`
		Video int    `json:"video"`
	} `json:"pieces"`
	IDs       []Token          `json:"ids"`
	Positions [3][]int32       `json:"positions"`
	At        []int            `json:"at"`
	Logits    arrayRef         `json:"logits"`
	Images    []referenceImage `json:"images"`
	Videos    []struct {
		Width  int      `json:"width"`
		Height int      `json:"height"`
		Stamps []string `json:"stamps"`
		Pixels arrayRef `json:"pixels"`
	} `json:"videos"`
}

// picture is what takes the place of pads in a prompt.
type picture struct {
	width, height int
	frames        [2][]byte
}

func loadVideos(t *testing.T, variant string) (*reference, []videoCase) {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile(modelFile(t, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	r := &reference{rawFloats: read(variant + "/videos-floats.bin"), rawPixels: read("videos-pixels.bin")}
	var cases []videoCase
	if err := json.Unmarshal(read(variant+"/videos.json"), &cases); err != nil {
		t.Fatal(err)
	}
	return r, cases
}

// layOut tokenises a case, stamps with the text around them, and returns its pictures in order. swapped turns pairs round.
func (c *videoCase) layOut(t *testing.T, v *Vision, ref *reference, swapped bool) ([]Token, []picture) {
	t.Helper()
	var pieces []tokenizer.Piece
	var pictures []picture
	pads := func(pad string, p picture) {
		for range v.Rows(p.width, p.height) {
			pieces = append(pieces, tokenizer.Piece{Text: pad, Control: true})
		}
		pictures = append(pictures, p)
	}
	for _, p := range c.Pieces {
		switch p.Kind {
		case "image":
			img := c.Images[p.Image]
			px := ref.pixels(img.Pixels)
			pads("<|image_pad|>", picture{img.Width, img.Height, [2][]byte{px, px}})
		case "video":
			clip := c.Videos[p.Video]
			all, size, n := ref.pixels(clip.Pixels), 3*clip.Width*clip.Height, clip.Pixels.Shape[0]
			for g, stamp := range clip.Stamps {
				a, b := 2*g, min(2*g+1, n-1)
				if swapped {
					a, b = b, a
				}
				pieces = append(pieces, tokenizer.Piece{Text: stamp + "<|vision_start|>", Control: true})
				pads("<|video_pad|>", picture{clip.Width, clip.Height, [2][]byte{all[a*size : (a+1)*size], all[b*size : (b+1)*size]}})
				pieces = append(pieces, tokenizer.Piece{Text: "<|vision_end|>", Control: true})
			}
		default:
			pieces = append(pieces, tokenizer.Piece{Text: p.Text, Control: p.Kind == "control"})
		}
	}
	return tokenize(t, pieces...), pictures
}

// decode returns the logits at c.At.
func (c *videoCase) decode(t *testing.T, ctx *Context, v *Vision, pictures []picture) []float32 {
	t.Helper()
	ctx.RemoveSequence(0, 0, -1)
	image, video := special(t, "<|image_pad|>"), special(t, "<|video_pad|>")
	isPad := func(i int) bool { return c.IDs[i] == image || c.IDs[i] == video }
	all := make([][]float32, len(c.IDs))
	for at := 0; at < len(c.IDs); {
		var b *Batch
		end := at
		if isPad(at) {
			p := pictures[0]
			pictures = pictures[1:]
			end = at + v.Rows(p.width, p.height)
			rows, err := v.Encode(context.Background(), p.frames, p.width, p.height)
			if err != nil {
				t.Fatal(err)
			}
			b = NewEmbeddingBatch(end-at, v.RowWidth())
			for i := at; i < end; i++ {
				pos := Position{c.Positions[0][i], c.Positions[1][i], c.Positions[2][i]}
				b.AddRow(rows[(i-at)*v.RowWidth():(i-at+1)*v.RowWidth()], pos, 0, true)
			}
		} else {
			for end < len(c.IDs) && !isPad(end) {
				end++
			}
			b = NewTokenBatch(end - at)
			for i := at; i < end; i++ {
				b.AddToken(c.IDs[i], c.Positions[0][i], 0, true)
			}
		}
		if err := ctx.Decode(b); err != nil {
			t.Fatal(err)
		}
		for i := at; i < end; i++ {
			logits, err := ctx.Logits(i - at)
			if err != nil {
				t.Fatal(err)
			}
			all[i] = append([]float32(nil), logits...)
		}
		b.Close()
		at = end
	}
	var out []float32
	for _, i := range c.At {
		out = append(out, all[i]...)
	}
	return out
}

// Stamped frame pairs, an odd last frame, two videos, a stamp that joins with text, a part of a video, an image before one.
func TestVideosMatchTransformers(t *testing.T) {
	for _, variant := range variants {
		ref, cases := loadVideos(t, variant)
		m := loadModel(t, variant+"/model.gguf")
		v := loadVision(t, variant+"/mmproj.gguf", 0)
		ctx := exact(t, m)
		for i := range cases {
			c := &cases[i]
			t.Run(variant+"/"+c.Name, func(t *testing.T) {
				ids, pictures := c.layOut(t, v, ref, false)
				if fmt.Sprint(ids) != fmt.Sprint(c.IDs) {
					t.Fatalf("token ids\n%v, want\n%v", ids, c.IDs)
				}
				width, want := m.VocabSize(), ref.floats(c.Logits)
				checkLogits(t, variant, c.decode(t, ctx, v, pictures), want, width, func(row int) int { return c.At[row] })
				// The check must notice which frame is the earlier one.
				_, turned := c.layOut(t, v, ref, true)
				if r := judged(variant, c.decode(t, ctx, v, turned), want, width); r < noticed() {
					t.Errorf("pairs turned round stay within %g", r)
				}
			})
		}
	}
}
