package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/qwenvld/qwenvld/internal/nearest"
)

// file is a configuration file as it was written: viper forgets where things stood, and calls values by names of Go's.
type file struct {
	name   string
	lines  map[string]int // of keys such as "models[0].engine.threads"
	faults []error
	// merging are the mappings that are being merged: one may be written to merge itself.
	merging map[*yaml.Node]bool
}

func newFile(name string) *file {
	return &file{name: name, lines: map[string]int{}, merging: map[*yaml.Node]bool{}}
}

// readFile parses and checks the file's keys and the kinds of its values; what values may be is Validate's to say.
func readFile(name string) (*file, error) {
	text, err := os.ReadFile(name) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	f := newFile(name)
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, f.syntax(err, string(text))
	}
	for _, n := range document.Content { // none in an empty file
		f.check(n, reflect.TypeFor[Config](), "")
	}
	if len(f.faults) > 0 {
		return f, errors.Join(f.faults...)
	}
	// What is read later must not find a fault that the check does not know.
	if err := document.Decode(new(map[string]any)); err != nil {
		return f, f.syntax(err, string(text))
	}
	return f, nil
}

var yamlPlace = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax explains why the text is no YAML.
func (f *file) syntax(err error, text string) error {
	m := yamlPlace.FindStringSubmatch(err.Error())
	if m == nil || m[1] == "" {
		return fmt.Errorf("%s: not valid YAML: %w", f.name, err)
	}
	line, _ := strconv.Atoi(m[1]) // digits
	hint := ""
	if lines := strings.Split(text, "\n"); line <= len(lines) && strings.HasPrefix(strings.TrimLeft(lines[max(line-1, 0)], " "), "\t") {
		hint = " (YAML is indented with spaces, and this line with a tab)"
	}
	return fmt.Errorf("%s:%d: not valid YAML: %s%s", f.name, line, strings.TrimPrefix(err.Error(), m[0]), hint)
}

func (f *file) fault(line int, format string, args ...any) {
	f.faults = append(f.faults, fmt.Errorf("%s:%d: %s", f.name, line, fmt.Sprintf(format, args...)))
}

// check compares n with the type that it is to fill. Null is nothing given.
func (f *file) check(n *yaml.Node, t reflect.Type, key string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && (!f.checkTag(n, key) || n.ShortTag() == "!!null") {
		return
	}
	switch {
	case t.Kind() == reflect.Struct:
		if n.Kind != yaml.MappingNode {
			f.fault(n.Line, "%s must have keys of its own (%s), not be %s", orRoot(key), strings.Join(names(t), ", "), describe(n))
			return
		}
		f.checkKeys(n, t, key, map[string]int{})
	case t.Kind() == reflect.Slice:
		if n.Kind == yaml.ScalarNode && t.Elem().Kind() == reflect.String {
			return // names with commas between
		}
		if n.Kind != yaml.SequenceNode {
			f.fault(n.Line, "%s must be a list, not %s", key, describe(n))
			return
		}
		for i, e := range n.Content {
			at := fmt.Sprintf("%s[%d]", key, i)
			f.lines[at] = e.Line
			f.check(e, t.Elem(), at)
		}
	case n.Kind != yaml.ScalarNode:
		f.fault(n.Line, "%s must be %s, not %s", key, wanted(t), describe(n))
	default:
		if err := checkScalar(t, n.Value); err != nil {
			f.fault(n.Line, "%s %s", key, err)
		}
	}
}

// checkTag holds a scalar against its tag, such as !!int or !!binary, and returns whether it is that.
func (f *file) checkTag(n *yaml.Node, key string) bool {
	var value any
	if err := n.Decode(&value); err != nil {
		f.fault(n.Line, "%s: %s", orRoot(key), strings.TrimPrefix(err.Error(), "yaml: "))
		return false
	}
	return true
}

// checkKeys checks the keys of a mapping; seen are those that it, or what it merges, has had.
func (f *file) checkKeys(n *yaml.Node, t reflect.Type, key string, seen map[string]int) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.ShortTag() == "!!merge" {
			f.merge(v, t, key)
			continue
		}
		if !f.checkTag(k, key) {
			continue
		}
		field, ok := fieldOf(t, k.Value)
		if !ok {
			f.fault(k.Line, "unknown key %s%s", join(key, k.Value), hint(t, key, k.Value))
			continue
		}
		name := strings.ToLower(k.Value)
		if first := seen[name]; first > 0 {
			f.fault(k.Line, "%s is given twice, first on line %d", join(key, name), first)
			continue
		}
		seen[name] = k.Line
		at := join(key, name)
		f.lines[at] = k.Line
		f.check(v, field.Type, at)
	}
}

// merge checks what "<<" brings in: a mapping, or a list of them.
func (f *file) merge(v *yaml.Node, t reflect.Type, key string) {
	brought := []*yaml.Node{v}
	if v.Kind == yaml.SequenceNode {
		brought = v.Content
	}
	for _, n := range brought {
		at := n.Line
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		switch {
		case n.Kind != yaml.MappingNode:
			f.fault(at, "%s: << must name a group of keys, or a list of such groups, not %s", orRoot(key), describe(n))
		case f.merging[n]:
			f.fault(at, "%s merges itself", orRoot(key))
		default:
			f.merging[n] = true
			f.checkKeys(n, t, key, map[string]int{})
			delete(f.merging, n)
		}
	}
}

// place is where key, or else what it is part of, stands in the file; empty when it does not.
func (f *file) place(key string) string {
	for f != nil && key != "" {
		if line := f.lines[key]; line > 0 {
			return fmt.Sprintf("%s:%d", f.name, line)
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return ""
}

// hint names the key that was probably meant: one of the same group, or of that name in another.
func hint(t reflect.Type, key, name string) string {
	if n := nearest.Name(name, names(t)); n != "" {
		return ": did you mean " + join(key, n) + "?"
	}
	for _, k := range allKeys() {
		if last := k[strings.LastIndex(k, ".")+1:]; strings.EqualFold(last, name) {
			return ": there is " + k
		}
	}
	return ": there are " + strings.Join(names(t), ", ")
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a group of keys"
	default:
		return strconv.Quote(n.Value)
	}
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func orRoot(key string) string {
	if key == "" {
		return "the file"
	}
	return key
}
