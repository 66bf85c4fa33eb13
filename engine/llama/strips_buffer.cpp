// A buffer type of the CPU backend that lays weights out in strips as they are loaded, and the matrix product with
// them. libllama asks such types in turn whether they multiply with a weight; this one stands before ggml's own
// ("repack").

#include <algorithm>
#include <cstring>
#include <mutex>

#include "ggml-backend-impl.h"
#include "ggml-cpu.h"
#include "ggml-cpu/traits.h"
#include "strips.h"
#include "strips.hpp"

namespace {

constexpr size_t  line         = 64;
// Into how many parts a core the product with one row is cut, so that no thread waits long for another.
constexpr int64_t parts_a_core = 16;

size_t whole_lines(size_t n) {
    return (n + line - 1) / line * line;
}

ggml_backend_buffer_type_t buffer_type();

// A matrix product whose weights lie in strips.
struct product : ggml::cpu::tensor_traits {
    bool work_size(int threads, const ggml_tensor * op, size_t & size) override {
        size = rounded_size(op) + threads * whole_lines(qv::strip_room()) + line;
        return true;
    }

    bool compute_forward(ggml_compute_params * params, ggml_tensor * op) override {
        const ggml_tensor * w = op->src[0], * x = op->src[1];
        const int64_t       rows = ggml_nrows(x), blocks = x->ne[0] / QK_K;
        char * const        work    = reinterpret_cast<char *>(whole_lines(reinterpret_cast<size_t>(params->wdata)));
        auto * const        rounded = reinterpret_cast<block_q8_K *>(work);
        for (int64_t r = params->ith; r < rows; r += params->nth) {
            qv::round_row(reinterpret_cast<const float *>(row(x, r)), blocks, rounded + r, rows);
        }
        if (params->ith == 0) {
            ggml_threadpool_chunk_set(params->threadpool, params->nth);
        }
        ggml_barrier(params->threadpool);
        const qv::strip_format * format = qv::strip_format_of(w->type);
        const int64_t            lanes = qv::strip_lanes(), strips = w->ne[1] / lanes, size = format->block * lanes * blocks;
        const int64_t grain = rows > 1 ? qv::strip_unit() : std::max<int64_t>(1, strips / (params->nth * parts_a_core));
        char * const  room  = work + rounded_size(op) + params->ith * whole_lines(qv::strip_room());
        for (int64_t part = params->ith; part * grain < strips; part = ggml_threadpool_chunk_add(params->threadpool, 1)) {
            const int64_t from = part * grain, n = std::min(grain, strips - from);
            const char *  at  = static_cast<const char *>(w->data) + from * size;
            float *       out = reinterpret_cast<float *>(op->data) + from * lanes;
            if (rows == 1) {
                format->multiply_one(at, n, blocks, rounded, out);
            } else {
                format->multiply_many(at, n, blocks, rounded, rows, out, op->ne[0], room);
            }
        }
        return true;
    }

  private:
    static size_t rounded_size(const ggml_tensor * op) {
        return whole_lines(ggml_nrows(op->src[1]) * (op->src[1]->ne[0] / QK_K) * sizeof(block_q8_K));
    }

    static const char * row(const ggml_tensor * t, int64_t r) {
        const int64_t i1 = r % t->ne[1], i2 = r / t->ne[1] % t->ne[2], i3 = r / t->ne[1] / t->ne[2];
        return static_cast<const char *>(t->data) + i1 * t->nb[1] + i2 * t->nb[2] + i3 * t->nb[3];
    }
};

product * the_product() {
    static product p;
    return &p;
}

// What ggml asks of a buffer type of this kind.
struct strip_products : ggml::cpu::extra_buffer_type {
    bool supports_op(ggml_backend_dev_t, const ggml_tensor * op) override {
        const ggml_tensor *w = op->src[0], *x = op->src[1];
        // A table of tokens that is the output as well is one piece of memory. No row can be read from strips, so it
        // would be there twice.
        if (std::strcmp(w->name, "token_embd.weight") == 0) {
            return false;
        }
        return op->op == GGML_OP_MUL_MAT && lies_in_strips(w) && ggml_n_dims(w) == 2 && qv::strip_format_of(w->type) != nullptr &&
               w->ne[0] % QK_K == 0 && w->ne[1] % qv::strip_lanes() == 0 && x->type == GGML_TYPE_F32 && x->nb[0] == sizeof(float) &&
               (x->buffer == nullptr || ggml_backend_buft_is_host(x->buffer->buft));
    }

    ggml::cpu::tensor_traits * get_tensor_traits(const ggml_tensor * op) override {
        return op->op == GGML_OP_MUL_MAT && lies_in_strips(op->src[0]) ? the_product() : nullptr;
    }

  private:
    static bool lies_in_strips(const ggml_tensor * w) { return w->buffer != nullptr && w->buffer->buft == buffer_type(); }
};

const char * type_name(ggml_backend_buffer_type_t) {
    return "CPU_STRIPS";
}

size_t type_alignment(ggml_backend_buffer_type_t) {
    return line;
}

void set_tensor(ggml_backend_buffer_t, ggml_tensor * t, const void * data, size_t offset, size_t size) {
    GGML_ASSERT(offset == 0 && size == ggml_nbytes(t));
    qv::strip_format_of(t->type)->pack(data, t->ne[0], t->ne[1], t->data);
}

ggml_backend_buffer_t allocate(ggml_backend_buffer_type_t type, size_t size) {
    ggml_backend_buffer_t b = ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), size);
    if (b != nullptr) {
        b->buft             = type;
        b->iface.set_tensor = set_tensor;
        b->iface.get_tensor = nullptr;
        b->iface.cpy_tensor = nullptr;
    }
    return b;
}

ggml_backend_buffer_type_t buffer_type() {
    static strip_products           products;
    static ggml_backend_buffer_type type = [] {
        ggml_backend_buffer_type t = {};
        t.iface.get_name           = type_name;
        t.iface.alloc_buffer       = allocate;
        t.iface.get_alignment      = type_alignment;
        t.device                   = ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0);
        t.context                  = &products;
        return t;
    }();
    return &type;
}

}  // namespace

extern "C" void qv_offer_strips(void) {
    static std::once_flag once;
    std::call_once(once, [] {
        auto & types = ggml_backend_cpu_get_extra_buffer_types();
        types.insert(types.begin(), buffer_type());
    });
}
