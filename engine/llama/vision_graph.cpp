// The compute graph of Qwen3VLVisionModel (transformers, modeling_qwen3_vl.py) over patches in merge order:
// every merge^2 consecutive columns form one language-model token.

#include <algorithm>
#include <cmath>

#include "vision_tower.hpp"

namespace qv {
namespace {

ggml_tensor * linear(ggml_context * c, const affine & l, ggml_tensor * x) {
    return ggml_add(c, ggml_mul_mat(c, l.w, x), l.b);
}

ggml_tensor * layer_norm(ggml_context * c, const affine & l, ggml_tensor * x, float eps) {
    return ggml_add(c, ggml_mul(c, ggml_norm(c, x, eps), l.w), l.b);
}

// GELU, tanh form. ggml's CPU kernel reads a half-precision table, which alone costs 5e-4 relative error, so on the CPU
// the same function is written as x*sigmoid(2*sqrt(2/pi)*(x + 0.044715*x^3)).
ggml_tensor * gelu_tanh(ggml_context * c, ggml_tensor * x, bool on_cpu) {
    if (!on_cpu) {
        return ggml_gelu(c, x);
    }
    const float   k = 2.0f * std::sqrt(2.0f / static_cast<float>(M_PI));
    ggml_tensor * t = ggml_scale_bias_inplace(c, ggml_sqr(c, x), k * 0.044715f, k);
    t               = ggml_sigmoid_inplace(c, ggml_mul_inplace(c, t, x));
    return ggml_mul_inplace(c, t, x);
}

ggml_tensor * project(ggml_context * c, const merger & m, ggml_tensor * x) {
    return linear(c, m.fc2, ggml_gelu_erf(c, linear(c, m.fc1, x)));
}

// Bytes of attention scores that may exist at once in sliced attention, and how many slices are worth their graph nodes.
constexpr int64_t score_budget = 256ll << 20;
constexpr int64_t max_slices   = 128;

// Into how many slices the queries of images of n patches each go, or 0 for flash attention: where the device does it well, and
// where the slices would be too many.
int64_t query_slices(const qv_vision & v, int64_t n, int64_t images) {
    const int64_t slices = (n * n * images * v.hp.heads * static_cast<int64_t>(sizeof(float)) + score_budget - 1) / score_budget;
    return v.attending.flash || slices > max_slices ? 0 : slices;
}

// CUDA pads rows of the second and third dimension in a grid of threads whose edges have this bound. The rows of a head, its patches
// times heads, are laid out in so many columns.
constexpr int64_t grid_edge = 65535, row_columns = 4;

struct attention {
    const qv_vision & v;
    ggml_context *    c;
    ggml_tensor *     positions;
    int64_t           n;       // patches of an image
    int64_t           images;  // which do not see each other

    // Slice `part` (0 q, 1 k, 2 v) of the fused projection as [head_dim, heads, n*images].
    ggml_tensor * part(ggml_tensor * qkv, int part) const {
        const size_t hd = v.hp.head_dim();
        return ggml_view_3d(c, qkv, hd, v.hp.heads, n * images, hd * sizeof(float), qkv->nb[1], part * v.hp.width * sizeof(float));
    }

    ggml_tensor * rotate(ggml_tensor * x) const {
        const int hd          = v.hp.head_dim();
        int       sections[4] = {hd / 4, hd / 4, hd / 4, hd / 4};
        return ggml_rope_multi(c, x, positions, nullptr, hd / 2, sections, GGML_ROPE_TYPE_VISION, 0, 10000.0f, 1.0f, 0.0f,
                               1.0f, 32.0f, 1.0f);
    }

    // How wide heads are where nothing speaks against zeros beside them.
    int64_t flash_width() const {
        const bool fits = n * images / row_columns <= grid_edge && (n * images) % row_columns == 0;
        return fits && v.attending.width > 0 ? v.attending.width : v.hp.head_dim();
    }

    // Zeros beside the values of each head change neither its scores nor, in its sums, what is kept of them.
    ggml_tensor * widened(ggml_tensor * x) const {
        const int64_t hd = x->ne[0], heads = x->ne[1], rows = x->ne[2], more = flash_width() - hd;
        if (more == 0) {
            return x;
        }
        x = ggml_is_contiguous(x) ? x : ggml_cont(c, x);
        x = ggml_reshape_3d(c, x, hd, heads * row_columns, rows / row_columns);
        return ggml_reshape_3d(c, ggml_pad(c, x, static_cast<int>(more), 0, 0, 0), hd + more, heads, rows);
    }

