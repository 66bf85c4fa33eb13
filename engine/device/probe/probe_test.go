package probe

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine/device"
)

// variable has this test binary behave as the program that looks.
const variable = "PROBE_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(variable) == "" {
		os.Exit(m.Run())
	}
	look(filepath.Base(os.Args[len(os.Args)-1]))
}

// look is a program whose backends have faults by name.
func look(backend string) {
	found := Found{Devices: []device.Device{{Name: "CPU", Backend: "CPU", Kind: device.Processor}}}
	switch backend {
	case "crashing":
		_, _ = fmt.Fprintln(os.Stderr, "the driver is broken")
		os.Exit(7)
	case "hanging":
		never := make(chan os.Signal, 1)
		signal.Notify(never, syscall.SIGUSR1)
		<-never
	case "silent":
		os.Exit(0)
	case "lacking":
		found.Fault = "libcuda.so.1: cannot open shared object file"
	case "vulkan":
		found.Devices = append(found.Devices, device.Device{
			Name: "Vulkan0", Backend: "Vulkan", Kind: device.Discrete, Description: os.Getenv("LD_LIBRARY_PATH"),
		})
	}
	_ = json.NewEncoder(os.Stdout).Encode(found)
	os.Exit(0)
}

func folders(t *testing.T, names ...string) (root string) {
	t.Helper()
	root = t.TempDir()
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name, "libggml-"+name+".so"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestABackendThatFailsIsNamedAndTheOthersAreListed(t *testing.T) {
	root := folders(t, "crashing", "lacking", "silent", "vulkan")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	list := Folders(root)
	if len(list) != 4 {
		t.Fatalf("folders %v", list)
	}
	reports := List(t.Context(), Command{Path: self, Args: []string{"look"}, Env: []string{variable + "=1", "LD_LIBRARY_PATH=/mine"}}, list)
	by := map[string]device.Report{}
	for _, r := range reports {
		by[r.Backend] = r
	}
	for name, fault := range map[string]string{
		"crashing": "the driver is broken", "lacking": "libcuda.so.1", "silent": "nothing that can be read", "vulkan": "", BuiltIn: "",
	} {
		if r := by[name]; !strings.Contains(r.Fault, fault) || fault == "" && r.Fault != "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	cards := device.Cards(reports)
	if len(cards) != 1 || cards[0].Name != "Vulkan0" {
		t.Fatalf("cards %+v", cards)
	}
	want := filepath.Join(root, "vulkan") + ":/mine:/usr/local/nvidia/lib:/usr/local/nvidia/lib64"
	if cards[0].Description != want {
		t.Errorf("libraries are looked for in %s, want %s", cards[0].Description, want)
	}
	if len(by["vulkan"].Devices) != 1 {
		t.Errorf("what is compiled in counts as the backend's: %+v", by["vulkan"].Devices)
	}
}

func TestADriverThatHangsIsLeft(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := Command{Path: self, Env: []string{variable + "=1"}, Patience: 300 * time.Millisecond}
	if _, err := c.ask(t.Context(), "/hanging"); err == nil || !strings.Contains(err.Error(), "hangs") {
		t.Errorf("%v", err)
	}
}

func TestWithoutBackendsTheEnvironmentStays(t *testing.T) {
	env := []string{"A=b"}
	if got := WithLibraries(env, nil); !slices.Equal(got, env) {
		t.Errorf("%v", got)
	}
	if got := Folders(filepath.Join(t.TempDir(), "none")); got != nil {
		t.Errorf("%v", got)
	}
	want := "LD_LIBRARY_PATH=/f:/usr/local/nvidia/lib:/usr/local/nvidia/lib64"
	if got := WithLibraries(env, []string{"/f"}); !slices.Contains(got, want) {
		t.Errorf("%v", got)
	}
}
