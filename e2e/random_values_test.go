package e2e

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// value makes a value that a schema allows, nearly: keywords that would need solving (patterns, formats, not) are passed over, which
// is as good here as keeping to them.
func (b *randomBodies) value(schema any, depth int) any {
	s, ok := schema.(map[string]any)
	const deepest = 8
	if !ok || depth > deepest {
		return b.scalar()
	}
	if ref, ok := s["$ref"].(string); ok {
		return b.value(b.components[strings.TrimPrefix(ref, "#/components/schemas/")], depth)
	}
	for _, member := range []string{"const", "default", "example"} {
		if v, ok := s[member]; ok && (member == "const" || b.rand.IntN(2) == 0) {
			return copied(v)
		}
	}
	if options, ok := s["enum"].([]any); ok && len(options) > 0 {
		return options[b.rand.IntN(len(options))]
	}
	for _, member := range []string{"oneOf", "anyOf"} {
		if options, ok := s[member].([]any); ok && len(options) > 0 {
			return b.value(options[b.rand.IntN(len(options))], depth+1)
		}
	}
	if parts, ok := s["allOf"].([]any); ok {
		out := map[string]any{}
		for _, p := range append(parts, map[string]any{"type": "object", "properties": s["properties"], "required": s["required"]}) {
			if m, ok := b.value(p, depth+1).(map[string]any); ok {
				maps.Copy(out, m)
			}
		}
		return out
	}
	kind := s["type"]
	if kinds, ok := kind.([]any); ok && len(kinds) > 0 {
		kind = kinds[b.rand.IntN(len(kinds))]
	}
	switch kind {
	case "object":
		return b.object(s, depth)
	case "array":
		out := []any{}
		for range b.rand.IntN(3) + 1 {
			out = append(out, b.value(s["items"], depth+1))
		}
		return out
	case "integer", "number":
		low, _ := s["minimum"].(float64)
		high, ok := s["maximum"].(float64)
		if !ok {
			high = low + 10
		}
		v := low + b.rand.Float64()*(high-low)
		if kind == "integer" {
			return float64(int64(v))
		}
		return v
	case "boolean":
		return b.rand.IntN(2) == 0
	case "null":
		return nil
	case "string":
		return b.text()
	}
	return b.scalar()
}

func (b *randomBodies) object(s map[string]any, depth int) any {
	out := map[string]any{}
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if slices.Contains(required, any(name)) || b.rand.IntN(4) == 0 {
			out[name] = b.value(properties[name], depth+1)
		}
	}
	return out
}

func (b *randomBodies) text() string {
	texts := []string{
		"Hello", "What is 3 + 4?", "", " ", "qwen3-vl", "qwen3-vl-thinking", "user", "auto", "[0-9]+", `{"a": 1}`, "</think>", "<|im_end|>",
		"data:image/png;base64,iVBORw0KGgo=", "data:image/png;base64,AAAA", "한국어 질문", "e\u0301", "\u0000", "\ufeff", "😀👩‍👩‍👧", strings.Repeat("a", 3000),
	}
	return texts[b.rand.IntN(len(texts))]
}

func (b *randomBodies) scalar() any {
	scalars := []any{nil, true, false, 0.0, 1.0, -1.0, 0.5, 1e9, 1e300, b.text(), []any{}, map[string]any{}, []any{nil}, map[string]any{"type": "x"}}
	return scalars[b.rand.IntN(len(scalars))]
}

// odd is a value that encoders of common languages can write and few decoders expect.
func (b *randomBodies) odd() any {
	const deep = 3000
	odds := []string{
		`1e400`, `-0`, `123456789012345678901234567890`, `0.1e-400`, `"\ud800"`, `"\udfff\ud800x"`,
		strings.Repeat("[", deep) + strings.Repeat("]", deep),
		strings.Repeat(`{"a":`, deep) + "1" + strings.Repeat("}", deep),
		"[" + strings.Repeat("0,", deep) + "0]",
		`{"a": 1, "a": 2}`, `{"": {"": null}}`,
	}
	return json.RawMessage(odds[b.rand.IntN(len(odds))])
}

// broken changes one place of v: another value, nothing, null, an unknown member, a longer list.
func (b *randomBodies) broken(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 || b.rand.IntN(8) == 0 {
			v[b.text()] = b.scalar()
			return v
		}
		name := slices.Sorted(maps.Keys(v))[b.rand.IntN(len(v))]
		if b.rand.IntN(2) == 0 {
			v[name] = b.broken(v[name])
			return v
		}
		b.replace(v, name)
		return v
	case []any:
		if len(v) == 0 || b.rand.IntN(6) == 0 {
			return append(v, b.scalar())
		}
		i := b.rand.IntN(len(v))
		switch b.rand.IntN(4) {
		case 0:
			return slices.Delete(v, i, i+1)
		case 1:
			return append(v, v[i])
		default:
			v[i] = b.broken(v[i])
			return v
		}
	case json.RawMessage:
		return v
	}
	if b.rand.IntN(4) == 0 {
		return b.odd()
	}
	return b.scalar()
}

func (b *randomBodies) replace(v map[string]any, name string) {
	switch b.rand.IntN(4) {
	case 0:
		delete(v, name)
	case 1:
		v[name] = nil
	case 2:
		v[name] = b.odd()
	default:
		v[name] = b.scalar()
	}
}
