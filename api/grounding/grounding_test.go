package grounding

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlacesAreFoundInWhatModelsWrite(t *testing.T) {
	box := func(label string, at ...float64) Place { return Place{Label: label, At: at} }
	for name, c := range map[string]struct {
		text string
		want []Place
	}{
		"a list": {`[{"bbox_2d": [10, 20, 300, 400], "label": "cat"}, {"bbox_2d":[0,0,1000,1000],"label":"room"}]`, []Place{
			box("cat", 10, 20, 300, 400), box("room", 0, 0, 1000, 1000),
		}},
		"in a fence with words":    {"Here:\n```json\n[\n\t{\"bbox_2d\": [1, 2, 3, 4], \"label\": \"a\"}\n]\n```", []Place{box("a", 1, 2, 3, 4)}},
		"a point":                  {`{"point_2d": [500, 250], "label": "eye"}`, []Place{box("eye", 500, 250)}},
		"the label first":          {`{"label": "dog", "bbox_2d": [1, 2, 3, 4]}, {"label": "cat", "bbox_2d": [5, 6, 7, 8]}`, []Place{box("dog", 1, 2, 3, 4), box("cat", 5, 6, 7, 8)}},
		"no label":                 {`{"bbox_2d": [1, 2, 3, 4]}, {"bbox_2d": [5, 6, 7, 8], "label": "b"}`, []Place{box("", 1, 2, 3, 4), box("b", 5, 6, 7, 8)}},
		"corners the other way":    {`{"bbox_2d": [300, 400, 10, 20]}`, []Place{box("", 10, 20, 300, 400)}},
		"beyond the picture":       {`{"bbox_2d": [-5, 20.5, 1300, 400]}`, []Place{box("", 0, 20.5, 1000, 400)}},
		"too few numbers":          {`{"bbox_2d": [1, 2, 3], "label": "a"}`, nil},
		"no numbers":               {`{"bbox_2d": ["a", 2, 3, 4]}`, nil},
		"numbers that do not come": {`{"bbox_2d": [1, 2, 3, 4`, nil},
		"escapes":                  {`{"bbox_2d":[1,2,3,4],"label":"a \"b\" \u00e9"}`, []Place{box(`a "b" é`, 1, 2, 3, 4)}},
		"a cut escape":             {`{"bbox_2d":[1,2,3,4],"label":"caf\u00`, []Place{box("caf", 1, 2, 3, 4)}},
		"nothing":                  {"There are two cats.", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Parse(c.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A place that has come stays as it is while the rest of the answer comes, but for its label, which grows.
func TestPlacesStayWhileTheAnswerComes(t *testing.T) {
	const text = `[{"bbox_2d": [10, 20, 300, 400], "label": "black cat"}, {"point_2d": [5, 6], "label": "eye"}]`
	whole := Parse(text)
	seen := 0
	for end := range len(text) {
		got := Parse(text[:end])
		if len(got) < seen {
			t.Fatalf("a place was lost at %q", text[:end])
		}
		seen = len(got)
		for i := range got {
			if !cmp.Equal(got[i].At, whole[i].At) || !strings.HasPrefix(whole[i].Label, got[i].Label) {
				t.Errorf("at %q: %+v", text[:end], got[i])
			}
		}
	}
}

func TestPixelsAreThoseOfThePicture(t *testing.T) {
	p := Place{At: []float64{0, 500, 1000, 333}}
	if diff := cmp.Diff([]int{0, 300, 800, 200}, p.Pixels(800, 600)); diff != "" {
		t.Error(diff)
	}
}

func TestTheSchemaIsJSON(t *testing.T) {
	if !json.Valid([]byte(Schema)) {
		t.Error(Schema)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`[{"bbox_2d": [10, 20, 300, 400], "label": "cat"}]`, `{"point_2d":[1,2],"label":"\ud83d\ude00"}`, `"bbox_2d":`, `{"label":"\`, `"point_2d"["bbox_2d":[1,2,3,4]`,
	} {
		f.Add(seed, 640, 480)
	}
	f.Fuzz(func(t *testing.T, text string, width, height int) {
		for _, p := range Parse(text) {
			if n := len(p.At); n != boxCoordinates && n != pointCoordinates {
				t.Fatalf("%d coordinates", n)
			}
			for i, n := range p.At {
				if !(n >= 0 && n <= Scale) {
					t.Fatalf("%v lies outside", p.At)
				}
				if i >= pointCoordinates && n < p.At[i-pointCoordinates] {
					t.Fatalf("%v is no box", p.At)
				}
			}
			if width, height = width&0xffff, height&0xffff; width > 0 && height > 0 {
				for i, n := range p.Pixels(width, height) {
					if n < 0 || n > max(width, height) || i%2 == 0 && n > width {
						t.Fatalf("%v of %d x %d", p.Pixels(width, height), width, height)
					}
				}
			}
		}
	})
}
