// Devices, memory planning and execution of the vision tower, and its C interface.

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>

#include "vision_tower.hpp"

namespace qv {

void fail(const char * format, ...) {
    char    text[512];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    throw std::runtime_error(text);
}

namespace {

// Runs body and turns what it throws into a status and a text.
template <typename F>
qv_status guarded(char * err, size_t err_size, F body) {
    try {
        return body();
    } catch (const cancelled &) {
        std::snprintf(err, err_size, "cancelled");
        return QV_CANCELLED;
    } catch (const std::bad_alloc &) {
        std::snprintf(err, err_size, "out of memory");
        return QV_NO_MEMORY;
    } catch (const std::exception & e) {
        std::snprintf(err, err_size, "%s", e.what());
        return QV_ERROR;
    }
}

// A function of a backend's registry that is not part of ggml's C interface.
template <typename F>
F backend_proc(ggml_backend_t b, const char * name) {
    ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(ggml_backend_get_device(b));
    return reinterpret_cast<F>(ggml_backend_reg_get_proc_address(reg, name));
}

// Whether the device's flash attention reads K and V of the given type at this head size.
bool attends(ggml_backend_t backend, int64_t head_dim, ggml_type type) {
    ggml_init_params params = {16 * ggml_tensor_overhead(), nullptr, true};
    ggml_context_ptr ctx(ggml_init(params));
    ggml_tensor *    q = ggml_new_tensor_3d(ctx.get(), GGML_TYPE_F32, head_dim, 64, 2);
    ggml_tensor *    k = ggml_new_tensor_3d(ctx.get(), type, head_dim, 64, 2);
    ggml_tensor *    v = ggml_new_tensor_3d(ctx.get(), type, head_dim, 64, 2);
    return ggml_backend_supports_op(backend, ggml_flash_attn_ext(ctx.get(), q, k, v, nullptr, 1.0f, 0.0f, 0.0f));
}

void check_grid(const qv_vision & v, int32_t w, int32_t h) {
    if (w <= 0 || h <= 0 || w % v.hp.merge != 0 || h % v.hp.merge != 0 || static_cast<int64_t>(w) * h > 1 << 20) {
        fail("a grid of %d x %d patches cannot be encoded", w, h);
    }
}

void fill_inputs(const qv_vision & v, const graph & g, const uint8_t * const frames[2], int32_t w, int32_t h) {
    const size_t       n = static_cast<size_t>(w) * h;
    std::vector<float> values(n * std::max(v.hp.patch_values(), v.hp.width));
    for (int i = 0; i < (g.patches[0] == g.patches[1] ? 1 : 2); ++i) {
        cut_patches(v.hp, frames[i], w, h, values.data());
        ggml_backend_tensor_set(g.patches[i], values.data(), 0, ggml_nbytes(g.patches[i]));
    }
    interpolate_positions(v, w, h, values.data());
    ggml_backend_tensor_set(g.table, values.data(), 0, ggml_nbytes(g.table));

    std::vector<int32_t> positions(4 * n);
    size_t               i = 0;
    for (int32_t by = 0; by < h; by += v.hp.merge) {
        for (int32_t bx = 0; bx < w; bx += v.hp.merge) {
            for (int32_t p = 0; p < v.hp.merge * v.hp.merge; ++p, ++i) {
                positions[i] = positions[2 * n + i] = by + p / v.hp.merge;
                positions[n + i] = positions[3 * n + i] = bx + p % v.hp.merge;
            }
        }
    }
    ggml_backend_tensor_set(g.positions, positions.data(), 0, ggml_nbytes(g.positions));
}

// Points the CPU backends at a watch for as long as it lives.
class watch_scope {
  public:
    watch_scope(const qv_vision & v, qv_watch * watch) : v_(v) { set(qv_watch_poll, watch); }
    ~watch_scope() { set(nullptr, nullptr); }

  private:
    void set(ggml_abort_callback callback, qv_watch * watch) const {
        for (const auto & b : v_.backends) {
            if (auto f = backend_proc<ggml_backend_set_abort_callback_t>(b.get(), "ggml_backend_set_abort_callback")) {
                f(b.get(), callback, watch);
            }
        }
    }
    const qv_vision & v_;
};

}  // namespace
}  // namespace qv

void qv_vision::open_backends(int32_t n_threads, ggml_backend_dev_t card) {
    using namespace qv;
    on_cpu = card == nullptr;
    for (auto * list : {&backends, &planning}) {
        if (card) {
            list->emplace_back(ggml_backend_dev_init(card, nullptr));
        }
        list->emplace_back(ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr));
        for (const auto & b : *list) {
            if (!b) {
                fail("a compute device could not be opened");
            }
            if (auto set = backend_proc<ggml_backend_set_n_threads_t>(b.get(), "ggml_backend_set_n_threads")) {
                set(b.get(), n_threads);
            }
        }
    }
}

