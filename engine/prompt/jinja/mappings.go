package jinja

import (
	"maps"
	"reflect"
	"slices"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// entry is one member of a mapping.
type entry struct {
	key   string
	value any
}

// entries are the members of a mapping of the interpreter's: an object in the order in which it was written, a
// template's own in the order of its text, any other by its keys. ok is false for what is no mapping.
func (r *rendering) entries(mapping any) (out []entry, ok bool) {
	switch m := mapping.(type) {
	case map[string]any:
		keys, known := r.orders[reflect.ValueOf(m).Pointer()]
		if !known {
			keys = slices.Sorted(maps.Keys(m))
		}
		for _, key := range keys {
			out = append(out, entry{key, m[key]})
		}
		return out, true
	case *exec.Dict:
		for _, p := range m.Pairs {
			out = append(out, entry{p.Key.String(), p.Value.Interface()})
		}
		return out, true
	default:
		return nil, false
	}
}

// dictMethods are the interpreter's methods of mappings, of which those that list members keep their order.
func (r *rendering) dictMethods() *exec.MethodSet[map[string]any] {
	methods := map[string]exec.Method[map[string]any]{
		"items":  r.listing(func(e entry) any { return List{e.key, e.value} }),
		"keys":   r.listing(func(e entry) any { return e.key }),
		"values": r.listing(func(e entry) any { return e.value }),
	}
	for _, name := range []string{"get", "pop", "setdefault", "update", "copy", "clear"} {
		if m, ok := builtins.Methods.Dict.Get(name); ok {
			methods[name] = m
		}
	}
	return exec.NewMethodSet(methods)
}

// listing is a method that lists what item makes of each member.
func (r *rendering) listing(item func(entry) any) exec.Method[map[string]any] {
	return func(self map[string]any, value *exec.Value, arguments *exec.VarArgs) (any, error) {
		if err := arguments.Take(); err != nil {
			return nil, exec.ErrInvalidCall(err)
		}
		members, ok := r.entries(value.Interface())
		if !ok {
			members, _ = r.entries(self)
		}
		out := make(List, len(members))
		for i, m := range members {
			out[i] = item(m)
		}
		return out, nil
	}
}

// items is the filter of this name, which the interpreter's own takes in any order.
func items(e *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	members, ok := renderingOf(e.Environment).entries(in.Interface())
	if !ok || params.Take() != nil {
		original, _ := builtins.Filters.Get("items")
		return original(e, in, params)
	}
	out := make(List, len(members))
	for i, m := range members {
		out[i] = List{m.key, m.value}
	}
	return exec.AsValue(out)
}
