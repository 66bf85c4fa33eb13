// A matrix product as models compute it, for the tests.

#include <cstring>

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml-cpu/traits.h"
#include "strips_check.h"

extern "C" void qv_widen(int type, const void * weights, int64_t count, float * out) {
    ggml_get_type_traits(static_cast<ggml_type>(type))->to_float(weights, out, count);
}

extern "C" bool qv_multiply(int type, const void * weights, int64_t columns, int64_t n, const float * rows, int64_t n_rows, int threads, bool strips,
                            float * out) {
    const ggml_backend_buffer_type_t kind = strips ? ggml_backend_cpu_get_extra_buffer_types().front() : ggml_backend_cpu_buffer_type();
    const ggml_init_params           params = {8 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true};
    ggml_context *                   constant = ggml_init(params), * variable = ggml_init(params);
    ggml_tensor *                    w        = ggml_new_tensor_2d(constant, static_cast<ggml_type>(type), columns, n);
    ggml_backend_t                   cpu      = ggml_backend_cpu_init();
    ggml_backend_buffer_t            held     = ggml_backend_alloc_ctx_tensors_from_buft(constant, kind), work = nullptr;
    ggml_tensor *                    x        = ggml_new_tensor_2d(variable, GGML_TYPE_F32, columns, n_rows);
    ggml_tensor *                    y        = ggml_mul_mat(variable, w, x);
    const bool                       possible = ggml_backend_dev_supports_op(ggml_backend_get_device(cpu), y);
    if (possible) {
        ggml_backend_tensor_set(w, weights, 0, ggml_nbytes(w));
        work = ggml_backend_alloc_ctx_tensors(variable, cpu);
        std::memcpy(x->data, rows, ggml_nbytes(x));
        ggml_cgraph * graph = ggml_new_graph(variable);
        ggml_build_forward_expand(graph, y);
        ggml_backend_cpu_set_n_threads(cpu, threads);
        ggml_backend_graph_compute(cpu, graph);
        std::memcpy(out, y->data, ggml_nbytes(y));
    }
    ggml_backend_buffer_free(work);
    ggml_backend_buffer_free(held);
    ggml_backend_free(cpu);
    ggml_free(variable);
    ggml_free(constant);
    return possible;
}
