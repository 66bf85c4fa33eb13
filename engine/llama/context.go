package llama

// #include <stdlib.h>
// #include "attention.h"
// #include "bridge.h"
// #include "release.h"
import "C"

import (
	"fmt"
	"sync"
	"unsafe"
)

// KVType is the number format of the KV cache.
type KVType string

// KV cache formats. KVFloat32 is for exact comparisons.
const (
	KVFloat32 KVType = "f32"
	KVFloat16 KVType = "f16"
	KVQ8      KVType = "q8_0"
)

func (k KVType) ggml() (uint32, error) {
	switch k {
	case KVFloat32:
		return C.GGML_TYPE_F32, nil
	case KVFloat16, "":
		return C.GGML_TYPE_F16, nil
	case KVQ8:
		return C.GGML_TYPE_Q8_0, nil
	default:
		return 0, fmt.Errorf("llama: KV cache type %q is not one of f32, f16, q8_0", string(k))
	}
}

// ContextOptions sizes a Context.
type ContextOptions struct {
	// ContextSize is the number of cells that all sequences share.
	ContextSize int
	// BatchSize bounds the rows of one Decode; MicroBatchSize those computed at once (0: BatchSize).
	BatchSize, MicroBatchSize int
	// MaxSequences bounds sequence ids: 0 <= seq < MaxSequences.
	MaxSequences int
	Threads      int
	KV           KVType
	// PlainAttention computes attention as matrix products with all scores in memory, which the library does with
	// KVFloat32 in any case: its graph of flash attention rounds such keys and values to half precision first.
	PlainAttention bool
	// libraryAttention leaves flash attention to ggml's kernel for CPUs, which ours is measured against.
	libraryAttention bool
}

func (o *ContextOptions) plain() bool { return o.PlainAttention || o.KV == KVFloat32 }

// scoreBytes bounds the scores of plain attention, for which the library reserves memory for all cells at once.
const scoreBytes = 512 << 20

// microBatch is how many rows are computed at once.
func (o *ContextOptions) microBatch(heads int) int {
	n := o.BatchSize
	if o.MicroBatchSize > 0 {
		n = min(n, o.MicroBatchSize)
	}
	if o.plain() {
		n = min(n, max(1, scoreBytes/(4*heads*o.ContextSize)))
	}
	return n
}

// Context holds the KV cache of one model, unified over its sequences.
type Context struct {
	ptr   *C.struct_llama_context
	vocab int
	width int // of embedding rows
	watch watch
	once  sync.Once
}

// NewContext makes a context on m.
func NewContext(m *Model, o ContextOptions) (*Context, error) {
	kv, err := o.KV.ggml()
	if err != nil {
		return nil, err
	}
	if o.ContextSize <= 0 || o.BatchSize <= 0 || o.MaxSequences <= 0 || o.Threads <= 0 {
		return nil, fmt.Errorf("llama: context sizes must be positive: %+v", o)
	}
	p := C.llama_context_default_params()
	p.n_ctx = C.uint32_t(o.ContextSize)
	p.n_batch = C.uint32_t(o.BatchSize)
	p.n_ubatch = C.uint32_t(o.microBatch(int(C.llama_model_n_head(m.ptr))))
	p.n_seq_max = C.uint32_t(o.MaxSequences)
	p.n_threads = C.int32_t(o.Threads)
	p.n_threads_batch = C.int32_t(o.Threads)
	p.flash_attn_type = C.LLAMA_FLASH_ATTN_TYPE_ENABLED
	if o.plain() {
		p.flash_attn_type = C.LLAMA_FLASH_ATTN_TYPE_DISABLED
	}
	p.type_k, p.type_v = kv, kv
	p.kv_unified = true
	p.no_perf = true

	C.qv_offer_attention(C.bool(!o.libraryAttention))
	ptr := C.llama_init_from_model(m.ptr, p)
	C.qv_offer_attention(true)
	if ptr == nil {
		return nil, &Error{Op: "create context", Detail: sink.takeErrors()}
	}
	c := &Context{
		ptr:   ptr,
		vocab: m.VocabSize(),
		width: m.InputWidth(),
		watch: newWatch(),
	}
	C.qv_set_watch(ptr, c.watch.ptr)
	return c, nil
}

