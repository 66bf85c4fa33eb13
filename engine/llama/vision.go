package llama

// #include <stdlib.h>
// #include "bridge.h"
// #include "vision.h"
import "C"

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"unsafe"
)

// VisionOptions says which projector to load and how.
type VisionOptions struct {
	// Path of an mmproj GGUF file of type qwen3vl_merger.
	Path    string
	Threads int
	// Device is the name of the one that the tower runs on; empty is the processors.
	Device string
	// MemoryLimit bounds the working memory of one encode in bytes; 0 means none.
	MemoryLimit int64
	// Progress, if set, is called now and then while the load gets on, from another goroutine.
	Progress func()
	// Logger gets ggml's lines; nil discards them.
	Logger *slog.Logger

	// flash has flash attention compute as on a card. The zero value is what suits the device.
	flash flash
}

// flash is attention as on a card: over heads that zeros widen to width, with keys and values in half precision.
type flash struct {
	width int
	half  bool
}

// Vision is the vision tower of one projector file. One of its Encodings computes at a time; plans may be made
// meanwhile.
type Vision struct {
	ptr   *C.qv_vision
	info  C.qv_vision_info
	card  C.ggml_backend_dev_t // nil: the processors
	limit int64
	watch watch
	once  sync.Once

	planning sync.Mutex // the tower makes one plan at a time
}

// visionErrorSize bounds the text that the tower writes about a failure.
const visionErrorSize = 1024

// LoadVision loads a projector. Cancelling ctx ends the load with ctx's error. The file must have passed
// gguf.CheckProjector.
func LoadVision(ctx context.Context, o VisionOptions) (*Vision, error) {
	defer sink.attach(o.Logger)()
	C.llama_backend_init()
	v := &Vision{limit: o.MemoryLimit, watch: newWatch()}
	defer func() {
		if v.ptr == nil {
			v.watch.free() // after stop, which still writes to it
		}
	}()
	stop := v.until(ctx)
	defer stop()
	if o.Progress != nil {
		defer ReportProgress(v.watch.beats, o.Progress)()
	}

	device, err := deviceByName(o.Device)
	if err != nil {
		return nil, err
	}
	v.card = device
	path := C.CString(o.Path)
	defer C.free(unsafe.Pointer(path))
	var text [visionErrorSize]C.char
	status := C.qv_vision_load(path, C.int32_t(max(1, o.Threads)), device,
		C.qv_flash{width: C.int32_t(o.flash.width), half: C.bool(o.flash.half)}, v.watch.ptr, &v.ptr, &text[0], visionErrorSize)
	if status != C.QV_OK {
		return nil, fmt.Errorf("load projector %q: %w", o.Path, v.failure(ctx, "load", status, &text))
	}
	C.qv_vision_get_info(v.ptr, &v.info)
	return v, nil
}

// Close frees the tower.
func (v *Vision) Close() error {
	v.once.Do(func() {
		C.qv_vision_free(v.ptr)
		v.watch.free()
		v.ptr = nil
	})
	return nil
}

// until stops what the tower computes when ctx is done; stop undoes that and waits for the callback.
func (v *Vision) until(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	unregister := context.AfterFunc(ctx, func() {
		v.watch.stop()
		close(done)
	})
	return func() {
		if !unregister() {
			<-done
		}
		v.watch.resume()
	}
}

func (v *Vision) failure(ctx context.Context, op string, status C.enum_qv_status, text *[visionErrorSize]C.char) error {
	if status == C.QV_CANCELLED && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &Error{Op: op + " vision tower", Code: int(status), Detail: C.GoString(&text[0])}
}

// Beats grow with every graph node that is computed on a CPU, so that an image that takes long can be told from one
// that hangs. It is safe to call while another goroutine encodes. It must not race with Close.
func (v *Vision) Beats() uint64 { return v.watch.beats() }

// RowWidth is the length of an output row [main|ds0|ds1|...].
func (v *Vision) RowWidth() int { return int(v.info.projection) * (1 + int(v.info.n_taps)) }

// PatchSize is the edge of a patch in pixels.
func (v *Vision) PatchSize() int { return int(v.info.patch_size) }

// MergeSize is how many patches along each edge become one token.
func (v *Vision) MergeSize() int { return int(v.info.merge_size) }

