package main

import (
	"log/slog"
	"path/filepath"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/internal/demopair"
)

// chooseModel is the configured model, or the demo pair.
func chooseModel(e *environment, c *config.Config, logger *slog.Logger) (*config.Model, error) {
	if len(c.Models) > 0 {
		return &c.Models[0], nil
	}
	cache, err := e.cacheDir()
	if err != nil {
		cache = e.tempDir
	}
	paths, err := demopair.Extract(filepath.Join(cache, "qwenvld"))
	if err != nil {
		return nil, err
	}
	logger.Warn("no model is configured: serving the built-in demo pair, which knows simple drawn scenes of shapes and numbers only")
	return &config.Model{
		ID:       "qwen3-vl",
		Instruct: config.Weights{Model: paths.Instruct, Projector: paths.Projector},
		Thinking: config.Weights{Model: paths.Thinking, Projector: paths.Projector},
	}, nil
}

// fitToModel is c with the size of video frames that its model needs. The demo pair was trained with one size
// (tools/demopair/batches.py), which counts unless the configuration sets another.
func fitToModel(c *config.Config) *config.Config {
	if v := &c.Media.Video; len(c.Models) > 0 || v.MinPixels != 0 || v.MaxPixels != 0 {
		return c
	}
	own := *c
	own.Media.Video.MinPixels, own.Media.Video.MaxPixels = 96*96, 96*128
	return &own
}
