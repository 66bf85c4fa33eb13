package main

import (
	"fmt"
	"os"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/internal/demopair"
	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

// newRouter loads the weights that the configuration names, else those calibrated to the model, else the shipped ones.
func newRouter(c *config.Router, calibrated []byte) (*router.Router, *difficulty.Model, error) {
	m, err := routerWeights(c.Weights, calibrated)
	if err != nil {
		return nil, nil, fmt.Errorf("router: %w", err)
	}
	r, err := router.New(m, c.Quality)
	return r, m, err
}

func routerWeights(file string, calibrated []byte) (*difficulty.Model, error) {
	switch {
	case file != "":
		if err := checkFile(file); err != nil {
			return nil, err
		}
		text, err := os.ReadFile(file) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, err
		}
		m, err := difficulty.Load(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return m, nil
	case calibrated != nil:
		return difficulty.Load(calibrated)
	default:
		return difficulty.Default()
	}
}

// calibratedWeights are those that were calibrated to the model that c serves, nil if there are none.
func calibratedWeights(c *config.Config) []byte {
	if len(c.Models) == 0 {
		return demopair.RouterWeights()
	}
	return nil
}
