package config

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// names are the keys of a group, in order.
func names(t reflect.Type) []string {
	out := make([]string, t.NumField())
	for i := range out {
		out[i] = t.Field(i).Tag.Get("mapstructure")
	}
	return out
}

// words are those of which a field may have one, nil where it may have any text.
func words(f reflect.StructField) []string {
	tag, ok := f.Tag.Lookup("oneof")
	if !ok {
		return nil
	}
	return strings.Fields(tag)
}

// fieldOf is the field for a key, which may be written in capitals.
func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); strings.EqualFold(f.Tag.Get("mapstructure"), key) {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// allKeys are all keys that hold a value, lists of groups with "[]".
func allKeys() []string {
	var out []string
	walkKeys(reflect.TypeFor[Config](), "", func(key string, _ reflect.Type) { out = append(out, key) })
	return out
}

// walkKeys calls visit for each key below prefix that holds a value.
func walkKeys(t reflect.Type, prefix string, visit func(key string, t reflect.Type)) {
	for i, name := range names(t) {
		key := join(prefix, name)
		switch f := t.Field(i).Type; {
		case f.Kind() == reflect.Struct:
			walkKeys(f, key, visit)
		case isGroups(f):
			walkKeys(f.Elem(), key+"[]", visit)
		default:
			visit(key, f)
		}
	}
}

// isGroups tells a list of groups of keys, which only the file can hold.
func isGroups(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// wanted says what a value of type t looks like.
func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a time with its unit, such as 30s or 5m"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() == reflect.String:
		return "a text"
	default:
		return "a whole number"
	}
}

// checkScalar says whether text can be a value of type t. A time without a unit would be read as nanoseconds.
func checkScalar(t reflect.Type, text string) error {
	ok := true
	switch {
	case t == reflect.TypeFor[time.Duration]():
		_, err := time.ParseDuration(text)
		ok = err == nil
	case t.Kind() == reflect.Bool:
		_, err := strconv.ParseBool(text)
		ok = err == nil
	case t.Kind() == reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		ok = err == nil && !math.IsNaN(x) && !math.IsInf(x, 0)
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		_, err := strconv.ParseInt(text, 0, 64)
		ok = err == nil
	}
	if !ok {
		return fmt.Errorf("must be %s, not %q", wanted(t), text)
	}
	return nil
}
