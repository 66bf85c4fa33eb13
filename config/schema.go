package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// durationPattern is what time.ParseDuration reads, as far as a pattern tells.
const durationPattern = `^-?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$`

// Schema is a JSON Schema (2020-12) of the configuration file. The descriptions of its keys are the comments above them
// in example, a file that has every key, those of lists of groups in lines that are comments.
func Schema(example []byte) ([]byte, error) {
	about := map[string]string{}
	for _, text := range [][]byte{example, uncomment(example)} {
		var document yaml.Node
		if err := yaml.Unmarshal(text, &document); err != nil {
			return nil, fmt.Errorf("example of the configuration: %w", err)
		}
		for _, n := range document.Content {
			describeKeys(n, "", about)
		}
	}
	s := schemaOf(reflect.ValueOf(Default()), "", about)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Configuration of qwenvld"
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(s)
	return out.Bytes(), err
}

// A commented line that holds a key: "# keys:", "# - # Name of the key.", "#   name: alice".
var commentedKey = regexp.MustCompile(`^# ( *(?:- )?(?:# .*|[a-z0-9_]+:(?: .*)?))$`)

// uncomment makes the commented keys of an example count, in place of the empty lists that they show the use of.
func uncomment(example []byte) []byte {
	lines := strings.Split(string(example), "\n")
	var out []string
	for i, line := range lines {
		if name, empty := strings.CutSuffix(line, ": []"); empty && i+1 < len(lines) && lines[i+1] == "# "+name+":" {
			continue
		}
		if m := commentedKey.FindStringSubmatch(line); m != nil {
			line = m[1]
		}
		out = append(out, line)
	}
	return []byte(strings.Join(out, "\n"))
}

// describeKeys notes the comments above the keys of n.
func describeKeys(n *yaml.Node, key string, about map[string]string) {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			at := join(key, k.Value)
			if text := prose(k.HeadComment); text != "" && about[at] == "" {
				about[at] = text
			}
			describeKeys(v, at, about)
		}
	}
	if n.Kind == yaml.SequenceNode {
		for _, e := range n.Content {
			describeKeys(e, key+"[]", about)
		}
	}
}

// prose is the text of a comment's last paragraph.
func prose(comment string) string {
	if i := strings.LastIndex(comment, "\n\n"); i >= 0 {
		comment = comment[i+2:]
	}
	var words []string
	for line := range strings.SplitSeq(comment, "\n") {
		words = append(words, strings.TrimSpace(strings.TrimPrefix(line, "#")))
	}
	return strings.Join(words, " ")
}

// schemaOf is the schema of what stands under key, whose default is v.
func schemaOf(v reflect.Value, key string, about map[string]string) map[string]any {
	s := map[string]any{}
	switch t := v.Type(); {
	case t == reflect.TypeFor[time.Duration]():
		s["type"], s["pattern"] = "string", durationPattern
		s["default"] = duration(v.Interface().(time.Duration))
	case t.Kind() == reflect.Struct:
		properties := map[string]any{}
		for i, name := range names(t) {
			p := schemaOf(v.Field(i), join(key, name), about)
			if words := words(t.Field(i)); words != nil && p["type"] == "string" {
				p["enum"] = words
			} else if words != nil {
				p["items"] = map[string]any{"type": "string", "enum": words}
			}
			properties[name] = p
		}
		s["type"], s["properties"], s["additionalProperties"] = []string{"object", "null"}, properties, false
	case isGroups(t):
		s["type"], s["items"] = []string{"array", "null"}, schemaOf(reflect.Zero(t.Elem()), key+"[]", about)
	case t.Kind() == reflect.Slice:
		s["type"], s["items"] = []string{"array", "string", "null"}, map[string]any{"type": "string"}
	case t.Kind() == reflect.Bool:
		s["type"], s["default"] = "boolean", v.Interface()
	case t == reflect.TypeFor[Layers](), t == reflect.TypeFor[Speculation]():
		s["type"], s["default"] = []string{"string", "integer"}, v.Interface()
	case t.Kind() == reflect.String:
		s["type"], s["default"] = "string", v.Interface()
	case t.Kind() == reflect.Float64:
		s["type"], s["default"] = "number", v.Interface()
	default:
		s["type"], s["default"] = "integer", v.Interface()
	}
	if text := about[key]; text != "" {
		s["description"] = text
	}
	return s
}

// duration is d without the zeros at its end: 1m rather than 1m0s.
func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
