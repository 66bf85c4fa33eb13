// Vectors of floats as wide as the processor's, and the few operations that the kernels are made of. Internal to this package.
#pragma once

#include <cstdint>
#include <cstring>

#include "attention.hpp"

#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace qv {

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif

typedef float   vec __attribute__((vector_size(4 * lanes)));
typedef int32_t ivec __attribute__((vector_size(4 * lanes)));

inline vec load(const float * p) {
    vec v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

// Whether the processor has an instruction for loading halves.
#if defined(__AVX512F__)
constexpr bool loads_halves = true;
inline vec load(const half * p) {
    return (vec) _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
}
#elif defined(__AVX__) && defined(__F16C__)
constexpr bool loads_halves = true;
inline vec load(const half * p) {
    return (vec) _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p)));
}
#elif defined(__ARM_NEON) && defined(__aarch64__)
constexpr bool loads_halves = true;
inline vec load(const half * p) {
    return (vec) vcvt_f32_f16(vld1_f16(reinterpret_cast<const __fp16 *>(p)));
}
#else
constexpr bool loads_halves = false;
inline vec load(const half *) {
    return vec{};  // never called
}
#endif

inline void save(float * p, vec v) {
    std::memcpy(p, &v, sizeof v);
}

inline vec fill(float x) {
    return x - vec{};  // a zero that is added would be an instruction, because it changes -0
}

// n rounded up to whole vectors.
inline int64_t padded(int64_t n) {
    return (n + lanes - 1) / lanes * lanes;
}

// a*b + c in one rounding where the processor can.
inline vec madd(vec a, vec b, vec c) {
#if defined(__AVX512F__)
    return (vec) _mm512_fmadd_ps((__m512) a, (__m512) b, (__m512) c);
#elif defined(__FMA__)
    return (vec) _mm256_fmadd_ps((__m256) a, (__m256) b, (__m256) c);
#elif defined(__ARM_NEON) && defined(__aarch64__)
    return (vec) vfmaq_f32((float32x4_t) c, (float32x4_t) a, (float32x4_t) b);
#else
    return a * b + c;
#endif
}

// The sums over the lanes of four vectors.
inline void sum4(const vec a[4], float out[4]) {
#if defined(__AVX__)
#if defined(__AVX512F__)
    __m256 h[4];
    for (int i = 0; i < 4; ++i) {
        h[i] = _mm256_add_ps(_mm512_castps512_ps256((__m512) a[i]),
                             _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd((__m512) a[i]), 1)));
    }
#else
    const __m256 h[4] = {(__m256) a[0], (__m256) a[1], (__m256) a[2], (__m256) a[3]};
#endif
    const __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(h[0], h[1]), _mm256_hadd_ps(h[2], h[3]));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
#else
    for (int i = 0; i < 4; ++i) {
        out[i] = (a[i][0] + a[i][1]) + (a[i][2] + a[i][3]);
    }
#endif
}

inline float sum(vec a) {
    const vec v[4] = {a, vec{}, vec{}, vec{}};
    float     out[4];
    sum4(v, out);
    return out[0];
}

// The highest of n numbers, a multiple of lanes; -inf if there are none.
inline float highest_of(const float * x, int64_t n) {
    vec top = fill(-__builtin_inff());
    for (int64_t i = 0; i < n; i += lanes) {
        const vec v = load(x + i);
        top         = v > top ? v : top;
    }
    float highest = top[0];
    for (int i = 1; i < lanes; ++i) {
        highest = top[i] > highest ? top[i] : highest;
    }
    return highest;
}

// 2^(x - peak) for x <= peak, computed as 2^f * 2^(n - peak) with x = f + n and |f| <= 1/2, so that another peak changes nothing but the
// exponent of the result. 0 below the normal numbers, and for -inf.
inline vec exp2(vec x, int32_t peak) {
    const vec magic = fill(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
    const vec floor = fill(-4194304.0f);
    x               = x < floor ? floor : x;
    const vec n     = (x + magic) - magic;
    const vec f     = x - n;
    // Coefficients of 2^f on [-1/2, 1/2], relative error below 2e-8.
    vec p = fill(1.535336188319500e-4f);
    p     = madd(p, f, fill(1.339887440266574e-3f));
    p     = madd(p, f, fill(9.618437357674640e-3f));
    p     = madd(p, f, fill(5.550332471162809e-2f));
    p     = madd(p, f, fill(2.402264791363012e-1f));
    p     = madd(p, f, fill(6.931472028550421e-1f));
    p     = madd(p, f, fill(1.0f));
    const ivec e    = __builtin_convertvector(n, ivec) - peak;
    const ivec bits = e < -126 ? ivec{} : (e + 127) << 23;
    vec        s;
    std::memcpy(&s, &bits, sizeof s);
    return p * s;
}

// 2^e, 0 below the normal numbers.
inline float power(int64_t e) {
    const int32_t bits = e < -126 ? 0 : static_cast<int32_t>(e + 127) << 23;
    float         s;
    std::memcpy(&s, &bits, sizeof s);
    return s;
}

}  // namespace qv
