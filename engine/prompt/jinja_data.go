package prompt

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

// fence follows the first character of every special token's text that came from outside. It is a noncharacter, which no text
// for interchange holds; where one comes in regardless it is taken out.
const fence = '\uFDD0'

// defuse returns outside text in which no special token's text is whole, not even together with what may follow it.
func (r *jinjaRenderer) defuse(text string) string {
	text = strings.ReplaceAll(validUTF8(text), string(fence), "")
	var b strings.Builder
	for i, c := range text {
		b.WriteRune(c)
		rest := text[i:]
		for _, s := range r.specials {
			if strings.HasPrefix(rest, s) || strings.HasPrefix(s, rest) {
				b.WriteRune(fence)
				break
			}
		}
	}
	return b.String()
}

// placeOutside splits rendered text at the fences and media marks: characters before a fence are text, the rest is the
// template's. The marks stand for what shown lists.
func placeOutside(b *builder, text string, shown *mediaOrder) {
	for text != "" {
		at := strings.IndexRune(text, fence)
		if at < 0 {
			placeMedia(b, text, shown)
			return
		}
		before, rest := text[:at], text[at+len(string(fence)):]
		runes := []rune(before)
		last := ""
		if len(runes) > 0 {
			last = string(runes[len(runes)-1])
		}
		placeMedia(b, before[:len(before)-len(last)], shown)
		b.text(last)
		text = rest
	}
}

// placeMedia finds the marks that a template wrote.
func placeMedia(b *builder, text string, shown *mediaOrder) {
	for text != "" {
		image, video := strings.Index(text, imagePad), strings.Index(text, videoMark)
		switch {
		case image < 0 && video < 0:
			b.control(text)
			return
		case video < 0 || image >= 0 && image < video:
			b.control(text[:image])
			b.image(next(&shown.images))
			text = text[image+len(imagePad):]
		default:
			b.control(text[:video])
			b.video(next(&shown.videos))
			text = text[video+len(videoMark):]
		}
	}
}

// data is what the template sees.
func (r *jinjaRenderer) data(c *Conversation) (map[string]any, error) {
	messages := make(list, len(c.Messages))
	for i := range c.Messages {
		m, err := r.message(i, &c.Messages[i])
		if err != nil {
			return nil, err
		}
		messages[i] = m
	}
	var tools any
	if len(c.Tools) > 0 {
		offered := make(list, len(c.Tools))
		for i, raw := range c.Tools {
			v, err := decodeJSON(raw)
			if err != nil {
				return nil, &ConversationError{Message: -1, Param: fmt.Sprintf("tools[%d]", i), Reason: err.Error()}
			}
			offered[i] = r.value(v)
		}
		tools = offered
	}
	return map[string]any{
		"messages": messages, "tools": tools, "add_generation_prompt": c.AddGenerationPrompt, "add_vision_id": c.AddVisionID,
		"bos_token": "", "eos_token": messageEnd, "range": boundedRange,
	}, nil
}

func (r *jinjaRenderer) message(i int, m *Message) (map[string]any, error) {
	out := map[string]any{"role": m.Role, "content": r.content(m)}
	if m.ReasoningContent != nil {
		out["reasoning_content"] = r.defuse(*m.ReasoningContent)
	}
	if m.ToolCallID != "" {
		out["tool_call_id"] = r.defuse(m.ToolCallID)
	}
	if m.Name != "" {
		out["name"] = r.defuse(m.Name)
	}
	if len(m.ToolCalls) == 0 {
		return out, nil
	}
	calls := make(list, len(m.ToolCalls))
	for j, call := range m.ToolCalls {
		v, err := decodeJSON(call.Arguments)
		if err != nil {
			return nil, messageError(i, fmt.Sprintf("tool_calls[%d].function.arguments", j), "%s", err)
		}
		calls[j] = map[string]any{"type": "function", "id": r.defuse(call.ID), "function": map[string]any{
			"name": r.defuse(call.Name), "arguments": r.value(v),
		}}
	}
	out["tool_calls"] = calls
	return out, nil
}

func (r *jinjaRenderer) content(m *Message) any {
	// An assistant's think tags are markup that templates look for; everything else from outside is defused.
	text := r.defuse
	if m.Role == "assistant" {
		text = func(s string) string {
			s = r.defuse(s)
			for _, tag := range []string{thinkOpen, thinkClose} {
				s = strings.ReplaceAll(s, r.defuse(tag), tag)
			}
			return s
		}
	}
	if m.Content.Parts == nil {
		return text(m.Content.Text)
	}
	parts := make(list, len(m.Content.Parts))
	for i, p := range m.Content.Parts {
		part := map[string]any{"type": string(p.Kind)}
		if p.Kind == PartText {
			part["text"] = text(p.Text)
		}
		parts[i] = part
	}
	return parts
}

