package report

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"text/template"

	_ "embed" // the picture's template

	"github.com/qwenvld/qwenvld/internal/loadtest/measure"
)

//go:embed bars.svg.tmpl
var bars string

// Sizes of the picture in pixels.
const (
	plotWidth   = 760
	barsLeft    = 220
	barsRight   = 150
	barHeight   = 16
	barGap      = 3
	groupGap    = 14
	plotTop     = 56
	barsBreadth = plotWidth - barsLeft - barsRight
)

// palette are the servers' colours, which also tell apart for those who do not see red or green.
var palette = [...]string{"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9"}

// bar is a server's figure: a bar as long as the median, with a line from the least to the most.
type bar struct {
	Y, Width, Least, Most float64
	Colour, Text          string
}

// group are the bars of one figure, each as long as its share of the largest.
type group struct {
	Label string
	Y     float64
	Bars  []bar
}

// Plot draws the scenario as SVG.
func (r *Report) Plot(w io.Writer, s *Scenario) error {
	y := float64(plotTop)
	var groups []group
	for _, name := range s.Show {
		g := group{Label: label(name), Y: y}
		largest := 0.0
		for _, t := range r.Targets {
			largest = max(largest, s.Summary[t.Name][name].Most)
		}
		for i, t := range r.Targets {
			if spread, ok := s.Summary[t.Name][name]; ok {
				g.Bars = append(g.Bars, barOf(name, spread, largest, y, palette[i%len(palette)]))
			}
			y += barHeight + barGap
		}
		y += groupGap
		groups = append(groups, g)
	}
	legend := make([]bar, len(r.Targets))
	const apart = 140
	for i, t := range r.Targets {
		legend[i] = bar{Y: barsLeft + float64(i)*apart, Colour: palette[i%len(palette)], Text: t.Name}
	}
	t, err := template.New("bars").Funcs(template.FuncMap{
		"text": html.EscapeString, "px": func(v float64) string { return fmt.Sprintf("%.4g", v) },
	}).Parse(bars)
	if err != nil {
		return fmt.Errorf("draw %s: %w", s.Name, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, map[string]any{
		"Title": s.Name + ": " + s.About, "Width": plotWidth, "Height": y, "Left": barsLeft, "BarHeight": barHeight,
		"Groups": groups, "Legend": legend,
	}); err != nil {
		return fmt.Errorf("draw %s: %w", s.Name, err)
	}
	_, err = w.Write(out.Bytes())
	return err
}

func barOf(name string, spread measure.Spread, largest, y float64, colour string) bar {
	b := bar{Y: y, Colour: colour, Text: Quantity(name, spread.Median)}
	if largest > 0 {
		b.Width, b.Least, b.Most = barsBreadth*spread.Median/largest, barsBreadth*spread.Least/largest, barsBreadth*spread.Most/largest
	}
	return b
}
