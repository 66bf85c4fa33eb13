package video

import (
	"fmt"
	"math"
	"strconv"
)

// StampFormat is how a group's time is written.
type StampFormat string

// Formats of timestamps. Qwen3-VL was trained on both; transformers writes the first.
const (
	StampSeconds StampFormat = "seconds" // <3.5 seconds>
	StampHMS     StampFormat = "hms"     // <00:00:03.5>
)

// Stamps are the texts before each frame pair: the mean time of its frames, rounded to a tenth of a second (half to
// even on the exact binary value, as Python and Go both do). A last frame without a partner is its own.
func Stamps(info *Info, indices []int, format StampFormat) []string {
	out := make([]string, Groups(len(indices)))
	for g := range out {
		a := indices[pair*g]
		b := indices[min(pair*g+1, len(indices)-1)]
		out[g] = stamp((info.Time(a)+info.Time(b))/2, format)
	}
	return out
}

func stamp(seconds float64, format StampFormat) string {
	text := strconv.FormatFloat(seconds, 'f', 1, 64)
	if format != StampHMS {
		return "<" + text + " seconds>"
	}
	rounded, _ := strconv.ParseFloat(text, 64) // it was just written
	whole := math.Floor(rounded)
	tenth := int(math.Round((rounded - whole) * 10))
	n := int(whole)
	return fmt.Sprintf("<%02d:%02d:%02d.%d>", n/3600, n/60%60, n%60, tenth)
}
