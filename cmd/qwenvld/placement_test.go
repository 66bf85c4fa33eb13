package main

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/device"
	"github.com/qwenvld/qwenvld/engine/layout"
	"github.com/qwenvld/qwenvld/engine/worker"
)

func oneCard(free int64) []device.Report {
	return []device.Report{
		{Backend: "built-in", Devices: []device.Device{{Name: "CPU", Backend: "CPU", Kind: device.Processor, Total: 1}}},
		{Backend: "vulkan", Folder: "/lib/vulkan", Fault: "the child crashed"},
		{Backend: "cuda", Folder: "/lib/cuda", Devices: []device.Device{
			{Name: "CUDA0", Backend: "CUDA", Kind: device.Discrete, Free: free, Total: free},
		}},
	}
}

func referenceModel(e config.Engine) *config.Model {
	const folder = "../../testdata/reference/dense-tied/"
	w := config.Weights{Model: folder + "model.gguf", Projector: folder + "mmproj.gguf"}
	e.CacheTokens, e.ContextSize = 512, 512
	return &config.Model{ID: "m", Instruct: w, Thinking: w, Engine: e}
}

func TestWorkersAreToldWhereTheirWeightsGo(t *testing.T) {
	var logged strings.Builder
	logger := slog.New(slog.NewTextHandler(&logged, nil))
	m := referenceModel(config.Engine{})
	p, err := place(oneCard(80<<30), &config.Config{RequireGPU: true}, m, logger)
	if err != nil {
		t.Fatal(err)
	}
	c := workerConfig(&m.Engine, m.Instruct)
	p.apply("thinking", &c)
	if !slices.Equal(c.Devices, []string{"CUDA0"}) || c.GPULayers != 5 || c.TowerDevice != "CUDA0" || !slices.Equal(c.Backends, []string{"/lib/cuda"}) {
		t.Errorf("%+v", c)
	}
	for _, want := range []string{"the child crashed", "instruct and thinking: all 5 layers and cache on CUDA0"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("the log lacks %q: %s", want, logged.String())
		}
	}
}

func TestWithoutACardTheProcessorsComputeUnlessOneIsRequired(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	for name, reports := range map[string][]device.Report{"none": oneCard(0)[:2], "full": oneCard(0)} {
		m := referenceModel(config.Engine{})
		p, err := place(reports, &config.Config{}, m, quiet)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var c worker.Config
		p.apply("instruct", &c)
		if c.Devices != nil || c.TowerDevice != "" || c.Backends != nil {
			t.Errorf("%s: %+v", name, c)
		}
		if _, err := place(reports, &config.Config{RequireGPU: true}, m, quiet); !errors.Is(err, errNoGPU) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLayersThatCannotFitEndTheStartWithNumbers(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	_, err := place(oneCard(1<<20), &config.Config{}, referenceModel(config.Engine{GPULayers: "-1"}), quiet)
	var short *layout.ShortError
	if !errors.As(err, &short) || !strings.Contains(err.Error(), "CUDA0 has 1 MiB of 1 MiB free") {
		t.Errorf("%v", err)
	}
	_, err = place(oneCard(1<<30), &config.Config{}, referenceModel(config.Engine{Device: "rocm0"}), quiet)
	var unknown *device.UnknownError
	if !errors.As(err, &unknown) {
		t.Errorf("%v", err)
	}
}

func TestVariantsThatAreLoadedOneAtATimeHaveTheCardToThemselves(t *testing.T) {
	cards := device.Cards(oneCard(80 << 30))
	m := referenceModel(config.Engine{})
	both, err := planModel(m, cards)
	if err != nil || len(both) != 1 {
		t.Fatalf("%v, %v", both, err)
	}
	m.Residency = config.ResidentOne
	each, err := planModel(m, cards)
	if err != nil || len(each) != 2 || each[0].Need >= both[0].Need {
		t.Errorf("%v, %v", each, err)
	}
}

func TestLayersThatNoCardCanTakeWarn(t *testing.T) {
	var logged strings.Builder
	logger := slog.New(slog.NewTextHandler(&logged, nil))
	if _, err := place(oneCard(0)[:1], &config.Config{}, referenceModel(config.Engine{GPULayers: "9"}), logger); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(logged.String(), "gpu_layers has no effect") {
		t.Error(logged.String())
	}
}
