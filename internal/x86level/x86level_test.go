package x86level

import (
	"runtime"
	"slices"
	"strings"
	"testing"
)

// features reads flags as /proc/cpuinfo spells them.
func features(flags string) Features {
	has := func(names ...string) bool {
		all := strings.Fields(flags)
		return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(all, n) })
	}
	return Features{
		SSE42: has("sse4_2", "ssse3", "popcnt"), AVX2: has("avx2"), FMA: has("fma"), BMI2: has("bmi1", "bmi2"),
		AVX512: has("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"), VNNI: has("avx512_vnni"), BF16: has("avx512_bf16"),
	}
}

func TestLevelsOfProcessors(t *testing.T) {
	const (
		nehalem  = "sse2 ssse3 sse4_1 sse4_2 popcnt cx16"
		sandy    = nehalem + " avx"
		haswell  = sandy + " avx2 fma bmi1 bmi2 f16c movbe"
		skylakeX = haswell + " avx512f avx512bw avx512cd avx512dq avx512vl"
		icelake  = skylakeX + " avx512_vnni"
		zen4     = icelake + " avx512_bf16"
	)
	for name, c := range map[string]struct {
		flags string
		want  Level
	}{
		"Opteron of 2003": {"sse2", None}, "Nehalem": {nehalem, V2}, "Sandy Bridge": {sandy, V2}, "Haswell": {haswell, V3},
		"Zen 3": {haswell, V3}, "Skylake-X": {skylakeX, V3}, "Ice Lake": {icelake, V3}, "Zen 4": {zen4, V4},
		"Alder Lake, of which AVX-512 is off": {haswell + " avx_vnni", V3}, "ARM": {"asimd", None},
		"a virtual machine that hides BMI": {strings.ReplaceAll(haswell, "bmi2", ""), V2},
	} {
		if got := Of(features(c.flags)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestTheBestBuildThatRunsIsPicked(t *testing.T) {
	all := []Level{V2, V3, V4}
	for _, c := range []struct {
		own, processor Level
		builds         []Level
		want           Level
	}{
		{V2, V2, all, None},
		{V2, V3, all, V3},
		{V2, V4, all, V4},
		{V2, V4, []Level{V3}, V3},
		{V2, V4, nil, None},
		{V3, V4, []Level{V2, V3}, None}, // a build for this very processor stays
		{V4, V4, all, None},
		{None, None, all, None},
	} {
		if got := Pick(c.own, c.processor, c.builds); got != c.want {
			t.Errorf("%s on %s of %v: %s, want %s", c.own, c.processor, c.builds, got, c.want)
		}
	}
}

func TestThisProcessorHasALevel(t *testing.T) {
	if got := Of(Here()); (got == None) != (runtime.GOARCH != "amd64") {
		t.Errorf("%s on %s", got, runtime.GOARCH)
	}
}