    // The values of each head without the zeros beside them, as rows of the tower's width.
    ggml_tensor * narrowed(ggml_tensor * x) const {
        const int64_t hd = v.hp.head_dim(), heads = v.hp.heads, rows = n * images;
        if (x->ne[0] > hd) {
            x = ggml_cont(c, ggml_view_3d(c, x, hd, heads, rows, x->nb[1], x->ne[1] * x->nb[1], 0));
        }
        return ggml_reshape_2d(c, x, v.hp.width, rows);
    }

    // Values of heads by image: [head_dim, heads, n, images].
    ggml_tensor * by_image(ggml_tensor * x) const {
        return ggml_view_4d(c, x, x->ne[0], x->ne[1], n, images, x->nb[1], x->nb[2], n * x->nb[2], 0);
    }

    // [width of a head, n, heads, images] in the type that the device's attention takes.
    ggml_tensor * by_head(ggml_tensor * x, ggml_type type) const {
        x = ggml_permute(c, by_image(x), 0, 2, 1, 3);
        return type == GGML_TYPE_F32 ? x : ggml_cast(c, x, type);
    }

    // The mean of each head's values over the patches of an image: [head_dim, heads, 1, images].
    ggml_tensor * mean(ggml_tensor * x) const {
        ggml_tensor * m = ggml_mean(c, ggml_cont(c, ggml_permute(c, by_image(x), 1, 2, 0, 3)));
        return ggml_reshape_4d(c, m, x->ne[0], x->ne[1], 1, images);
    }

    // What weights that add up to one give of values is the mean of these and what they give of the rest. The rest is small where many
    // patches weigh alike, and so are then the roundings of the kernel's sums.
    ggml_tensor * flash(ggml_tensor * q, ggml_tensor * k, ggml_tensor * val, float scale) const {
        if (!v.attending.centred) {
            return blend(q, k, val, scale);
        }
        const int64_t hd = v.hp.head_dim(), heads = v.hp.heads;
        ggml_tensor * m    = mean(val);
        ggml_tensor * rest = ggml_reshape_3d(c, ggml_sub(c, by_image(val), m), hd, heads, n * images);
        ggml_tensor * att  = ggml_reshape_4d(c, blend(q, k, rest, scale), hd, heads, n, images);
        return ggml_reshape_2d(c, ggml_add(c, att, m), v.hp.width, n * images);
    }

    ggml_tensor * blend(ggml_tensor * q, ggml_tensor * k, ggml_tensor * val, float scale) const {
        const ggml_type type = v.attending.type;
        ggml_tensor *   att  = ggml_flash_attn_ext(c, by_head(widened(q), GGML_TYPE_F32), by_head(widened(k), type),
                                                   by_head(widened(val), type), nullptr, scale, 0.0f, 0.0f);
        ggml_flash_attn_ext_set_prec(att, GGML_PREC_F32);
        return narrowed(att);
    }

    // Softmax attention over slices of the queries, so that the scores stay within score_budget. ggml's CPU flash attention
    // takes one query at a time without register blocking; its matrix product is several times faster.
    ggml_tensor * sliced(ggml_tensor * q, ggml_tensor * k, ggml_tensor * val, float scale, int64_t slices) const {
        q = by_head(q, GGML_TYPE_F32), k = by_head(k, GGML_TYPE_F32), val = by_head(val, GGML_TYPE_F32);
        val                = ggml_cont(c, ggml_permute(c, val, 1, 0, 2, 3));  // [n, head_dim, heads, images]
        const int64_t size = (n + slices - 1) / slices;
        std::vector<ggml_tensor *> out;
        for (int64_t at = 0; at < n; at += size) {
            const int64_t rows   = std::min(size, n - at);
            ggml_tensor * slice =
                ggml_view_4d(c, q, q->ne[0], rows, q->ne[2], images, q->nb[1], q->nb[2], q->nb[3], at * q->nb[1]);
            ggml_tensor * scores = ggml_mul_mat(c, k, ggml_cont(c, slice));  // [n, rows, heads, images]
            scores               = ggml_soft_max_ext_inplace(c, scores, nullptr, scale, 0.0f);
            ggml_tensor * mixed  = ggml_permute(c, ggml_mul_mat(c, val, scores), 0, 2, 1, 3);  // [head_dim, heads, rows, images]
            out.push_back(ggml_cont_3d(c, mixed, v.hp.width, rows, images));
        }
        // Joining in pairs copies each row log2(slices) times instead of slices/2 times.
        while (out.size() > 1) {
            std::vector<ggml_tensor *> joined;
            for (size_t i = 0; i < out.size(); i += 2) {
                joined.push_back(i + 1 < out.size() ? ggml_concat(c, out[i], out[i + 1], 1) : out[i]);
            }
            out.swap(joined);
        }
        return ggml_reshape_2d(c, out.front(), v.hp.width, n * images);
    }