// value converts decoded JSON for the interpreter, strings defused.
func (r *jinjaRenderer) value(v *jsontree.Value) any {
	switch v.Kind {
	case jsontree.String:
		return r.defuse(jsontree.Unquote(v.Raw))
	case jsontree.Number:
		return number(string(v.Raw))
	case jsontree.Bool:
		return v.IsTrue()
	case jsontree.Array:
		out := make(list, len(v.Items))
		for i := range v.Items {
			out[i] = r.value(&v.Items[i])
		}
		return out
	case jsontree.Object:
		out := make(map[string]any, len(v.Members))
		keys := make([]string, len(v.Members))
		for i := range v.Members {
			keys[i] = r.defuse(v.Members[i].Key)
			out[keys[i]] = r.value(&v.Members[i].Value)
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

// list is a list whose last item can be had as x[-1] also when it is the only one, which the interpreter's own cannot.
type list []any

// GetItem implements the interpreter's ItemGetter.
func (l list) GetItem(key any) (*exec.Value, bool) {
	i, ok := key.(int)
	if i < 0 {
		i += len(l)
	}
	if !ok || i < 0 || i >= len(l) {
		return exec.AsValue(nil), false
	}
	return exec.AsValue(l[i]), true
}

// keyOrders remembers in which order the keys of objects were written; Go's maps do not.
type keyOrders map[uintptr][]string

// toJSON is transformers' tojson filter: json.dumps(value, ensure_ascii=False), in the order of the client's keys.
func (o keyOrders) toJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	format := pythonFormat
	if params.GetKeywordArgument("ensure_ascii", false).IsTrue() {
		format.Quote = quoteASCII(string(fence))
	}
	format.SortKeys = params.GetKeywordArgument("sort_keys", false).IsTrue()
	if indent := params.GetKeywordArgument("indent", nil); indent.IsInteger() {
		format.Lines, format.Indent = true, min(max(indent.Integer(), 0), 16)
	}
	tree := o.tree(in.Interface(), 0)
	return exec.AsSafeValue(string(format.Append(nil, &tree)))
}

// tree turns the interpreter's values back into JSON. What JSON cannot hold becomes nothing.
func (o keyOrders) tree(v any, depth int) jsontree.Value {
	if depth > maxJSONDepth {
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
		return jsontree.Value{Kind: jsontree.Number, Raw: []byte(pythonFloat(v))}
	case map[string]any:
		keys, known := o[reflect.ValueOf(v).Pointer()]
		if !known {
			keys = slices.Sorted(maps.Keys(v))
		}
		return o.object(len(keys), depth, func(i int) (string, any) { return keys[i], v[keys[i]] })
	case *exec.Dict:
		return o.object(len(v.Pairs), depth, func(i int) (string, any) { return v.Pairs[i].Key.String(), v.Pairs[i].Value.Interface() })
	case list:
		return o.tree([]any(v), depth)
	case []any:
		out := jsontree.Value{Kind: jsontree.Array, Items: make([]jsontree.Value, len(v))}
		for i := range v {
			out.Items[i] = o.tree(v[i], depth+1)
		}
		return out
	default:
		return jsontree.Value{}
	}
}

// object makes an object of n members. Of a repeated key the last value is kept, in the place of the first.
func (o keyOrders) object(n, depth int, member func(i int) (string, any)) jsontree.Value {
	out := jsontree.Value{Kind: jsontree.Object}
	places := make(map[string]int, n)
	for i := range n {
		key, v := member(i)
		if at, twice := places[key]; twice {
			out.Members[at].Value = o.tree(v, depth+1)
			continue
		}
		places[key] = len(out.Members)
		out.Members = append(out.Members, jsontree.Member{Key: key, Value: o.tree(v, depth+1)})
	}
	return out
}

// boundedRange replaces the interpreter's range, which leaves a goroutine behind when a loop ends early.
func boundedRange(_ *exec.Evaluator, params *exec.VarArgs) ([]int, error) {
	bounds := [3]int{0, 0, 1}
	switch args := params.Args; {
	case len(args) == 0 || len(args) > len(bounds):
		return nil, errors.New("range takes one to three numbers")
	case len(args) == 1:
		bounds[1] = args[0].Integer()
	default:
		for i, a := range args {
			bounds[i] = a.Integer()
		}
	}
	start, stop, step := bounds[0], bounds[1], bounds[2]
	if step == 0 {
		return nil, errors.New("range with a step of 0")
	}
	n := math.Ceil(float64(stop-start) / float64(step))
	if n > maxRange {
		return nil, fmt.Errorf("range of more than %d numbers", maxRange)
	}
	var out []int
	for i := range max(0, int(n)) {
		out = append(out, start+i*step)
	}
	return out, nil
}
