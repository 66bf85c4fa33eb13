package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func example(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestTheExampleHasEveryKeyWithItsDefault also keeps docs/CONFIGURATION.md complete.
func TestTheExampleHasEveryKeyWithItsDefault(t *testing.T) {
	c, err := load(t, string(example(t)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), *c, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the example is not the defaults: %s", diff)
	}
	name := filepath.Join(t.TempDir(), "all.yaml")
	if err := os.WriteFile(name, uncomment(example(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := readFile(name)
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../docs/CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range allKeys() {
		if f.lines[strings.ReplaceAll(key, "[]", "[0]")] == 0 {
			t.Errorf("config.example.yaml lacks %s", key)
		}
		if last := key[strings.LastIndex(key, ".")+1:]; !bytes.Contains(docs, []byte("`"+key+"`")) && !bytes.Contains(docs, []byte("`."+last+"`")) {
			t.Errorf("docs/CONFIGURATION.md lacks %s", key)
		}
	}
}

func TestTheSchemaThatIsKeptIsThatOfTheConfiguration(t *testing.T) {
	want, err := Schema(example(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("../config.schema.json"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("config.schema.json is not what `qwenvld config schema` prints (%v)", err)
	}
}

func TestTheSchemaTakesTheExampleAndRefusesMistakes(t *testing.T) {
	text, err := Schema(example(t))
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("config.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	for text, good := range map[string]bool{
		string(example(t)): true, string(uncomment(example(t))): true, "{}": true, "log:": true, "media: {allowed_hosts: 'a,b'}": true,
		"listenn: x": false, "log: {level: loud}": false, "limits: {images: many}": false, "shutdown_timeout: 30": false,
		"router: {rerun: {on: [form, mood]}}": false, "models: [{id: a, instruct: {modell: x}}]": false, "models: {id: a}": false,
	} {
		var value any
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); (err == nil) != good {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

func TestEveryKeyOfTheSchemaIsExplained(t *testing.T) {
	about := map[string]string{}
	for _, text := range [][]byte{example(t), uncomment(example(t))} {
		var document yaml.Node
		if err := yaml.Unmarshal(text, &document); err != nil {
			t.Fatal(err)
		}
		describeKeys(document.Content[0], "", about)
	}
	for _, key := range allKeys() {
		if about[key] == "" {
			t.Errorf("the example says nothing about %s", key)
		}
	}
	if s := schemaOf(reflect.ValueOf(Default()), "", about); s["properties"].(map[string]any)["listen"].(map[string]any)["default"] != "127.0.0.1:8080" {
		t.Errorf("%v", s)
	}
}