    ggml_tensor * operator()(const block & b, ggml_tensor * x) const {
        ggml_tensor * qkv    = linear(c, b.qkv, x);
        ggml_tensor * q      = rotate(part(qkv, 0));
        ggml_tensor * k      = rotate(part(qkv, 1));
        ggml_tensor * val    = part(qkv, 2);
        const float   scale  = 1.0f / std::sqrt(static_cast<float>(v.hp.head_dim()));
        const int64_t slices = query_slices(v, n, images);
        ggml_tensor * att    = slices > 0 ? sliced(q, k, val, scale, slices) : flash(q, k, val, scale);
        return linear(c, b.out, att);
    }
};

}  // namespace

size_t graph_capacity(const qv_vision & v, int64_t patches, int64_t images) {
    return 64 + v.blocks.size() * (80 + 8 * query_slices(v, patches, images)) + v.taps.size() * 16;
}

}  // namespace qv

qv::graph qv_vision::build(const qv::shape & s, bool still) const {
    using namespace qv;
    graph         g;
    const int64_t n        = s.patches() * s.images;
    const int64_t group    = static_cast<int64_t>(hp.merge) * hp.merge;
    const size_t  capacity = graph_capacity(*this, s.patches(), s.images);

    ggml_init_params params = {capacity * ggml_tensor_overhead() + ggml_graph_overhead_custom(capacity, false), nullptr, true};
    g.ctx.reset(ggml_init(params));
    ggml_context * c = g.ctx.get();
    g.nodes          = ggml_new_graph_custom(c, capacity, false);

    auto input = [&](ggml_tensor * t) {
        ggml_set_input(t);
        return t;
    };
    g.patches[0] = input(ggml_new_tensor_2d(c, GGML_TYPE_F32, hp.patch_values(), n));
    g.patches[1] = still ? g.patches[0] : input(ggml_new_tensor_2d(c, GGML_TYPE_F32, hp.patch_values(), n));
    g.table      = input(ggml_new_tensor_2d(c, GGML_TYPE_F32, hp.width, n));
    g.positions  = input(ggml_new_tensor_1d(c, GGML_TYPE_I32, 4 * n));

    ggml_tensor * x = linear(c, embed[0], g.patches[0]);
    x               = ggml_add(c, x, ggml_mul_mat(c, embed[1].w, g.patches[1]));
    x               = ggml_add(c, x, g.table);

    const attention attend{*this, c, g.positions, s.patches(), s.images};
    ggml_tensor *   parts = nullptr;
    size_t          next  = 0;
    for (size_t i = 0; i < blocks.size(); ++i) {
        const block & b = blocks[i];
        x               = ggml_add(c, x, attend(b, layer_norm(c, b.ln1, x, hp.eps)));
        ggml_tensor * f = gelu_tanh(c, linear(c, b.up, layer_norm(c, b.ln2, x, hp.eps)), on_cpu);
        x               = ggml_add(c, x, linear(c, b.down, f));
        if (next < taps.size() && taps[next].block == static_cast<int>(i)) {
            // "postshuffle" norm: over the merged row, unlike the final merger's per-patch norm.
            const merger & m = taps[next++].proj;
            ggml_tensor *  t = ggml_reshape_2d(c, x, hp.width * group, n / group);
            t                = project(c, m, layer_norm(c, m.norm, t, hp.eps));
            parts            = parts ? ggml_concat(c, parts, t, 0) : t;
        }
    }
    x      = layer_norm(c, final_merger.norm, x, hp.eps);
    x      = project(c, final_merger, ggml_reshape_2d(c, x, hp.width * group, n / group));
    g.rows = parts ? ggml_concat(c, x, parts, 0) : x;
    ggml_set_output(g.rows);
    ggml_build_forward_expand(g.nodes, g.rows);
    return g;
}
