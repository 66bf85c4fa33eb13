// A matrix product as models compute it, for the tests, which cannot call C.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Multiplies rows with the n rows of weights, which are of a ggml type, in ggml's own layout or in strips. It returns
// false if the processor cannot.
bool qv_multiply(int type, const void * weights, int64_t columns, int64_t n, const float * rows, int64_t n_rows, int threads, bool strips,
                 float * out);

// Writes what weights stand for.
void qv_widen(int type, const void * weights, int64_t count, float * out);

#ifdef __cplusplus
}
#endif
