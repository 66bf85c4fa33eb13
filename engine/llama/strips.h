// Weights of the formats Q4_K and Q6_K, laid out so that the CPU multiplies with them faster.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// Has models that are loaded from now on keep such weights in strips, where the CPU has instructions for them.
void qv_offer_strips(void);

#ifdef __cplusplus
}
#endif
