package deployment

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v4"
)

// document is a manifest, as far as it is looked at.
type document struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
}

// The configurations that manifests hold are ones that the daemon takes.
func TestConfigurationsOfManifests(t *testing.T) {
	binary, err := filepath.Abs(filepath.Join(root, "bin", "qwenvld"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Skip("bin/qwenvld is not there: make build")
	}
	found := 0
	for _, file := range []string{"qwenvld.yaml", "weights.yaml"} {
		data, err := os.ReadFile(filepath.Join(root, "deploy", "kubernetes", file))
		if err != nil {
			t.Fatal(err)
		}
		for d := range documents(t, data) {
			text, ok := d.Data["qwenvld.yaml"]
			if d.Kind != "ConfigMap" || !ok {
				continue
			}
			found++
			path := filepath.Join(t.TempDir(), "qwenvld.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), binary, "config", "check", "--config", path).CombinedOutput(); err != nil {
				t.Errorf("%s, %s: %v\n%s", file, d.Metadata.Name, err, out)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d configurations, want 2", found)
	}
}

func documents(t *testing.T, data []byte) func(yield func(document) bool) {
	return func(yield func(document) bool) {
		for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
			var d document
			if err := dec.Decode(&d); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
			if !yield(d) {
				return
			}
		}
	}
}
