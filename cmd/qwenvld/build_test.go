package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/qwenvld/qwenvld/engine/llama"
	"github.com/qwenvld/qwenvld/internal/x86level"
)

func TestTheBestBuildThatTheProcessorRunsComputes(t *testing.T) {
	root := t.TempDir()
	self := filepath.Join(root, "bin", "qwenvld")
	v3, v4 := filepath.Join(root, "lib/qwenvld/workers/qwenvld-v3"), filepath.Join(root, "lib/qwenvld/workers/qwenvld-v4")
	for _, path := range []string{self, v3, v4} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e := &environment{executable: func() (string, error) { return self, nil }}
	haswell := x86level.Features{SSE42: true, AVX2: true, FMA: true, BMI2: true}
	zen4 := haswell
	zen4.AVX512, zen4.VNNI, zen4.BF16 = true, true, true
	plain, native := []string{"SSE3", "SSSE3"}, []string{"SSE3", "SSSE3", "AVX", "AVX2", "FMA", "BMI2"}
	for _, c := range []struct {
		kernels   []string
		processor x86level.Features
		want      string
	}{
		{plain, x86level.Features{SSE42: true}, self}, {plain, haswell, v3}, {plain, zen4, v4}, {native, haswell, self}, {native, zen4, v4},
	} {
		got, err := workerBinary(e, c.kernels, c.processor)
		if want, _ := filepath.EvalSymlinks(c.want); err != nil || filepath.Base(got) != filepath.Base(want) {
			t.Errorf("%v on %+v: %s, %v, want %s", c.kernels, c.processor, got, err, c.want)
		}
	}
}

// The names that ggml gives to what it was compiled for are those that are looked for.
func TestThisBuildHasALevel(t *testing.T) {
	kernels := llama.SystemInfo().Kernels
	own, here := x86level.Of(compiledFor(kernels)), x86level.Of(x86level.Here())
	if own > here || (own == x86level.None) != (runtime.GOARCH != "amd64") {
		t.Errorf("a build of %v counts as %s on a processor of %s", kernels, own, here)
	}
}

func TestChildrenAreOfTheProgramThatRunsWhateverIsInstalled(t *testing.T) {
	self := func() (string, error) { return "/bin/q", nil }
	for name, tc := range map[string]struct {
		itself, program, want string
	}{
		"this program":          {"/proc/self/exe", "/bin/q", "/proc/self/exe"},
		"another build":         {"/proc/self/exe", "/lib/q-v3", "/lib/q-v3"},
		"a system without proc": {"", "/bin/q", "/bin/q"},
	} {
		e := &environment{executable: self, itself: tc.itself}
		if got := e.running(tc.program); got != tc.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if here, none := itselfAt(t.TempDir()), itselfAt("/none"); here == "" || none != "" {
		t.Errorf("%q, %q", here, none)
	}
}
