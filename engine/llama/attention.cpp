// softmax(q*k + mask)*v for ggml's flash attention node, in tiles of queries that share a key head.

#include "attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "attention_vector.hpp"
#include "ggml-cpu.h"

namespace qv {
namespace {

constexpr int64_t  block_cells = 64;    // cells whose keys or values are widened at once
constexpr int64_t  split_cells = 256;   // cells whose sums are joined with those of others; a multiple of block_cells
constexpr int64_t  tile_rows   = 64;    // queries of a key head in a task, if one token has no more
constexpr int64_t  few_rows    = 6;     // up to which keys and values are read where they lie: more read them too often
constexpr int64_t  line        = 64 / sizeof(half);  // halves that a processor fetches at once
constexpr uint16_t hidden      = 0xfc00;  // -inf in half precision
constexpr int32_t  no_peak     = std::numeric_limits<int32_t>::min() / 2;

int64_t padded(int64_t n) {
    return (n + lanes - 1) / lanes * lanes;
}

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

void widen_row(ggml_type type, const char * row, float * out, int64_t n) {
    if (type == GGML_TYPE_F16) {
        ggml_cpu_fp16_to_fp32(reinterpret_cast<const ggml_fp16_t *>(row), out, n);
    } else if (type == GGML_TYPE_F32) {
        std::memcpy(out, row, n * sizeof(float));
    } else {
        ggml_get_type_traits(type)->to_float(row, out, n);
    }
}

int64_t count_visible(const uint16_t * m, int64_t n) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; ++i) {
        count += m[i] != hidden;
    }
    return count;
}

int64_t last_visible(const uint16_t * m, int64_t n) {
    while (n > 0 && m[n - 1] == hidden) {
        --n;
    }
    return n - 1;
}

// Whether everything that a sees is seen by b.
bool within(const uint16_t * a, const uint16_t * b, int64_t n) {
    unsigned missing = 0;
    for (int64_t i = 0; i < n; ++i) {
        missing |= (a[i] != hidden) & (b[i] == hidden);
    }
    return missing == 0;
}

// Writes the first limit cells that m shows and returns how many there are.
int64_t list_visible(const uint16_t * m, int64_t n, int64_t limit, uint32_t * out) {
    constexpr int64_t run  = 32;
    int64_t           used = 0, i = 0;
    for (; i + run <= n && used + run <= limit; i += run) {
        int64_t seen = 0;
        for (int64_t j = 0; j < run; ++j) {
            seen += m[i + j] != hidden;
        }
        if (seen == run) {
            for (int64_t j = 0; j < run; ++j) {
                out[used + j] = static_cast<uint32_t>(i + j);
            }
            used += run;
        } else if (seen > 0) {
            for (int64_t j = 0; j < run; ++j) {
                out[used] = static_cast<uint32_t>(i + j);
                used += m[i + j] != hidden;
            }
        }
    }
    for (; i < n && used < limit; ++i) {
        if (m[i] != hidden) {
            out[used++] = static_cast<uint32_t>(i);
        }
    }
    return used;
}

}  // namespace

bool attention_job::takes(const ggml_tensor * node) {
    const ggml_tensor *q = node->src[0], *k = node->src[1], *v = node->src[2], *mask = node->src[3];
    float              params[3];
    std::memcpy(params, node->op_params, sizeof params);  // scale, maximal ALiBi bias, soft cap
    const auto readable = [](ggml_type t) { return t == GGML_TYPE_F32 || ggml_get_type_traits(t)->to_float != nullptr; };
    return params[1] == 0.0f && params[2] == 0.0f && node->src[4] == nullptr && q->type == GGML_TYPE_F32 && readable(k->type) &&
           readable(v->type) && node->type == GGML_TYPE_F32 && q->ne[3] == 1 && k->ne[3] == 1 && k->ne[2] == v->ne[2] &&
           q->ne[2] % k->ne[2] == 0 && mask != nullptr && mask->type == GGML_TYPE_F16 && mask->ne[2] == 1 && mask->ne[3] == 1 &&
           q->nb[0] == sizeof(float);
}