// PixelLimits are the file's own bounds of an image's area; 0 where it has none.
func (v *Vision) PixelLimits() (minimum, maximum int) {
	return int(v.info.min_pixels), int(v.info.max_pixels)
}

// Device names where the tower runs.
func (v *Vision) Device() string { return C.GoString(&v.info.device[0]) }

// flashWidth is how wide heads of so many values are made for the flash attention of a backend, by its name in ggml.
func flashWidth(backend string, head int) int {
	name := C.CString(backend)
	defer C.free(unsafe.Pointer(name))
	return int(C.qv_flash_width(name, C.int32_t(head)))
}

// Rows is the number of rows, that is tokens, of an image of this size.
func (v *Vision) Rows(width, height int) int {
	edge := v.PatchSize() * v.MergeSize()
	return (width / edge) * (height / edge)
}

// Compatible reports as an *IncompatibleError why the rows of v cannot be fed to m.
func (v *Vision) Compatible(m *Model) error {
	if !m.InterleavedMRoPE() {
		return &IncompatibleError{Reason: "the language model has no interleaved MRoPE, so it is not a Qwen3-VL"}
	}
	if got, want := int(v.info.projection), m.EmbeddingWidth(); got != want {
		return &IncompatibleError{Reason: fmt.Sprintf("the projector's rows are %d wide, the model's embeddings %d", got, want)}
	}
	if got, want := int(v.info.n_taps), m.InputWidth()/m.EmbeddingWidth()-1; got != want {
		return &IncompatibleError{
			Reason: fmt.Sprintf("the projector has %d DeepStack layers, the model's n_deepstack_layers is %d", got, want),
		}
	}
	return nil
}

// grid converts a size in pixels into patches.
func (v *Vision) grid(width, height int) (w, h C.int32_t, err error) {
	edge := v.PatchSize() * v.MergeSize()
	if width <= 0 || height <= 0 || width%edge != 0 || height%edge != 0 {
		return 0, 0, &Error{Op: "encode image", Detail: fmt.Sprintf("size %dx%d is not a multiple of %d", width, height, edge)}
	}
	return C.int32_t(width / v.PatchSize()), C.int32_t(height / v.PatchSize()), nil
}

// Plan returns the working memory in bytes of encoding so many frame pairs of this size at once, without allocating it.
// Beyond the MemoryLimit it also returns a *MemoryError. It is safe for concurrent use, also beside an Encoding.
func (v *Vision) Plan(images, width, height int) (int64, error) {
	if v.ptr == nil {
		return 0, ErrClosed
	}
	w, h, err := v.grid(width, height)
	if err != nil {
		return 0, err
	}
	var (
		size C.uint64_t
		text [visionErrorSize]C.char
	)
	v.planning.Lock()
	defer v.planning.Unlock()
	if status := C.qv_vision_plan(v.ptr, w, h, C.int32_t(images), &size, &text[0], visionErrorSize); status != C.QV_OK {
		return 0, v.failure(context.Background(), "plan", status, &text)
	}
	if limit := v.allowed(); limit > 0 && int64(size) > limit {
		return int64(size), &MemoryError{Needed: int64(size), Limit: limit}
	}
	return int64(size), nil
}

// allowed is the most working memory that an encoding may take: on a card no more than that has left, which others may
// have taken; 0 is no limit.
func (v *Vision) allowed() int64 {
	if v.card == nil {
		return v.limit
	}
	var free, total C.size_t
	C.ggml_backend_dev_memory(v.card, &free, &total)
	if total == 0 {
		return v.limit
	}
	if left := max(1, int64(free)); v.limit == 0 || left < v.limit {
		return left
	}
	return v.limit
}

// Encode runs the tower over one frame pair, from beginning to end. It returns its rows, as an Encoding does.
func (v *Vision) Encode(ctx context.Context, frames Frames, width, height int) ([]float32, error) {
	e, err := v.Begin([]Frames{frames}, width, height)
	if err != nil {
		return nil, err
	}
	defer func() { _ = e.Close() }()
	if _, err := e.Advance(ctx, ToEnd); err != nil {
		return nil, err
	}
	return e.Rows(), nil
}
