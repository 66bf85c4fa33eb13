// Callbacks between C and Go, and the few calls that are awkward to write through cgo.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "llama.h"
#include "watch.h"

#ifdef __cplusplus
extern "C" {
#endif

// Sends the log lines of ggml and llama.cpp to Go (qvLog).
void qv_install_log(void);

// Makes loading report to the Go function qvProgress with this handle.
void qv_set_progress(struct llama_model_params * params, uintptr_t handle);

// Makes decoding stop by watch and count its graph nodes there.
void qv_set_watch(struct llama_context * ctx, qv_watch * watch);

// Loads a backend from library, and the copy of ggml's base that this is linked to, whose log lines go to Go as well. NULL, with a text
// in err or an error in the log, when it cannot be loaded.
ggml_backend_reg_t qv_load_backend(const char * base, const char * library, char * err, size_t err_size);

// Feature flags of a ggml backend as "NAME = VALUE | ..." text into buf.
void qv_backend_features(ggml_backend_reg_t reg, char * buf, size_t size);

#ifdef __cplusplus
}
#endif