void attention_job::prepare(const ggml_tensor * node, int n_threads) {
    dst_ = node, q_ = node->src[0], k_ = node->src[1], v_ = node->src[2], mask_ = node->src[3];
    std::memcpy(&scale_, node->op_params, sizeof scale_);
    group_   = q_->ne[2] / k_->ne[2];
    k_width_ = padded(k_->ne[0]);
    v_width_ = padded(v_->ne[0]);
    halves_  = loads_halves && k_->type == GGML_TYPE_F16 && v_->type == GGML_TYPE_F16 && k_->ne[0] == k_width_ && v_->ne[0] == v_width_;

    const int64_t tokens = q_->ne[1], heads = k_->ne[2], wanted = 4 * static_cast<int64_t>(n_threads);
    // Few tokens are mostly those of different sequences, which have no cells in common.
    tile_  = tokens <= 8 * n_threads ? 1 : std::clamp(tokens / n_threads, int64_t{1}, std::max<int64_t>(1, tile_rows / group_));
    tiles_ = (tokens + tile_ - 1) / tile_;
    const int64_t splits = (k_->ne[1] + split_cells - 1) / split_cells;
    parts_ = tile_ == 1 && n_threads > 1 ? std::clamp((wanted + tokens - 1) / tokens, int64_t{1}, splits) : 1;
    share_ = (splits + parts_ - 1) / parts_;
    parts_ = (splits + share_ - 1) / share_;
    // The heads of a cell lie side by side: a task takes as many as leave work for all threads.
    for (span_ = heads; span_ > 1 && n_threads > 1 && tiles_ * parts_ * ((heads + span_ - 1) / span_) < wanted;) {
        span_ = (span_ + 1) / 2;
    }
    spans_ = (heads + span_ - 1) / span_;
    tasks_ = tiles_ * spans_ * parts_;
    next_  = 0;
    if (threads_.size() < static_cast<size_t>(n_threads)) {
        threads_.resize(n_threads);
    }
    if (parts_ > 1) {
        partial_.resize(tokens * heads * group_ * splits * (v_width_ + 2));
        if (const size_t n = tokens * spans_; open_size_ < n) {
            open_.reset(new std::atomic<int32_t>[n]);
            open_size_ = n;
        }
        for (int64_t i = 0; i < tokens * spans_; ++i) {
            open_[i] = static_cast<int32_t>(parts_);
        }
    }
}

void attention_job::size_scratch(attention_scratch & s) const {
    const size_t n = tile_ * span_ * group_;
    s.queries.resize(n * k_width_);
    s.scores.resize(tile_ * group_ * (tile_ * group_ <= few_rows ? span_ : 1) * block_cells);
    s.block.resize(block_cells * std::max(k_width_, v_width_));
    s.sums.resize(n * v_width_);
    s.total.resize(n * v_width_);
    s.lanes.resize(n * lanes);
    s.weight.resize(n);
    s.peak.resize(n);
    s.total_peak.resize(n);
    s.cells.resize(k_->ne[1] + block_cells);
    s.seen.resize(tile_);
}

void attention_job::work(int thread) {
    attention_scratch & s = threads_[thread];
    size_scratch(s);
    for (int64_t task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) {
        const int64_t part = task % parts_, at = task / parts_ % tiles_, head = task / parts_ / tiles_ * span_;
        const tile    t{at * tile_, std::min((at + 1) * tile_, q_->ne[1]), head, std::min(span_, k_->ne[2] - head)};
        if (parts_ > 1) {
            attend_part(s, t, part);
        } else {
            attend(s, t);
        }
    }
}

const uint16_t * attention_job::mask(int64_t token) const {
    return reinterpret_cast<const uint16_t *>(static_cast<const char *>(mask_->data) + token * mask_->nb[1]);
}

void attention_job::attend(attention_scratch & s, tile t) {
    for (const int64_t end = t.to; t.from < end; t.from = t.to) {
        t.to                = t.from + chain(t.from, end);
        const int64_t cells = list_visible(mask(t.to - 1), k_->ne[1], k_->ne[1], s.cells.data());
        for (int64_t i = t.from; i < t.to; ++i) {
            // What a token sees lies within the list: it is the list's beginning if its last cell stands where its number says.
            const int64_t n    = i == t.to - 1 ? cells : count_visible(mask(i), k_->ne[1]);
            s.seen[i - t.from] = n == 0 || last_visible(mask(i), k_->ne[1]) == s.cells[n - 1] ? n : -1;
        }
        load_queries(s, t);
        for (int64_t at = 0; at < cells; at += split_cells) {
            add_split(s, t, at, std::min(at + split_cells, cells));
            for (int64_t r = 0; r < t.heads * t.tokens() * group_; ++r) {
                join(s, r, &s.sums[r * v_width_], sum(load(&s.lanes[r * lanes])), s.peak[r]);
            }
        }
        store(s, t);
    }
}

// How many tokens from `from` on may be computed together: each sees all that the one before it sees.
int64_t attention_job::chain(int64_t from, int64_t to) const {
    int64_t n = 1;
    while (from + n < to && within(mask(from + n - 1), mask(from + n), k_->ne[1])) {
        ++n;
    }
    return n;
}

void attention_job::attend_part(attention_scratch & s, const tile & t, int64_t part) {
    const int64_t splits = (k_->ne[1] + split_cells - 1) / split_cells, row = v_width_ + 2, rows = t.heads * group_;
    const int64_t last   = std::min((part + 1) * share_, splits);
    const int64_t cells  = list_visible(mask(t.from), k_->ne[1], last * split_cells, s.cells.data());
    float * const mine   = &partial_[(t.from * k_->ne[2] + t.head) * group_ * splits * row];
    s.seen[0]            = cells;
    load_queries(s, t);
    for (int64_t i = part * share_; i < last; ++i) {
        add_split(s, t, i * split_cells, std::min((i + 1) * split_cells, cells));
        for (int64_t r = 0; r < rows; ++r) {
            float * out = mine + (i * rows + r) * row;
            std::copy_n(&s.sums[r * v_width_], v_width_, out);
            out[v_width_] = sum(load(&s.lanes[r * lanes]));
            std::memcpy(out + v_width_ + 1, &s.peak[r], sizeof s.peak[r]);
        }
    }
    if (open_[t.from * spans_ + t.head / span_].fetch_sub(1, std::memory_order_acq_rel) > 1) {
        return;
    }
    // The last one joins the splits, in their order.
    for (int64_t i = 0; i < splits; ++i) {
        for (int64_t r = 0; r < rows; ++r) {
            const float * in = mine + (i * rows + r) * row;
            int32_t       peak;
            std::memcpy(&peak, in + v_width_ + 1, sizeof peak);
            join(s, r, in, in[v_width_], peak);
        }
    }
    store(s, t);
}

