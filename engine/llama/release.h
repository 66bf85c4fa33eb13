// Frees what libllama frees in the wrong order on graphics cards.
#pragma once

#include "llama.h"

#ifdef __cplusplus
extern "C" {
#endif

// Does what llama_free does. That frees a context's backends before their scheduler, which in this version of ggml resets each of them at
// its own end (CUDA has such a reset): a use of freed memory that ends the process. Here these backends live on until the scheduler is gone.
void qv_free_context(struct llama_context * ctx);

#ifdef __cplusplus
}
#endif
