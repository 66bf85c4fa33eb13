package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"
)

// operations calls visit for each operation of the description.
func operations(c *contract, visit func(method, path string, op *v3.Operation)) {
	for path, item := range c.model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			visit(strings.ToUpper(method), path, op)
		}
	}
}

func TestEveryOperationShowsWhatItTakesAndWhatItGives(t *testing.T) {
	c := apiContract(t)
	operations(c, func(method, path string, op *v3.Operation) {
		name := method + " " + path
		if len(op.Tags) != 1 {
			t.Errorf("%s stands in %d sections", name, len(op.Tags))
		}
		if op.RequestBody != nil {
			for kind, media := range op.RequestBody.Content.FromOldest() {
				checkExamples(t, c, name+", request", path, kind, media)
			}
		}
		shown := 0
		for status, response := range op.Responses.Codes.FromOldest() {
			for kind, media := range response.Content.FromOldest() {
				checkExamples(t, c, name+", "+status, path, kind, media)
				shown++
			}
		}
		if shown == 0 {
			t.Errorf("%s shows no response", name)
		}
	})
}

// checkExamples wants examples of a body, each of them as its schema says.
func checkExamples(t *testing.T, c *contract, name, path, kind string, media *v3.MediaType) {
	t.Helper()
	if orderedmap.Len(media.Examples) == 0 {
		t.Errorf("%s: %s has no example", name, kind)
		return
	}
	for key, example := range media.Examples.FromOldest() {
		text := exampleText(t, example)
		switch {
		case example.Summary == "":
			t.Errorf("%s: example %s has no summary", name, key)
		case kind == "application/json":
			c.mu.Lock()
			if ok, errs := c.schema.ValidateSchemaString(media.Schema.Schema(), text); !ok {
				t.Errorf("%s: example %s does not fit: %v\n%s", name, key, errs, text)
			}
			c.mu.Unlock()
		case kind == "text/event-stream":
			resp := &http.Response{Header: http.Header{"Content-Type": {kind}}}
			req, err := http.NewRequest(http.MethodPost, path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			c.response(t, req, resp, []byte(text))
		}
	}
}

// exampleText is an example as it travels: a text as it is, everything else as JSON.
func exampleText(t *testing.T, e *base.Example) string {
	t.Helper()
	var v any
	if err := e.Value.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheServerTakesEveryRequestThatIsShown(t *testing.T) {
	s := newSite(t, nil)
	asked := 0
	operations(s.check, func(method, path string, op *v3.Operation) {
		if op.RequestBody == nil {
			return
		}
		for _, media := range op.RequestBody.Content.FromOldest() {
			for key, example := range media.Examples.FromOldest() {
				asked++
				body := exampleText(t, example)
				if got := s.post(path, body); got.status != http.StatusOK {
					t.Errorf("%s %s, %s: status %d: %s", method, path, key, got.status, got.body)
				}
			}
		}
	})
	if asked < 15 {
		t.Errorf("%d requests are shown", asked)
	}
}

func TestEverySectionIsIntroduced(t *testing.T) {
	c := apiContract(t)
	introduced := map[string]bool{}
	for _, tag := range c.model.Tags {
		if introduced[tag.Name] = true; len(tag.Description) < 60 {
			t.Errorf("section %s: %q", tag.Name, tag.Description)
		}
	}
	operations(c, func(method, path string, op *v3.Operation) {
		for _, tag := range op.Tags {
			if !introduced[tag] {
				t.Errorf("%s %s stands in the section %s, which is not introduced", method, path, tag)
			}
		}
	})
}
