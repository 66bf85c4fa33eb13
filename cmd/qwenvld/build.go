package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/qwenvld/qwenvld/engine/llama"
	"github.com/qwenvld/qwenvld/internal/x86level"
)

// workerBinary is the program that computes: this one, or of those in lib/qwenvld/workers the best build that the
// processor runs, where that uses more of its instructions than this one (`make workers`).
func workerBinary(e *environment, kernels []string, processor x86level.Features) (string, error) {
	self, err := e.executable()
	if err != nil {
		return "", err
	}
	for _, root := range libraryFolders(self) {
		builds := map[x86level.Level]string{}
		for _, l := range []x86level.Level{x86level.V2, x86level.V3, x86level.V4} {
			path := filepath.Join(root, "workers", "qwenvld-"+l.String())
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				builds[l] = path
			}
		}
		levels := slices.Collect(maps.Keys(builds))
		own, here := x86level.Of(compiledFor(kernels)), x86level.Of(processor)
		if l := x86level.Pick(own, here, levels); l != x86level.None {
			return builds[l], nil
		}
	}
	return self, nil
}

// computes is the program that computes on this machine.
func computes(e *environment) (string, error) {
	return workerBinary(e, llama.SystemInfo().Kernels, x86level.Here())
}

// compiledFor are the instructions that kernels were compiled for, as ggml names them.
func compiledFor(kernels []string) x86level.Features {
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(kernels, n) })
	}
	return x86level.Features{
		SSE42: has("SSE3", "SSSE3"), AVX2: has("AVX2"), FMA: has("FMA"), BMI2: has("BMI2"),
		AVX512: has("AVX512"), VNNI: has("AVX512_VNNI"), BF16: has("AVX512_BF16"),
	}
}

// libraryFolders are where a program finds what was built for it: lib/qwenvld beside its folder, or beneath it.
func libraryFolders(self string) []string {
	if target, err := filepath.EvalSymlinks(self); err == nil {
		self = target
	}
	here := filepath.Dir(self)
	return []string{filepath.Join(here, "..", "lib", "qwenvld"), filepath.Join(here, "lib", "qwenvld")}
}
