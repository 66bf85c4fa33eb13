// Attention of few queries a key head, as in decoding: scores are dot products with keys where they lie.

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "attention.hpp"
#include "attention_cells.hpp"
#include "vectors.hpp"

namespace qv {
namespace {

constexpr int64_t line = 64 / sizeof(half);  // halves that a processor fetches at once

// Scores of R queries and four keys: each is a sum over lanes of sums along the head.
template <int R, typename T>
void dots(const float * q, const T * const * k, int64_t width, float * scores) {
    vec acc[R][4] = {};
    for (int64_t d = 0; d < width; d += lanes) {
        vec qs[R];
        for (int r = 0; r < R; ++r) {
            qs[r] = load(q + r * width + d);
        }
        for (int c = 0; c < 4; ++c) {
            const vec key = load(k[c] + d);
            for (int r = 0; r < R; ++r) {
                acc[r][c] = madd(qs[r], key, acc[r][c]);
            }
        }
    }
    for (int r = 0; r < R; ++r) {
        sum4(acc[r], scores + r * block_cells);
    }
}

// Adds count values, weighted, to C vectors of the sums of R queries.
template <int R, int C, typename Rows>
void mix(const float * weights, Rows values, int64_t width, int64_t count, float * sums) {
    vec acc[R][C];
    for (int r = 0; r < R; ++r) {
        for (int c = 0; c < C; ++c) {
            acc[r][c] = load(sums + r * width + c * lanes);
        }
    }
    for (int64_t b = 0; b < count; ++b) {
        vec w[R];
        for (int r = 0; r < R; ++r) {
            w[r] = fill(weights[r * block_cells + b]);
        }
        const auto * v = values[b];
        for (int c = 0; c < C; ++c) {
            const vec value = load(v + c * lanes);
            for (int r = 0; r < R; ++r) {
                acc[r][c] = madd(w[r], value, acc[r][c]);
            }
        }
    }
    for (int r = 0; r < R; ++r) {
        for (int c = 0; c < C; ++c) {
            save(sums + r * width + c * lanes, acc[r][c]);
        }
    }
}

template <int R, typename Rows>
void mix_rows(const float * weights, const Rows & values, int64_t width, int64_t count, float * sums) {
    constexpr int C = R == 1 ? 8 : 4;
    int64_t       d = 0;
    for (; d + C * lanes <= width; d += C * lanes) {
        mix<R, C>(weights, values.from(d), width, count, sums + d);
    }
    for (; d < width; d += lanes) {
        mix<R, 1>(weights, values.from(d), width, count, sums + d);
    }
}

// Calls f with a number of rows to take at once, as a constant, and the first of them.
template <typename F>
void by_rows(int64_t rows, F f) {
    int64_t r = 0;
    for (; r + 3 <= rows; r += 3) {
        f(std::integral_constant<int, 3>{}, r);
    }
    if (r + 2 == rows) {
        f(std::integral_constant<int, 2>{}, r);
    } else if (r + 1 == rows) {
        f(std::integral_constant<int, 1>{}, r);
    }
}

void scale_row(float * row, int64_t width, float factor) {
    for (int64_t d = 0; d < width; d += lanes) {
        save(row + d, load(row + d) * factor);
    }
}

}  // namespace

// Keys or values of a head at count cells of the list, in place.
half_rows attention_job::in_place(const attention_scratch & s, const ggml_tensor * t, int64_t head, int64_t at, int64_t count) const {
    return {static_cast<const char *>(t->data) + head * t->nb[2], t->nb[1], &s.cells[at], count};
}

// Widens keys or values of a head at count cells of the list, and adds zeros up to a multiple of four.
wide_rows attention_job::widen(attention_scratch & s, const ggml_tensor * t, int64_t head, int64_t at, int64_t count, int64_t width) const {
    const char * data = static_cast<const char *>(t->data) + head * t->nb[2];
    float *      out  = s.block.data();
    for (int64_t b = 0; b < count; ++b, out += width) {
        widen_row(t->type, data + s.cells[at + b] * t->nb[1], out, t->ne[0]);
        std::fill(out + t->ne[0], out + width, 0.0f);
    }
    std::fill(out, s.block.data() + (count + 3) / 4 * 4 * width, 0.0f);
    return {s.block.data(), width};
}

// Sums over the cells begin..end of the list, for the loaded queries. All heads of a block follow each other, because
// in memory the heads of a cell do: going through the cells once a head would visit each page as many times.
void attention_job::add_split(attention_scratch & s, const tile & t, int64_t begin, int64_t end) const {
    const int64_t rows = t.tokens() * group_;  // of a head
    std::fill_n(s.sums.begin(), t.heads * rows * v_width_, 0.0f);
    std::fill_n(s.lanes.begin(), t.heads * rows * lanes, 0.0f);
    std::fill_n(s.peak.begin(), t.heads * rows, no_peak);
    for (int64_t at = begin; at < end; at += block_cells) {
        if (rows <= in_place_rows && halves_) {
            add_in_place(s, t, at, std::min(block_cells, end - at));
        } else {
            add_widened(s, t, at, std::min(block_cells, end - at));
        }
    }
}

// Adds a block of cells for many queries, which read it often.
void attention_job::add_widened(attention_scratch & s, const tile & t, int64_t at, int64_t count) const {
    const int64_t rows = t.tokens() * group_;
    for (int64_t h = 0; h < t.heads; ++h) {
        const wide_rows keys = widen(s, k_, t.head + h, at, count, k_width_);
        for (int64_t b = 0; b < count; b += 4) {
            score(keys, b, &s.queries[h * rows * k_width_], rows, &s.scores[b]);
        }
        weigh(s, t, h * rows, at, count, s.scores.data());
        blend(widen(s, v_, t.head + h, at, count, v_width_), s.scores.data(), rows, count, &s.sums[h * rows * v_width_]);
    }
}

// Adds a block of cells for few queries. What takes time is to wait for the cache, so the keys are read as they lie in
// memory, and values are fetched while keys are computed with.
void attention_job::add_in_place(attention_scratch & s, const tile & t, int64_t at, int64_t count) const {
    const int64_t rows = t.tokens() * group_;
    for (int64_t b = 0; b < count; b += 4) {
        for (int64_t h = 0; h < t.heads; ++h) {
            const half_rows values = in_place(s, v_, t.head + h, at, count);
            for (int64_t c = b; c < b + 4; ++c) {
                for (int64_t d = 0; d < v_width_; d += line) {
                    __builtin_prefetch(values[c] + d);
                }
            }
            score(in_place(s, k_, t.head + h, at, count), b, &s.queries[h * rows * k_width_], rows, &s.scores[h * rows * block_cells + b]);
        }
    }
    for (int64_t h = 0; h < t.heads; ++h) {
        float * scores = &s.scores[h * rows * block_cells];
        weigh(s, t, h * rows, at, count, scores);
        blend(in_place(s, v_, t.head + h, at, count), scores, rows, count, &s.sums[h * rows * v_width_]);
    }
}

// The scores of four keys from b on.
template <typename Rows>
void attention_job::score(const Rows & keys, int64_t b, const float * queries, int64_t rows, float * scores) const {
    const decltype(keys[0]) k[4] = {keys[b], keys[b + 1], keys[b + 2], keys[b + 3]};
    by_rows(rows, [&](auto n, int64_t r) { dots<n>(queries + r * k_width_, k, k_width_, scores + r * block_cells); });
}

// Adds weighted values.
template <typename Rows>
void attention_job::blend(const Rows & values, const float * weights, int64_t rows, int64_t count, float * sums) const {
    by_rows(rows, [&](auto n, int64_t r) { mix_rows<n>(weights + r * block_cells, values, v_width_, count, sums + r * v_width_); });
}

// Turns a head's scores into weights: 2^(score - peak), where the peak is raised, and what is summed so far lowered, as
// scores require.
void attention_job::weigh(attention_scratch & s, const tile & t, int64_t head_row, int64_t at, int64_t count,
                          float * head_scores) const {
    for (int64_t i = 0; i < t.tokens() * group_; ++i) {
        const int64_t r      = head_row + i;
        float *       scores = head_scores + i * block_cells;
        hide(s, scores, t.from + i / group_, s.seen[i / group_], at, count);
        const float highest = highest_of(scores, padded(count));
        if (highest == -INFINITY) {
            std::fill_n(scores, padded(count), 0.0f);
            continue;
        }
        if (const int32_t peak = static_cast<int32_t>(std::ceil(highest)); peak > s.peak[r]) {
            const float factor = power(static_cast<int64_t>(s.peak[r]) - peak);
            scale_row(&s.sums[r * v_width_], v_width_, factor);
            scale_row(&s.lanes[r * lanes], lanes, factor);
            s.peak[r] = peak;
        }
        vec sum = load(&s.lanes[r * lanes]);
        for (int64_t b = 0; b < padded(count); b += lanes) {
            const vec w = exp2(load(scores + b), s.peak[r]);
            save(scores + b, w);
            sum += w;
        }
        save(&s.lanes[r * lanes], sum);
    }
}

// Sets the scores of cells that the token does not see, and those past the block's end, to -inf.
void attention_job::hide(attention_scratch & s, float * scores, int64_t token, int64_t seen, int64_t at, int64_t count) const {
    const int64_t shown = seen < 0 ? count : std::clamp(seen - at, int64_t{0}, count);
    std::fill(scores + shown, scores + padded(count), -INFINITY);
    for (int64_t b = 0; seen < 0 && b < count; ++b) {
        if (mask(token)[s.cells[at + b]] == hidden) {
            scores[b] = -INFINITY;
        }
    }
}

}  // namespace qv
