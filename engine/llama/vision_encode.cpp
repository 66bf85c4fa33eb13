// Devices, memory planning and execution of the vision tower, and its C interface.

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>

#include "vision_guard.hpp"
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

void check(const qv_vision & v, const shape & s) {
    constexpr int64_t most = 1 << 20;
    const bool divides     = s.grid_w > 0 && s.grid_h > 0 && s.grid_w % v.hp.merge == 0 && s.grid_h % v.hp.merge == 0;
    if (!divides || s.images < 1 || s.patches() > most / s.images) {
        fail("%d grids of %d x %d patches cannot be encoded", s.images, s.grid_w, s.grid_h);
    }
}

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

qv::sched_ptr qv_vision::scheduler(const std::vector<qv::backend_ptr> & on, const qv::shape & s) const {
    std::vector<ggml_backend_t> list;
    for (const auto & b : on) {
        list.push_back(b.get());
    }
    // Twice the capacity: splits between devices add copies.
    const size_t capacity = 2 * qv::graph_capacity(*this, s.patches(), s.images);
    return qv::sched_ptr(ggml_backend_sched_new(list.data(), nullptr, static_cast<int>(list.size()), capacity, false, false));
}

size_t qv_vision::host_bytes(int64_t patches) const {
    // fill_inputs' staging and, for the caller, the rows that come out.
    const size_t rows = static_cast<size_t>(patches) / (hp.merge * hp.merge) * hp.projection * (1 + taps.size());
    return (static_cast<size_t>(patches) * std::max(hp.patch_values(), hp.width) + rows) * sizeof(float);
}

extern "C" {

qv_status qv_vision_load(const char * path, int32_t n_threads, ggml_backend_dev_t device, qv_flash flash, qv_watch * watch,
                         qv_vision ** out, char * err, size_t err_size) {
    return qv::guarded(err, err_size, [&] {
        auto v = std::make_unique<qv_vision>();
        v->open_backends(n_threads, device);
        v->load(path, watch);
        v->attending = qv::plan_attention(v->backends.front().get(), v->on_cpu, v->hp.head_dim());
        if (flash.width > 0) {
            v->attending = {true, flash.half ? GGML_TYPE_F16 : GGML_TYPE_F32, flash.width, true};
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

qv_status qv_vision_plan(qv_vision * v, int32_t grid_w, int32_t grid_h, int32_t images, uint64_t * bytes, char * err,
                         size_t err_size) {
    return qv::guarded(err, err_size, [&] {
        const qv::shape s{grid_w, grid_h, images};
        qv::check(*v, s);
        const qv::graph     g     = v->build(s, false);
        const qv::sched_ptr sched = v->scheduler(v->planning, s);
        std::vector<size_t> sizes(v->planning.size(), 0);
        ggml_backend_sched_reserve_size(sched.get(), g.nodes, sizes.data());
        *bytes = v->host_bytes(s.patches() * images);
        for (size_t size : sizes) {
            *bytes += size;
        }
        return QV_OK;
    });
}

}  // extern "C"
