// Host-side inputs of the vision tower: normalised patches and the interpolated position table, both in merge order.

#include <algorithm>

#include "vision_tower.hpp"

namespace qv {
namespace {

// Calls visit(row, col) for every patch in merge order: blocks of merge x merge patches in raster order.
template <typename F>
void each_patch(int32_t grid_w, int32_t grid_h, int32_t merge, F visit) {
    for (int32_t by = 0; by < grid_h; by += merge) {
        for (int32_t bx = 0; bx < grid_w; bx += merge) {
            for (int32_t y = by; y < by + merge; ++y) {
                for (int32_t x = bx; x < bx + merge; ++x) {
                    visit(y, x);
                }
            }
        }
    }
}

struct sample {
    int32_t low, high;
    float   weight;  // of high
};

// torch.linspace(0, side-1, n), split into neighbours and weight: align-corners, no half-pixel offset, no antialias.
std::vector<sample> align_corners(int32_t n, int32_t side) {
    std::vector<sample> out(n);
    for (int32_t i = 0; i < n; ++i) {
        const double s = n > 1 ? static_cast<double>(i) * (side - 1) / (n - 1) : 0.0;
        out[i].low     = static_cast<int32_t>(s);
        out[i].high    = std::min(out[i].low + 1, side - 1);
        out[i].weight  = static_cast<float>(s - out[i].low);
    }
    return out;
}

}  // namespace

void interpolate_positions(const qv_vision & v, int32_t grid_w, int32_t grid_h, float * out) {
    const int32_t side = v.hp.table_side, width = v.hp.width;
    const auto    rows = align_corners(grid_h, side), cols = align_corners(grid_w, side);
    const float * table = v.position_table.data();
    auto          entry = [&](int32_t y, int32_t x) { return table + (static_cast<size_t>(y) * side + x) * width; };

    each_patch(grid_w, grid_h, v.hp.merge, [&](int32_t y, int32_t x) {
        const sample & r  = rows[y];
        const sample & c  = cols[x];
        const float    w0 = (1 - r.weight) * (1 - c.weight), w1 = (1 - r.weight) * c.weight;
        const float    w2 = r.weight * (1 - c.weight), w3 = r.weight * c.weight;
        const float *  e0 = entry(r.low, c.low), *e1 = entry(r.low, c.high);
        const float *  e2 = entry(r.high, c.low), *e3 = entry(r.high, c.high);
        for (int32_t i = 0; i < width; ++i) {
            out[i] = w0 * e0[i] + w1 * e1[i] + w2 * e2[i] + w3 * e3[i];
        }
        out += width;
    });
}

void cut_patches(const hparams & hp, const uint8_t * rgb, int32_t grid_w, int32_t grid_h, float * out) {
    // 256 values a channel: a table is both faster and free of rounding differences between compilers.
    float norm[3][256];
    for (int c = 0; c < 3; ++c) {
        for (int i = 0; i < 256; ++i) {
            norm[c][i] = (static_cast<float>(i) / 255.0f - hp.mean[c]) / hp.std[c];
        }
    }
    const int32_t p      = hp.patch;
    const size_t  stride = static_cast<size_t>(grid_w) * p * 3;
    each_patch(grid_w, grid_h, hp.merge, [&](int32_t y, int32_t x) {
        const uint8_t * origin = rgb + static_cast<size_t>(y) * p * stride + static_cast<size_t>(x) * p * 3;
        for (int c = 0; c < 3; ++c) {
            for (int32_t py = 0; py < p; ++py) {
                const uint8_t * src = origin + py * stride + c;
                for (int32_t px = 0; px < p; ++px) {
                    *out++ = norm[c][src[3 * px]];
                }
            }
        }
    });
}

}  // namespace qv
