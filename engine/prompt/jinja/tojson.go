package jinja

import (
	"encoding/json"
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
	case map[string]any, *exec.Dict:
		members, _ := r.entries(v)
		return r.toObject(members, depth)
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

// toObject makes an object. Of a repeated key the last value is kept, in the place of the first.
func (r *rendering) toObject(members []entry, depth int) jsontree.Value {
	out := jsontree.Value{Kind: jsontree.Object}
	places := make(map[string]int, len(members))
	for _, m := range members {
		if at, twice := places[m.key]; twice {
			out.Members[at].Value = r.toTree(m.value, depth+1)
			continue
		}
		places[m.key] = len(out.Members)
		out.Members = append(out.Members, jsontree.Member{Key: m.key, Value: r.toTree(m.value, depth+1)})
	}
	return out
}
