package footprint

import (
	"testing"

	"github.com/qwenvld/qwenvld/engine/gguf"
)

const reference = "../../testdata/reference/"

func read(t *testing.T, name string) *gguf.File {
	t.Helper()
	f, err := gguf.Read(reference + name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func bytesOf(f *gguf.File) int64 {
	var n int64
	for i := range f.Tensors {
		n += f.Tensors[i].Bytes
	}
	return n
}

// engine/worker tests the numbers against what llama.cpp allocates.
func TestLayersGoWhereTheyAreSent(t *testing.T) {
	for _, name := range []string{"dense-tied", "dense-untied", "moe"} {
		model, projector := read(t, name+"/model.gguf"), read(t, name+"/mmproj.gguf")
		of := func(layers int) Estimate {
			e, err := Of(model, projector, Sizes{
				CacheTokens: 1000, BatchSize: 64, MaxSequences: 2, GPULayers: layers, TowerOnGPU: layers != 0, ImageMemory: 5, VisionCache: -1,
			})
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		host, some, all := of(0), of(1), of(-1)
		table := model.Tensor("token_embd.weight").Bytes
		if host.GPU != (Need{}) || host.Host.Weights != bytesOf(model) || host.Host.Tower != bytesOf(projector) {
			t.Errorf("%s: %+v", name, host)
		}
		if host.Mapped != host.Host.Weights || all.Mapped != all.Host.Weights || some.Mapped != some.Host.Weights {
			t.Errorf("%s: floating point stays as it is in the file: %+v", name, host)
		}
		model.Tensors[0].Type = 12 // Q4_K
		if copied := of(0); copied.Mapped != host.Mapped-model.Tensors[0].Bytes || copied.Host != host.Host {
			t.Errorf("%s: what is rearranged is copied: %+v", name, copied)
		}
		model.Tensors[0].Type = gguf.F32
		if n, err := Layers(model); err != nil || of(n) != all || of(n-1) == all {
			t.Errorf("%s: %d layers, %v", name, n, err)
		}
		if some.GPU.Buffers == 0 || host.GPU.Buffers != 0 {
			t.Errorf("%s: both compute a part: %+v", name, some)
		}
		if some.GPU.Weights == 0 || some.GPU.Weights+some.Host.Weights != bytesOf(model) || some.GPU.Cache == 0 ||
			some.GPU.Cache+some.Host.Cache != host.Host.Cache || some.Host.Buffers == 0 || some.GPU.Tower != bytesOf(projector) {
			t.Errorf("%s: %+v", name, some)
		}
		// The table of tokens stays with the host; where it is the output too, the card has it once more.
		onCard := bytesOf(model) - table
		if model.Tensor("output.weight") == nil {
			onCard += table
		}
		if all.Host.Weights != table || all.GPU.Weights != onCard || all.GPU.Cache != host.Host.Cache || all.Host.Cache != 0 {
			t.Errorf("%s: %+v", name, all)
		}
		if host.Pictures != 5 || host.Rows != 0 {
			t.Errorf("%s: %+v", name, host)
		}
	}
}

func TestCacheTypesAndWhatIsNoModel(t *testing.T) {
	model := read(t, "moe/model.gguf")
	want := map[string]int64{"f16": 64, "f32": 128, "q8_0": 34}
	for kind, share := range want {
		e, err := Of(model, nil, Sizes{CacheTokens: 256, CacheType: kind, BatchSize: 1, MaxSequences: 1})
		half, _ := Of(model, nil, Sizes{CacheTokens: 200, BatchSize: 1, MaxSequences: 1})
		if err != nil || e.Host.Cache*64 != half.Host.Cache*share {
			t.Errorf("%s: %d beside %d, %v", kind, e.Host.Cache, half.Host.Cache, err)
		}
	}
	if _, err := Of(model, nil, Sizes{CacheType: "q2"}); err == nil {
		t.Error("a cache type that is none")
	}
	if e, err := Of(read(t, "moe/mmproj.gguf"), nil, Sizes{}); err == nil {
		t.Errorf("a projector: %+v", e)
	}
}
