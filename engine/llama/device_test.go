package llama

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
)

// Variables that have the tests compute on a card: the folder of its backend, and its name. scripts/gpu-check.sh sets
// them.
const (
	variableBackend = "QWENVLD_TEST_BACKEND"
	variableDevice  = "QWENVLD_TEST_DEVICE"
)

// roundsFloat32 says whether matrix products of float32 are computed with 10 bits of each factor (TF32), as CUDA does it unless its
// libraries are told not to.
func roundsFloat32() bool {
	return strings.HasPrefix(os.Getenv(variableDevice), "CUDA") && os.Getenv("NVIDIA_TF32_OVERRIDE") != "0"
}

func TestMain(m *testing.M) {
	if folder := os.Getenv(variableBackend); folder != "" {
		if _, err := OpenDevices([]string{folder}, slog.New(slog.DiscardHandler)); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// testCards are the cards that models of tests go to.
func testCards() []string {
	if name := os.Getenv(variableDevice); name != "" {
		return []string{name}
	}
	return nil
}

// within is how far figures may be off on the processors, or on a card.
func within(processors, card float64) float64 {
	if len(testCards()) > 0 {
		return card
	}
	return processors
}

func TestDevicesAreListedAndOthersAreRefused(t *testing.T) {
	d, err := OpenDevices(nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, one := range d.List() {
		found = found || one.Name == "CPU" && one.Kind == Processor && one.Total > 0
	}
	if !found {
		t.Errorf("%+v", d.List())
	}
	if _, err := OpenDevices([]string{t.TempDir() + "/cuda"}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a folder without a backend")
	}
	if _, err := LoadModel(t.Context(), ModelOptions{Path: modelFile(t, denseModel), Devices: []string{"CUDA77"}, GPULayers: 1}); err == nil {
		t.Error("a model on a card that is not there")
	}
	if _, err := LoadVision(t.Context(), VisionOptions{Path: modelFile(t, denseProjector), Device: "CUDA77"}); err == nil {
		t.Error("a tower on a card that is not there")
	}
}

func TestWhatIsToStopDecodesNoFurtherBatch(t *testing.T) {
	m := loadModel(t, denseModel)
	c := newContext(t, m, ContextOptions{ContextSize: 64, BatchSize: 4, MaxSequences: 1})
	b := NewTokenBatch(4)
	t.Cleanup(func() { _ = b.Close() })
	b.AddToken(1, 0, 0, true)
	before := c.Beats()
	if err := c.Decode(b); err != nil || c.Beats() == before {
		t.Fatalf("%v, %d beats", err, c.Beats()-before)
	}
	c.Abort()
	b.Reset()
	b.AddToken(1, 1, 0, true)
	if err := c.Decode(b); err != ErrAborted { //nolint:errorlint // it is returned as it is
		t.Errorf("%v", err)
	}
	c.ClearAbort()
	if err := c.Decode(b); err != nil {
		t.Error(err)
	}
}
