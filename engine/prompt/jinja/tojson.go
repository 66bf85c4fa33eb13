package jinja

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/nikolalohinski/gonja/v2/exec"

	"github.com/qwenvld/qwenvld/engine/prompt/pyjson"
	"github.com/qwenvld/qwenvld/internal/jsontree"
)

// maxIndent bounds the blanks of a level that tojson writes.
const maxIndent = 16

// toJSON is transformers' tojson filter: json.dumps(value, ensure_ascii=False), in the order of the client's keys.
func toJSON(e *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	format := pyjson.Format()
	if params.GetKeywordArgument("ensure_ascii", false).IsTrue() {
		format.Quote = pyjson.QuoteASCII(string(fence))
	}
	format.SortKeys = params.GetKeywordArgument("sort_keys", false).IsTrue()
	if indent := params.GetKeywordArgument("indent", nil); indent.IsInteger() {
		format.Lines, format.Indent = true, min(max(indent.Integer(), 0), maxIndent)
	}
	tree := renderingOf(e.Environment).toTree(in.Interface(), 0)
	return exec.AsSafeValue(string(format.Append(nil, &tree)))
}

// toTree turns the interpreter's values back into JSON. What JSON cannot hold becomes nothing.
func (r *rendering) toTree(v any, depth int) jsontree.Value {
	if depth > pyjson.MaxDepth {
		return jsontree.Value{Kind: jsontree.Null, Raw: []byte("null")}
	}
	switch v := v.(type) {
	case nil:
		return jsontree.Value{Kind: jsontree.Null, Raw: []byte("null")}
	case bool:
		return jsontree.NewBool(v)
	case string:
		return jsontree.NewString(v)
	case json.Number:
		return jsontree.Value{Kind: jsontree.Number, Raw: []byte(v)}
	case int:
		return jsontree.Value{Kind: jsontree.Number, Raw: strconv.AppendInt(nil, int64(v), 10)}
	case float64:
		return jsontree.Value{Kind: jsontree.Number, Raw: []byte(pyjson.Float(v))}
	case map[string]any:
		keys, known := r.orders[reflect.ValueOf(v).Pointer()]
		if !known {
			keys = slices.Sorted(maps.Keys(v))
		}
		return r.toObject(len(keys), depth, func(i int) (string, any) { return keys[i], v[keys[i]] })
	case *exec.Dict:
		return r.toObject(len(v.Pairs), depth, func(i int) (string, any) { return v.Pairs[i].Key.String(), v.Pairs[i].Value.Interface() })
	case List:
		return r.toTree([]any(v), depth)
	case []any:
		out := jsontree.Value{Kind: jsontree.Array, Items: make([]jsontree.Value, len(v))}
		for i := range v {
			out.Items[i] = r.toTree(v[i], depth+1)
		}
		return out
	default:
		return jsontree.Value{}
	}
}

// toObject makes an object of n members. Of a repeated key the last value is kept, in the place of the first.
func (r *rendering) toObject(n, depth int, member func(i int) (string, any)) jsontree.Value {
	out := jsontree.Value{Kind: jsontree.Object}
	places := make(map[string]int, n)
	for i := range n {
		key, v := member(i)
		if at, twice := places[key]; twice {
			out.Members[at].Value = r.toTree(v, depth+1)
			continue
		}
		places[key] = len(out.Members)
		out.Members = append(out.Members, jsontree.Member{Key: key, Value: r.toTree(v, depth+1)})
	}
	return out
}