qv::sched_ptr qv_vision::scheduler(const std::vector<qv::backend_ptr> & on, int64_t patches) const {
    std::vector<ggml_backend_t> list;
    for (const auto & b : on) {
        list.push_back(b.get());
    }
    // Twice the capacity: splits between devices add copies.
    const size_t capacity = 2 * qv::graph_capacity(*this, patches);
    return qv::sched_ptr(ggml_backend_sched_new(list.data(), nullptr, static_cast<int>(list.size()), capacity, false, false));
}

size_t qv_vision::host_bytes(int64_t patches) const {
    // fill_inputs' staging and, for the caller, the rows that come out.
    const size_t rows = static_cast<size_t>(patches) / (hp.merge * hp.merge) * hp.projection * (1 + taps.size());
    return (static_cast<size_t>(patches) * std::max(hp.patch_values(), hp.width) + rows) * sizeof(float);
}

extern "C" {

qv_status qv_vision_load(const char * path, int32_t n_threads, ggml_backend_dev_t device, qv_watch * watch, qv_vision ** out,
                         char * err, size_t err_size) {
    return qv::guarded(err, err_size, [&] {
        auto v = std::make_unique<qv_vision>();
        v->open_backends(n_threads, device);
        v->load(path, watch);
        const int64_t hd = v->hp.head_dim();
        if (!qv::attends(v->backends.front().get(), hd, GGML_TYPE_F32)) {
            v->attention_type = GGML_TYPE_F16;
        }
        *out = v.release();
        return QV_OK;
    });
}

void qv_vision_free(qv_vision * v) {
    delete v;
}

void qv_vision_get_info(const qv_vision * v, qv_vision_info * info) {
    *info              = {};
    info->patch_size   = v->hp.patch;
    info->merge_size   = v->hp.merge;
    info->width        = v->hp.width;
    info->projection   = v->hp.projection;
    info->n_taps       = static_cast<int32_t>(v->taps.size());
    info->min_pixels   = v->hp.min_pixels;
    info->max_pixels   = v->hp.max_pixels;
    info->weight_bytes = ggml_backend_buffer_get_size(v->weights.get());
    std::snprintf(info->device, sizeof info->device, "%s", ggml_backend_name(v->backends.front().get()));
}

qv_status qv_vision_plan(qv_vision * v, int32_t grid_w, int32_t grid_h, uint64_t * bytes, char * err, size_t err_size) {
    return qv::guarded(err, err_size, [&] {
        qv::check_grid(*v, grid_w, grid_h);
        const qv::graph     g     = v->build(grid_w, grid_h, false);
        const qv::sched_ptr sched = v->scheduler(v->planning, static_cast<int64_t>(grid_w) * grid_h);
        std::vector<size_t> sizes(v->planning.size(), 0);
        ggml_backend_sched_reserve_size(sched.get(), g.nodes, sizes.data());
        *bytes = v->host_bytes(static_cast<int64_t>(grid_w) * grid_h);
        for (size_t s : sizes) {
            *bytes += s;
        }
        return QV_OK;
    });
}

qv_status qv_vision_encode(qv_vision * v, const uint8_t * frame0, const uint8_t * frame1, int32_t grid_w, int32_t grid_h, float * out,
                           qv_watch * watch, char * err, size_t err_size) {
    return qv::guarded(err, err_size, [&] {
        qv::check_grid(*v, grid_w, grid_h);
        const uint8_t * frames[2] = {frame0, frame1};
        const qv::graph g         = v->build(grid_w, grid_h, frame0 == frame1);
        // A scheduler for each encode: its buffers go back afterwards, so that one large image does not hold memory.
        const qv::sched_ptr sched = v->scheduler(v->backends, static_cast<int64_t>(grid_w) * grid_h);
        if (!ggml_backend_sched_alloc_graph(sched.get(), g.nodes)) {
            std::snprintf(err, err_size, "no memory for a grid of %d x %d patches", grid_w, grid_h);
            return QV_NO_MEMORY;
        }
        qv::fill_inputs(*v, g, frames, grid_w, grid_h);
        const qv::watch_scope  scope(*v, watch);
        const ggml_status      status = ggml_backend_sched_graph_compute(sched.get(), g.nodes);
        if (status == GGML_STATUS_ABORTED) {
            throw qv::cancelled();
        }
        if (status != GGML_STATUS_SUCCESS) {
            qv::fail("the vision graph failed: %s", ggml_status_to_string(status));
        }
        ggml_backend_tensor_get(g.rows, out, 0, ggml_nbytes(g.rows));
        return QV_OK;
    });
}

}  // extern "C"
