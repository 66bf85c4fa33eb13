// Sums of products of bytes as processors have them: four weights, 0..63, of each lane's row times four signed bytes.
// Internal to this package.
#pragma once

#include "vectors.hpp"

namespace qv {

typedef uint8_t  bytes __attribute__((vector_size(4 * lanes)));
typedef uint16_t shorts __attribute__((vector_size(4 * lanes)));
typedef uint32_t uvec __attribute__((vector_size(4 * lanes)));

inline bytes load_bytes(const uint8_t * p) {
    bytes v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

inline ivec load_ints(const int32_t * p) {
    ivec v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

// Four bytes, or two halves of a word, to all lanes.
inline ivec spread(const void * p) {
    int32_t x;
    std::memcpy(&x, p, sizeof x);
    return x - ivec{};
}

// group_sum sums products of a group of weights; run says how many times four of them it can, if no weight is above
// most. add_scaled takes a scale from widen_scale, or from lower_scale and upper_scale of two that lie side by side in
// a lane; add_pairs adds two such scales times two numbers.
#if (defined(__AVX512BW__) && defined(__AVX512VNNI__)) || (defined(__AVX2__) && !defined(__AVX512F__) && defined(__AVXVNNI__))
constexpr bool strips = true;
constexpr int  run(int, int group) {
    return group;
}
typedef ivec group_sum;
#if defined(__AVX512F__)
inline group_sum dot(group_sum sum, bytes w, ivec x) {
    return (ivec) _mm512_dpbusd_epi32((__m512i) sum, (__m512i) w, (__m512i) x);
}
inline ivec add_pairs(ivec sum, ivec scales, ivec x) {
    return (ivec) _mm512_dpwssd_epi32((__m512i) sum, (__m512i) scales, (__m512i) x);
}
#else
inline group_sum dot(group_sum sum, bytes w, ivec x) {
    return (ivec) _mm256_dpbusd_avx_epi32((__m256i) sum, (__m256i) w, (__m256i) x);
}
inline ivec add_pairs(ivec sum, ivec scales, ivec x) {
    return (ivec) _mm256_dpwssd_avx_epi32((__m256i) sum, (__m256i) scales, (__m256i) x);
}
#endif
inline group_sum dot(bytes w, ivec x) {
    return dot(group_sum{}, w, x);
}
inline ivec widen_scale(ivec scale) {
    return scale;
}
inline ivec lower_scale(ivec pair) {
    return (pair << 16) >> 16;
}
inline ivec upper_scale(ivec pair) {
    return pair >> 16;
}
inline ivec add_scaled(ivec sum, group_sum g, ivec scale) {
    return sum + g * scale;
}
#elif defined(__AVX2__) && (!defined(__AVX512F__) || defined(__AVX512BW__))
constexpr bool strips = true;
// Sums of two products are 16 bits wide: 127 * 2 * most each.
constexpr int run(int most, int group) {
    const int n = 32767 / (254 * most);
    return n < group ? n : group;
}
typedef int16_t group_sum __attribute__((vector_size(4 * lanes)));
#if defined(__AVX512F__)
inline group_sum dot(bytes w, ivec x) {
    return (group_sum) _mm512_maddubs_epi16((__m512i) w, (__m512i) x);
}
inline ivec add_pairs(ivec sum, ivec scales, ivec x) {
    return sum + (ivec) _mm512_madd_epi16((__m512i) scales, (__m512i) x);
}
#else
inline group_sum dot(bytes w, ivec x) {
    return (group_sum) _mm256_maddubs_epi16((__m256i) w, (__m256i) x);
}
inline ivec add_pairs(ivec sum, ivec scales, ivec x) {
    return sum + (ivec) _mm256_madd_epi16((__m256i) scales, (__m256i) x);
}
#endif
inline group_sum dot(group_sum sum, bytes w, ivec x) {
    sum += dot(w, x);
    asm("" : "+x"(sum));  // else compilers put products off until they lack registers
    return sum;
}
inline ivec widen_scale(ivec scale) {
    return scale | (scale << 16);  // of one that is not negative
}
#if defined(__AVX512F__)
inline ivec lower_scale(ivec pair) {
    return (ivec) _mm512_shufflehi_epi16(_mm512_shufflelo_epi16((__m512i) pair, 0xa0), 0xa0);
}
inline ivec upper_scale(ivec pair) {
    return (ivec) _mm512_shufflehi_epi16(_mm512_shufflelo_epi16((__m512i) pair, 0xf5), 0xf5);
}
#else
inline ivec lower_scale(ivec pair) {
    return (ivec) _mm256_shufflehi_epi16(_mm256_shufflelo_epi16((__m256i) pair, 0xa0), 0xa0);
}
inline ivec upper_scale(ivec pair) {
    return (ivec) _mm256_shufflehi_epi16(_mm256_shufflelo_epi16((__m256i) pair, 0xf5), 0xf5);
}
#endif
inline ivec add_scaled(ivec sum, group_sum g, ivec scale) {
    return add_pairs(sum, (ivec) g, scale);
}
#elif defined(__ARM_NEON) && defined(__ARM_FEATURE_DOTPROD)
constexpr bool strips = true;
constexpr int  run(int, int group) {
    return group;
}
typedef ivec group_sum;
inline group_sum dot(group_sum sum, bytes w, ivec x) {
    return (ivec) vdotq_s32((int32x4_t) sum, (int8x16_t) w, (int8x16_t) x);
}
inline group_sum dot(bytes w, ivec x) {
    return dot(group_sum{}, w, x);
}
inline ivec add_pairs(ivec sum, ivec scales, ivec x) {
    const int16x8_t a = (int16x8_t) scales, b = (int16x8_t) x;
    return sum + (ivec) vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b));
}
inline ivec widen_scale(ivec scale) {
    return scale;
}
inline ivec lower_scale(ivec pair) {
    return (pair << 16) >> 16;
}
inline ivec upper_scale(ivec pair) {
    return pair >> 16;
}
inline ivec add_scaled(ivec sum, group_sum g, ivec scale) {
    return (ivec) vmlaq_s32((int32x4_t) sum, (int32x4_t) g, (int32x4_t) scale);
}
#else
// No instructions: ggml's own products are taken.
constexpr bool strips = false;
constexpr int  run(int, int group) {
    return group;
}
typedef ivec group_sum;
inline group_sum dot(group_sum, bytes, ivec) {
    return ivec{};
}
inline group_sum dot(bytes, ivec) {
    return ivec{};
}
inline ivec add_pairs(ivec, ivec, ivec) {
    return ivec{};
}
inline ivec widen_scale(ivec) {
    return ivec{};
}
inline ivec lower_scale(ivec) {
    return ivec{};
}
inline ivec upper_scale(ivec) {
    return ivec{};
}
inline ivec add_scaled(ivec, group_sum, ivec) {
    return ivec{};
}
#endif

}  // namespace qv
