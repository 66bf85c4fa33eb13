// softmax(q*k + mask)*v for ggml's flash attention node, in tiles of queries that share a key head.

#include "attention.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "attention_cells.hpp"
#include "vectors.hpp"
#include "ggml-cpu.h"

namespace qv {
namespace {

constexpr int64_t tile_rows   = 128;  // queries of a key head in a task, if one token has no more
constexpr int64_t many_rows   = 16;   // queries of a key head from which on it pays to lay keys and values out in panels
constexpr int64_t many_tokens = 32;   // tokens of a batch from which on that is looked at

}  // namespace

void widen_row(ggml_type type, const char * row, float * out, int64_t n) {
    if (type == GGML_TYPE_F16) {
        ggml_cpu_fp16_to_fp32(reinterpret_cast<const ggml_fp16_t *>(row), out, n);
    } else if (type == GGML_TYPE_F32) {
        std::memcpy(out, row, n * sizeof(float));
    } else {
        ggml_get_type_traits(type)->to_float(row, out, n);
    }
}

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
    const int64_t most = std::max<int64_t>(1, tile_rows / group_);
    if (tokens >= many_tokens) {
        tile_ = std::clamp(tokens / n_threads, std::min(most, (2 * many_rows + group_ - 1) / group_), most);
    } else {
        // Few tokens are mostly those of different sequences, which have no cells in common.
        tile_ = tokens <= 8 * n_threads ? 1 : std::min(tokens / n_threads, most);
    }
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
    s.scores.resize(std::max(tile_ * group_, in_place_rows * span_) * block_cells);
    s.block.resize(block_cells * std::max(k_width_, v_width_));
    s.sums.resize(n * v_width_);
    s.total.resize(n * v_width_);
    s.lanes.resize(n * lanes);
    s.weight.resize(n);
    s.peak.resize(n);
    s.total_peak.resize(n);
    s.cells.resize(k_->ne[1] + block_cells);
    s.seen.resize(tile_);
    if (q_->ne[1] >= many_tokens) {
        size_panels(s);
    }
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
            // What a token sees lies within the list: it is the list's beginning if its last cell stands where its
            // number says.
            const int64_t n    = i == t.to - 1 ? cells : count_visible(mask(i), k_->ne[1]);
            s.seen[i - t.from] = n == 0 || last_visible(mask(i), k_->ne[1]) == s.cells[n - 1] ? n : -1;
        }
        load_queries(s, t);
        const bool paneled = in_panels(t);
        for (int64_t at = 0; at < cells; at += split_cells) {
            if (paneled) {
                add_panels(s, t, at, std::min(at + split_cells, cells));
                continue;
            }
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

// Whether the tile's tokens stand among so many that panels pay. Which kernel computes a token must not depend on how
// many threads share the batch: so it is not the tile that counts, but the tokens of the batch that see each other's
// cells.
bool attention_job::in_panels(const tile & t) const {
    const int64_t tokens = q_->ne[1], cells = k_->ne[1];
    if (tokens < many_tokens) {
        return false;
    }
    int64_t from = t.from, to = t.to;
    while ((to - from) * group_ < many_rows && from > 0 && within(mask(from - 1), mask(from), cells)) {
        --from;
    }
    while ((to - from) * group_ < many_rows && to < tokens && within(mask(to - 1), mask(to), cells)) {
        ++to;
    }
    return (to - from) * group_ >= many_rows;
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
