package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	demo      = "../../internal/demopair/weights/"
	reference = "../../testdata/reference/"
)

func TestGoodFilesPass(t *testing.T) {
	for _, pair := range [][2]string{
		{demo + "instruct.gguf", demo + "projector.gguf"},
		{demo + "thinking.gguf", demo + "projector.gguf"},
		{reference + "dense-tied/model.gguf", reference + "dense-tied/mmproj.gguf"},
		{reference + "dense-tied/model.gguf", reference + "dense-tied/mmproj-bf16.gguf"},
		{reference + "dense-tied/model.gguf", reference + "dense-tied/mmproj-f16.gguf"},
		{reference + "dense-tied/model.gguf", reference + "dense-tied/mmproj-q8_0.gguf"},
		{reference + "dense-untied/model.gguf", reference + "dense-untied/mmproj.gguf"},
		{reference + "moe/model.gguf", reference + "moe/mmproj.gguf"},
		{reference + "moe/model.gguf", ""},
	} {
		if err := CheckPair(pair[0], pair[1]); err != nil {
			t.Errorf("%v: %v", pair, err)
		}
	}
}

// patched returns a copy of a file with one run of bytes exchanged for another of the same length.
func patched(t *testing.T, name, old, replacement string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(old) != len(replacement) || bytes.Count(data, []byte(old)) != 1 {
		t.Fatalf("%q does not occur exactly once in %s", old, name)
	}
	return write(t, bytes.Replace(data, []byte(old), []byte(replacement), 1))
}

