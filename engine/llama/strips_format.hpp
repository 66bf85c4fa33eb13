// How a block of a strip lies in memory, and how it is read. Internal to this package.
//
// In ggml (ggml-common.h) a block of Q4_K is 256 weights of 4 bits in 8 groups, each with a scale and a minimum of 6
// bits, times two halves. One of Q6_K is 256 weights of 6 bits, 32 too high, in 16 groups, each with a signed scale,
// times a half. A strip's block is as large as the blocks of its rows.
#pragma once

#include "strips.hpp"
#include "strips_dot.hpp"

namespace qv {

// A block of a strip whose scales are widened: by group, and for pairs of groups of 16 what is taken off for each unit
// of their sum.
struct block_scales {
    int32_t scale[16 * lanes];
    int32_t pair[8 * lanes];
    float   d[lanes], m[lanes];
};

// A block with its weights widened too: by fours, then row.
struct wide_block {
    alignas(64) uint8_t quads[64 * 4 * lanes];
    block_scales scales;
};

inline void save_ints(int32_t * p, ivec v) {
    std::memcpy(p, &v, sizeof v);
}

// Bytes, one a lane.
inline ivec widen_bytes(const uint8_t * p) {
    typedef uint8_t few __attribute__((vector_size(lanes)));
    few v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, ivec);
}

// Signed bytes, two a lane.
inline ivec widen_pairs(const int8_t * p) {
    typedef int8_t  few __attribute__((vector_size(2 * lanes)));
    typedef int16_t wide __attribute__((vector_size(4 * lanes)));
    few v;
    std::memcpy(&v, p, sizeof v);
    return (ivec) __builtin_convertvector(v, wide);
}

inline void widen_halves(const half * p, float * out) {
    save(out, load(p));
}

inline bytes low_bits(bytes v) {
    return v & 15;
}

inline bytes high_bits(bytes v) {
    return (bytes) ((shorts) v >> 4) & 15;
}

struct q4_strip {
    static constexpr ggml_type type   = GGML_TYPE_Q4_K;
    static constexpr int       groups = 8, quads = 8, most = 15;
    static constexpr bool      minima = true;
    using block = block_q4_K;

    uint8_t sixes[3][4 * lanes];  // scales of groups 0-3, of 4-7, minima of 0-3; their upper two bits together are the minima of 4-7
    half    d[lanes], m[lanes];
    uint8_t nibbles[4][8][4 * lanes];  // two groups each: the first below

    void widen(block_scales & s) const {
        alignas(64) uint8_t six[4][4 * lanes];
        bytes last = {};
        for (int i = 0; i < 3; ++i) {
            const bytes v = load_bytes(sixes[i]);
            const bytes x = v & 63;
            std::memcpy(six[i], &x, sizeof x);
            last |= (bytes) ((shorts) (v & 192) >> (6 - 2 * i));
        }
        std::memcpy(six[3], &last, sizeof last);
        for (int g = 0; g < 8; ++g) {
            save_ints(s.scale + g * lanes, widen_scale(widen_bytes(six[g / 4] + g % 4 * lanes)));
            const ivec m = widen_bytes(six[2 + g / 4] + g % 4 * lanes);
            save_ints(s.pair + g * lanes, m | (m << 16));
        }
        widen_halves(d, s.d);
        widen_halves(m, s.m);
    }

