package layout

import (
	"errors"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine/device"
	"github.com/qwenvld/qwenvld/engine/footprint"
	"github.com/qwenvld/qwenvld/engine/gguf"
)

const reference = "../../testdata/reference/dense-tied/"

func weights(t *testing.T, names ...string) []Weights {
	t.Helper()
	return weightsOf(t, reference, names...)
}

func weightsOf(t *testing.T, folder string, names ...string) []Weights {
	t.Helper()
	model, err := gguf.Read(folder + "model.gguf")
	if err != nil {
		t.Fatal(err)
	}
	projector, err := gguf.Read(folder + "mmproj.gguf")
	if err != nil {
		t.Fatal(err)
	}
	var out []Weights
	for _, name := range names {
		out = append(out, Weights{
			Name: name, Model: model, Projector: projector,
			Sizes: footprint.Sizes{CacheTokens: 4096, BatchSize: 64, MaxSequences: 2, ImageMemory: 1 << 20},
		})
	}
	return out
}

func card(name string, free int64) device.Device {
	return device.Device{Name: name, Backend: name[:len(name)-1], Kind: device.Discrete, Free: free, Total: free}
}

func plan(t *testing.T, w Wish, cards []device.Device, all []Weights) *Layout {
	t.Helper()
	l, err := Plan(w, cards, all)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAsManyLayersGoToACardAsFit(t *testing.T) {
	all := weights(t, "instruct", "thinking")
	auto := Wish{Layers: AutoLayers}
	whole := plan(t, auto, []device.Device{card("CUDA0", 1<<40)}, all)
	if whole.Layers != 5 || whole.Of != 5 || whole.Tower == nil || whole.Need == 0 || whole.Need > whole.Room {
		t.Fatalf("%+v", whole)
	}
	if s := whole.String(); !strings.Contains(s, "all 5 layers and cache on CUDA0, pictures on CUDA0") {
		t.Error(s)
	}
	last, seen := whole.Layers, map[int]bool{}
	for free := whole.Need * 17 / 16 * 9 / 8; free > 0; free -= whole.Need / 40 {
		l := plan(t, auto, []device.Device{card("CUDA0", free)}, all)
		if l.Layers > last {
			t.Fatalf("%d bytes hold %d layers, more than %d", free, l.Layers, last)
		}
		if l.Layers > 0 && l.Need > l.Room {
			t.Fatalf("%d bytes: %+v", free, l)
		}
		last, seen[l.Layers] = l.Layers, true
	}
	if !seen[5] || !seen[0] || len(seen) < 4 {
		t.Errorf("numbers of layers seen: %v", seen)
	}
}

func TestTheTowerGoesToTheProcessorsBeforeTheLastLayerDoes(t *testing.T) {
	all := weights(t, "instruct")
	all[0].Sizes.ImageMemory = 1 << 40
	need := plan(t, Wish{Layers: AutoLayers, Tower: "cpu"}, []device.Device{card("CUDA0", 1<<40)}, all).Need
	l := plan(t, Wish{Layers: AutoLayers}, []device.Device{card("CUDA0", 2*need)}, all)
	if l.Tower != nil || l.Layers != l.Of {
		t.Errorf("%s", l)
	}
	if s := l.String(); !strings.Contains(s, "pictures on the processors") {
		t.Error(s)
	}
}

func TestTwoCardsHoldMoreThanOne(t *testing.T) {
	all := weights(t, "instruct")
	whole := plan(t, Wish{Layers: AllLayers, Tower: "cpu"}, []device.Device{card("CUDA0", 1<<40)}, all)
	half := whole.Need * 3 / 4
	one := plan(t, Wish{Layers: AutoLayers, Tower: "cpu"}, []device.Device{card("CUDA0", half)}, all)
	two := plan(t, Wish{Layers: AutoLayers, Tower: "cpu"}, []device.Device{card("CUDA0", half), card("CUDA1", half)}, all)
	if one.Layers >= two.Layers || len(two.Used()) != 2 {
		t.Errorf("%s; %s", one, two)
	}
}

func TestWhatWasAskedForStaysOrIsRefusedWithNumbers(t *testing.T) {
	all := weights(t, "instruct", "thinking")
	small := []device.Device{card("CUDA0", 1<<20)}
	l := plan(t, Wish{Layers: AllLayers}, small, all)
	err := l.Check()
	var short *ShortError
	if l.Layers != l.Of || !errors.As(err, &short) {
		t.Fatalf("%s, %v", l, err)
	}
	for _, want := range []string{"instruct and thinking do not fit on CUDA0", "weights", "cache", "1 MiB of 1 MiB free"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if l := plan(t, Wish{Layers: AutoLayers}, small, all); l.Check() != nil {
		t.Errorf("%s: %v", l, l.Check())
	}
	if l := plan(t, Wish{Layers: 2}, []device.Device{card("CUDA0", 1<<40)}, all); l.Layers != 2 || l.Check() != nil ||
		!strings.Contains(l.String(), "the last 2 of 5 layers") || strings.Contains(l.String(), "did not fit") {
		t.Errorf("%s", l)
	}
}

func TestNothingGoesToCardsThatAreNotThereOrNotWanted(t *testing.T) {
	all := weights(t, "instruct")
	cards := []device.Device{card("CUDA0", 1<<40)}
	for _, c := range []struct {
		w     Wish
		cards []device.Device
	}{{Wish{Layers: AutoLayers}, nil}, {Wish{Device: "cpu", Layers: AllLayers}, cards}, {Wish{Tower: "cpu"}, cards}, {Wish{}, cards}} {
		l := plan(t, c.w, c.cards, all)
		if l.OnCards() || l.Layers != 0 || l.Tower != nil || l.Needs[0].GPU != (footprint.Need{}) || l.Host().Total() == 0 {
			t.Errorf("%+v: %+v", c.w, l)
		}
		if s := l.String(); s != "instruct on the processors" {
			t.Error(s)
		}
	}
	// The tower alone may go there.
	if l := plan(t, Wish{Device: "cpu", Tower: "cuda0"}, cards, all); l.Layers != 0 || l.Tower == nil || !l.OnCards() ||
		!strings.Contains(l.String(), "layers on the processors, pictures on CUDA0") {
		t.Errorf("%s", l)
	}
	if _, err := Plan(Wish{Device: "cuda5"}, cards, all); err == nil || !strings.Contains(err.Error(), "cuda5") {
		t.Error(err)
	}
	if _, err := Plan(Wish{Tower: "cuda5"}, cards, all); err == nil || !strings.Contains(err.Error(), "tower_device") {
		t.Error(err)
	}
}

func TestAMixtureOfExpertsIsNotPutOnVulkanUnasked(t *testing.T) {
	const mixture = "../../testdata/reference/moe/"
	for name, tt := range map[string]struct {
		folder, backend, device string
		onCards                 bool
	}{
		"a mixture on Vulkan":       {mixture, "Vulkan", "auto", false},
		"named by the operator":     {mixture, "Vulkan", "vulkan0", true},
		"a mixture on another card": {mixture, "CUDA", "auto", true},
		"no mixture":                {reference, "Vulkan", "auto", true},
	} {
		t.Run(name, func(t *testing.T) {
			l := plan(t, Wish{Device: tt.device, Layers: AutoLayers}, []device.Device{card(tt.backend+"0", 1<<40)}, weightsOf(t, tt.folder, "instruct"))
			if l.OnCards() != tt.onCards {
				t.Errorf("%s", l)
			}
			if said := strings.Contains(l.String(), "Vulkan0 would compute a mixture of experts wrongly"); said == tt.onCards {
				t.Errorf("%s", l)
			}
		})
	}
}
