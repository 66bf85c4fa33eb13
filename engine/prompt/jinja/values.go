package jinja

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

// Outside is text that came from outside: it never becomes a special token, whatever the template does with it.
type Outside struct {
	Text string
	// Tags are texts that stay what they are even where they are special tokens: markup that templates look for.
	Tags []string
}

// Medium is a picture or a video among the values.
type Medium struct {
	ID     int // by which Span.Medium names it
	Mark   int // the index of its mark in the vocabulary
	Values map[string]any
}

// List is a list whose last item can be had as x[-1] also when it is the only one, which the interpreter's own cannot.
type List []any

var _ exec.ItemGetter = List(nil)

// GetItem implements the interpreter's ItemGetter.
func (l List) GetItem(key any) (*exec.Value, bool) {
	i, ok := key.(int)
	if i < 0 {
		i += len(l)
	}
	if !ok || i < 0 || i >= len(l) {
		return exec.AsValue(nil), false
	}
	return exec.AsValue(l[i]), true
}

// convert gives the interpreter's form of a value.
func (r *rendering) convert(v any) any {
	switch v := v.(type) {
	case Outside:
		text := r.template.defuse(v.Text)
		for _, tag := range v.Tags {
			text = strings.ReplaceAll(text, r.template.defuse(tag), tag)
		}
		return text
	case *jsontree.Value:
		return r.fromJSON(v)
	case Medium:
		values := r.convert(v.Values)
		r.media[reflect.ValueOf(values).Pointer()] = v
		return values
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, item := range v {
			out[name] = r.convert(item)
		}
		return out
	case List:
		out := make(List, len(v))
		for i := range v {
			out[i] = r.convert(v[i])
		}
		return out
	default:
		return v
	}
}

// mediumOf finds the medium that a template's variable holds.
func (r *rendering) mediumOf(variable any) (Medium, bool) {
	if v, ok := variable.(*exec.Value); ok {
		variable = v.Interface()
	}
	values, ok := variable.(map[string]any)
	if !ok {
		return Medium{}, false
	}
	medium, ok := r.media[reflect.ValueOf(values).Pointer()]
	return medium, ok
}

// fromJSON converts JSON from outside, its strings defused. Go's maps do not keep the order of keys, so it is
// remembered.
func (r *rendering) fromJSON(v *jsontree.Value) any {
	switch v.Kind {
	case jsontree.String:
		return r.template.defuse(jsontree.Unquote(v.Raw))
	case jsontree.Number:
		return number(string(v.Raw))
	case jsontree.Bool:
		return v.IsTrue()
	case jsontree.Array:
		out := make(List, len(v.Items))
		for i := range v.Items {
			out[i] = r.fromJSON(&v.Items[i])
		}
		return out
	case jsontree.Object:
		out := make(map[string]any, len(v.Members))
		keys := make([]string, len(v.Members))
		for i := range v.Members {
			keys[i] = r.template.defuse(v.Members[i].Key)
			out[keys[i]] = r.fromJSON(&v.Members[i].Value)
		}
		r.orders[reflect.ValueOf(out).Pointer()] = keys
		return out
	default:
		return nil
	}
}

// number is a JSON number as the interpreter reckons with it.
func number(written string) any {
	if n, err := strconv.Atoi(written); err == nil {
		return n
	}
	if !strings.ContainsAny(written, ".eE") {
		return json.Number(written) // an integer of any size; only tojson can show it
	}
	f, _ := strconv.ParseFloat(written, 64) // beyond its range it is infinite, as in Python
	return f
}
