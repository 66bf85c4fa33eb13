// What a long computation is stopped by and seen to get on by, from another thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The computation ends soon after stop is not 0. beats counts the parts of it that are done: graph nodes, or tensors of a file.
// Only the computation itself writes beats.
typedef struct {
    int32_t  stop;
    uint64_t beats;
} qv_watch;

void     qv_watch_stop(qv_watch * w, int32_t stop);
uint64_t qv_watch_beats(const qv_watch * w);

// Counts a part, and says whether to stop. It is a ggml_abort_callback.
bool qv_watch_poll(void * watch);

#ifdef __cplusplus
}
#endif
