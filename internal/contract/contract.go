// Package contract reads openapi.yaml for tests: which operations it describes, and whether a body or a whole response
// is as described. Schemas of OpenAPI 3.1 are JSON schemas, so that a validator of those is all it takes.
//
// It must not be imported but by tests, and it must not judge the description itself, which the end-to-end tests do
// with a library for OpenAPI.
package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// Contract is a description. It is safe for concurrent use.
type Contract struct {
	// Operations are all that are described, in order.
	Operations []*Operation
	// Tags are the descriptions of the sections.
	Tags map[string]string

	root map[string]any

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	answered map[string]bool // "METHOD PATH STATUS"
}

// Operation is one method of one path.
type Operation struct {
	Method, Path string
	Tags         []string
	// Request is the body's media by content type, nil where none is taken.
	Request map[string]Media
	// Responses are by status.
	Responses map[string]Response
}

// Name is the method and the path.
func (o *Operation) Name() string { return o.Method + " " + o.Path }

// Response is one described response.
type Response struct {
	Content map[string]Media
	// Required are the names of the headers that every such response has.
	Required []string
}

// Media is a body of one content type.
type Media struct {
	// Schema is the place of its schema in the description.
	Schema   string
	Examples map[string]Example
}

// Example is a body that is shown.
type Example struct {
	Summary string
	// Body is the example as it travels.
	Body string
}

// file is the name under which the validator knows the description.
const file = "contract:///openapi.json"

// Read returns the description in text, which is YAML.
func Read(text []byte) (*Contract, error) {
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	// Through JSON, whose values are those that a body can have.
	data, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	root, ok := doc.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("read the description: it is a %T", doc)
	}
	c := &Contract{root: root, compiler: jsonschema.NewCompiler(), answered: map[string]bool{}, Tags: map[string]string{}}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := c.compiler.AddResource(file, doc); err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	for _, tag := range listOf(root["tags"]) {
		t, _ := tag.(map[string]any)
		c.Tags[stringOf(t["name"])] = stringOf(t["description"])
	}
	return c, c.readOperations()
}

// place is an object of the description and where it stands, as a JSON pointer.
type place struct {
	pointer string
	object  map[string]any
}

// at is the object below p by its keys, with references followed; its object is nil where there is none.
func (c *Contract) at(p place, keys ...string) place {
	for i := 0; ; i++ {
		for ref := stringOf(p.object["$ref"]); ref != ""; ref = stringOf(p.object["$ref"]) {
			p = place{object: c.root}
			for _, key := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
				p = p.below(strings.NewReplacer("~1", "/", "~0", "~").Replace(key))
			}
		}
		if i == len(keys) {
			return p
		}
		p = p.below(keys[i])
	}
}

func (p place) below(key string) place {
	object, _ := p.object[key].(map[string]any)
	return place{p.pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key), object}
}

func (p place) keys() []string { return slices.Sorted(maps.Keys(p.object)) }

func listOf(v any) []any {
	l, _ := v.([]any)
	return l
}

func stringOf(v any) string {
	s, _ := v.(string)
	return s
}

func (c *Contract) readOperations() error {
	paths := c.at(place{object: c.root}, "paths")
	for _, path := range paths.keys() {
		item := c.at(paths, path)
		for _, method := range item.keys() {
			switch method {
			case "get", "post", "put", "patch", "delete":
			default:
				continue // what all methods of a path have in common
			}
			op := c.at(item, method)
			o := &Operation{Method: strings.ToUpper(method), Path: path, Responses: map[string]Response{}}
			for _, tag := range listOf(op.object["tags"]) {
				o.Tags = append(o.Tags, stringOf(tag))
			}
			var err error
			if o.Request, err = c.readContent(c.at(op, "requestBody")); err != nil {
				return fmt.Errorf("%s: request: %w", o.Name(), err)
			}
			responses := c.at(op, "responses")
			for _, status := range responses.keys() {
				if o.Responses[status], err = c.readResponse(c.at(responses, status)); err != nil {
					return fmt.Errorf("%s: response %s: %w", o.Name(), status, err)
				}
			}
			c.Operations = append(c.Operations, o)
		}
	}
	return nil
}

