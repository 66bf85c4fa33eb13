// The products of strips with one row and with many.

#include <algorithm>

#include "strips.hpp"
#include "strips_format.hpp"

namespace qv {
namespace {

// Strips and rows whose sums fill the registers; x86 has 16, and 32 with AVX-512, as ARM has.
#if defined(__AVX512F__)
constexpr int unit = 2, together = 6;
#elif defined(__ARM_NEON) && defined(__aarch64__)
constexpr int unit = 4, together = 3;
#else
constexpr int unit = 2, together = 3;
#endif
constexpr int64_t rows_at_once = 120;  // whose sums stay in the nearest cache; a multiple of together

vec to_floats(ivec v) {
    return __builtin_convertvector(v, vec);
}

// What the row's sums over pairs of groups of 16 take off.
ivec offset(const block_scales & s, const block_q8_K & row) {
    ivec m = {};
    for (int p = 0; p < 8; ++p) {
        m = add_pairs(m, load_ints(s.pair + p * lanes), spread(row.bsums + 2 * p));
    }
    return m;
}

// Adds a block's products, from its sum in whole numbers. The order is the same for one row and for many.
template <typename Strip>
vec add_block(vec total, ivec sum, const block_scales & s, const block_q8_K & row) {
    const vec x = fill(row.d);
    if (Strip::minima) {
        total = madd(to_floats(sum), load(s.d) * x, total);
        return madd(to_floats(offset(s, row)), -(load(s.m) * x), total);
    }
    return madd(to_floats(sum - (offset(s, row) << 5)), load(s.d) * x, total);
}

constexpr int ahead = 3;  // blocks that are fetched before they are needed: one row or a few are soon multiplied with them

// Fetches the part of a block that stands to the block as the pair does to all pairs.
template <typename Strip>
void fetch(const Strip * block, int pair) {
    constexpr int64_t part = (sizeof(Strip) + Strip::groups / 2 - 1) / (Strip::groups / 2);
    for (int64_t b = 0; b < part; b += 64) {
        __builtin_prefetch(reinterpret_cast<const char *>(block) + pair * part + b);
    }
}

template <typename Strip>
void multiply_one(const char * strips, int64_t n, int64_t blocks, const block_q8_K * row, float * out) {
    constexpr int steps = run(Strip::most, Strip::quads);
    const Strip * at    = reinterpret_cast<const Strip *>(strips);
    block_scales  scales;
    for (int64_t s = 0; s < n; ++s) {
        vec total = {};
        for (int64_t b = 0; b < blocks; ++b, ++at) {
            const block_q8_K & x = row[b];
            at->widen(scales);
            ivec sum = {};
            for (int pair = 0; pair < Strip::groups / 2; ++pair) {
                fetch(at + ahead, pair);
                const int8_t * numbers = x.qs + pair * 2 * 4 * Strip::quads;
                group_sum      g[2]    = {};
                at->each(pair, [&](int group, int i, bytes w) __attribute__((always_inline)) {
                    const ivec four = spread(numbers + (group * Strip::quads + i) * 4);
                    g[group]        = i % steps == 0 ? dot(w, four) : dot(g[group], w, four);
                    if (i % steps == steps - 1) {
                        sum = add_scaled(sum, g[group], load_ints(scales.scale + (2 * pair + group) * lanes));
                    }
                });
            }
            total = add_block<Strip>(total, sum, scales, x);
        }
        save(out + s * lanes, total);
    }
}

template <typename Strip>
void widen(const Strip & strip, wide_block & out) {
    strip.widen(out.scales);
    for (int pair = 0; pair < Strip::groups / 2; ++pair) {
        fetch(&strip + ahead, pair);
        uint8_t * quads = out.quads + pair * 2 * Strip::quads * 4 * lanes;
        strip.each(pair, [&](int group, int i, bytes w) __attribute__((always_inline)) {
            std::memcpy(quads + (group * Strip::quads + i) * 4 * lanes, &w, sizeof w);
        });
    }
}

// Adds the products of S widened strips with R rows to totals, in which a row has the numbers of unit strips.
template <typename Strip, int S, int R>
void multiply_tile(const wide_block * strips, const block_q8_K * rows, float * totals) {
    constexpr int steps = run(Strip::most, Strip::quads);
    ivec          sum[R][S] = {};
    for (int part = 0; part < Strip::groups * Strip::quads / steps; ++part) {
        group_sum g[R][S];
#pragma GCC unroll 8
        for (int i = 0; i < steps; ++i) {
            bytes w[S];
            for (int s = 0; s < S; ++s) {
                w[s] = load_bytes(strips[s].quads + (part * steps + i) * 4 * lanes);
            }
            for (int r = 0; r < R; ++r) {
                const ivec four = spread(rows[r].qs + (part * steps + i) * 4);
                for (int s = 0; s < S; ++s) {
                    g[r][s] = i == 0 ? dot(w[s], four) : dot(g[r][s], w[s], four);
                }
            }
        }
        for (int r = 0; r < R; ++r) {
            for (int s = 0; s < S; ++s) {
                sum[r][s] = add_scaled(sum[r][s], g[r][s], load_ints(strips[s].scales.scale + part * steps / Strip::quads * lanes));
            }
        }
    }
    for (int r = 0; r < R; ++r) {
        for (int s = 0; s < S; ++s) {
            float * total = totals + (r * unit + s) * lanes;
            save(total, add_block<Strip>(load(total), sum[r][s], strips[s].scales, rows[r]));
        }
    }
}

// The same for any number of rows up to R.
template <typename Strip, int S, int R = together>
void multiply_rest(const wide_block * strips, const block_q8_K * rows, int64_t n, float * totals) {
    if constexpr (R > 1) {
        if (n < R) {
            return multiply_rest<Strip, S, R - 1>(strips, rows, n, totals);
        }
    }
    multiply_tile<Strip, S, R>(strips, rows, totals);
}

struct tile_room {
    wide_block strips[unit];
    alignas(64) float totals[rows_at_once * unit * lanes];
};

template <typename Strip, int S>
void multiply_strips(const Strip * strips, int64_t blocks, const block_q8_K * rows, int64_t n_rows, float * out, int64_t stride,
                     tile_room & room) {
    for (int64_t from = 0; from < n_rows; from += rows_at_once) {
        const int64_t n = std::min(rows_at_once, n_rows - from);
        std::fill_n(room.totals, n * unit * lanes, 0.0f);
        for (int64_t b = 0; b < blocks; ++b) {
            for (int s = 0; s < S; ++s) {
                widen(strips[s * blocks + b], room.strips[s]);
            }
            const block_q8_K * column = rows + b * n_rows + from;
            for (int64_t r = 0; r < n; r += together) {
                multiply_rest<Strip, S>(room.strips, column + r, n - r, room.totals + r * unit * lanes);
            }
        }
        for (int64_t r = 0; r < n; ++r) {
            std::copy_n(room.totals + r * unit * lanes, S * lanes, out + (from + r) * stride);
        }
    }
}

template <typename Strip, int S = unit>
void multiply_many(const char * strips, int64_t n, int64_t blocks, const block_q8_K * rows, int64_t n_rows, float * out, int64_t stride,
                   char * room) {
    if constexpr (S > 1) {
        if (n < S) {
            return multiply_many<Strip, S - 1>(strips, n, blocks, rows, n_rows, out, stride, room);
        }
    }
    multiply_strips<Strip, S>(reinterpret_cast<const Strip *>(strips), blocks, rows, n_rows, out, stride, *reinterpret_cast<tile_room *>(room));
}

template <typename Strip>
void pack(const void * rows, int64_t columns, int64_t n_rows, void * strips) {
    const int64_t blocks = columns / QK_K;
    Strip *       out    = static_cast<Strip *>(strips);
    for (int64_t r = 0; r < n_rows; r += lanes) {
        for (int64_t b = 0; b < blocks; ++b, ++out) {
            const typename Strip::block * in[lanes];
            for (int i = 0; i < lanes; ++i) {
                in[i] = static_cast<const typename Strip::block *>(rows) + (r + i) * blocks + b;
            }
            out->pack(in);
        }
    }
}

template <typename Strip>
constexpr strip_format format = {Strip::type, sizeof(typename Strip::block), pack<Strip>, multiply_one<Strip>, multiply_many<Strip>};

}  // namespace

const strip_format * strip_format_of(ggml_type type) {
    if (!strips || !loads_halves) {
        return nullptr;
    }
    switch (type) {
    case GGML_TYPE_Q4_K:
        return &format<q4_strip>;
    case GGML_TYPE_Q6_K:
        return &format<q6_strip>;
    default:
        return nullptr;
    }
}

int64_t strip_lanes() {
    return lanes;
}

int64_t strip_unit() {
    return unit;
}

size_t strip_room() {
    return sizeof(tile_room);
}

// As quantize_row_q8_K_ref in ggml-quants.c: the number that is farthest from 0 becomes -127.
void round_row(const float * row, int64_t blocks, block_q8_K * out, int64_t stride) {
    for (int64_t b = 0; b < blocks; ++b, row += QK_K, out += stride) {
        vec low = load(row), high = low;
        for (int i = lanes; i < QK_K; i += lanes) {
            const vec x = load(row + i);
            low         = x < low ? x : low;
            high        = x > high ? x : high;
        }
        float least = low[0], most = high[0];
        for (int i = 1; i < lanes; ++i) {
            least = std::min(least, low[i]);
            most  = std::max(most, high[i]);
        }
        float farthest = most > -least ? most : least;
        if (most == -least) {
            farthest = *std::find_if(row, row + QK_K, [&](float x) { return x == most || x == least; });
        }
        if (farthest == 0.0f) {
            std::memset(out, 0, sizeof *out);
            continue;
        }
        const float scale = -127.0f / farthest;
        const vec   magic = fill(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
        for (int i = 0; i < QK_K; i += lanes) {
            const vec  x = (load(row + i) * scale + magic) - magic;
            const ivec v = __builtin_convertvector(x, ivec);
            for (int j = 0; j < lanes; ++j) {
                out->qs[i + j] = static_cast<int8_t>(std::min(127, v[j]));
            }
        }
        for (int g = 0; g < QK_K / 16; ++g) {
            int sum = 0;
            for (int i = 0; i < 16; ++i) {
                sum += out->qs[16 * g + i];
            }
            out->bsums[g] = static_cast<int16_t>(sum);
        }
        out->d = 1.0f / scale;
    }
}

}  // namespace qv
