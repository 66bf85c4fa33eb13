// C interface of the vision tower. Every function catches C++ exceptions and reports them as text in
// err (err_size bytes, always terminated). A qv_vision and its encodings are not safe for concurrent calls, except that one
// qv_vision_plan may run beside any of the others.
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

// Flash attention as on a card, on any device: over heads that zeros widen to a width, with keys and values in half precision.
typedef struct {
    int32_t width;
    bool    half;
} qv_flash;

// Loads the tower of a `clip` GGUF file onto device, or the CPU where that is NULL.
// watch is polled between tensors; it may end the load with QV_CANCELLED. Tests give flash, others zeros: what is best on the device.
enum qv_status qv_vision_load(const char * path, int32_t n_threads, ggml_backend_dev_t device, qv_flash flash, qv_watch * watch,
                              qv_vision ** out, char * err, size_t err_size);
void           qv_vision_free(qv_vision * v);
void           qv_vision_get_info(const qv_vision * v, qv_vision_info * info);

// How wide heads of head_dim values are made for the flash attention of a backend, by its name in ggml.
int32_t qv_flash_width(const char * backend, int32_t head_dim);

// Working memory in bytes that an encoding takes of so many images with a grid of patches each, found without allocating it.
enum qv_status qv_vision_plan(qv_vision * v, int32_t grid_w, int32_t grid_h, int32_t images, uint64_t * bytes,
                              char * err, size_t err_size);

// Images on their way through the tower.
typedef struct qv_encoding qv_encoding;

// Takes in images of one size, each a frame pair: frames has 2*images pointers to 8-bit RGB of (grid_w*patch) x (grid_h*patch)
// pixels, which are not read afterwards. Where all images are still, the pointers of each pair are the same.
enum qv_status qv_encoding_begin(qv_vision * v, const uint8_t * const * frames, int32_t images, int32_t grid_w, int32_t grid_h,
                                 qv_encoding ** out, char * err, size_t err_size);

// Computes for about so many seconds, or to the end where they are negative or the tower is not on a CPU, and says whether
// it is at the end. watch is polled between graph nodes. After a failure the encoding is only good to be freed.
enum qv_status qv_encoding_advance(qv_encoding * e, double seconds, qv_watch * watch, bool * done, char * err, size_t err_size);

// Of an encoding at its end: for each image (grid_w*grid_h)/merge^2 rows of projection*(1+n_taps) floats, each row
// [main | tap 0 | tap 1 | ...].
void qv_encoding_rows(const qv_encoding * e, float * out);
void qv_encoding_free(qv_encoding * e);

#ifdef __cplusplus
}
#endif
