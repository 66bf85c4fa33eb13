package llama

// #include "ggml.h"
// #include "strips.h"
// #include "strips_check.h"
import "C"

import "unsafe"

// weightType is a format of weights that are kept in strips, with the bytes of a block of blockWeights.
type weightType struct {
	name   string
	number int
	block  int
}

const blockWeights = 256

// stripTypes are the formats that are kept in strips.
func stripTypes() []weightType {
	return []weightType{
		{"Q4_K", C.GGML_TYPE_Q4_K, int(C.ggml_type_size(C.GGML_TYPE_Q4_K))},
		{"Q6_K", C.GGML_TYPE_Q6_K, int(C.ggml_type_size(C.GGML_TYPE_Q6_K))},
	}
}

// widen is what count weights stand for.
func (t weightType) widen(weights []byte, count int) []float32 {
	out := make([]float32, count)
	C.qv_widen(C.int(t.number), unsafe.Pointer(&weights[0]), C.int64_t(count), (*C.float)(&out[0]))
	return out
}

// multiply computes the product of rows with n rows of weights as the CPU backend does it, in strips or in ggml's own
// layout. It returns nil if the processor has no instructions for it.
func (t weightType) multiply(weights []byte, columns, n int, rows []float32, threads int, strips bool) []float32 {
	C.qv_offer_strips()
	count := len(rows) / columns
	out := make([]float32, n*count)
	if !C.qv_multiply(C.int(t.number), unsafe.Pointer(&weights[0]), C.int64_t(columns), C.int64_t(n), (*C.float)(&rows[0]),
		C.int64_t(count), C.int(threads), C.bool(strips), (*C.float)(&out[0])) {
		return nil
	}
	return out
}
