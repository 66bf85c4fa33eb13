package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/qwenvld/qwenvld/internal/nearest"
)

// source is a flag or a variable of the environment that sets a key.
type source struct {
	// name says in messages what it is, such as "flag --listen".
	name, key, text string
	// list is a list of groups of keys, which is written as in a file; nil where the key holds a value.
	list *file
	// file is where the text stands, "" where it stands in the flag or variable itself.
	file string
	// value is what viper gets.
	value any
}

// place is where the value of key comes from, "" where not from here.
func (s *source) place(key string) string {
	switch {
	case key == s.key && s.list == nil:
		return s.name
	case key == s.key || strings.HasPrefix(key, s.key+"["):
		return s.list.place(key)
	}
	return ""
}

// read turns the text into a value of the kind that the key holds.
func (s *source) read() error {
	t, ok := kinds()[s.key]
	if !ok {
		return fmt.Errorf("%s: there is no key %s%s", s.name, s.key, keyHint(s.key))
	}
	if !isGroups(t) {
		s.value = s.text
		if t.Kind() == reflect.Slice {
			return nil // texts with commas between
		}
		if err := checkScalar(t, s.text); err != nil {
			return fmt.Errorf("%s %w", s.name, err)
		}
		return nil
	}
	s.list = newFile(s.name)
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(s.text), &document); err != nil {
		return s.list.syntax(err, s.text)
	}
	for _, n := range document.Content {
		s.list.lines[s.key] = n.Line
		s.list.check(n, t, s.key)
	}
	if err := errors.Join(s.list.faults...); err != nil {
		return err
	}
	if err := document.Decode(&s.value); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// keyHint names the key that was probably meant.
func keyHint(key string) string {
	if meant := nearest.Name(key, slices.Sorted(maps.Keys(kinds()))); meant != "" {
		return ": did you mean " + meant + "?"
	}
	return hint(reflect.TypeFor[Config](), "", key)
}

// kinds are the types of all keys that can be set in one piece: those that hold a value, and lists of groups.
func kinds() map[string]reflect.Type {
	out := map[string]reflect.Type{}
	walkKeys(reflect.TypeFor[Config](), "", func(key string, t reflect.Type) {
		if group, _, ok := strings.Cut(key, "[]"); ok {
			t, _ = typeOf(group)
			key = group
		}
		out[key] = t
	})
	return out
}

// typeOf is the type of what stands under key, which names no element of a list.
func typeOf(key string) (reflect.Type, bool) {
	t := reflect.TypeFor[Config]()
	for name := range strings.SplitSeq(key, ".") {
		f, ok := fieldOf(t, name)
		if !ok {
			return nil, false
		}
		t = f.Type
	}
	return t, true
}

// readAll reads all sources and tells all faults at once.
func readAll(sources []*source) error {
	var faults []error
	for _, s := range sources {
		faults = append(faults, s.read())
	}
	return errors.Join(faults...)
}

// fromSets are the sources of --set KEY=VALUE.
func fromSets(flags *pflag.FlagSet) ([]*source, error) {
	if flags.Lookup(flagSet) == nil {
		return nil, nil
	}
	sets, err := flags.GetStringArray(flagSet)
	if err != nil {
		return nil, fmt.Errorf("flag --%s: %w", flagSet, err)
	}
	out := make([]*source, 0, len(sets))
	var faults []error
	for _, entry := range sets {
		key, text, ok := strings.Cut(entry, "=")
		if !ok {
			faults = append(faults, fmt.Errorf("flag --%s: must be KEY=VALUE, not %q", flagSet, entry))
			continue
		}
		out = append(out, &source{name: "flag --" + flagSet + " " + key, key: strings.ToLower(key), text: text})
	}
	return out, errors.Join(faults...)
}

// fromEnvironment are the sources among the variables. Those that are empty count as not set. A list of groups may
// stand in a file that the variable with _FILE at its end names, as container engines hand over secrets.
func fromEnvironment(variables map[string]string) ([]*source, error) {
	var out []*source
	var faults []error
	for key, t := range kinds() {
		name := variable(key)
		if text := variables[name]; text != "" {
			out = append(out, &source{name: "environment variable " + name, key: key, text: text})
		}
		file := variables[name+inFile]
		if !isGroups(t) || file == "" {
			continue
		}
		text, err := os.ReadFile(file) //nolint:gosec // the operator names the file
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("environment variable %s%s: %w", name, inFile, err))
		case variables[name] != "":
			faults = append(faults, fmt.Errorf("environment variables %s and %s%s: give one of them", name, name, inFile))
		default:
			out = append(out, &source{name: file, file: file, key: key, text: string(text)})
		}
	}
	slices.SortFunc(out, func(a, b *source) int { return strings.Compare(a.key, b.key) })
	return out, errors.Join(faults...)
}

// nested puts the sources' values into the levels of a file; of several for one key the last counts.
func nested(sources []*source) map[string]any {
	out := map[string]any{}
	for _, s := range sources {
		level, names := out, strings.Split(s.key, ".")
		for _, name := range names[:len(names)-1] {
			below, ok := level[name].(map[string]any)
			if !ok {
				below = map[string]any{}
				level[name] = below
			}
			level = below
		}
		level[names[len(names)-1]] = s.value
	}
	return out
}

// Places say where the values of a configuration come from.
type Places struct {
	// sources, the strongest first.
	sources []*source
	file    *file // nil without one
	// standard are those that stand in for defaults alone.
	standard []*source
}

// Of says where the value of key comes from, such as "qwenvld.yaml:12" or "environment variable QWENVLD_LISTEN"; "" for
// defaults.
func (p *Places) Of(key string) string {
	for _, s := range p.sources {
		if at := s.place(key); at != "" {
			return at
		}
	}
	if at := p.file.place(key); at != "" {
		return at
	}
	return p.standardly(key)
}

// standardly says which standard source set the value of key, "" for none.
func (p *Places) standardly(key string) string {
	for _, s := range p.standard {
		if at := s.place(key); at != "" {
			return at
		}
	}
	return ""
}

// exactly is Of for what stands under key itself, "" where only what it is part of stands somewhere.
func (p *Places) exactly(key string) string {
	for _, s := range p.sources {
		if s.list == nil && s.key == key || s.list != nil && s.list.lines[key] > 0 {
			return s.place(key)
		}
	}
	if p.file == nil || p.file.lines[key] == 0 {
		return p.standardly(key)
	}
	return p.file.place(key)
}

// File is the configuration file, "" without one.
func (p *Places) File() string {
	if p.file == nil {
		return ""
	}
	return p.file.name
}

// Files are all that were read.
func (p *Places) Files() []string {
	var out []string
	if name := p.File(); name != "" {
		out = append(out, name)
	}
	for _, s := range p.sources {
		if s.file != "" {
			out = append(out, s.file)
		}
	}
	return out
}
