package config

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"time"

	"go.yaml.in/yaml/v3"
)

// Print writes c as a file that would set all of it, with what set each value as a comment behind those that are no
// defaults.
func Print(w io.Writer, c *Config, places *Places) error {
	n, err := nodeOf(reflect.ValueOf(*c), "", places)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	_, err = w.Write(out.Bytes())
	return err
}

// Tree is c in the levels of a file, for JSON.
func Tree(c *Config) (map[string]any, error) {
	n, err := nodeOf(reflect.ValueOf(*c), "", nil)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	err = n.Decode(&out)
	return out, err
}

// nodeOf is v, which stands under key, as YAML.
func nodeOf(v reflect.Value, key string, places *Places) (*yaml.Node, error) {
	switch t := v.Type(); {
	case t.Kind() == reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for i, name := range names(t) {
			below, err := nodeOf(v.Field(i), join(key, name), places)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, below)
		}
		return n, nil
	case isGroups(t):
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			below, err := nodeOf(v.Index(i), fmt.Sprintf("%s[%d]", key, i), places)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, below)
		}
		return n, nil
	}
	n := &yaml.Node{}
	value := v.Interface()
	if d, ok := value.(time.Duration); ok {
		value = duration(d)
	}
	if v.Kind() == reflect.Slice && v.Len() == 0 {
		value = []string{}
	}
	if err := n.Encode(value); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if n.Kind == yaml.SequenceNode {
		n.Style = yaml.FlowStyle
	}
	if places != nil {
		n.LineComment = places.exactly(key)
	}
	return n, nil
}
