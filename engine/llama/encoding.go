package llama

// #include <stdlib.h>
// #include "vision.h"
import "C"

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"
)

// Frames are a frame pair of 8-bit RGB, row-major, 3*width*height bytes each. A still image is the same slice twice.
type Frames [2][]byte

// ToEnd as the time of Advance has no bound.
const ToEnd = time.Duration(-1)

// Encoding is images of one size on their way through the tower. It holds the tower's memory for them until it is
// closed, which must be before its Vision is. It is for one goroutine, and Advance of one Encoding at a time.
type Encoding struct {
	tower *Vision
	ptr   *C.qv_encoding
	rows  int
	done  bool
	once  sync.Once
}

// Begin takes in images, whose pixels are not needed afterwards. What is beyond the MemoryLimit is refused before
// anything is allocated.
func (v *Vision) Begin(images []Frames, width, height int) (*Encoding, error) {
	if _, err := v.Plan(len(images), width, height); err != nil {
		return nil, err
	}
	w, h, err := v.grid(width, height)
	if err != nil {
		return nil, err
	}
	var (
		pinned  runtime.Pinner
		pointer = make([]*C.uint8_t, 0, 2*len(images))
	)
	defer pinned.Unpin()
	for _, pair := range images {
		for _, f := range pair {
			if len(f) != 3*width*height {
				return nil, &Error{
					Op: "encode image", Detail: fmt.Sprintf("a frame has %d bytes, %dx%d needs %d", len(f), width, height, 3*width*height),
				}
			}
			pinned.Pin(unsafe.SliceData(f))
			pointer = append(pointer, (*C.uint8_t)(unsafe.SliceData(f)))
		}
	}
	e := &Encoding{tower: v, rows: len(images) * v.Rows(width, height)}
	var text [visionErrorSize]C.char
	status := C.qv_encoding_begin(v.ptr, unsafe.SliceData(pointer), C.int32_t(len(images)), w, h, &e.ptr, &text[0], visionErrorSize)
	if status != C.QV_OK {
		return nil, v.failure(context.Background(), "begin", status, &text)
	}
	return e, nil
}

// Advance computes for about as long as within says, or a little longer: it stops between two products of matrices. It
// reports whether the rows are there. A tower on a GPU computes all at once. Cancelling ctx ends it early on a CPU;
// after an error the encoding is only good to be closed.
func (e *Encoding) Advance(ctx context.Context, within time.Duration) (done bool, err error) {
	if e.ptr == nil {
		return false, ErrClosed
	}
	if e.done {
		return true, nil
	}
	stop := e.tower.until(ctx)
	defer stop()
	if err := ctx.Err(); err != nil {
		return false, context.Cause(ctx)
	}
	seconds := C.double(-1)
	if within != ToEnd {
		seconds = C.double(within.Seconds())
	}
	var (
		end  C.bool
		text [visionErrorSize]C.char
	)
	status := C.qv_encoding_advance(e.ptr, seconds, e.tower.watch.ptr, &end, &text[0], visionErrorSize)
	if status != C.QV_OK {
		return false, e.tower.failure(ctx, "run", status, &text)
	}
	if e.tower.watch.poll() { // a card computes what it was given to the end
		return false, context.Cause(ctx)
	}
	e.done = bool(end)
	return e.done, nil
}

// Rows returns the rows of an encoding that is at its end: of each image Vision.Rows of RowWidth floats, in raster
// order of the merged grid. Before that there are none.
func (e *Encoding) Rows() []float32 {
	if e.ptr == nil || !e.done {
		return nil
	}
	out := make([]float32, e.rows*e.tower.RowWidth())
	C.qv_encoding_rows(e.ptr, (*C.float)(unsafe.SliceData(out)))
	return out
}

// Close frees the memory, wherever the encoding stands.
func (e *Encoding) Close() error {
	e.once.Do(func() {
		C.qv_encoding_free(e.ptr)
		e.ptr = nil
	})
	return nil
}
