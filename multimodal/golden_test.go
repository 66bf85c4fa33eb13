package multimodal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// golden is a case of testdata/*.json, made by testdata/make_goldens.py.
type golden struct {
	File    string `json:"file"`
	Seed    uint32 `json:"seed"`
	From    [2]int `json:"from"`
	Size    [2]int `json:"size"`
	To      [2]int `json:"to"`
	SHA256  string `json:"sha256"`
	Resized string `json:"resized"`
}

func goldens(t *testing.T, name string) []golden {
	t.Helper()
	var file struct {
		Cases []golden `json:"cases"`
	}
	if err := json.Unmarshal(readFile(t, filepath.Join("testdata", name)), &file); err != nil {
		t.Fatal(err)
	}
	return file.Cases
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sample finds a test image.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	if _, err := os.Stat(filepath.Join("testdata", name)); err == nil {
		return readFile(t, filepath.Join("testdata", name))
	}
	return readFile(t, filepath.Join("..", "testdata", "media", name))
}

// noise draws what the script's noise draws.
func noise(w, h int, seed uint32) *Image {
	img := &Image{Width: w, Height: h, RGB: make([]byte, channels*w*h)}
	state := seed
	for i := range img.RGB {
		state = state*1664525 + 1013904223
		img.RGB[i] = byte(state >> 24)
		if i/96%2 == 1 {
			img.RGB[i] = 0
			if i/7%5 == 0 {
				img.RGB[i] = 255
			}
		}
	}
	return img
}

func digest(img *Image) string {
	sum := sha256.Sum256(img.RGB)
	return hex.EncodeToString(sum[:])
}

func TestResizeGivesPillowsBytes(t *testing.T) {
	cases := goldens(t, "resize.json")
	if len(cases) < 40 {
		t.Fatalf("%d sizes", len(cases))
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%v to %v", c.From, c.To), func(t *testing.T) {
			src := noise(c.From[0], c.From[1], c.Seed)
			before := digest(src)
			got, err := Resize(context.Background(), src, c.To[0], c.To[1])
			if err != nil {
				t.Fatal(err)
			}
			if got.Width != c.To[0] || got.Height != c.To[1] || digest(got) != c.SHA256 {
				t.Errorf("%d x %d, %s, want %s", got.Width, got.Height, digest(got), c.SHA256)
			}
			if digest(src) != before {
				t.Error("the source changed")
			}
		})
	}
}

func TestResizeRefusesSizesWithoutPixels(t *testing.T) {
	good := noise(4, 4, 1)
	for name, c := range map[string]struct {
		src           *Image
		width, height int
	}{
		"no width":     {good, 0, 4},
		"no height":    {good, 4, -1},
		"no source":    {&Image{}, 4, 4},
		"bytes amiss":  {&Image{Width: 4, Height: 4, RGB: good.RGB[1:]}, 8, 8},
		"bytes beyond": {&Image{Width: 4, Height: 3, RGB: good.RGB}, 8, 8},
	} {
		t.Run(name, func(t *testing.T) {
			if img, err := Resize(context.Background(), c.src, c.width, c.height); err == nil {
				t.Errorf("%d x %d", img.Width, img.Height)
			}
		})
	}
}

func TestDecodeGivesPillowsBytes(t *testing.T) {
	for _, c := range goldens(t, "decode.json") {
		t.Run(c.File, func(t *testing.T) {
			data := sample(t, c.File)
			img, err := Decode(context.Background(), data, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			w, h, _, err := DecodeSize(data)
			if err != nil || [2]int{w, h} != c.Size || [2]int{img.Width, img.Height} != c.Size {
				t.Fatalf("%d x %d, the header says %d x %d, want %v: %v", img.Width, img.Height, w, h, c.Size, err)
			}
			if strings.HasSuffix(c.File, ".jpg") {
				compareJPEG(t, img, c.File)
				return
			}
			if digest(img) != c.SHA256 {
				t.Error("other pixels than Pillow's")
			}
			small, err := Resize(context.Background(), img, c.To[0], c.To[1])
			if err != nil {
				t.Fatal(err)
			}
			if digest(small) != c.Resized {
				t.Errorf("resized to %v: other pixels than Pillow's", c.To)
			}
		})
	}
}

// compareJPEG allows what the inverse cosine transform may differ by between decoders: single steps, up to three of them once
// the colours are mixed. All that follows it is the same arithmetic.
func compareJPEG(t *testing.T, img *Image, name string) {
	t.Helper()
	want, err := Decode(context.Background(), sample(t, name+".expected.png"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	sum, n, most := 0, 0, 0
	for y := range want.Height {
		for x := range channels * want.Width {
			d := int(img.RGB[channels*img.Width*y+x]) - int(want.RGB[channels*want.Width*y+x])
			sum += max(d, -d)
			most = max(most, d, -d)
			n++
		}
	}
	mean := float64(sum) / float64(n)
	t.Logf("difference to libjpeg's of 255: mean %.3f, at most %d", mean, most)
	if mean > 0.2 || most > 4 {
		t.Errorf("difference to libjpeg's of 255: mean %.3f, at most %d", mean, most)
	}
}
