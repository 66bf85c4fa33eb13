package llama

// #include <stdlib.h>
// #include "gguf.h"
import "C"

import (
	"fmt"
	"os"
	"unsafe"
)

// visionArchitectures are the ones whose positions have three axes.
func visionArchitecture(name string) bool { return name == "qwen3vl" || name == "qwen3vlmoe" }

// header reads scalar facts of a GGUF file without its tensors.
type header struct{ ptr *C.struct_gguf_context }

func openHeader(path string) (header, error) {
	f, err := os.Open(path) // gives the system's reason, which ggml does not
	if err != nil {
		return header{}, err
	}
	_ = f.Close()
	cpath := C.CString(path)
	defer C.free(unsafe.Pointer(cpath))
	ptr := C.gguf_init_from_file(cpath, C.struct_gguf_init_params{no_alloc: true})
	if ptr == nil {
		return header{}, &Error{Op: "read header", Detail: "not a readable GGUF file"}
	}
	return header{ptr}, nil
}

func (h header) close() { C.gguf_free(h.ptr) }

func (h header) find(key string) C.int64_t {
	ckey := C.CString(key)
	defer C.free(unsafe.Pointer(ckey))
	return C.gguf_find_key(h.ptr, ckey)
}

func (h header) text(key string) string {
	id := h.find(key)
	if id < 0 || C.gguf_get_kv_type(h.ptr, id) != C.GGUF_TYPE_STRING {
		return ""
	}
	return C.GoString(C.gguf_get_val_str(h.ptr, id))
}

// sections returns the rope sections, or nil if the key is missing or not an array of up to four 32-bit integers.
func (h header) sections(key string) []int32 {
	id := h.find(key)
	if id < 0 || C.gguf_get_kv_type(h.ptr, id) != C.GGUF_TYPE_ARRAY {
		return nil
	}
	kind := C.gguf_get_arr_type(h.ptr, id)
	n := int(C.gguf_get_arr_n(h.ptr, id))
	if (kind != C.GGUF_TYPE_INT32 && kind != C.GGUF_TYPE_UINT32) || n == 0 || n > 4 {
		return nil
	}
	values := unsafe.Slice((*int32)(C.gguf_get_arr_data(h.ptr, id)), n)
	return append([]int32(nil), values...)
}

// checkModelHeader refuses files that libllama would refuse with an obscure line, or accept and then compute wrongly.
func checkModelHeader(path string) error {
	h, err := openHeader(path)
	if err != nil {
		return err
	}
	defer h.close()
	arch := h.text("general.architecture")
	switch {
	case arch == "":
		return &Error{Op: "check header", Detail: "the file has no general.architecture"}
	case arch == "clip":
		return &Error{Op: "check header", Detail: "the file is a projector (mmproj), not a language model"}
	case !visionArchitecture(arch):
		return nil
	}
	key := arch + ".rope.dimension_sections"
	sections := h.sections(key)
	if sections == nil {
		detail := fmt.Sprintf("the file has no usable %s, which %s needs for its three position axes", key, arch)
		if h.find(arch+".mrope_sections") >= 0 || h.find(arch+".rope.mrope_section") >= 0 {
			detail += "; it is a single-file conversion for another engine, use a llama.cpp conversion with a separate projector"
		}
		return &Error{Op: "check header", Detail: detail}
	}
	sum := int32(0)
	for _, s := range sections {
		if s < 0 {
			return &Error{Op: "check header", Detail: key + " has a negative section"}
		}
		sum += s
	}
	if sum == 0 {
		return &Error{Op: "check header", Detail: key + " has only empty sections"}
	}
	return nil
}
