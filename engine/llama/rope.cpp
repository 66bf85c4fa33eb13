#include "rope.h"

#include <algorithm>
#include <memory>

#include "ggml-alloc.h"
#include "ggml.h"
#include "llama-model.h"
#include "vision_tower.hpp"

extern "C" {

void qv_rotate_all_sections(int32_t sections[4], int32_t pairs) {
    // Axis a has the pairs a, a+3, a+6 ...; a section of s reaches to a + 3*s, exclusive.
    for (int32_t axis = 0; axis < 3; ++axis) {
        sections[axis] = std::max(sections[axis], (pairs - axis + 2) / 3);
    }
}

void qv_rotate_all(struct llama_model * model) {
    if (llama_model_rope_type(model) != LLAMA_ROPE_TYPE_IMROPE) {
        return;
    }
    static_assert(sizeof(int) == sizeof(int32_t), "sections are copied as they are");
    llama_hparams & hp = model->hparams;
    qv_rotate_all_sections(hp.rope_sections.data(), static_cast<int32_t>(hp.n_rot) / 2);
}

bool qv_rotate(ggml_backend_dev_t device, const float * values, int32_t width, int32_t n, const int32_t * positions,
               const int32_t sections[4], float base, float * out) {
    const qv::backend_ptr backend(ggml_backend_dev_init(device, nullptr));
    if (!backend) {
        return false;
    }
    const ggml_init_params   params = {8 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true};
    const qv::ggml_context_ptr ctx(ggml_init(params));
    ggml_tensor * x   = ggml_new_tensor_3d(ctx.get(), GGML_TYPE_F32, width, 1, n);
    ggml_tensor * pos = ggml_new_tensor_1d(ctx.get(), GGML_TYPE_I32, 4 * static_cast<int64_t>(n));
    int           axes[4];
    std::copy(sections, sections + 4, axes);
    ggml_tensor * y = ggml_rope_multi(ctx.get(), x, pos, nullptr, width, axes, GGML_ROPE_TYPE_IMROPE, 0, base, 1.0f, 0.0f, 1.0f, 32.0f, 1.0f);
    if (!ggml_backend_supports_op(backend.get(), y)) {
        return false;
    }
    ggml_cgraph * graph = ggml_new_graph(ctx.get());
    ggml_build_forward_expand(graph, y);
    const qv::buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(ctx.get(), backend.get()));
    if (!buffer) {
        return false;
    }
    ggml_backend_tensor_set(x, values, 0, ggml_nbytes(x));
    ggml_backend_tensor_set(pos, positions, 0, ggml_nbytes(pos));
    if (ggml_backend_graph_compute(backend.get(), graph) != GGML_STATUS_SUCCESS) {
        return false;
    }
    ggml_backend_tensor_get(y, out, 0, ggml_nbytes(y));
    return true;
}

}  // extern "C"
