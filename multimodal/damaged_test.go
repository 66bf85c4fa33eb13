package multimodal

import (
	"encoding/json"
	"strings"
	"testing"
)

// Clients cut files short, append to them and send animations. What Pillow sees in them the model was trained to see; testdata/
// make_damaged.py asked it.
func TestDamagedAndMovingFilesAreSeenAsPillowSeesThem(t *testing.T) {
	var file struct {
		Cases []struct {
			Name   string  `json:"name"`
			Data   []byte  `json:"data"`
			SHA256 *string `json:"sha256"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(readFile(t, "testdata/damaged.json"), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 50 {
		t.Fatalf("%d cases", len(file.Cases))
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			img, err := Decode(t.Context(), c.Data, 1<<20)
			switch {
			case c.SHA256 == nil:
				if kindOf(t, err) != KindCorrupt {
					t.Errorf("%v", err)
				}
			case err != nil:
				t.Errorf("%v (%v)", err, err.(*Error).Unwrap()) //nolint:errorlint // it is one, and the cause says more
			case !strings.Contains(c.Name, "jpeg") && digest(img) != *c.SHA256: // of JPEG other decoders differ in the last bits
				t.Error("other pixels")
			}
		})
	}
}

// Cameras leave the end out. Where every block of a picture is there nothing is missing, which Pillow does not look for.
func TestJPEGsWithoutAnEndAreTaken(t *testing.T) {
	data := sample(t, "subsampled-420.jpg")
	if _, err := Decode(t.Context(), data[:len(data)-2], 1<<20); err != nil {
		t.Error(err)
	}
	// Half of a progressive one is a blurred picture, which nobody would notice.
	progressive := sample(t, "progressive.jpg")
	if _, err := Decode(t.Context(), progressive[:len(progressive)-2], 1<<20); kindOf(t, err) != KindCorrupt {
		t.Error(err)
	}
}

func FuzzPNGReader(f *testing.F) {
	f.Add(sample(f, "palette_color.png"))
	f.Add(sample(f, "gray-alpha.png"))
	f.Fuzz(func(t *testing.T, data []byte) {
		data = append([]byte(pngSignature), data...)
		_, err := Decode(t.Context(), data, 1<<14)
		kindOf(t, err)
	})
}
