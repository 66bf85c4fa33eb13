package chat

import (
	"strings"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/grounding"
)

// GroundedPlace is a box or a point of an answer.
type GroundedPlace struct {
	Label string `json:"label"`
	// Box and Point are the model's own coordinates, thousandths of the picture's sides.
	Box   []float64 `json:"bbox_2d,omitempty"`
	Point []float64 `json:"point_2d,omitempty"`
	// Image counts the request's images from 0; what follows are pixels of that one, as it was sent, upright.
	Image       *int  `json:"image,omitempty"`
	BoxPixels   []int `json:"bbox_pixels,omitempty"`
	PointPixels []int `json:"point_pixels,omitempty"`
}

// groundings gather the texts of a run's answers that point at things.
type groundings struct {
	routing *generation.Routing
	texts   map[int]*strings.Builder
}

// note takes an event in.
func (g *groundings) note(ev *generation.Event) {
	switch {
	case ev.Kind == generation.Started && ev.Routing != nil:
		g.routing = ev.Routing
	case ev.Kind == generation.BlockText && ev.Block.Kind == generation.Content:
		if g.texts == nil {
			g.texts = map[int]*strings.Builder{}
		}
		if g.texts[ev.Choice] == nil {
			g.texts[ev.Choice] = &strings.Builder{}
		}
		g.texts[ev.Choice].WriteString(ev.Text)
	}
}

// of are the places of an answer that has ended.
func (g *groundings) of(choice int) []GroundedPlace {
	if g.texts[choice] == nil {
		return nil
	}
	return grounded(g.texts[choice].String(), g.routing)
}

// grounded are the places in a text. Where there are several images the model was asked about all of them, and what it
// points at is taken to be in the last.
func grounded(text string, routing *generation.Routing) []GroundedPlace {
	var out []GroundedPlace
	for _, p := range grounding.Parse(text) {
		place := GroundedPlace{Label: p.Label}
		var pixels []int
		if routing != nil && len(routing.Images) > 0 {
			last := len(routing.Images) - 1
			seen := &routing.Images[last]
			place.Image, pixels = &last, p.Pixels(seen.Width, seen.Height)
		}
		if p.IsBox() {
			place.Box, place.BoxPixels = p.At, pixels
		} else {
			place.Point, place.PointPixels = p.At, pixels
		}
		out = append(out, place)
	}
	return out
}
