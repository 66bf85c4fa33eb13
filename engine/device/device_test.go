package device

import (
	"errors"
	"strings"
	"testing"
)

func cards() []Device {
	return []Device{
		{Name: "Vulkan0", Backend: "Vulkan", Kind: Discrete, Total: 90},
		{Name: "Vulkan1", Backend: "Vulkan", Kind: Integrated, Total: 20},
		{Name: "CUDA0", Backend: "CUDA", Kind: Discrete, Total: 80},
		{Name: "CUDA1", Backend: "CUDA", Kind: Discrete, Total: 40},
	}
}

func names(list []Device) string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].Name
	}
	return strings.Join(out, ",")
}

func TestSettingsChooseCards(t *testing.T) {
	for setting, want := range map[string]string{
		"": "CUDA0,CUDA1", "auto": "CUDA0,CUDA1", " AUTO ": "CUDA0,CUDA1", "cpu": "", "cuda": "CUDA0,CUDA1", "CUDA1": "CUDA1",
		"cuda1, cuda0": "CUDA1,CUDA0", "vulkan0": "Vulkan0", "vulkan": "Vulkan0,Vulkan1",
	} {
		got, err := Choose(setting, cards())
		if err != nil || names(got) != want {
			t.Errorf("%q: %s, %v, want %s", setting, names(got), err, want)
		}
	}
}

func TestAutoTakesWhatIsThere(t *testing.T) {
	for _, c := range []struct {
		from []Device
		want string
	}{
		{nil, ""},
		{cards()[:2], "Vulkan0"},
		{cards()[1:2], "Vulkan1"},
		{[]Device{{Name: "X0", Backend: "X", Kind: Discrete}, {Name: "Y0", Backend: "Y", Kind: Discrete}}, "X0"},
	} {
		if got, err := Choose(Auto, c.from); err != nil || names(got) != c.want {
			t.Errorf("%s: %s, %v", c.want, names(got), err)
		}
	}
}

func TestUnknownAndDoubledNamesAreErrors(t *testing.T) {
	_, err := Choose("cuda7", cards())
	var unknown *UnknownError
	if !errors.As(err, &unknown) || !strings.Contains(err.Error(), "cuda1") {
		t.Errorf("%v", err)
	}
	if _, err := Choose("cuda0,cuda", cards()); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("%v", err)
	}
}

func TestOnlyBackendsThatWorkAndAreUsedAreLoaded(t *testing.T) {
	all := cards()
	reports := []Report{
		{Backend: "built-in", Devices: []Device{{Name: "CPU", Backend: "CPU", Kind: Processor}}},
		{Backend: "vulkan", Folder: "/lib/vulkan", Devices: all[:2]},
		{Backend: "cuda", Folder: "/lib/cuda", Devices: all[2:]},
		{Backend: "broken", Folder: "/lib/broken", Fault: "crashed", Devices: []Device{{Name: "B0", Kind: Discrete}}},
	}
	if got := names(Cards(reports)); got != "Vulkan0,Vulkan1,CUDA0,CUDA1" {
		t.Errorf("cards %s", got)
	}
	if got := strings.Join(Folders(reports, all[2:3]), ","); got != "/lib/cuda" {
		t.Errorf("folders %s", got)
	}
}
