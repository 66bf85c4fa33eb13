package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/hub"
	"github.com/qwenvld/qwenvld/hub/cache"
	"github.com/qwenvld/qwenvld/hub/fetch"
	"github.com/qwenvld/qwenvld/hub/pull"
)

// withPuller hands use a puller of models, set up by the variables that Hugging Face's own tools read.
func withPuller(e *environment, report func(pull.Event), use func(*pull.Puller) error) error {
	token, err := hubToken(e)
	if err != nil {
		return err
	}
	modelScope := e.variable("MODELSCOPE_DOMAIN")
	if modelScope != "" && !strings.Contains(modelScope, "://") {
		modelScope = "https://" + modelScope
	}
	c, err := fetch.New(fetch.Options{
		HuggingFace: e.variable("HF_ENDPOINT"), ModelScope: modelScope, Token: token, Agent: "qwenvld/" + version,
	})
	if err != nil {
		return err
	}
	defer c.Close()
	own, err := e.cacheDir()
	if err != nil {
		own = e.tempDir
	}
	return use(pull.New(pull.Options{
		Client:      c,
		HuggingFace: cache.New(cache.Place(e.variable, e.variable("HOME"))),
		ModelScope:  cache.New(filepath.Join(own, "qwenvld", "modelscope")),
		Offline:     isOn(e.variable("HF_HUB_OFFLINE")),
		Report:      report,
	}))
}

// isOn reads a switch as Hugging Face's tools do.
func isOn(value string) bool {
	switch strings.ToUpper(value) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

// hubToken is the token in the environment, else in the file that `hf auth login` writes.
func hubToken(e *environment) (string, error) {
	if token := cmp.Or(e.variable("HF_TOKEN"), e.variable("HUGGING_FACE_HUB_TOKEN")); token != "" {
		return strings.TrimSpace(token), nil
	}
	name := e.variable("HF_TOKEN_PATH")
	named := name != ""
	if !named {
		name = filepath.Join(cache.Home(e.variable, e.variable("HOME")), "token")
	}
	text, err := os.ReadFile(name) //nolint:gosec // the user names the file
	if err != nil && (named || !errors.Is(err, os.ErrNotExist)) {
		return "", fmt.Errorf("token for the hub: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// nameModel makes the model that a command line names the one that is served.
func nameModel(c *config.Config, name string) error {
	if _, err := hub.Parse(name); err != nil {
		return err
	}
	if len(c.Models) > 0 {
		return fmt.Errorf("the configuration serves %s already: leave out %s, or the model in the configuration", c.Models[0].ID, name)
	}
	c.Models = []config.Model{{ID: "qwen3-vl", Pull: name}}
	return nil
}

// modelAtHand is m with the files that are at hand of what it is to be pulled from, or with the names of files alone.
func modelAtHand(e *environment, m *config.Model) *config.Model {
	reference, err := hub.Parse(m.Pull)
	if m.Pull == "" || err != nil {
		return m
	}
	var parts []pull.Part
	err = withPuller(e, nil, func(p *pull.Puller) (err error) {
		parts, err = p.AtHand(reference)
		return err
	})
	if err == nil {
		return withWeights(m, parts)
	}
	out := *m
	for _, s := range reference.Sources {
		if s.Variant != hub.Thinking {
			out.Instruct.Model = s.Repo
		}
		if s.Variant != hub.Instruct {
			out.Thinking.Model = s.Repo
		}
	}
	return &out
}

// withWeights is m with the files of parts.
func withWeights(m *config.Model, parts []pull.Part) *config.Model {
	out := *m
	for i := range parts {
		w := &out.Instruct
		if parts[i].Variant == hub.Thinking {
			w = &out.Thinking
		}
		w.Model, w.Projector = parts[i].ModelPath(), parts[i].ProjectorPath()
	}
	return &out
}

// explainForeign adds to what is wrong with Ollama's conversions which command gets files that can be served.
func explainForeign(err error) error {
	var foreign *gguf.ForeignError
	if !errors.As(err, &foreign) {
		return err
	}
	return fmt.Errorf("%w; `qwenvld pull %s` gets one", err, cmp.Or(hub.PresetFor(foreign.Layers, foreign.Width), "qwen3-vl:SIZE"))
}
