package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Layers says how many layers of a model cards take: auto or nothing for as many as fit, a number, or a negative one
// for all of them.
type Layers string

// LayersAuto is as many as fit.
const LayersAuto Layers = "auto"

// Auto says whether it is for others to choose the number.
func (l Layers) Auto() bool { return l == "" || strings.EqualFold(string(l), string(LayersAuto)) }

// Number is the number where it is not Auto; negative is all of them.
func (l Layers) Number() int {
	n, _ := l.number() // Validate has checked it
	return n
}

func (l Layers) number() (int, error) {
	if l.Auto() {
		return 0, nil
	}
	n, err := strconv.Atoi(string(l))
	if err != nil {
		return 0, fmt.Errorf("must be auto or a whole number, negative for all, not %q", string(l))
	}
	return n, nil
}
