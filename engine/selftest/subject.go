package selftest

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/qwenvld/qwenvld/engine/llama"
)

// subject is a reference's weights on the device that is tested.
type subject struct {
	reference *reference
	format    Format
	device    string // ggml's name of a card, empty for the processors
	model     *llama.Model
	vision    *llama.Vision
	context   *llama.Context
}

func (s *subject) close() {
	if s.context != nil {
		_ = s.context.Close()
	}
	if s.vision != nil {
		_ = s.vision.Close()
	}
	if s.model != nil {
		_ = s.model.Close()
	}
}

// parts are how many rows of the model's width one row of a picture holds: the main one and those of DeepStack.
const parts = 4

// fault is something done wrong on purpose, to rows of pictures or to positions. The check must notice.
type fault struct {
	name     string
	rows     func(row []float32)
	position func(p llama.Position) llama.Position
}

func faults() []fault {
	return []fault{
		{name: "two parts of DeepStack exchanged", rows: func(row []float32) {
			n := len(row) / parts
			for i := range n {
				row[n+i], row[2*n+i] = row[2*n+i], row[n+i]
			}
		}},
		{name: "the first part of DeepStack missing", rows: func(row []float32) { clear(row[len(row)/parts : 2*len(row)/parts]) }},
		{name: "sections of height and width exchanged", position: func(p llama.Position) llama.Position {
			return llama.Position{T: p.T, H: p.W, W: p.H}
		}},
	}
}

// check computes one prompt, and with withFaults what must not pass for it.
func (s *subject) check(ctx context.Context, p *prompt, withFaults bool) ([]Check, error) {
	rowLimit, logitLimit := limit(s.format, s.device)
	var out []Check
	add := func(name string, deviation, limit float64) *Check {
		out = append(out, Check{Weights: s.reference.Name, Format: s.format, Name: name, Deviation: deviation, Limit: limit})
		return &out[len(out)-1]
	}
	rows, err := s.encode(ctx, p)
	if err != nil {
		return nil, err
	}
	if len(rows) > 0 {
		worst := 0.0
		for i := range rows {
			// Each part by itself, so that a large one cannot hide a small one.
			worst = math.Max(worst, deviation(rows[i], s.reference.floats(p.Pictures[i].Rows), s.vision.RowWidth()/parts))
		}
		add(p.Name+", rows of pictures", worst, rowLimit)
	}
	want := s.reference.floats(p.Logits)
	got, err := s.decode(p, rows, fault{}, batchRows)
	if err != nil {
		return nil, err
	}
	width := s.model.VocabSize()
	if s.tips() {
		add(p.Name+", the middle one of the positions", middle(got, want, width), logitLimit)
	} else {
		add(p.Name, deviation(got, want, width), logitLimit).Note = otherTop(got, want, width, logitLimit)
	}
	if s.format == Q4 && len(rows) == 0 && len(p.IDs) <= batchRows/2 {
		got, err := s.decode(p, nil, fault{}, smallBatch)
		if err != nil {
			return nil, err
		}
		add(fmt.Sprintf("%s, %d rows at a time", p.Name, smallBatch), deviation(got, want, width), fewRows)
	}
	if !withFaults || len(rows) == 0 {
		return out, nil
	}
	for _, f := range faults() {
		got, err := s.decode(p, rows, f, batchRows)
		if err != nil {
			return nil, err
		}
		add(p.Name+", "+f.name, deviation(got, want, width), 4*logitLimit).Fault = true
	}
	return out, nil
}

// tips says whether roundings may have a mixture choose another expert, where two are close, so that a single position
// is no measure.
func (s *subject) tips() bool {
	return s.reference.Name == "moe" && (s.device != "" || s.format != Float32 && s.format != Float16)
}

// encode has the pictures of a prompt encoded.
func (s *subject) encode(ctx context.Context, p *prompt) ([][]float32, error) {
	var out [][]float32
	for i := range p.Pictures {
		pic := &p.Pictures[i]
		frames := [2][]byte{pic.frame(0), nil}
		frames[1] = frames[0]
		if pic.Seeds[0] != pic.Seeds[1] {
			frames[1] = pic.frame(1)
		}
		rows, err := s.vision.Encode(ctx, frames, pic.Width, pic.Height)
		if err != nil {
			return nil, fmt.Errorf("picture %d: %w", i, err)
		}
		out = append(out, rows)
	}
	return out, nil
}

