package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestFaultsSayWhichLineWhichKeyAndWhatWasMeant(t *testing.T) {
	keyHash := strings.Repeat("ab", 32)
	for file, want := range map[string]string{
		"# first\nlissten: x\n":                          `yaml:2: unknown key lissten: did you mean listen?`,
		"log:\n  lvel: debug\n":                          `yaml:2: unknown key log.lvel: did you mean log.level?`,
		"max_pixels: 5\n":                                `yaml:1: unknown key max_pixels: there is media.max_pixels`,
		"log:\n  level: loud\n":                          `yaml:2: log.level must be one of debug, info, warn, error, not "loud"`,
		"listen: 127.0.0.1:1\nlimits:\n  images: many\n": `yaml:3: limits.images must be a whole number, not "many"`,
		"limits:\n  images: 1.5\n":                       `yaml:2: limits.images must be a whole number, not "1.5"`,
		"limits: 5\n":                                    `yaml:1: limits must have keys of its own (max_concurrent, `,
		"- a\n":                                          `yaml:1: the file must have keys of its own`,
		"listen: [a]\n":                                  `yaml:1: listen must be a text, not a list`,
		"shutdown_timeout: 30\n":                         `yaml:1: shutdown_timeout must be a time with its unit, such as 30s or 5m, not "30"`,
		"media:\n  fetch: perhaps\n":                     `yaml:2: media.fetch must be true or false, not "perhaps"`,
		"models:\n  id: a\n":                             `yaml:2: models must be a list, not a group of keys`,
		"models:\n  - id: a\n    instruct:\n      modell: x\n":                           `yaml:4: unknown key models[0].instruct.modell: did you mean models[0].instruct.model?`,
		"models:\n  - id: a\n    instruct: {model: x}\n    engine:\n      threads: -1\n": `yaml:5: models[0].engine.threads must be at least 0, not -1`,
		"models:\n  - id: a b\n    instruct: {model: x}\n":                               `yaml:2: models[0].id must be a name`,
		"models:\n  - id: a\n": `yaml:2: models[0] needs instruct.model or thinking.model`,
		"keys:\n  - name: a\n    sha256: " + keyHash + "\n  - name: a\n    sha256: " + keyHash + "\n": `yaml:4: keys[1].name must be a name that no other key has`,
		"listen: 127.0.0.1:1\nLISTEN: 127.0.0.1:2\n":                                                  `yaml:2: listen is given twice, first on line 1`,

		"log:\n\tlevel: debug\n":        `yaml:2: not valid YAML: found character that cannot start any token (YAML is indented with spaces, and this line with a tab)`,
		"listen: [\n":                   `: not valid YAML: `,
		"models: [&a {<<: *a}]\n":       `yaml:1: models[0] merges itself`,
		"log: {<<: [x]}\n":              `yaml:1: log: << must name a group of keys, or a list of such groups, not "x"`,
		"limits: {images: !!int x}\n":   `yaml:1: limits.images: cannot decode`,
		"x: &a {lvel: info}\nlog: *a\n": `yaml:1: unknown key log.lvel: did you mean log.level?`,
	} {
		_, err := load(t, file)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n%v\nwant %s", file, err, want)
		}
	}
}

func TestEveryFaultHasALineOfItsOwn(t *testing.T) {
	_, err := load(t, "lisst: x\nlog: {level: 5, form: json}\nlimits: {images: many}\n")
	if err == nil || strings.Count(err.Error(), "\n") != 2 || strings.Count(err.Error(), "qwenvld.yaml:") != 3 {
		t.Errorf("%v", err)
	}
}

func TestFaultsOfFlagsAndVariablesNameThem(t *testing.T) {
	if _, err := load(t, "listen: 127.0.0.1:1\n", "--listen", "nowhere"); err == nil || !strings.HasPrefix(err.Error(), "flag --listen: listen must be host:port") {
		t.Errorf("%v", err)
	}
	t.Setenv("QWENVLD_LOG_LEVEL", "loud")
	if _, err := load(t, ""); err == nil || !strings.HasPrefix(err.Error(), "environment variable QWENVLD_LOG_LEVEL: log.level must be one of") {
		t.Errorf("%v", err)
	}
}

