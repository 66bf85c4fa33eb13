// Package keepalive reads how long weights are to stay loaded while nobody uses them, as Ollama's clients and
// configurations write it.
//
// It must not know what is kept, or what is done when the time has come.
package keepalive

import (
	"fmt"
	"strconv"
	"time"
)

// Forever is any negative time.
const Forever time.Duration = -1

// Parse reads a time with its unit, or a number of seconds. What is negative is for ever, of which -1 is the usual
// spelling.
func Parse(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if seconds, notNumber := strconv.ParseFloat(text, 64); notNumber == nil {
		const most = 1e9 // seconds, 30 years
		if !(seconds <= most) {
			return 0, fmt.Errorf("%q is no time", text)
		}
		d, err = time.Duration(max(seconds, -1)*float64(time.Second)), nil
	}
	if err != nil {
		return 0, fmt.Errorf("must be a time such as 30s or 5m, a number of seconds, or -1 for ever, not %q", text)
	}
	return max(d, Forever), nil
}
