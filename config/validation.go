package config

import (
	"fmt"
	"slices"
	"strings"
)

// validation gathers faults.
type validation struct{ faults []*fault }

// fault is what is wrong with the value of key.
type fault struct{ key, text string }

func (f *fault) Error() string { return f.key + " " + f.text }

func (v *validation) fault(key, format string, args ...any) {
	v.faults = append(v.faults, &fault{key, fmt.Sprintf(format, args...)})
}

func (v *validation) atLeast(key string, n, low int64) {
	if n < low {
		v.fault(key, "must be at least %d, not %d", low, n)
	}
}

// within is for numbers from 0 on; NaN is outside.
func (v *validation) within(key string, x, high float64) {
	if !(x >= 0 && x <= high) {
		v.fault(key, "must be 0 to %g, not %g", high, x)
	}
}

func (v *validation) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.fault(key, "must be one of %s, not %q", strings.Join(allowed, ", "), value)
	}
}