func TestUnknownVariablesAreErrors(t *testing.T) {
	for entry, want := range map[string]string{
		"QWENVLD_LISTENN=x":               "environment variable QWENVLD_LISTENN sets nothing: did you mean QWENVLD_LISTEN?",
		"QWENVLD_MAX_PIXELS=5":            "did you mean QWENVLD_MEDIA_MAX_PIXELS?",
		"QWENVLD_MODELS_0_ID=x":           "models is set as a whole, as JSON in QWENVLD_MODELS",
		"QWENVLD_KEYS=x":                  "environment variable QWENVLD_KEYS:1: keys must be a list",
		"QWENVLD_KEYS_FILE=/no/such":      "environment variable QWENVLD_KEYS_FILE: open /no/such",
		"QWENVLD_QUIBBLE=":                "docs/CONFIGURATION.md has the keys",
		"QWENVLD_LIMITS_IMAGES=many":      `environment variable QWENVLD_LIMITS_IMAGES must be a whole number, not "many"`,
		"QWENVLD_SHUTDOWN_TIMEOUT=30":     `QWENVLD_SHUTDOWN_TIMEOUT must be a time with its unit`,
		"QWENVLD_MEDIA_ALLOWED_HOSTS=a,b": "", "QWENVLD_LISTEN=": "", "QWENVLD_URL=x": "", "PATH=/bin": "",
		// What Kubernetes says of a service that is called qwenvld.
		"QWENVLD_PORT=tcp://10.0.0.1:8080": "", "QWENVLD_SERVICE_HOST=10.0.0.1": "", "QWENVLD_SERVICE_PORT=8080": "",
		"QWENVLD_SERVICE_PORT_HTTP=8080": "", "QWENVLD_PORT_8080_TCP=tcp://10.0.0.1:8080": "", "QWENVLD_PORT_8080_TCP_ADDR=10.0.0.1": "",
		"QWENVLD_WEB_PORT_80_TCP_PROTO=tcp": "",
		"QWENVLD_PORT=8080":                 "environment variable QWENVLD_PORT sets nothing",
	} {
		flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
		AddFlags(flags)
		_, err := Load(flags, []string{entry})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", entry, err, want)
		}
	}
	t.Setenv("QWENVLD_LISTENN", "x")
	if _, err := load(t, ""); err == nil || !strings.Contains(err.Error(), "QWENVLD_LISTENN") {
		t.Errorf("%v", err)
	}
}

func TestAddresses(t *testing.T) {
	for listen, want := range map[string][2]string{
		"127.0.0.1:8080": {"tcp", "127.0.0.1:8080"}, "[::]:0": {"tcp", "[::]:0"}, ":80": {"tcp", ":80"}, "unix:/run/q.sock": {"unix", "/run/q.sock"},
		"unix:": {}, "unix:q.sock": {}, "8080": {}, "a b:1": {}, "::1:80": {}, "h:65536": {},
	} {
		c := Default()
		c.Listen = listen
		if err := c.Validate(); (err == nil) != (want[0] != "") {
			t.Errorf("%s: %v", listen, err)
		}
		if network, address := c.Network(); want[0] != "" && (network != want[0] || address != want[1]) {
			t.Errorf("%s: %s, %s", listen, network, address)
		}
	}
}

func TestAnchorsMergesCapitalsAndEmptyValues(t *testing.T) {
	c, err := load(t, `
Listen: 127.0.0.1:9
log:
models:
  - id: a
    instruct: &w {model: x, projector: y}
    thinking: {<<: *w, model: z}
    engine: {threads: "2"}
`)
	if err != nil {
		t.Fatal(err)
	}
	if m := c.Models[0]; c.Listen != "127.0.0.1:9" || c.Log.Level != "info" || filepath.Base(m.Thinking.Projector) != "y" || m.Engine.Threads != 2 {
		t.Errorf("%+v", c)
	}
}

