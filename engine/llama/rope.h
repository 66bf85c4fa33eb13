// Rotary positions on graphics cards.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ggml-backend.h"
#include "llama.h"

#ifdef __cplusplus
extern "C" {
#endif

// Gives every pair of a head's values an axis to be rotated by.
//
// The sections of interleaved MRoPE say how many pairs turn with height and width; transformers turns all others with time. The CPU
// kernel does the same, but those of cards leave a pair beyond the sections unturned: with [24, 20, 20] and 64 pairs these are 61 and 62.
// So their sections grow until every pair lies in one. Text has the same position on all axes, and is exact. A picture's rows turn the
// two pairs by height and width in place of time; these have the lowest frequencies, so that the angle is off by 5.3e-5 at most in a
// grid of 128 x 128.
void qv_rotate_all(struct llama_model * model);

// The sections that qv_rotate_all sets, for so many pairs.
void qv_rotate_all_sections(int32_t sections[4], int32_t pairs);

// Rotates heads of `width` values at n positions, [time n | height n | width n | 0 n], with a device's own kernel. False when it cannot.
bool qv_rotate(ggml_backend_dev_t device, const float * values, int32_t width, int32_t n, const int32_t * positions,
               const int32_t sections[4], float base, float * out);

#ifdef __cplusplus
}
#endif
