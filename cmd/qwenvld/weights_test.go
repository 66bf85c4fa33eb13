package main

import (
	"testing"

	"github.com/qwenvld/qwenvld/internal/demopair"
	"github.com/qwenvld/qwenvld/router/difficulty"
	"github.com/qwenvld/qwenvld/router/train"
)

// Whoever tries the demo pair sees the router at work, and other prompts than the pair knows are routed as for any pair.
func TestTheDemoPairsWeightsForgetNothing(t *testing.T) {
	shipped, err := difficulty.Default()
	if err != nil {
		t.Fatal(err)
	}
	calibrated, err := difficulty.Load(demopair.RouterWeights())
	if err != nil {
		t.Fatal(err)
	}
	loss, err := train.GeneralLoss(shipped, calibrated)
	if err != nil {
		t.Fatal(err)
	}
	if loss > 0.01 {
		t.Errorf("a source of general prompts loses %.3f", loss)
	}
}