func (c *Contract) readResponse(p place) (r Response, err error) {
	headers := c.at(p, "headers")
	for _, name := range headers.keys() {
		if required, _ := c.at(headers, name).object["required"].(bool); required {
			r.Required = append(r.Required, name)
		}
	}
	r.Content, err = c.readContent(p)
	return r, err
}

func (c *Contract) readContent(p place) (map[string]Media, error) {
	content := c.at(p, "content")
	if content.object == nil {
		return nil, nil
	}
	out := map[string]Media{}
	for _, kind := range content.keys() {
		m := Media{Examples: map[string]Example{}}
		media := c.at(content, kind)
		if schema := c.at(media, "schema"); schema.object != nil {
			m.Schema = schema.pointer
		}
		examples := c.at(media, "examples")
		for _, name := range examples.keys() {
			object := c.at(examples, name).object
			body := stringOf(object["value"])
			if _, plain := object["value"].(string); !plain {
				data, err := json.Marshal(object["value"])
				if err != nil {
					return nil, fmt.Errorf("example %s: %w", name, err)
				}
				body = string(data)
			}
			m.Examples[name] = Example{Summary: stringOf(object["summary"]), Body: body}
		}
		out[kind] = m
	}
	return out, nil
}

// Properties are the names of the members that a schema of the components describes by itself.
func (c *Contract) Properties(schema string) []string {
	return c.at(place{object: c.root}, "components", "schemas", schema, "properties").keys()
}

// Check holds JSON against a schema of the components.
func (c *Contract) Check(schema string, body []byte) error {
	return c.CheckAt("/components/schemas/"+schema, body)
}

// CheckAt holds JSON against the schema at a place of the description.
func (c *Contract) CheckAt(pointer string, body []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.compiler.Compile(file + "#" + (&url.URL{Path: pointer}).EscapedPath())
	if err != nil {
		return fmt.Errorf("schema %s: %w", pointer, err)
	}
	return s.Validate(value)
}

// Operation is what is described of a method and a path as requested; nil for nothing.
func (c *Contract) Operation(method, path string) *Operation {
	var found *Operation
	for _, o := range c.Operations {
		// Of two that fit, the one with more plain words is meant.
		if o.Method == method && fits(o.Path, path) && (found == nil || strings.Count(o.Path, "{") < strings.Count(found.Path, "{")) {
			found = o
		}
	}
	return found
}

// fits says whether path is one of a template's.
func fits(template, path string) bool {
	if template == path {
		return true
	}
	want, have := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i, w := range want {
		if !strings.HasPrefix(w, "{") && w != have[i] || have[i] == "" && i > 0 {
			return false
		}
	}
	return true
}

// Note counts a status as one that an operation was seen to answer with, and fails where that is not described. It
// returns what is.
func (c *Contract) Note(method, path string, status int) (Response, error) {
	o := c.Operation(method, path)
	if o == nil {
		return Response{}, fmt.Errorf("%s %s is not described", method, path)
	}
	code := fmt.Sprint(status)
	r, ok := o.Responses[code]
	if !ok {
		return Response{}, fmt.Errorf("%s: status %s is not described", o.Name(), code)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered[o.Name()+" "+code] = true
	return r, nil
}

// CheckResponse holds a whole response against its description: status, required headers, content type and, where that
// is JSON, body.
func (c *Contract) CheckResponse(method, path string, status int, header http.Header, body []byte) error {
	r, err := c.Note(method, path, status)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s %s, status %d", method, path, status)
	for _, h := range r.Required {
		if header.Get(h) == "" {
			return fmt.Errorf("%s: the header %s is missing", name, h)
		}
	}
	if len(r.Content) == 0 {
		if len(body) > 0 {
			return fmt.Errorf("%s: a body of %d bytes is not described", name, len(body))
		}
		return nil
	}
	kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	media, ok := r.Content[kind]
	if !ok {
		return fmt.Errorf("%s: the content type %q is not described", name, kind)
	}
	if media.Schema == "" || kind != "application/json" {
		return nil
	}
	if err := c.CheckAt(media.Schema, body); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Unanswered are the operations and statuses that are described and that nobody was seen to answer with, as "METHOD
// PATH STATUS".
func (c *Contract) Unanswered() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, o := range c.Operations {
		for code := range o.Responses {
			if key := o.Name() + " " + code; !c.answered[key] {
				out = append(out, key)
			}
		}
	}
	slices.Sort(out)
	return out
}