// FuzzFile: what the check of a file lets through can be decoded.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		"", "listen: x", "log: {level: info}", "models: [{id: a, engine: {threads: 1}}]", "a: &a [*a]", "limits: {images: 0x10, body_bytes: 1_000}",
		"media: {fetch: yes, allowed_hosts: a, fetch_timeout: 0}", "router: {quality: 1e1, rerun: {on: [a, 1, null]}}", "? [a]\n: b", "keys: [null, {name: ~}]",
		"log: {<<: {level: x}}", "log: {<<}", "listen: !!binary a", "limits: {images: !!int x}", "!!int listen: x", "log: !!null x", "!!str {listen: x}", "log: !!int {level: x}", "log: {<<: x}", "log: {<<: [{level: x}, [{format: x}]]}", "keys: &k [{name: a}]\nlog: {<<: *k}", "listen: !!binary aGk=", "limits: {images: 2001-01-01}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readFile(name); err != nil {
			return
		}
		if _, err := decode(nil, name, nil); err != nil {
			t.Errorf("checked, and yet: %v", err)
		}
	})
}

func TestListsOfGroupsComeFromVariablesAndFlagsToo(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	secret := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(secret, []byte(`[{"name": "secret", "sha256": "`+hash+`"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	const file = "keys: [{name: file, sha256: zz}]\nmodels: [{id: file, pull: x}]\n"
	t.Setenv("QWENVLD_KEYS_FILE", secret)
	t.Setenv("QWENVLD_MODELS", `[{"id": "env", "pull": "x", "engine": {"threads": 3}}]`)
	c, err := load(t, file)
	if err != nil || len(c.Keys) != 1 || c.Keys[0].Name != "secret" || len(c.Models) != 1 || c.Models[0].ID != "env" || c.Models[0].Engine.Threads != 3 {
		t.Fatalf("%+v, %v", c, err)
	}
	c, err = load(t, file, "--set", `models=[{"id": "flag", "pull": "x"}]`, "--set", "limits.images=3", "--set", "media.fetch_timeout=3s", "--set", "LOG.level=warn")
	if err != nil || c.Models[0].ID != "flag" || c.Limits.Images != 3 || c.Media.FetchTimeout.Seconds() != 3 || c.Log.Level != "warn" {
		t.Fatalf("%+v, %v", c, err)
	}
	for set, want := range map[string]string{
		"limits.imgs=3":                       "flag --set limits.imgs: there is no key limits.imgs",
		"limits.images=many":                  `flag --set limits.images must be a whole number, not "many"`,
		"limits.images":                       `flag --set: must be KEY=VALUE, not "limits.images"`,
		"limits.images=0":                     "flag --set limits.images: limits.images must be at least 1, not 0",
		"limits=3":                            "there is no key limits",
		`models=[{"id": "a", "modell": 1}]`:   "flag --set models:1: unknown key models[0].modell",
		"models=[{":                           "flag --set models:1: not valid YAML",
		`models=[{"id": "a b", "pull": "x"}]`: "flag --set models:1: models[0].id must be a name",
	} {
		if _, err := load(t, "", "--set", set); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", set, err, want)
		}
	}
	t.Setenv("QWENVLD_KEYS", "[]")
	if _, err := load(t, ""); err == nil || !strings.Contains(err.Error(), "give one of them") {
		t.Errorf("%v", err)
	}
}

func TestPlacesTellWhereEachValueComesFrom(t *testing.T) {
	name := filepath.Join(t.TempDir(), "q.yaml")
	if err := os.WriteFile(name, []byte("log: {level: warn}\nlimits:\n  images: 2\nkeys: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags)
	if err := flags.Parse([]string{"--config", name, "--set", "public=true", "--listen", "127.0.0.1:9"}); err != nil {
		t.Fatal(err)
	}
	_, places, err := Trace(flags, []string{"QWENVLD_LOG_LEVEL=info", `QWENVLD_MODELS=[{id: a, pull: x}]`})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"listen": "flag --listen", "public": "flag --set public", "log.level": "environment variable QWENVLD_LOG_LEVEL",
		"limits.images": name + ":3", "models[0].id": "environment variable QWENVLD_MODELS:1", "media.fetch": "", "keys": name + ":4",
	} {
		if got := places.Of(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if places.File() != name {
		t.Error(places.File())
	}
}
