// Attention on the CPU that keeps its sums in single precision.
#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

// Says whether models and contexts made from now on see the device "attention", which takes ggml's flash attention over from the CPU
// device wherever the cache lies in host memory.
void qv_offer_attention(bool offered);

#ifdef __cplusplus
}
#endif
