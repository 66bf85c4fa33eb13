// Products of many rows with panels: matrices cut into strips of so few columns that a strip stays in the processor's
// nearest cache while all rows pass by. Internal to this package.
#pragma once

#include <algorithm>

#include "vectors.hpp"

namespace qv {

// A kernel's sums fill the registers but for what it multiplies: x86 has 16, and 32 with AVX-512, as ARM has.
#if defined(__AVX512F__)
constexpr int panel_rows = 12, panel_vecs = 2;
#elif defined(__ARM_NEON) && defined(__aarch64__)
constexpr int panel_rows = 6, panel_vecs = 4;
#else
constexpr int panel_rows = 6, panel_vecs = 2;
#endif
constexpr int64_t panel_width = panel_vecs * lanes;

// One row of sums, as wide as a panel.
using panel_sums = vec[panel_vecs];

// Gives finish(r, sums over k of rows[r][k] * panel[k]) for R rows. Each sum adds up in the order of k, whatever R is.
template <int R, typename Finish>
void multiply_rows(const float * rows, int64_t stride, const float * panel, int64_t depth, Finish finish) {
    panel_sums sums[R] = {};
    for (int64_t k = 0; k < depth; ++k, panel += panel_width) {
        panel_sums column;
        for (int c = 0; c < panel_vecs; ++c) {
            column[c] = load(panel + c * lanes);
        }
        for (int r = 0; r < R; ++r) {
            const vec x = fill(rows[r * stride + k]);
            for (int c = 0; c < panel_vecs; ++c) {
                sums[r][c] = madd(x, column[c], sums[r][c]);
            }
        }
    }
    for (int r = 0; r < R; ++r) {
        finish(r, sums[r]);
    }
}

// The same for any number of rows up to R.
template <int R = panel_rows, typename Finish>
void multiply(int64_t n, const float * rows, int64_t stride, const float * panel, int64_t depth, Finish finish) {
    if constexpr (R > 1) {
        if (n < R) {
            return multiply<R - 1>(n, rows, stride, panel, depth, finish);
        }
    }
    multiply_rows<R>(rows, stride, panel, depth, finish);
}

// Turns a square of corner x corner numbers: out[c][r] = in[r][c].
#if defined(__AVX__)
constexpr int corner = 8;
inline void turn(const float * in, int64_t in_stride, float * out, int64_t out_stride) {
    __m256 a[8], b[8];
    for (int i = 0; i < 8; ++i) {
        a[i] = _mm256_loadu_ps(in + i * in_stride);
    }
    for (int i = 0; i < 8; i += 2) {
        b[i]     = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        a[i]     = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xee);
        a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xee);
    }
    for (int i = 0; i < 4; ++i) {
        _mm256_storeu_ps(out + i * out_stride, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
        _mm256_storeu_ps(out + (i + 4) * out_stride, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
    }
}
#else
constexpr int corner = 4;
inline void turn(const float * in, int64_t in_stride, float * out, int64_t out_stride) {
#if defined(__ARM_NEON) && defined(__aarch64__)
    const float32x4x2_t a = vtrnq_f32(vld1q_f32(in), vld1q_f32(in + in_stride));
    const float32x4x2_t b = vtrnq_f32(vld1q_f32(in + 2 * in_stride), vld1q_f32(in + 3 * in_stride));
    vst1q_f32(out, vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0])));
    vst1q_f32(out + out_stride, vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1])));
    vst1q_f32(out + 2 * out_stride, vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0])));
    vst1q_f32(out + 3 * out_stride, vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1])));
#else
    for (int r = 0; r < corner; ++r) {
        for (int c = 0; c < corner; ++c) {
            out[c * out_stride + r] = in[r * in_stride + c];
        }
    }
#endif
}
#endif
static_assert(panel_width % corner == 0 && lanes % corner == 0, "a panel of turned rows is made of whole corners");

}  // namespace qv
