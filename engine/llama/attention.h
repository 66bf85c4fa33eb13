// Attention on the CPU that keeps its sums in single precision.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// Registers the device "attention", which takes ggml's flash attention over from the CPU device wherever the cache lies in host
// memory. Must be called before a model is loaded; calling it again changes nothing.
void qv_register_attention(void);

#ifdef __cplusplus
}
#endif
