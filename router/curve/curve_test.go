package curve

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// plot is a router that wins most of the gap at a third of the tokens.
func plot() *Plot {
	p := &Plot{
		Title: "Quality and cost, 200 prompts", XLabel: "completion tokens an answer", YLabel: "score",
		LineName: "routed at quality 0 to 10, 5 circled", Chosen: 5,
		From: Point{"always instruct", 7, 0.71}, To: Point{"always thinking", 38, 0.98}, Best: Point{"oracle", 18, 0.99},
	}
	for q, x := range []float64{7, 7, 11, 16, 20, 22, 22.5, 24, 27, 31, 37} {
		p.Line = append(p.Line, Point{strconv.Itoa(q), x, 0.71 + 0.27*(1-math.Exp(-(x-7)/6))})
	}
	return p
}

func TestGoldenPictures(t *testing.T) {
	even := plot()
	even.Title, even.XLabel = "Nothing < gained & \"nothing\" lost", "share thought about"
	for i := range even.Line {
		even.Line[i].X, even.Line[i].Y = 0, 1
	}
	even.From, even.To, even.Best = Point{"always instruct", 0, 1}, Point{"always thinking", 1, 1}, Point{"oracle", 0.5, 1}
	for name, p := range map[string]*Plot{"curve.svg": plot(), "even.svg": even} {
		var got bytes.Buffer
		if err := Draw(&got, p); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for d := xml.NewDecoder(&got); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s is no XML: %v", name, err)
			}
		}
	}
}

func TestTicksAreRoundAndInside(t *testing.T) {
	for _, high := range []float64{0.003, 0.7, 1, 9, 38, 41234, 7e6} {
		a := axisOf([]Point{{X: 0}, {X: high}}, func(p Point) float64 { return p.X }, 0, 100)
		marks := a.ticks()
		if len(marks) < 3 || len(marks) > 12 {
			t.Errorf("up to %g: %d ticks", high, len(marks))
		}
		for _, m := range marks {
			if v, err := strconv.ParseFloat(m.Text, 64); err != nil || math.Abs(a.at(v)-m.At) > 1e-6 || m.At < 0 || m.At > 100 {
				t.Errorf("up to %g: %q at %g, %v", high, m.Text, m.At, err)
			}
		}
	}
}

func TestRefusesWhatCannotBeDrawn(t *testing.T) {
	empty, lost, broken := plot(), plot(), plot()
	empty.Line, lost.Chosen, broken.Line[3].Y = nil, 11, math.NaN()
	for name, p := range map[string]*Plot{"no line": empty, "nothing chosen": lost, "no number": broken} {
		if err := Draw(io.Discard, p); err == nil {
			t.Errorf("%s: drawn", name)
		}
	}
}
