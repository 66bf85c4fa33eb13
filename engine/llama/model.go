package llama

// #include <stdlib.h>
// #include "attention.h"
// #include "bridge.h"
// #include "strips.h"
// #include "rope.h"
import "C"

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/cgo"
	"strings"
	"sync"
	"unsafe"
)

// Token is an id of the model's vocabulary.
type Token = int32

// ModelOptions says what to load and how.
type ModelOptions struct {
	// Path of a GGUF file (of the first one, if split in llama.cpp's naming).
	Path string
	// Devices are the names of those that take layers off the processors, and GPULayers is how many they take, the last
	// ones; negative means all of them.
	Devices   []string
	GPULayers int
	// Progress, if set, is called with 0..1 from the loading goroutine.
	Progress func(fraction float32)
	// Logger gets llama.cpp's lines; nil discards them.
	Logger *slog.Logger
}

// Model is a loaded language model. It is safe for concurrent use.
type Model struct {
	ptr   *C.struct_llama_model
	vocab *C.struct_llama_vocab
	cards []string // names of the devices that hold layers
	once  sync.Once
}

// loadObserver is what the progress callback sees.
type loadObserver struct {
	ctx      context.Context //nolint:containedctx // lives for one load, read by a C callback
	progress func(float32)
}

//export qvProgress
func qvProgress(fraction C.float, handle C.uintptr_t) C.bool {
	o := cgo.Handle(handle).Value().(*loadObserver)
	if o.progress != nil {
		o.progress(float32(fraction))
	}
	return o.ctx.Err() == nil
}

// LoadModel loads a language model. Cancelling ctx ends the load with ctx's error. The file must have passed
// gguf.ReadModel: on what it does not expect, libllama ends the process.
func LoadModel(ctx context.Context, o ModelOptions) (*Model, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	defer sink.attach(o.Logger)()
	C.llama_backend_init()
	C.qv_offer_attention(true)
	C.qv_offer_strips()

	params := C.llama_model_default_params()
	cards, err := o.cards()
	if err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(unsafe.SliceData(cards)))
	params.devices = unsafe.SliceData(cards)
	params.n_gpu_layers = C.int32_t(o.layers())
	handle := cgo.NewHandle(&loadObserver{ctx: ctx, progress: o.Progress})
	defer handle.Delete()
	C.qv_set_progress(&params, C.uintptr_t(handle))

	path := C.CString(o.Path)
	defer C.free(unsafe.Pointer(path))
	ptr := C.llama_model_load_from_file(path, params)
	if ptr == nil {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("load model: %w", context.Cause(ctx))
		}
		return nil, fmt.Errorf("load model %q: %w", o.Path, &Error{Op: "load", Detail: withMemory(sink.takeErrors(), cards)})
	}
	releasePages(o.Path)
	m := &Model{ptr: ptr, vocab: C.llama_model_get_vocab(ptr), cards: names(cards)}
	if len(m.cards) > 0 {
		C.qv_rotate_all(ptr)
	}
	return m, nil
}

// allLayers exceeds every model's depth.
const allLayers = 1 << 20

// layers is how many go to the devices.
func (o *ModelOptions) layers() int {
	switch {
	case len(o.Devices) == 0:
		return 0
	case o.GPULayers < 0:
		return allLayers
	default:
		return o.GPULayers
	}
}

// cards are the devices, in memory of C's, with an end mark. Without any the library keeps to the processors.
func (o *ModelOptions) cards() ([]C.ggml_backend_dev_t, error) {
	n := 0
	if o.layers() > 0 {
		n = len(o.Devices)
	}
	list := unsafe.Slice((*C.ggml_backend_dev_t)(C.calloc(C.size_t(n+1), C.size_t(unsafe.Sizeof(uintptr(0))))), n+1)
	for i, name := range o.Devices[:n] {
		dev, err := deviceByName(name)
		if err != nil {
			C.free(unsafe.Pointer(unsafe.SliceData(list)))
			return nil, err
		}
		list[i] = dev
	}
	return list, nil
}

// names are those of cards, without the end mark.
func names(cards []C.ggml_backend_dev_t) []string {
	out := make([]string, 0, len(cards))
	for _, dev := range cards[:len(cards)-1] {
		out = append(out, C.GoString(C.ggml_backend_dev_name(dev)))
	}
	return out
}

// withMemory adds to what the library said what memory cards have: where it has run out, that tells how much.
func withMemory(detail string, cards []C.ggml_backend_dev_t) string {
	for _, dev := range cards[:len(cards)-1] {
		detail += "; " + memoryOf(dev)
	}
	return detail
}

// Close frees the model; its Contexts must be closed already.
func (m *Model) Close() error {
	m.once.Do(func() {
		C.llama_model_free(m.ptr)
		m.ptr, m.vocab = nil, nil
	})
	return nil
}

// VocabSize bounds token ids.
func (m *Model) VocabSize() int { return int(C.llama_vocab_n_tokens(m.vocab)) }

// EmbeddingWidth is the width of a token's embedding (n_embd).
func (m *Model) EmbeddingWidth() int { return int(C.llama_model_n_embd(m.ptr)) }

// InputWidth is the width of an embedding row of a batch: EmbeddingWidth times one plus the number of DeepStack parts.
func (m *Model) InputWidth() int { return int(C.llama_model_n_embd_inp(m.ptr)) }

// TrainedContext is the context length the model was trained for.
func (m *Model) TrainedContext() int { return int(C.llama_model_n_ctx_train(m.ptr)) }

// InterleavedMRoPE reports whether positions have a time, a height and a width axis interleaved over the frequencies.
func (m *Model) InterleavedMRoPE() bool {
	return C.llama_model_rope_type(m.ptr) == C.LLAMA_ROPE_TYPE_IMROPE
}

// Metadata returns a scalar value of the file's header as text.
func (m *Model) Metadata(key string) (string, bool) {
	ckey := C.CString(key)
	defer C.free(unsafe.Pointer(ckey))
	n := C.llama_model_meta_val_str(m.ptr, ckey, nil, 0)
	if n < 0 {
		return "", false
	}
	buf := make([]byte, int(n)+1)
	C.llama_model_meta_val_str(m.ptr, ckey, (*C.char)(unsafe.Pointer(&buf[0])), C.size_t(len(buf)))
	return string(buf[:n]), true
}

// Name is the file's general.name, or llama.cpp's description of the architecture.
func (m *Model) Name() string {
	if name, ok := m.Metadata("general.name"); ok && name != "" {
		return name
	}
	var buf [128]byte
	n := C.llama_model_desc(m.ptr, (*C.char)(unsafe.Pointer(&buf[0])), C.size_t(len(buf)))
	return string(buf[:min(int(n), len(buf)-1)])
}

// ChatTemplate is the file's default Jinja template, empty if it has none.
func (m *Model) ChatTemplate() string {
	t := C.llama_model_chat_template(m.ptr, nil)
	if t == nil {
		return ""
	}
	return strings.Clone(C.GoString(t))
}
