// Package grounding reads what an answer points at: boxes and points in Qwen3-VL's coordinates, thousandths of the
// picture's sides, also in an answer that is still being written or was cut.
//
// It is pure: text in, places out. It must not know requests, models or pictures.
package grounding

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Scale is the length of a picture's sides in the model's coordinates.
const Scale = 1000

// Names of the members that hold coordinates.
const (
	boxKey   = `"bbox_2d"`
	pointKey = `"point_2d"`
	labelKey = `"label"`
)

// Schema is a JSON schema of answers that point at things.
const Schema = `{"type":"array","items":{"anyOf":[` +
	`{"type":"object","properties":{"bbox_2d":{"type":"array","items":` + coordinate + `,"minItems":4,"maxItems":4},` +
	`"label":{"type":"string"}},"required":["bbox_2d","label"],"additionalProperties":false},` +
	`{"type":"object","properties":{"point_2d":{"type":"array","items":` + coordinate + `,"minItems":2,"maxItems":2},` +
	`"label":{"type":"string"}},"required":["point_2d","label"],"additionalProperties":false}]}}`

const coordinate = `{"type":"integer","minimum":0,"maximum":1000}`

// Place is a box or a point.
type Place struct {
	// Label is what is there, as far as it has come.
	Label string
	// At are the coordinates, 0 to Scale: x1, y1, x2, y2 of a box with the upper left corner first, x, y of a point.
	At []float64
}

// IsBox tells a box from a point.
func (p *Place) IsBox() bool { return len(p.At) == boxCoordinates }

const (
	boxCoordinates   = 4
	pointCoordinates = 2
)

// Pixels are the coordinates in a picture of a size, within its edges.
func (p *Place) Pixels(width, height int) []int {
	out := make([]int, len(p.At))
	for i, n := range p.At {
		side := width
		if i%2 == 1 {
			side = height
		}
		out[i] = int(math.Round(n * float64(side) / Scale))
	}
	return out
}

// Parse finds the places in a text, in their order. What has not come whole yet is left out.
func Parse(text string) []Place {
	var out []Place
	for at := 0; ; {
		begin, count := next(text[at:])
		if count == 0 {
			return out
		}
		begin += at
		key := boxKey
		if count == pointCoordinates {
			key = pointKey
		}
		at = begin + len(key)
		if numbers, ok := coordinates(text[at:], count); ok {
			out = append(out, Place{Label: label(text, begin), At: numbers})
		}
	}
}

// next is where the next key of coordinates stands, and how many it has; 0 where there is none.
func next(text string) (at, count int) {
	box, point := strings.Index(text, boxKey), strings.Index(text, pointKey)
	switch {
	case box < 0 && point < 0:
		return 0, 0
	case point < 0 || box >= 0 && box < point:
		return box, boxCoordinates
	default:
		return point, pointCoordinates
	}
}

// longestNumbers bounds the text of a list of coordinates, in bytes.
const longestNumbers = 256

// coordinates reads ": [1, 2]" with so many numbers. They are kept within the picture, and a box's corners are put in
// order.
func coordinates(text string, count int) ([]float64, bool) {
	text = text[:min(len(text), longestNumbers)]
	rest, ok := strings.CutPrefix(strings.TrimLeft(text, " \t\r\n"), ":")
	if !ok {
		return nil, false
	}
	if rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " \t\r\n"), "["); !ok {
		return nil, false
	}
	list, _, ok := strings.Cut(rest, "]")
	if !ok {
		return nil, false
	}
	var out []float64
	for part := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || math.IsNaN(n) {
			return nil, false
		}
		out = append(out, min(Scale, max(0, n)))
	}
	if len(out) != count {
		return nil, false
	}
	if count == boxCoordinates {
		if out[0] > out[2] {
			out[0], out[2] = out[2], out[0]
		}
		if out[1] > out[3] {
			out[1], out[3] = out[3], out[1]
		}
	}
	return out, true
}

// label is that of the object around the key at begin.
func label(text string, begin int) string {
	open := strings.LastIndexByte(text[:begin], '{') + 1
	object := text[open:]
	// Another place's object begins behind this one.
	if end := strings.IndexByte(text[begin:], '{'); end >= 0 {
		object = text[open : begin+end]
	}
	_, after, ok := strings.Cut(object, labelKey)
	if !ok {
		return ""
	}
	after, ok = strings.CutPrefix(strings.TrimLeft(after, " \t\r\n"), ":")
	if !ok {
		return ""
	}
	after, ok = strings.CutPrefix(strings.TrimLeft(after, " \t\r\n"), `"`)
	if !ok {
		return ""
	}
	return unquote(after)
}

// unquote is the text of a JSON string from behind its first quotation mark, which may be cut anywhere.
func unquote(s string) string {
	end := len(s)
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
			continue
		}
		if s[i] == '"' || s[i] < ' ' {
			end = i
			break
		}
	}
	s = s[:end]
	for cut := 0; cut <= min(len(s), len(`\uXXXX`)); cut++ { // an escape may be cut short
		var out string
		if json.Unmarshal(slices.Concat([]byte{'"'}, []byte(s[:len(s)-cut]), []byte{'"'}), &out) == nil {
			return strings.TrimRight(out, string(utf8.RuneError))
		}
	}
	return ""
}
