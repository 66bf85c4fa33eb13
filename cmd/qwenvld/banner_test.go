package main

import (
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/residence"
)

func TestTheBannerTellsANewcomerWhatToDo(t *testing.T) {
	for name, tc := range map[string]struct {
		d    daemon
		want string
	}{
		"built-in pair": {
			daemon{config: &config.Config{}, url: "http://127.0.0.1:80"},
			`m is ready at http://127.0.0.1:80 (open it in a browser), described at /docs
ask    ./q ask --url http://127.0.0.1:80 "Hello, who are you?"
or     curl -s http://127.0.0.1:80/v1/chat/completions -H 'Content-Type: application/json' -d '{"model": "m", "messages": [{"role": "user", "content": "Hello, who are you?"}]}'
more   ./q examples: what the built-in pair knows, simple drawn scenes of shapes and numbers only
`,
		},
		"own model with keys on a socket": {
			daemon{config: &config.Config{Models: []config.Model{{ID: "m"}}, Keys: []config.Key{{Name: "ann"}}}, url: "unix:/run/q"},
			`m is ready at unix:/run/q, described at /docs
keys   export QWENVLD_API_KEY=YOUR_KEY (./q key NAME makes one)
ask    ./q ask --url unix:/run/q "Hello, who are you?"
or     curl -s --unix-socket /run/q http://localhost/v1/chat/completions -H "Authorization: Bearer $QWENVLD_API_KEY" -H 'Content-Type: application/json' -d '{"model": "m", "messages": [{"role": "user", "content": "Hello, who are you?"}]}'
`,
		},
	} {
		tc.d.models = &catalog{models: []*servedModel{{Model: &config.Model{ID: "m"}}}}
		if got := tc.d.banner("./q"); got != tc.want {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

func TestNobodyIsGreetedWhereNothingIsReady(t *testing.T) {
	keeper, err := residence.New(nil, residence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{environment: &environment{args: []string{"q"}}, config: &config.Config{}, models: &catalog{keeper: keeper}}
	var out strings.Builder
	if d.greet(t.Context(), &out); out.Len() > 0 {
		t.Errorf("%s", out.String())
	}
}
