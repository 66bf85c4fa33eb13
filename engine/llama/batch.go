package llama

// #include <stdlib.h>
// #include "llama.h"
import "C"

import (
	"fmt"
	"sync"
	"unsafe"
)

// Position is where a row stands on the three axes of MRoPE (reference: get_rope_index).
type Position struct{ T, H, W int32 }

// positionStreams is the number of position arrays libllama reads for embedding rows: time, height, width and one
// spare.
const positionStreams = 4

// Batch collects rows for one Decode: either tokens or embedding rows, never both, of one or several sequences.
type Batch struct {
	c         C.struct_llama_batch
	width     int // of an embedding row; 0 for tokens
	capacity  int
	n         int
	positions []Position
	once      sync.Once
}

// NewTokenBatch makes a batch for up to capacity tokens.
func NewTokenBatch(capacity int) *Batch { return newBatch(capacity, 0) }

// NewEmbeddingBatch makes a batch for up to capacity rows of Model.InputWidth floats.
func NewEmbeddingBatch(capacity, width int) *Batch { return newBatch(capacity, width) }

func newBatch(capacity, width int) *Batch {
	if capacity <= 0 || width < 0 {
		panic(fmt.Sprintf("llama: batch of %d rows of width %d", capacity, width))
	}
	b := &Batch{width: width, capacity: capacity, positions: make([]Position, 0, capacity)}
	n := C.size_t(capacity)
	if width == 0 {
		b.c.token = (*C.llama_token)(C.calloc(n, C.sizeof_llama_token))
	} else {
		b.c.embd = (*C.float)(C.calloc(n*C.size_t(width), C.sizeof_float))
	}
	b.c.pos = (*C.llama_pos)(C.calloc(n*positionStreams, C.sizeof_llama_pos))
	b.c.n_seq_id = (*C.int32_t)(C.calloc(n, C.sizeof_int32_t))
	b.c.seq_id = (**C.llama_seq_id)(C.calloc(n, C.size_t(unsafe.Sizeof(uintptr(0)))))
	b.c.logits = (*C.int8_t)(C.calloc(n, 1))
	// One sequence a row: all rows' ids lie in one array that the row pointers lead into.
	ids := unsafe.Slice((*C.llama_seq_id)(C.calloc(n, C.sizeof_llama_seq_id)), capacity)
	rows, counts := b.sequencePointers(), unsafe.Slice(b.c.n_seq_id, capacity)
	for i := range rows {
		rows[i], counts[i] = &ids[i], 1
	}
	return b
}

func (b *Batch) sequencePointers() []*C.llama_seq_id { return unsafe.Slice(b.c.seq_id, b.capacity) }

// Close frees the batch.
func (b *Batch) Close() error {
	b.once.Do(func() {
		C.free(unsafe.Pointer(b.sequencePointers()[0]))
		for _, p := range []unsafe.Pointer{
			unsafe.Pointer(b.c.token), unsafe.Pointer(b.c.embd), unsafe.Pointer(b.c.pos),
			unsafe.Pointer(b.c.n_seq_id), unsafe.Pointer(b.c.seq_id), unsafe.Pointer(b.c.logits),
		} {
			C.free(p)
		}
		b.c = C.struct_llama_batch{}
		b.capacity, b.n = 0, 0
	})
	return nil
}

// Reset empties the batch.
func (b *Batch) Reset() {
	b.n = 0
	b.positions = b.positions[:0]
}

// Len is the number of rows.
func (b *Batch) Len() int { return b.n }

// Cap is how many rows fit.
func (b *Batch) Cap() int { return b.capacity }

// AddToken appends a token at the same position on all axes. With logits set, Context.Logits has its row after Decode.
// It panics when the batch is full or holds embedding rows.
func (b *Batch) AddToken(t Token, pos, seq int32, logits bool) {
	if b.width != 0 {
		panic("llama: token in an embedding batch")
	}
	i := b.add(Position{pos, pos, pos}, seq, logits)
	unsafe.Slice(b.c.token, b.capacity)[i] = C.llama_token(t)
}

// AddRow appends an embedding row. It panics when the batch is full, holds tokens or row has another width.
func (b *Batch) AddRow(row []float32, pos Position, seq int32, logits bool) {
	if b.width == 0 || len(row) != b.width {
		panic(fmt.Sprintf("llama: row of %d floats in a batch of width %d", len(row), b.width))
	}
	i := b.add(pos, seq, logits)
	rows := unsafe.Slice((*float32)(unsafe.Pointer(b.c.embd)), b.capacity*b.width)
	copy(rows[i*b.width:], row)
}

func (b *Batch) add(pos Position, seq int32, logits bool) int {
	if b.n == b.capacity {
		panic(fmt.Sprintf("llama: batch of %d rows is full", b.capacity))
	}
	i := b.n
	b.n++
	b.positions = append(b.positions, pos)
	*b.sequencePointers()[i] = C.llama_seq_id(seq)
	want := C.int8_t(0)
	if logits {
		want = 1
	}
	unsafe.Slice(b.c.logits, b.capacity)[i] = want
	return i
}

// ready lays out the positions for this number of rows and returns the C batch.
func (b *Batch) ready() C.struct_llama_batch {
	b.c.n_tokens = C.int32_t(b.n)
	pos := unsafe.Slice((*int32)(unsafe.Pointer(b.c.pos)), b.capacity*positionStreams)
	for i, p := range b.positions {
		pos[i] = p.T
		if b.width != 0 {
			// Stream-major with a stride of this batch's length. The spare stream is what unpatched rope kernels
			// give to the frequencies past the sections, which the model rotates by time.
			pos[b.n+i], pos[2*b.n+i], pos[3*b.n+i] = p.H, p.W, p.T
		}
	}
	return b.c
}
