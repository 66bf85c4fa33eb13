// The attention kernel, apart from the device that runs it. Internal to this package.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "ggml.h"

namespace qv {

// What one thread needs: rows of queries, scores and sums of a tile, a block of keys or values, and the list of visible
// cells.
struct attention_scratch {
    std::vector<float>    queries, scores, block, sums, total;
    std::vector<float>    lanes;      // per row: the split's denominator, one partial sum a vector lane
    std::vector<float>    weight;     // per row: the denominator over all splits
    std::vector<int32_t>  peak;       // per row: the split's exponent
    std::vector<int32_t>  total_peak; // per row: that over all splits
    std::vector<uint32_t> cells;
    std::vector<float>    weights, panels, strip;  // for panels: scores of a head's rows over a split, keys or values, and rows on their way there
    std::vector<float>    old, add;   // for panels: per row of a head, what its total and the split's sums are scaled by
    std::vector<int64_t>  shown;      // for panels: per row of a head, how many of the split's cells it may see
    std::vector<int64_t>  seen;       // per token: how many of the cells it sees, or -1 where these are not the first ones
};

// A number in half precision, as a cache of type f16 holds it.
struct half {
    uint16_t bits;
};

// Keys or values of a head, from some number of it on, where they lie in a cache of halves. What is asked for past the
// last one is the last one.
struct half_rows {
    const char *     head;
    size_t           stride;
    const uint32_t * cells;
    int64_t          count;
    const half * operator[](int64_t b) const { return reinterpret_cast<const half *>(head + cells[b < count ? b : count - 1] * stride); }
    half_rows    from(int64_t d) const { return {head + d * static_cast<int64_t>(sizeof(half)), stride, cells, count}; }
};

// Keys or values of a head, from some number of it on, widened side by side.
struct wide_rows {
    const float * first;
    int64_t       width;
    const float * operator[](int64_t b) const { return first + b * width; }
    wide_rows     from(int64_t d) const { return {first + d, width}; }
};

constexpr int64_t block_cells = 64;   // cells whose scores a few queries have at once
constexpr int64_t split_cells = 256;  // cells whose sums are joined with those of others; a multiple of block_cells
constexpr int64_t in_place_rows = 6;  // up to which keys and values are read where they lie: more queries read them too often
constexpr int32_t no_peak     = std::numeric_limits<int32_t>::min() / 2;

// Converts n numbers of any type that a cache may have.
void widen_row(ggml_type type, const char * row, float * out, int64_t n);

// One flash attention node and how its work is cut. Threads share it and take tasks until none is left.
//
// Keys and values are widened to single precision, a part of them at a time or as they are read, and all sums are in
// single precision. The exponent that keeps the exponentials small is a whole power of two, so that scaling sums by it
// is exact; and sums over cells are joined in splits of a fixed size. So a row's result depends only on its query, on
// the cells it sees, in their order, and on whether it stands among many of its sequence: not on the number of threads,
// on what is computed beside it or on cells of others.
class attention_job {
  public:
    // Whether the kernel computes this node: no sinks, no soft cap, no ALiBi, one stream, a mask that only hides.
    static bool takes(const ggml_tensor * node);

    // Lays out the work on node for so many threads.
    void prepare(const ggml_tensor * node, int threads);

    // Does what is left to do; each thread calls it with its own number.
    void work(int thread);

  private:
    // Tokens from..to of key heads head..head+heads, and so the rows of a tile: by head, then token, then query head.
    struct tile {
        int64_t from, to, head, heads;
        int64_t tokens() const { return to - from; }
    };

    void size_scratch(attention_scratch & s) const;
    void attend(attention_scratch & s, tile t);
    void attend_part(attention_scratch & s, const tile & t, int64_t part);
    int64_t chain(int64_t from, int64_t to) const;
    void load_queries(attention_scratch & s, const tile & t) const;
    void add_split(attention_scratch & s, const tile & t, int64_t begin, int64_t end) const;
    void weigh(attention_scratch & s, const tile & t, int64_t head_row, int64_t at, int64_t count, float * scores) const;
    void hide(attention_scratch & s, float * scores, int64_t token, int64_t seen, int64_t at, int64_t count) const;
    void join(attention_scratch & s, int64_t row, const float * sums, float weight, int32_t peak) const;
    void store(const attention_scratch & s, const tile & t) const;
    half_rows in_place(const attention_scratch & s, const ggml_tensor * t, int64_t head, int64_t at, int64_t count) const;
    wide_rows widen(attention_scratch & s, const ggml_tensor * t, int64_t head, int64_t at, int64_t count, int64_t width) const;
    bool in_panels(const tile & t) const;
    void size_panels(attention_scratch & s) const;
    void add_panels(attention_scratch & s, const tile & t, int64_t begin, int64_t end) const;
    void pack_keys(attention_scratch & s, int64_t head, int64_t at, int64_t count) const;
    void pack_values(attention_scratch & s, int64_t head, int64_t at, int64_t count) const;
    void score_panels(attention_scratch & s, const float * queries, int64_t rows, int64_t count) const;
    void weigh_row(attention_scratch & s, const tile & t, int64_t head_row, int64_t r, int64_t at) const;
    void blend_panels(attention_scratch & s, int64_t head_row, int64_t rows) const;
    void add_in_place(attention_scratch & s, const tile & t, int64_t at, int64_t count) const;
    void add_widened(attention_scratch & s, const tile & t, int64_t at, int64_t count) const;
    template <typename Rows>
    void score(const Rows & keys, int64_t b, const float * queries, int64_t rows, float * scores) const;
    template <typename Rows>
    void blend(const Rows & values, const float * weights, int64_t rows, int64_t count, float * sums) const;
    const uint16_t * mask(int64_t token) const;

    const ggml_tensor *q_ = nullptr, *k_ = nullptr, *v_ = nullptr, *mask_ = nullptr, *dst_ = nullptr;
    float   scale_   = 1.0f;
    int64_t group_   = 1;  // query heads that share a key head
    int64_t tile_    = 1;  // tokens of a task
    int64_t span_    = 1;  // key heads of a task
    int64_t parts_   = 1;  // tasks that share the cells of one token
    int64_t share_   = 0;  // splits of such a task
    int64_t tiles_   = 0, spans_ = 0, tasks_ = 0;
    int64_t k_width_ = 0, v_width_ = 0;  // of a head, padded to whole vectors
    bool    halves_ = false;             // keys and values can be computed with in place
    std::atomic<int64_t>                    next_{0};
    std::vector<attention_scratch>          threads_;
    std::vector<float>                      partial_;  // what splits gave that the last task of a token joins
    std::unique_ptr<std::atomic<int32_t>[]> open_;     // by token and span: tasks that are not done
    size_t                                  open_size_ = 0;
};

}  // namespace qv
