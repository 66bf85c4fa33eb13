package contract

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const described = `
openapi: 3.1.0
tags:
  - {name: pets, description: All about pets.}
paths:
  /pets/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get:
      tags: [pets]
      responses:
        '200':
          headers:
            X-Id: {$ref: '#/components/headers/Id'}
            X-Maybe: {schema: {type: string}}
          content:
            application/json: {schema: {$ref: '#/components/schemas/Pet'}, examples: {tom: {$ref: '#/components/examples/Tom'}}}
        '404': {$ref: '#/components/responses/Error'}
    delete:
      responses:
        '204': {description: gone}
  /pets/new:
    post:
      requestBody:
        content:
          application/json: {schema: {type: object}, examples: {empty: {summary: nothing, value: {}}}}
      responses:
        '200': {content: {text/plain: {schema: {type: string}}}}
components:
  headers:
    Id: {required: true, schema: {type: string}}
  schemas:
    Pet:
      type: object
      required: [name]
      properties: {name: {type: string}, parent: {$ref: '#/components/schemas/Pet'}}
  responses:
    Error: {content: {application/json: {schema: {type: object, required: [error]}}}}
  examples:
    Tom: {summary: a cat, value: {name: Tom}}
`

func read(t *testing.T) *Contract {
	t.Helper()
	c, err := Read([]byte(described))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOperationsAreReadWithWhatTheyReferTo(t *testing.T) {
	c := read(t)
	const content = "application/json"
	want := []*Operation{
		{Method: "POST", Path: "/pets/new", Request: map[string]Media{content: {
			Schema:   "/paths/~1pets~1new/post/requestBody/content/application~1json/schema",
			Examples: map[string]Example{"empty": {Summary: "nothing", Body: "{}"}},
		}}, Responses: map[string]Response{"200": {Content: map[string]Media{"text/plain": {
			Schema: "/paths/~1pets~1new/post/responses/200/content/text~1plain/schema", Examples: map[string]Example{},
		}}}}},
		{Method: "DELETE", Path: "/pets/{id}", Responses: map[string]Response{"204": {}}},
		{Method: "GET", Path: "/pets/{id}", Tags: []string{"pets"}, Responses: map[string]Response{
			"200": {Required: []string{"X-Id"}, Content: map[string]Media{content: {
				Schema: "/components/schemas/Pet", Examples: map[string]Example{"tom": {Summary: "a cat", Body: `{"name":"Tom"}`}},
			}}},
			"404": {Content: map[string]Media{content: {
				Schema: "/components/responses/Error/content/application~1json/schema", Examples: map[string]Example{},
			}}},
		}},
	}
	if diff := cmp.Diff(want, c.Operations); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"name", "parent"}, c.Properties("Pet")); diff != "" {
		t.Error(diff)
	}
	if c.Tags["pets"] != "All about pets." {
		t.Errorf("%v", c.Tags)
	}
}

func TestAResponseIsHeldAgainstItsDescription(t *testing.T) {
	c := read(t)
	header := func(kind string) http.Header { return http.Header{"Content-Type": {kind}, "X-Id": {"1"}} }
	for _, tc := range []struct {
		name, method, path string
		status             int
		header             http.Header
		body, fault        string
	}{
		{"as described", "GET", "/pets/tom", 200, header("application/json"), `{"name":"Tom","parent":{"name":"x"}}`, ""},
		{"with parameters of the type", "GET", "/pets/tom", 200, header("application/json; charset=utf-8"), `{"name":"Tom"}`, ""},
		{"another response", "GET", "/pets/tom", 404, header("application/json"), `{"error":1}`, ""},
		{"text", "POST", "/pets/new", 200, header("text/plain"), `anything`, ""},
		{"nothing", "DELETE", "/pets/new", 204, header(""), "", ""},
		{"path", "GET", "/cats", 200, header("application/json"), `{}`, "is not described"},
		{"empty parameter", "GET", "/pets/", 200, header("application/json"), `{}`, "is not described"},
		{"method", "PUT", "/pets/tom", 200, header("application/json"), `{}`, "is not described"},
		{"status", "GET", "/pets/tom", 500, header("application/json"), `{}`, "status 500 is not described"},
		{"content type", "GET", "/pets/tom", 200, header("text/html"), `{}`, `"text/html" is not described`},
		{"header", "GET", "/pets/tom", 200, http.Header{"Content-Type": {"application/json"}}, `{"name":"x"}`, "X-Id is missing"},
		{"body", "GET", "/pets/tom", 200, header("application/json"), `{"name":"x","parent":{"name":1}}`, "/parent/name"},
		{"no JSON", "GET", "/pets/tom", 200, header("application/json"), `{`, "not JSON"},
		{"a body that is not described", "DELETE", "/pets/tom", 204, header("text/plain"), `x`, "a body of 1 bytes"},
	} {
		err := c.CheckResponse(tc.method, tc.path, tc.status, tc.header, []byte(tc.body))
		if tc.fault == "" && err != nil || tc.fault != "" && (err == nil || !strings.Contains(err.Error(), tc.fault)) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestWhatNobodyAnsweredIsTold(t *testing.T) {
	c := read(t)
	if _, err := c.Note("GET", "/pets/x", 404); err != nil {
		t.Fatal(err)
	}
	want := []string{"DELETE /pets/{id} 204", "GET /pets/{id} 200", "POST /pets/new 200"}
	if diff := cmp.Diff(want, c.Unanswered()); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNoDescriptionIsRefused(t *testing.T) {
	for _, text := range []string{"", "[]", "a: [", "1"} {
		if c, err := Read([]byte(text)); err == nil && len(c.Operations) > 0 {
			t.Errorf("%q is taken", text)
		}
	}
	if err := read(t).Check("NoSuch", []byte("{}")); err == nil {
		t.Error("a schema that does not exist holds")
	}
}
