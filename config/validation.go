package config

import (
	"fmt"
	"reflect"
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

// words checks every text below key that may be one of some words only: its field has a tag oneof. Of elements of lists
// of groups, an empty text is one that was not given.
func (v *validation) words(s reflect.Value, key string) {
	for i, name := range names(s.Type()) {
		f, at, words := s.Field(i), join(key, name), words(s.Type().Field(i))
		switch {
		case f.Kind() == reflect.Struct:
			v.words(f, at)
		case f.Kind() == reflect.Slice:
			for j := range f.Len() {
				v.wordsOf(f.Index(j), fmt.Sprintf("%s[%d]", at, j), words)
			}
		case f.Kind() == reflect.String && !(f.String() == "" && strings.Contains(key, "[")):
			v.oneOf(at, f.String(), words)
		}
	}
}

// wordsOf is words of an element of a list.
func (v *validation) wordsOf(e reflect.Value, key string, words []string) {
	if e.Kind() == reflect.Struct {
		v.words(e, key)
	} else if e.Kind() == reflect.String {
		v.oneOf(key, e.String(), words)
	}
}

func (v *validation) oneOf(key, value string, allowed []string) {
	if allowed != nil && !slices.Contains(allowed, value) {
		v.fault(key, "must be one of %s, not %q", strings.Join(allowed, ", "), value)
	}
}