    // Gives f(group, four of it, weights), all of a pair of groups before the next.
    template <typename F>
    void each(int pair, F f) const {
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
            const bytes v = load_bytes(nibbles[pair][i]);
            f(0, i, low_bits(v));
            f(1, i, high_bits(v));
        }
    }

    void pack(const block * const * rows) {
        std::memset(this, 0, sizeof *this);
        for (int r = 0; r < lanes; ++r) {
            half scales[2];
            std::memcpy(scales, rows[r], sizeof scales);  // d and dmin come first
            d[r] = scales[0];
            m[r] = scales[1];
            const uint8_t * s = rows[r]->scales;
            for (int g = 0; g < 8; ++g) {
                const int at = g % 4 * lanes + r;
                // As get_scale_min_k4 in ggml-quants.c.
                const uint8_t scale = g < 4 ? s[g] & 63 : (s[g + 4] & 15) | ((s[g - 4] >> 6) << 4);
                const uint8_t min   = g < 4 ? s[g + 4] & 63 : (s[g + 4] >> 4) | ((s[g] >> 6) << 4);
                sixes[g / 4][at] |= scale;
                for (int i = 0; i < 3 && g >= 4; ++i) {
                    sixes[i][at] |= static_cast<uint8_t>((min >> (2 * i) & 3) << 6);
                }
                if (g < 4) {
                    sixes[2][at] |= min;
                }
            }
            for (int k = 0; k < 128; ++k) {
                nibbles[k / 32][k % 32 / 4][4 * r + k % 4] = rows[r]->qs[k];
            }
        }
    }
};
static_assert(sizeof(q4_strip) == lanes * sizeof(block_q4_K), "a strip takes what its rows take");

struct q6_strip {
    static constexpr ggml_type type   = GGML_TYPE_Q6_K;
    static constexpr int       groups = 16, quads = 4, most = 63;
    static constexpr bool      minima = false;
    using block = block_q6_K;

    int8_t  scales[8][2 * lanes];  // two groups each, side by side
    half    d[lanes];
    uint8_t low[16][2][4 * lanes];  // by group: the lower four bits of four weights, above them those of the next four
    uint8_t high[16][4 * lanes];    // the upper two bits of all sixteen

    void widen(block_scales & s) const {
        for (int p = 0; p < 8; ++p) {
            const ivec v = widen_pairs(scales[p]);
            save_ints(s.pair + p * lanes, v);
            save_ints(s.scale + 2 * p * lanes, lower_scale(v));
            save_ints(s.scale + (2 * p + 1) * lanes, upper_scale(v));
        }
        widen_halves(d, s.d);
    }

    template <typename F>
    void each(int pair, F f) const {
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            const int   g = 2 * pair + i;
            const bytes a = load_bytes(low[g][0]), b = load_bytes(low[g][1]), h = load_bytes(high[g]);
            f(i, 0, low_bits(a) | (bytes) ((shorts) (h & 3) << 4));
            f(i, 1, high_bits(a) | (bytes) ((shorts) (h & 12) << 2));
            f(i, 2, low_bits(b) | (h & 48));
            f(i, 3, high_bits(b) | (bytes) ((shorts) (h & 192) >> 2));
        }
    }

    void pack(const block * const * rows) {
        std::memset(this, 0, sizeof *this);
        for (int r = 0; r < lanes; ++r) {
            std::memcpy(&d[r], &rows[r]->d, sizeof d[r]);
            for (int g = 0; g < 16; ++g) {
                scales[g / 2][2 * r + g % 2] = rows[r]->scales[g];
            }
            for (int k = 0; k < 256; ++k) {
                // As dequantize_row_q6_K in ggml-quants.c: 128 weights lie in four parts of 32.
                const int     part = k % 128 / 32, l = k % 32, half = k / 128;
                const uint8_t nibble = rows[r]->ql[64 * half + 32 * (part % 2) + l] >> (part / 2 * 4) & 15;
                const uint8_t upper  = rows[r]->qh[32 * half + l] >> (2 * part) & 3;
                const int     quad = k % 16 / 4, at = 4 * r + k % 4;
                low[k / 16][quad / 2][at] |= static_cast<uint8_t>(nibble << (quad % 2 * 4));
                high[k / 16][at] |= static_cast<uint8_t>(upper << (2 * quad));
            }
        }
    }
};
static_assert(sizeof(q6_strip) == lanes * sizeof(block_q6_K), "a strip takes what its rows take");

}  // namespace qv
