package curve

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"math"
	"strconv"
	"text/template"

	_ "embed" // the picture's template
)

// Point is a place in the picture, named by a word or a number.
type Point struct {
	Name string
	X, Y float64
}

// Plot is what to draw.
type Plot struct {
	Title, XLabel, YLabel string
	// Line are the settings of the router, in order, and LineName what they are; Chosen is the index of the one that is
	// in use.
	Line     []Point
	LineName string
	Chosen   int
	// From and To are the ends of the dashed line: what choosing at random between them comes to.
	From, To Point
	// Best is what nobody can do better than.
	Best Point
}

//go:embed curve.svg.tmpl
var source string

// Size of the picture and of its margins, in pixels.
const (
	width, height       = 760, 460
	left, right         = 64, 28
	top, bottom         = 62, 56
	plotWidth           = width - left - right
	plotHeight          = height - top - bottom
	near                = 15 // settings that are closer share one name
	wide                = 96 // room for a name, beyond which it goes to the point's other side
	ticks               = 5
	marginShare         = 0.08 // of the axes, so that points do not lie on the frame
	evenShare           = 0.1  // of the value, where all are the same
	textHeight, nameGap = 13, 10
)

// mark is a point in pixels, with where its name stands.
type mark struct {
	X, Y         float64
	Name         string
	TextX, TextY float64
	Anchor       string
}

// tick is a number at an axis, with its place in pixels.
type tick struct {
	At   float64
	Text string
}

// Draw writes p as SVG. It fails where a number is not finite, or there is no line.
func Draw(w io.Writer, p *Plot) error {
	if len(p.Line) == 0 || p.Chosen < 0 || p.Chosen >= len(p.Line) {
		return errors.New("draw the curve: there is no line, or its chosen point is not on it")
	}
	all := append([]Point{p.From, p.To, p.Best}, p.Line...)
	for _, q := range all {
		if math.IsNaN(q.X+q.Y) || math.IsInf(q.X, 0) || math.IsInf(q.Y, 0) {
			return fmt.Errorf("draw the curve: %s lies at %g, %g", q.Name, q.X, q.Y)
		}
	}
	x := axisOf(all, func(q Point) float64 { return q.X }, left, plotWidth)
	y := axisOf(all, func(q Point) float64 { return q.Y }, height-bottom, -plotHeight)
	at := func(q Point) mark { return mark{X: x.at(q.X), Y: y.at(q.Y), Name: q.Name} }
	line := make([]mark, len(p.Line))
	for i, q := range p.Line {
		line[i] = at(q)
	}
	best := at(p.Best)
	best.TextX, best.TextY = best.X, best.Y-nameGap
	from, to := beside(at(p.From)), beside(at(p.To))
	t, err := template.New("curve").Funcs(template.FuncMap{"text": html.EscapeString, "px": pixels}).Parse(source)
	if err != nil {
		return fmt.Errorf("draw the curve: %w", err)
	}
	var out bytes.Buffer
	err = t.Execute(&out, map[string]any{
		"Plot": p, "Width": width, "Height": height, "Left": left, "Right": width - right, "Top": top, "Bottom": height - bottom,
		"XTicks": x.ticks(), "YTicks": y.ticks(), "Middle": left + plotWidth/2, "Centre": top + plotHeight/2,
		"Line": line, "Chosen": line[p.Chosen], "Names": names(line), "From": from, "To": to, "Ends": []mark{from, to}, "Best": best,
	})
	if err != nil {
		return fmt.Errorf("draw the curve: %w", err)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("draw the curve: %w", err)
	}
	return nil
}

func pixels(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// beside puts the name of an end below it on the side that has room: the names of settings stand above.
func beside(m mark) mark {
	m.TextX, m.TextY, m.Anchor = m.X+nameGap, m.Y+nameGap+textHeight/2, "start"
	if m.X > width-right-wide {
		m.TextX, m.Anchor = m.X, "end"
		m.TextY += textHeight / 2
	}
	return m
}

// names are the settings' names above their points; neighbours that lie too close together share one, from the first to
// the last.
func names(line []mark) []mark {
	var out []mark
	for i := 0; i < len(line); {
		last := i
		for last+1 < len(line) && math.Hypot(line[last+1].X-line[i].X, line[last+1].Y-line[i].Y) < near {
			last++
		}
		m := line[i]
		if last > i {
			m.Name += "–" + line[last].Name
		}
		m.TextX, m.TextY, m.Anchor = (line[i].X+line[last].X)/2, min(line[i].Y, line[last].Y)-nameGap, "middle"
		out = append(out, m)
		i = last + 1
	}
	return out
}

// axis maps values to pixels, from its first pixel on.
type axis struct {
	low, high, first, length float64
}

func axisOf(points []Point, value func(Point) float64, first, length float64) axis {
	a := axis{math.Inf(1), math.Inf(-1), first, length}
	for _, p := range points {
		a.low, a.high = min(a.low, value(p)), max(a.high, value(p))
	}
	if a.low == a.high {
		even := max(math.Abs(a.low), 1) * evenShare
		a.low, a.high = a.low-even, a.high+even
	}
	room := (a.high - a.low) * marginShare
	a.low, a.high = a.low-room, a.high+room
	return a
}

func (a axis) at(v float64) float64 { return a.first + a.length*(v-a.low)/(a.high-a.low) }

// ticks are round numbers: steps of 1, 2 or 5 times a power of ten.
func (a axis) ticks() []tick {
	rough := (a.high - a.low) / ticks
	step := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, factor := range []float64{5, 2} {
		if step*factor <= rough {
			step *= factor
			break
		}
	}
	digits := max(0, int(-math.Floor(math.Log10(step)+1e-9)))
	var out []tick
	for n := math.Ceil(a.low / step); n*step <= a.high; n++ {
		v := n*step + 0 // no minus before a zero
		out = append(out, tick{a.at(v), strconv.FormatFloat(v, 'f', digits, 64)})
	}
	return out
}