// Copies the queries, scaled for exponentials of base 2, and clears the totals.
void attention_job::load_queries(attention_scratch & s, const tile & t) const {
    const float scale = scale_ * static_cast<float>(M_LOG2E);
    float *     out   = s.queries.data();
    for (int64_t h = 0; h < t.heads; ++h) {
        for (int64_t i = t.from; i < t.to; ++i) {
            for (int64_t g = 0; g < group_; ++g, out += k_width_) {
                const char * in = static_cast<const char *>(q_->data) + i * q_->nb[1] + ((t.head + h) * group_ + g) * q_->nb[2];
                for (int64_t d = 0; d < q_->ne[0]; ++d) {
                    out[d] = reinterpret_cast<const float *>(in)[d] * scale;
                }
                std::fill(out + q_->ne[0], out + k_width_, 0.0f);
            }
        }
    }
    const int64_t rows = t.heads * t.tokens() * group_;
    std::fill_n(s.total.begin(), rows * v_width_, 0.0f);
    std::fill_n(s.weight.begin(), rows, 0.0f);
    std::fill_n(s.total_peak.begin(), rows, no_peak);
}

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

// Sums over the cells begin..end of the list, for the loaded queries. All heads of a block follow each other, because in memory the
// heads of a cell do: going through the cells once a head would visit each page as many times.
void attention_job::add_split(attention_scratch & s, const tile & t, int64_t begin, int64_t end) const {
    const int64_t rows = t.tokens() * group_;  // of a head
    std::fill_n(s.sums.begin(), t.heads * rows * v_width_, 0.0f);
    std::fill_n(s.lanes.begin(), t.heads * rows * lanes, 0.0f);
    std::fill_n(s.peak.begin(), t.heads * rows, no_peak);
    for (int64_t at = begin; at < end; at += block_cells) {
        if (rows <= few_rows && halves_) {
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

// Adds a block of cells for few queries. What takes time is to wait for the cache, so the keys are read as they lie in memory, and values
// are fetched while keys are computed with.
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

// Turns a head's scores into weights: 2^(score - peak), where the peak is raised, and what is summed so far lowered, as scores require.
void attention_job::weigh(attention_scratch & s, const tile & t, int64_t head_row, int64_t at, int64_t count,
                          float * head_scores) const {
    for (int64_t i = 0; i < t.tokens() * group_; ++i) {
        const int64_t r      = head_row + i;
        float *       scores = head_scores + i * block_cells;
        hide(s, scores, t.from + i / group_, s.seen[i / group_], at, count);
        vec top = load(scores);
        for (int64_t b = lanes; b < padded(count); b += lanes) {
            const vec x = load(scores + b);
            top         = x > top ? x : top;
        }
        float highest = top[0];
        for (int j = 1; j < lanes; ++j) {
            highest = std::max(highest, top[j]);
        }
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

// Adds a split's sums to a row's total.
void attention_job::join(attention_scratch & s, int64_t row, const float * sums, float weight, int32_t peak) const {
    if (peak == no_peak) {
        return;
    }
    const int32_t top = std::max(peak, s.total_peak[row]);
    const float   old = power(static_cast<int64_t>(s.total_peak[row]) - top), add = power(static_cast<int64_t>(peak) - top);
    float *       total = &s.total[row * v_width_];
    for (int64_t d = 0; d < v_width_; d += lanes) {
        save(total + d, load(total + d) * old + load(sums + d) * add);
    }
    s.weight[row]     = s.weight[row] * old + weight * add;
    s.total_peak[row] = top;
}

// Writes the rows to the node: [v, heads, tokens].
void attention_job::store(const attention_scratch & s, const tile & t) const {
    for (int64_t r = 0; r < t.heads * t.tokens() * group_; ++r) {
        const int64_t token = t.from + r / group_ % t.tokens(), head = (t.head + r / group_ / t.tokens()) * group_ + r % group_;
        float * out = reinterpret_cast<float *>(static_cast<char *>(dst_->data) + (token * dst_->ne[1] + head) * dst_->nb[1]);
        const float share = s.weight[r] > 0.0f ? 1.0f / s.weight[r] : 0.0f;
        for (int64_t d = 0; d < v_->ne[0]; ++d) {
            out[d] = s.total[r * v_width_ + d] * share;
        }
    }
}

}  // namespace qv
