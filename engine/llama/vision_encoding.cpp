// Encodings: images on their way through the vision tower, which stop where they are told to and go on later.

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "vision_guard.hpp"
#include "vision_tower.hpp"

namespace qv {
namespace {

void fill_inputs(const qv_vision & v, const graph & g, const uint8_t * const * frames, const shape & s) {
    const size_t       n = s.patches();
    std::vector<float> values(n * std::max(v.hp.patch_values(), v.hp.width));
    for (int i = 0; i < (g.patches[0] == g.patches[1] ? 1 : 2); ++i) {
        const size_t size = n * v.hp.patch_values() * sizeof(float);
        for (int32_t image = 0; image < s.images; ++image) {
            cut_patches(v.hp, frames[2 * image + i], s.grid_w, s.grid_h, values.data());
            ggml_backend_tensor_set(g.patches[i], values.data(), image * size, size);
        }
    }
    interpolate_positions(v, s.grid_w, s.grid_h, values.data());
    const size_t size = n * v.hp.width * sizeof(float);
    for (int32_t image = 0; image < s.images; ++image) {
        ggml_backend_tensor_set(g.table, values.data(), image * size, size);
    }

    const size_t         all = n * s.images;
    std::vector<int32_t> positions(4 * all);
    size_t               i = 0;
    while (i < all) {
        for (int32_t by = 0; by < s.grid_h; by += v.hp.merge) {
            for (int32_t bx = 0; bx < s.grid_w; bx += v.hp.merge) {
                for (int32_t p = 0; p < v.hp.merge * v.hp.merge; ++p, ++i) {
                    positions[i] = positions[2 * all + i] = by + p / v.hp.merge;
                    positions[all + i] = positions[3 * all + i] = bx + p % v.hp.merge;
                }
            }
        }
    }
    ggml_backend_tensor_set(g.positions, positions.data(), 0, ggml_nbytes(g.positions));
}

// Whether a node may take so long that it is worth looking at the clock after it.
bool is_heavy(const ggml_tensor * t) {
    return t->op == GGML_OP_MUL_MAT || t->op == GGML_OP_FLASH_ATTN_EXT;
}

}  // namespace
}  // namespace qv

struct qv_encoding {
    qv_vision *          v = nullptr;
    qv::graph            g;
    qv::sched_ptr        sched;     // whose buffers hold the graph's values until the encoding is freed
    qv::ggml_context_ptr part_ctx;  // of part
    ggml_cgraph *        part = nullptr;  // the nodes that are computed at once
    int                  next = 0;        // node

    // Computes all that is left.
    void finish() {
        compute([&] { return ggml_backend_sched_graph_compute(sched.get(), g.nodes); });
        next = ggml_graph_n_nodes(g.nodes);
    }

    // Computes nodes up to the next heavy one. The values of a graph do not depend on how it is parted: those of each node are
    // written before the next one is begun, in the same memory.
    void step() {
        ggml_graph_clear(part);
        const int end = ggml_graph_n_nodes(g.nodes);
        for (bool heavy = false; next < end && !heavy; ++next) {
            ggml_tensor * node = ggml_graph_node(g.nodes, next);
            ggml_graph_add_node(part, node);
            heavy = qv::is_heavy(node);
        }
        compute([&] { return ggml_backend_graph_compute(v->backends.front().get(), part); });
    }

    bool done() const { return next == ggml_graph_n_nodes(g.nodes); }

  private:
    template <typename F>
    void compute(F graph_compute) {
        const ggml_status status = graph_compute();
        if (status == GGML_STATUS_ABORTED) {
            throw qv::cancelled();
        }
        if (status != GGML_STATUS_SUCCESS) {
            qv::fail("the vision graph failed: %s", ggml_status_to_string(status));
        }
    }
};

extern "C" {

qv_status qv_encoding_begin(qv_vision * v, const uint8_t * const * frames, int32_t images, int32_t grid_w, int32_t grid_h,
                            qv_encoding ** out, char * err, size_t err_size) {
    return qv::guarded(err, err_size, [&] {
        const qv::shape s{grid_w, grid_h, images};
        qv::check(*v, s);
        bool still = true;
        for (int32_t i = 0; i < images; ++i) {
            still = still && frames[2 * i] == frames[2 * i + 1];
        }
        auto e = std::make_unique<qv_encoding>();
        e->v   = v;
        e->g   = v->build(s, still);
        // A scheduler for each encoding: its buffers go back afterwards, so that one large image does not hold memory.
        e->sched = v->scheduler(v->backends, s);
        if (!ggml_backend_sched_alloc_graph(e->sched.get(), e->g.nodes)) {
            std::snprintf(err, err_size, "no memory for %d grids of %d x %d patches", images, grid_w, grid_h);
            return QV_NO_MEMORY;
        }
        const size_t           nodes  = ggml_graph_n_nodes(e->g.nodes);
        const ggml_init_params params = {ggml_graph_overhead_custom(nodes, false), nullptr, true};
        e->part_ctx.reset(ggml_init(params));
        e->part = ggml_new_graph_custom(e->part_ctx.get(), nodes, false);
        qv::fill_inputs(*v, e->g, frames, s);
        *out = e.release();
        return QV_OK;
    });
}

qv_status qv_encoding_advance(qv_encoding * e, double seconds, qv_watch * watch, bool * done, char * err, size_t err_size) {
    return qv::guarded(err, err_size, [&] {
        const qv::watch_scope scope(*e->v, watch);
        if (seconds < 0 || e->v->backends.size() > 1) {
            e->finish();
        }
        using clock      = std::chrono::steady_clock;
        const auto begin = clock::now();
        while (!e->done()) {
            e->step();
            if (std::chrono::duration<double>(clock::now() - begin).count() >= seconds) {
                break;
            }
        }
        *done = e->done();
        return QV_OK;
    });
}

void qv_encoding_rows(const qv_encoding * e, float * out) {
    ggml_backend_tensor_get(e->g.rows, out, 0, ggml_nbytes(e->g.rows));
}

void qv_encoding_free(qv_encoding * e) {
    delete e;
}

}  // extern "C"