// decode computes a prompt, with f done wrong and at most so many rows at a time, and returns the logits of as many
// positions at its end as the reference has.
func (s *subject) decode(p *prompt, pictures [][]float32, f fault, most int) ([]float32, error) {
	s.context.RemoveSequence(0, -1, -1)
	kept := len(p.IDs) - p.Logits.shape[0]
	isPad := func(i int) bool { return slices.Contains(p.Pad, p.IDs[i]) }
	var out []float32
	picture := 0
	for at := 0; at < len(p.IDs); {
		end := at + 1
		for end < len(p.IDs) && isPad(end) == isPad(at) && end-at < most {
			end++
		}
		b := llama.NewTokenBatch(end - at)
		if isPad(at) {
			b = s.pictureBatch(p, pictures[picture], at, end, f)
			picture++
		} else {
			for i := at; i < end; i++ {
				b.AddToken(p.IDs[i], p.Positions[0][i], 0, i >= kept)
			}
		}
		err := s.context.Decode(b)
		_ = b.Close()
		for i := max(at, kept); err == nil && i < end; i++ {
			var row []float32
			if row, err = s.context.Logits(i - at); err == nil {
				out = append(out, row...)
			}
		}
		if err != nil {
			return nil, err
		}
		at = end
	}
	return out, nil
}

const (
	// batchRows are decoded at a time; pictures of the references are smaller.
	batchRows = 512
	// smallBatch is a batch as of streams that are answered side by side. Cards have other kernels for so few rows.
	smallBatch = 8
)

// pictureBatch are the rows of one picture with their positions.
func (s *subject) pictureBatch(p *prompt, rows []float32, at, end int, f fault) *llama.Batch {
	width := s.vision.RowWidth()
	b := llama.NewEmbeddingBatch(end-at, width)
	for i := at; i < end; i++ {
		row := slices.Clone(rows[(i-at)*width : (i-at+1)*width])
		if f.rows != nil {
			f.rows(row)
		}
		position := llama.Position{T: p.Positions[0][i], H: p.Positions[1][i], W: p.Positions[2][i]}
		if f.position != nil {
			position = f.position(position)
		}
		b.AddRow(row, position, 0, false)
	}
	return b
}

// deviation is the largest difference in any row, relative to the largest magnitude that is wanted in the row. What is
// no number is as far off as can be.
func deviation(got, want []float32, width int) float64 {
	if len(got) != len(want) || len(want) == 0 {
		return math.MaxFloat64
	}
	worst := 0.0
	for at := 0; at < len(want); at += width {
		difference, magnitude := 0.0, 0.0
		for i := at; i < at+width; i++ {
			d := math.Abs(float64(got[i]) - float64(want[i]))
			if math.IsNaN(d) || math.IsInf(d, 0) {
				return math.MaxFloat64
			}
			difference, magnitude = math.Max(difference, d), math.Max(magnitude, math.Abs(float64(want[i])))
		}
		worst = math.Max(worst, difference/magnitude)
	}
	return worst
}

// middle is the deviation of the row in the middle, when rows are sorted by it.
func middle(got, want []float32, width int) float64 {
	if len(got) != len(want) || len(want) == 0 {
		return math.MaxFloat64
	}
	var rows []float64
	for at := 0; at < len(want); at += width {
		rows = append(rows, deviation(got[at:at+width], want[at:at+width], width))
	}
	slices.Sort(rows)
	return rows[len(rows)/2]
}

// otherTop says where the likeliest token is another, although it leads by more than deviations within limit can make
// up for.
func otherTop(got, want []float32, width int, limit float64) string {
	if len(got) != len(want) {
		return "another number of logits"
	}
	for at := 0; at < len(want); at += width {
		g, w := got[at:at+width], want[at:at+width]
		top, chosen := indexOfMax(w), indexOfMax(g)
		magnitude := math.Max(math.Abs(float64(slices.Max(w))), math.Abs(float64(slices.Min(w))))
		if chosen != top && float64(w[top]-w[chosen]) > 2*limit*magnitude {
			return fmt.Sprintf("another token is the likeliest at row %d", at/width)
		}
	}
	return ""
}

func indexOfMax(v []float32) int {
	best := 0
	for i := range v {
		if v[i] > v[best] {
			best = i
		}
	}
	return best
}