// Close frees the context.
func (c *Context) Close() error {
	c.once.Do(func() {
		C.qv_free_context(c.ptr)
		c.watch.free()
		c.ptr = nil
	})
	return nil
}

// Size is the number of cells, which the library may have rounded up.
func (c *Context) Size() int { return int(C.llama_n_ctx(c.ptr)) }

// SetThreads says how many threads the following Decode calls take. The results are the same with any number.
func (c *Context) SetThreads(n int) {
	if c.ptr != nil {
		C.llama_set_n_threads(c.ptr, C.int32_t(n), C.int32_t(n))
	}
}

// Abort makes the running and following Decode calls return ErrAborted, until ClearAbort. It is safe to call while
// another goroutine decodes, and takes effect between graph nodes on a CPU, and before the next call on a card. It must
// not race with Close.
func (c *Context) Abort() { c.watch.stop() }

// ClearAbort undoes Abort.
func (c *Context) ClearAbort() { c.watch.resume() }

// Beats grow with every graph node that Decode computes on a CPU, and with every call on a card, so that a step that
// takes long can be told from one that hangs. It is safe to call while another goroutine decodes. It must not race with
// Close.
func (c *Context) Beats() uint64 { return c.watch.beats() }

// Decode computes the rows of b. On ErrNoKVSlot nothing has changed; after ErrAborted or another error some of the rows
// may be in the cache, and the caller should remove them by position.
func (c *Context) Decode(b *Batch) error {
	if c.ptr == nil || b.capacity == 0 {
		return ErrClosed
	}
	if b.n == 0 {
		return nil
	}
	if b.width != 0 && b.width != c.width {
		return &IncompatibleError{Reason: fmt.Sprintf("rows are %d wide, the model takes %d", b.width, c.width)}
	}
	if c.watch.poll() {
		return ErrAborted
	}
	switch code := C.llama_decode(c.ptr, b.ready()); code {
	case 0:
		c.watch.poll()
		return nil
	case 1:
		return ErrNoKVSlot
	case 2:
		return ErrAborted
	default:
		return &Error{Op: "decode", Code: int(code), Detail: sink.takeErrors()}
	}
}

// Logits returns the logits of row i of the last batch, for which they must have been asked. The slice is valid until
// the next Decode.
func (c *Context) Logits(i int) ([]float32, error) {
	p := C.llama_get_logits_ith(c.ptr, C.int32_t(i))
	if p == nil {
		return nil, &Error{Op: "logits", Detail: fmt.Sprintf("row %d has none", i)}
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(p)), c.vocab), nil
}

// RemoveSequence forgets the cells of seq at positions p0 <= p < p1; p1 < 0 means to the end. All rows of one image
// share their time position, so a cut can only be at an image's border. It reports whether the removal was possible.
func (c *Context) RemoveSequence(seq, p0, p1 int32) bool {
	return bool(C.llama_memory_seq_rm(C.llama_get_memory(c.ptr), C.llama_seq_id(seq), C.llama_pos(p0), C.llama_pos(p1)))
}

// SequenceNumbers bounds the numbers that CopySequence can give to cells that are decoded no further, whatever
// MaxSequences is.
func SequenceNumbers() int { return int(C.llama_max_parallel_sequences()) }

// CopySequence lets dst share the cells of src at positions p0 <= p < p1 (p1 < 0: to the end). No data is copied.
func (c *Context) CopySequence(src, dst, p0, p1 int32) {
	C.llama_memory_seq_cp(C.llama_get_memory(c.ptr), C.llama_seq_id(src), C.llama_seq_id(dst), C.llama_pos(p0), C.llama_pos(p1))
}