func write(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func uint32Key(key string, n uint32) string {
	return string(binary.LittleEndian.AppendUint32([]byte(key+"\x04\x00\x00\x00"), n))
}

func float32Key(key string, f float32) string {
	return string(binary.LittleEndian.AppendUint32([]byte(key+"\x06\x00\x00\x00"), math.Float32bits(f)))
}

func textKey(key, text string) string {
	return string(binary.LittleEndian.AppendUint64([]byte(key+"\x08\x00\x00\x00"), uint64(len(text)))) + text
}

func TestRefusalsNameTheFileAndWhatIsWrong(t *testing.T) {
	const model, projector = demo + "instruct.gguf", demo + "projector.gguf"
	for name, tc := range map[string]struct{ path, want string }{
		"missing":                {filepath.Join(t.TempDir(), "none.gguf"), "no such file"},
		"folder":                 {t.TempDir(), "is a folder"},
		"empty":                  {write(t, nil), "is not a GGUF file"},
		"text":                   {write(t, []byte("hello, world")), "is not a GGUF file"},
		"projector":              {projector, "is a projector (mmproj), not a language model"},
		"version":                {patched(t, model, "GGUF\x03\x00\x00\x00", "GGUF\x09\x00\x00\x00"), "version 9"},
		"byte order":             {patched(t, model, "GGUF\x03\x00\x00\x00", "GGUF\x00\x00\x00\x03"), "byte order"},
		"type of a value":        {patched(t, model, "qwen3vl.block_count\x04", "qwen3vl.block_count\x2a"), `key "qwen3vl.block_count": has the unknown type 42`},
		"another type":           {patched(t, model, "qwen3vl.block_count\x04", "qwen3vl.block_count\x05"), "is int32, expected a uint32"},
		"missing key":            {patched(t, model, "rope.freq_base", "rope.freq_bose"), `has no key "qwen3vl.rope.freq_base"`},
		"no sections":            {patched(t, model, "rope.dimension_sections", "rope.dimension_sectionz"), "rope.dimension_sections"},
		"too few layers":         {patched(t, model, uint32Key("block_count", 6), uint32Key("block_count", 5)), `has the tensor "blk.5.`},
		"too many layers":        {patched(t, model, uint32Key("block_count", 6), uint32Key("block_count", 7)), `has no tensor "blk.6.`},
		"endless layers":         {patched(t, model, uint32Key("block_count", 6), uint32Key("block_count", 1<<31)), "expected 1 to 512"},
		"no heads":               {patched(t, model, uint32Key("head_count", 4), uint32Key("head_count", 0)), "expected 1 to"},
		"another width":          {patched(t, model, uint32Key("embedding_length", 192), uint32Key("embedding_length", 190)), "expected [190 1536]"},
		"not a number":           {patched(t, model, float32Key("rope.freq_base", 10000), float32Key("rope.freq_base", float32(math.NaN()))), "is NaN"},
		"tokenizer":              {patched(t, model, textKey("tokenizer.ggml.pre", "qwen2"), textKey("tokenizer.ggml.pre", "llama")), `is "llama"`},
		"end token out of range": {patched(t, model, uint32Key("eos_token_id", 1512), uint32Key("eos_token_id", 1536)), "expected 0 to 1535"},
		"ordinary end token":     {patched(t, model, uint32Key("eos_token_id", 1512), uint32Key("eos_token_id", 12)), "no control token"},
		"token twice":            {patched(t, model, "<|fim_suffix|>", "<|fim_middle|>"), "there twice"},
		"tensor twice":           {patched(t, model, "blk.1.attn_k.weight", "blk.1.attn_v.weight"), `tensor "blk.1.attn_v.weight" is there twice`},
		"tensor's name":          {patched(t, model, "blk.1.attn_k.weight", "blk.1.attn_j.weight"), `has no tensor "blk.1.attn_k.weight"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckModel(tc.path)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.path) {
				t.Errorf("%v", err)
			}
		})
	}
	for name, tc := range map[string]struct{ path, want string }{
		"model":          {model, `"qwen3vl/"`},
		"no activation":  {patched(t, projector, "clip.use_gelu\x07\x00\x00\x00\x01", "clip.use_gelu\x07\x00\x00\x00\x00"), "clip.use_gelu"},
		"another width":  {patched(t, projector, uint32Key("feed_forward_length", 512), uint32Key("feed_forward_length", 256)), "v.blk.0.ffn_up"},
		"missing tensor": {patched(t, projector, "v.post_ln.bias", "v.post_ln.bees"), `has no tensor "v.post_ln.bias"`},
	} {
		t.Run("projector: "+name, func(t *testing.T) {
			err := CheckProjector(tc.path)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.path) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Ollama's conversions have the sections of positions under another key.
func TestOllamasConversionsAreTold(t *testing.T) {
	data, err := os.ReadFile(demo + "instruct.gguf")
	if err != nil {
		t.Fatal(err)
	}
	counted := func(text string) []byte {
		return append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	}
	for old, replacement := range map[string]string{
		"qwen3vl.rope.dimension_sections": "qwen3vl.mrope_sections",
		"general.name":                    "general.name_of_file_", // as much longer, so that the weights stay where they are
	} {
		if bytes.Count(data, counted(old)) != 1 {
			t.Fatalf("%q does not occur exactly once", old)
		}
		data = bytes.Replace(data, counted(old), counted(replacement), 1)
	}
	var foreign *ForeignError
	if err := CheckModel(write(t, data)); !errors.As(err, &foreign) || foreign.Layers != 6 || foreign.Width != 192 {
		t.Errorf("%v", err)
	}
}

func TestAHeaderIsReadFromAnywhere(t *testing.T) {
	data, err := os.ReadFile(demo + "instruct.gguf")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Read(demo + "instruct.gguf")
	if err != nil {
		t.Fatal(err)
	}
	reader := bytes.NewReader(data)
	got, err := Parse(reader, int64(len(data)))
	if err != nil || len(got.Tensors) != len(want.Tensors) || got.TrainedContext() != want.TrainedContext() {
		t.Errorf("%v", err)
	}
	if left := reader.Len(); left < len(data)/2 {
		t.Errorf("it read the weights too: %d bytes are left", left)
	}
	if err := got.Join(want); err == nil {
		t.Error("the same tensors twice")
	}
}

func TestPairsMustFit(t *testing.T) {
	fewer := patched(t, reference+"dense-tied/model.gguf", uint32Key("n_deepstack_layers", 3), uint32Key("n_deepstack_layers", 2))
	for _, tc := range []struct{ model, projector, want string }{
		{reference + "dense-tied/model.gguf", reference + "moe/mmproj.gguf", "wide"},
		{fewer, reference + "dense-tied/mmproj.gguf", "n_deepstack_layers is 2"},
	} {
		err := CheckPair(tc.model, tc.projector)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.projector) {
			t.Errorf("%v", err)
		}
	}
}

func TestAPipeIsRefusedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe.gguf")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- CheckModel(path) }()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "is a named pipe") {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("waits for a writer")
	}
}

// Files that are cut anywhere are refused, whatever was lost.
func TestACutFileIsRefused(t *testing.T) {
	data, err := os.ReadFile(reference + "dense-tied/model.gguf")
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(data)-32; n += 1 + n/8 {
		if f, err := parse(bytes.NewReader(data[:n]), int64(n)); err == nil {
			t.Fatalf("%d of %d bytes: %d tensors", n, len(data), len(f.Tensors))
		}
	}
}

// A number in a header must not make the reader allocate more than the file could fill.
func TestDeclaredSizesAreHeldAgainstTheFile(t *testing.T) {
	le := binary.LittleEndian
	head := le.AppendUint32([]byte("GGUF"), 3)
	huge := le.AppendUint64(le.AppendUint64(head, math.MaxUint64), 1)
	text := le.AppendUint64(le.AppendUint64(le.AppendUint64(head, 0), 1), 1<<40)
	array := append(le.AppendUint64(le.AppendUint64(le.AppendUint64(head, 0), 1), 1), "k"...)
	array = le.AppendUint64(le.AppendUint32(le.AppendUint32(array, uint32(Array)), uint32(Float64)), 1<<60)
	for name, data := range map[string][]byte{"tensors": huge, "text": text, "array": array} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := parse(bytes.NewReader(data), int64(len(data))); err == nil {
			t.Errorf("%s: accepted", name)
		}
		runtime.ReadMemStats(&after)
		allocated := after.TotalAlloc - before.TotalAlloc
		if allocated > 1<<20 {
			t.Errorf("%s: %d bytes for a file of %d", name, allocated, len(data))
		}
	}
}

func TestSplitFilesAreReadAsOne(t *testing.T) {
	parts := split(t, reference+"dense-tied/model.gguf")
	if err := CheckModel(parts[0]); err != nil {
		t.Error(err)
	}
	if err := CheckModel(parts[1]); err == nil || !strings.Contains(err.Error(), "first part") {
		t.Errorf("%v", err)
	}
	if err := os.Remove(parts[1]); err != nil {
		t.Fatal(err)
	}
	if err := CheckModel(parts[0]); err == nil || !strings.Contains(err.Error(), parts[1]) {
		t.Errorf("%v", err)
	}
}

// split writes a model as two files: its keys with one tensor, and the other tensors.
func split(t *testing.T, name string) [2]string {
	t.Helper()
	whole, err := Read(name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	last := &whole.Tensors[len(whole.Tensors)-1]
	start := int64(len(data)) - pad(last.Offset+last.Bytes, defaultPad)
	base := filepath.Join(t.TempDir(), "model")
	out := [2]string{partName(base, 0, 2), partName(base, 1, 2)}
	for no, tensors := range [][]Tensor{whole.Tensors[:1], whole.Tensors[1:]} {
		le := binary.LittleEndian
		text := func(b []byte, s string) []byte { return append(le.AppendUint64(b, uint64(len(s))), s...) }
		head := le.AppendUint64(le.AppendUint32([]byte("GGUF"), 3), uint64(len(tensors)))
		keys := 2
		if no == 0 {
			keys = 3 + len(whole.order)
		}
		head = le.AppendUint64(head, uint64(keys))
		head = le.AppendUint16(le.AppendUint32(text(head, "split.count"), uint32(Uint16)), 2)
		head = le.AppendUint16(le.AppendUint32(text(head, "split.no"), uint32(Uint16)), uint16(no))
		if no == 0 {
			head = le.AppendUint32(le.AppendUint32(text(head, "split.tensors.count"), uint32(Int32)), uint32(len(whole.Tensors)))
			// The keys of the whole file stand between its counts and its first tensor.
			end := bytes.Index(data, text(nil, whole.Tensors[0].Name))
			head = append(head, data[24:end]...)
		}
		var weights []byte
		for i := range tensors {
			tensor := &tensors[i]
			head = le.AppendUint32(text(head, tensor.Name), uint32(len(tensor.shape())))
			for _, n := range tensor.shape() {
				head = le.AppendUint64(head, uint64(n))
			}
			head = le.AppendUint64(le.AppendUint32(head, uint32(tensor.Type)), uint64(len(weights)))
			weights = append(weights, data[start+tensor.Offset:start+tensor.Offset+tensor.Bytes]...)
			weights = append(weights, make([]byte, pad(int64(len(weights)), defaultPad)-int64(len(weights)))...)
		}
		head = append(head, make([]byte, pad(int64(len(head)), defaultPad)-int64(len(head)))...)
		if err := os.WriteFile(out[no], append(head, weights...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{reference + "dense-tied/model.gguf", reference + "dense-tied/mmproj-q8_0.gguf"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[:16<<10], int64(len(data)))
	}
	f.Fuzz(func(_ *testing.T, data []byte, size int64) {
		file, err := parse(bytes.NewReader(data), size)
		if err != nil {
			return
		}
		// Whatever was read can be judged.
		_ = file.checkModel()
		_ = file.checkProjector()
	})
}
