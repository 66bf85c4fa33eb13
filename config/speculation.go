package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Speculation says how many tokens of an answer are guessed and computed ahead in a step: auto or nothing for as many
// as are worth their time, off for none, or a number that they do not exceed.
type Speculation string

const (
	speculationAuto, speculationOff = "auto", "off"
	// maxSpeculation is more than pays anywhere.
	maxSpeculation = 63
)

// Most is the number that is given; 0 where there is none and negative for off.
func (s Speculation) Most() int {
	n, _ := s.most() // Validate has checked it
	return n
}

func (s Speculation) most() (int, error) {
	switch strings.ToLower(string(s)) {
	case "", speculationAuto:
		return 0, nil
	case speculationOff:
		return -1, nil
	}
	n, err := strconv.Atoi(string(s))
	if err != nil || n < 1 || n > maxSpeculation {
		return 0, fmt.Errorf("must be auto, off or a number of tokens from 1 to %d, not %q", maxSpeculation, string(s))
	}
	return n, nil
}
