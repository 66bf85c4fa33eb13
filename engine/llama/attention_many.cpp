// Attention of many queries a key head, as in prompts: scores and sums are products with panels of keys and values.

#include <algorithm>
#include <cmath>

#include "attention.hpp"
#include "attention_cells.hpp"
#include "attention_panels.hpp"

namespace qv {
namespace {

int64_t panels(int64_t columns) {
    return (columns + panel_width - 1) / panel_width;
}

constexpr int64_t ahead = 16;  // cells that are fetched before they are needed: in memory they lie apart, which processors do not foresee

// Keys or values of a head at count cells of the list, which are widened one after the other.
class cell_reader {
  public:
    cell_reader(const ggml_tensor * t, int64_t head, const uint32_t * cells, int64_t count)
        : t_(t), data_(static_cast<const char *>(t->data) + head * t->nb[2]), cells_(cells), count_(count),
          size_(static_cast<int64_t>(ggml_row_size(t->type, t->ne[0]))) {
        for (int64_t i = 0; i < std::min(ahead, count); ++i) {
            fetch(i);
        }
    }

    // Widens cell i to a row, with zeros up to its width, or writes a row of zeros past the last cell.
    void widen(int64_t i, float * row, int64_t width) const {
        if (i + ahead < count_) {
            fetch(i + ahead);
        }
        const int64_t n = i < count_ ? t_->ne[0] : 0;
        if (n > 0) {
            widen_row(t_->type, data_ + cells_[i] * t_->nb[1], row, n);
        }
        std::fill(row + n, row + width, 0.0f);
    }

  private:
    void fetch(int64_t i) const {
        const char * row = data_ + cells_[i] * t_->nb[1];
        for (int64_t b = 0; b < size_; b += 64) {
            __builtin_prefetch(row + b);
        }
    }

    const ggml_tensor * t_;
    const char *        data_;
    const uint32_t *    cells_;
    int64_t             count_, size_;
};

}  // namespace

void attention_job::size_panels(attention_scratch & s) const {
    s.weights.resize(tile_ * group_ * split_cells);
    s.panels.resize(std::max(split_cells * k_width_, panels(v_width_) * panel_width * split_cells));
    s.strip.resize(panel_width * std::max(k_width_, v_width_));
    s.shown.resize(tile_ * group_);
    s.old.resize(tile_ * group_);
    s.add.resize(tile_ * group_);
}

// Adds the cells begin..end of the list, which are one split, to the totals of the loaded queries.
void attention_job::add_panels(attention_scratch & s, const tile & t, int64_t begin, int64_t end) const {
    const int64_t rows = t.tokens() * group_, count = end - begin;
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t seen = s.seen[r / group_];
        s.shown[r]         = seen < 0 ? count : std::clamp(seen - begin, int64_t{0}, count);
    }
    for (int64_t h = 0; h < t.heads; ++h) {
        pack_keys(s, t.head + h, begin, count);
        score_panels(s, &s.queries[h * rows * k_width_], rows, count);
        for (int64_t r = 0; r < rows; ++r) {
            weigh_row(s, t, h * rows, r, begin);
        }
        pack_values(s, t.head + h, begin, count);
        blend_panels(s, h * rows, rows);
    }
}

// Lays keys out by panels of cells: a panel has a line of cells for each number of a key.
void attention_job::pack_keys(attention_scratch & s, int64_t head, int64_t at, int64_t count) const {
    const cell_reader keys(k_, head, &s.cells[at], count);
    for (int64_t p = 0; p < panels(count); ++p) {
        for (int64_t c = 0; c < panel_width; ++c) {
            keys.widen(p * panel_width + c, &s.strip[c * k_width_], k_width_);
        }
        float * panel = &s.panels[p * panel_width * k_width_];
        for (int64_t d = 0; d < k_width_; d += corner) {
            for (int64_t c = 0; c < panel_width; c += corner) {
                turn(&s.strip[c * k_width_ + d], k_width_, panel + d * panel_width + c, panel_width);
            }
        }
    }
}

