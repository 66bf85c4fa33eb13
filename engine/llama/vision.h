// C interface of the vision tower. Every function catches C++ exceptions and reports them as text in
// err (err_size bytes, always terminated). A qv_vision is not safe for concurrent calls, except that one qv_vision_plan
// may run beside one qv_vision_encode.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ggml-backend.h"
#include "watch.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qv_vision qv_vision;

typedef struct {
    int32_t  patch_size;
    int32_t  merge_size;
    int32_t  width;       // hidden size of the tower
    int32_t  projection;  // width of each of the 1 + n_taps parts of an output row
    int32_t  n_taps;      // DeepStack taps
    int64_t  min_pixels;  // 0: the file has none
    int64_t  max_pixels;
    uint64_t weight_bytes;
    char     device[64];
} qv_vision_info;

enum qv_status {
    QV_OK        = 0,
    QV_ERROR     = 1,
    QV_NO_MEMORY = 2,
    QV_CANCELLED = 3,
};

// Loads the tower of a `clip` GGUF file onto device, or the CPU where that is NULL.
// watch is polled between tensors; it may end the load with QV_CANCELLED.
enum qv_status qv_vision_load(const char * path, int32_t n_threads, ggml_backend_dev_t device, qv_watch * watch,
                              qv_vision ** out, char * err, size_t err_size);
void           qv_vision_free(qv_vision * v);
void           qv_vision_get_info(const qv_vision * v, qv_vision_info * info);

// Working memory in bytes that qv_vision_encode takes for a grid of patches, found without allocating it.
enum qv_status qv_vision_plan(qv_vision * v, int32_t grid_w, int32_t grid_h, uint64_t * bytes, char * err, size_t err_size);

// Encodes one frame pair. Frames are 8-bit RGB of (grid_w*patch) x (grid_h*patch) pixels; a still image gives the
// same pointer twice. out receives (grid_w*grid_h)/merge^2 rows of projection*(1+n_taps) floats, each row
// [main | tap 0 | tap 1 | ...]. watch is polled between graph nodes.
enum qv_status qv_vision_encode(qv_vision * v, const uint8_t * frame0, const uint8_t * frame1, int32_t grid_w, int32_t grid_h,
                                float * out, qv_watch * watch, char * err, size_t err_size);

#ifdef __cplusplus
}
#endif
