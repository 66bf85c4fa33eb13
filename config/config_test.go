package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// load writes file, if any, and loads with args.
func load(t *testing.T, file string, args ...string) (*Config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags)
	if file != "" {
		path := filepath.Join(t.TempDir(), "qwenvld.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Load(flags, os.Environ())
}

func TestNothingGivenMeansTheDefaults(t *testing.T) {
	c, err := load(t, "")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Media.AllowedHosts = c.Media.AllowedHosts // nil or empty
	if diff := cmp.Diff(want, *c); diff != "" || len(c.Media.AllowedHosts) > 0 {
		t.Error(diff)
	}
}

func TestFlagsBeatEnvironmentBeatsFile(t *testing.T) {
	const file = "listen: 127.0.0.1:1\nlog: {level: warn, format: json}\nmedia: {max_pixels: 5000}\n"
	t.Setenv("QWENVLD_LISTEN", "127.0.0.1:2")
	t.Setenv("QWENVLD_LOG_LEVEL", "error")
	t.Setenv("QWENVLD_MEDIA_FETCH", "false")
	t.Setenv("QWENVLD_MEDIA_ALLOWED_HOSTS", "a,b:81")
	t.Setenv("QWENVLD_SHUTDOWN_TIMEOUT", "5s")
	c, err := load(t, file, "--listen", "127.0.0.1:3")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Listen, want.Log = "127.0.0.1:3", Log{"error", "json"}
	want.Media.MaxPixels, want.Media.Fetch, want.Media.AllowedHosts = 5000, false, []string{"a", "b:81"}
	want.ShutdownTimeout = 5 * time.Second
	if diff := cmp.Diff(want, *c); diff != "" {
		t.Error(diff)
	}
}

func TestEnvironmentCanNameTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("listen: 127.0.0.1:9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("QWENVLD_CONFIG", path)
	if c, err := load(t, ""); err != nil || c.Listen != "127.0.0.1:9" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestSpeculationIsAWordOrANumber(t *testing.T) {
	file := func(value string) string {
		return "models: [{id: m, instruct: {model: i.gguf}, engine: {" + value + "}}]\n"
	}
	for value, want := range map[string]int{"": 0, "speculation: auto": 0, "speculation: off": -1, `speculation: "off"`: -1, "speculation: 7": 7} {
		if c, err := load(t, file(value)); err != nil || c.Models[0].Engine.Speculation.Most() != want {
			t.Errorf("%q: %v", value, err)
		}
	}
	for _, value := range []string{"speculation: 0", "speculation: -1", "speculation: 64", "speculation: some", "speculation: 1.5"} {
		if _, err := load(t, file(value)); err == nil || !strings.Contains(err.Error(), "auto, off or a number of tokens from 1 to 63") {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestAFolderOfRowsIsAWordOrAPath(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "vision_folder: auto": "auto", "vision_folder: off": "off", "vision_folder: /rows": "/rows", "vision_folder: rows": "*/rows",
	} {
		c, err := load(t, "models: [{id: m, instruct: {model: i.gguf}, engine: {"+value+"}}]\n")
		if err != nil {
			t.Fatal(err)
		}
		got := c.Models[0].Engine.VisionFolder
		if base, ok := strings.CutPrefix(want, "*/"); ok && filepath.IsAbs(got) && filepath.Base(got) == base {
			continue
		}
		if got != want {
			t.Errorf("%q: %q", value, got)
		}
	}
	if _, err := load(t, "models: [{id: m, instruct: {model: i.gguf}, engine: {vision_folder_bytes: -1}}]\n"); err == nil {
		t.Error("a folder of fewer than no bytes")
	}
}

func TestModelPathsAreRelativeToTheFile(t *testing.T) {
	c, err := load(t, `
models:
  - id: Qwen3.VL-8B
    instruct: {model: i.gguf, projector: sub/p.gguf}
    thinking: {model: /abs/t.gguf}
    engine: {context_size: 4096, cache_type: q8_0, gpu_layers: -1}
`)
	if err != nil {
		t.Fatal(err)
	}
	m := c.Models[0]
	if m.ID != "Qwen3.VL-8B" || !filepath.IsAbs(m.Instruct.Model) || filepath.Base(filepath.Dir(m.Instruct.Projector)) != "sub" ||
		m.Thinking.Model != "/abs/t.gguf" || m.Thinking.Projector != "" || m.Engine.GPULayers.Number() != -1 {
		t.Errorf("%+v", m)
	}
}

func TestFaultsNameTheirKey(t *testing.T) {
	cases := map[string]string{
		"lissten: x": "lissten", "log: {depth: x}": "depth", "models: [{id: a, instruct: {modell: x}}]": "modell",
		"listen: 8080": "listen", "listen: 127.0.0.1:99999": "listen", "log: {level: loud}": "log.level",
		"limits: {max_concurrent: 0}": "limits.max_concurrent", "limits: {images: many}": "images",
		"media: {min_pixels: 10, max_pixels: 5}":                                 "media.min_pixels",
		"unknown_parameters: warn":                                               "unknown_parameters",
		"reasoning_field: thoughts":                                              "reasoning_field",
		"models: [{id: a, pull: x, thinking: {model: x}}]":                       "models[0].pull",
		"models: [{id: a}]":                                                      "models[0]",
		"models: [{id: auto, instruct: {model: x}}]":                             "models[0].id",
		"models: [{id: a b, instruct: {model: x}}]":                              "models[0].id",
		"models: [{id: a, instruct: {model: x}}, {id: a, thinking: {model: x}}]": "models[1].id",
		"models: [{id: a, pull: x}, {id: a-thinking, pull: x}]":                  "models[1].id",
		"models: [{id: a-instruct, pull: x}, {id: a, pull: x}]":                  "models[1].id",
		"models: [{id: a, pull: x, residency: sometimes}]":                       "models[0].residency",
		"models: [{id: a, pull: x, keep_alive: soon}]":                           "models[0].keep_alive",
		"memory_budget: lots":                                                    "memory_budget",
		"memory_budget: 0":                                                       "memory_budget",
		"limits: {load_timeout: -1s}":                                            "limits.load_timeout",
		"models: [{id: a, instruct: {model: x}, engine: {cache_type: q2}}]":      "models[0].engine.cache_type",
		"models: [{id: a, instruct: {model: x}, engine: {threads: -1}}]":         "models[0].engine.threads",
		"models: [{id: a, instruct: {model: x}, thinking: {projector: x}}]":      "models[0].thinking.projector",
		"a: [": "yaml",
	}
	for file, key := range cases {
		if _, err := load(t, file); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v, want it to name %s", file, err, key)
		}
	}
	if _, err := load(t, "", "--config", "/no/such/file.yaml"); err == nil || !strings.Contains(err.Error(), "/no/such/file.yaml") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	_, err := load(t, "listen: x\nlog: {level: y}\n")
	if err == nil || !strings.Contains(err.Error(), "listen") || !strings.Contains(err.Error(), "log.level") {
		t.Errorf("%v", err)
	}
}

func TestKeysAndCertificate(t *testing.T) {
	keyHash := strings.Repeat("ab", 32)
	c, err := load(t, "keys:\n  - {name: alice, sha256: "+keyHash+", tokens_per_minute: 100}\ntls: {certificate: c.pem, key: k.pem}\ncors: {allowed_origins: [https://a.example]}\nmetrics: {public: true}\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Keys) != 1 || c.Keys[0].SHA256 != keyHash || c.Keys[0].TokensPerMinute != 100 || !filepath.IsAbs(c.TLS.Certificate) || len(c.CORS.AllowedOrigins) != 1 || !c.Metrics.Public {
		t.Errorf("%+v", c)
	}
	for file, key := range map[string]string{
		"keys: [{name: a, sha256: zz}]":                                                  "keys[0].sha256",
		"keys: [{sha256: " + keyHash + "}]":                                              "keys[0].name",
		"keys: [{name: a, sha256: " + keyHash + "}, {name: a, sha256: " + keyHash + "}]": "keys[1].name",
		"keys: [{name: a, sha256: " + keyHash + ", concurrent: -1}]":                     "keys[0].concurrent",
		"listen: unix:/q.sock\ntls: {certificate: c.pem, key: k.pem}\n":                  "tls",
		"tls: {certificate: c.pem}":                                                      "tls",
	} {
		if _, err := load(t, file); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", file, err)
		}
	}
}