// Lays values out by panels of the head: a panel has a line for each cell.
void attention_job::pack_values(attention_scratch & s, int64_t head, int64_t at, int64_t count) const {
    const cell_reader values(v_, head, &s.cells[at], count);
    for (int64_t cell = 0; cell < count; ++cell) {
        float * row = s.strip.data();
        values.widen(cell, row, v_width_);
        for (int64_t d = 0; d < v_width_; d += lanes) {
            save(&s.panels[(d / panel_width * split_cells + cell) * panel_width + d % panel_width], load(row + d));
        }
    }
}

// Scores of a head's rows: up to the last cell, rounded up to a panel, that a row of the same product sees.
void attention_job::score_panels(attention_scratch & s, const float * queries, int64_t rows, int64_t count) const {
    for (int64_t p = 0; p < panels(count); ++p) {
        const float * panel = &s.panels[p * panel_width * k_width_];
        for (int64_t r = 0; r < rows; r += panel_rows) {
            const int64_t n = std::min<int64_t>(panel_rows, rows - r);
            if (*std::max_element(&s.shown[r], &s.shown[r] + n) <= p * panel_width) {
                continue;
            }
            float * out = &s.weights[r * split_cells + p * panel_width];
            multiply(n, queries + r * k_width_, k_width_, panel, k_->ne[0], [&](int i, const panel_sums & sums) {
                for (int c = 0; c < panel_vecs; ++c) {
                    save(out + i * split_cells + c * lanes, sums[c]);
                }
            });
        }
    }
}

// Turns row r's scores into weights 2^(score - peak), zero for cells that it does not see, and readies its total for
// their sums.
void attention_job::weigh_row(attention_scratch & s, const tile & t, int64_t head_row, int64_t r, int64_t at) const {
    float * const row   = &s.weights[r * split_cells];
    const int64_t width = padded(s.shown[r]), token = r / group_;
    hide(s, row, t.from + token, s.seen[token], at, s.shown[r]);
    const float highest = highest_of(row, width);
    vec         sums    = {};
    int32_t     peak    = no_peak;
    if (highest == -INFINITY) {
        std::fill_n(row, split_cells, 0.0f);
    } else {
        peak = static_cast<int32_t>(std::ceil(highest));
        for (int64_t b = 0; b < width; b += lanes) {
            const vec w = exp2(load(row + b), peak);
            save(row + b, w);
            sums += w;
        }
        std::fill(row + width, row + split_cells, 0.0f);
    }
    const int64_t at_row = head_row + r;
    const int32_t top    = std::max(peak, s.total_peak[at_row]);
    s.old[r]             = power(static_cast<int64_t>(s.total_peak[at_row]) - top);
    s.add[r]             = power(static_cast<int64_t>(peak) - top);
    s.weight[at_row]     = s.weight[at_row] * s.old[r] + sum(sums) * s.add[r];
    s.total_peak[at_row] = top;
}

// Adds weighted values to a head's totals.
void attention_job::blend_panels(attention_scratch & s, int64_t head_row, int64_t rows) const {
    for (int64_t p = 0; p < panels(v_width_); ++p) {
        const float * panel = &s.panels[p * split_cells * panel_width];
        const int64_t vecs  = std::min<int64_t>(panel_vecs, v_width_ / lanes - p * panel_vecs);
        for (int64_t r = 0; r < rows; r += panel_rows) {
            const int64_t n     = std::min<int64_t>(panel_rows, rows - r);
            const int64_t cells = *std::max_element(&s.shown[r], &s.shown[r] + n);
            float *       total = &s.total[(head_row + r) * v_width_ + p * panel_width];
            multiply(n, &s.weights[r * split_cells], split_cells, panel, cells, [&](int i, const panel_sums & sums) {
                const float old = s.old[r + i], add = s.add[r + i];
                float *     out = total + i * v_width_;
                for (int c = 0; c < vecs; ++c) {
                    save(out + c * lanes, load(out + c * lanes) * old + sums[c] * add);
                }
            });
        }
    }
}

}  // namespace qv
