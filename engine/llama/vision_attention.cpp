// Which attention a device computes the vision tower with.

#include <cstring>

#include "vision_tower.hpp"

namespace qv {
namespace {

// Whether the device's flash attention takes heads of this width, with K and V in the given type.
bool attends(ggml_backend_t backend, int64_t width, ggml_type type) {
    ggml_init_params params = {16 * ggml_tensor_overhead(), nullptr, true};
    ggml_context_ptr ctx(ggml_init(params));
    ggml_tensor *    q = ggml_new_tensor_3d(ctx.get(), GGML_TYPE_F32, width, 64, 2);
    ggml_tensor *    k = ggml_new_tensor_3d(ctx.get(), type, width, 64, 2);
    ggml_tensor *    v = ggml_new_tensor_3d(ctx.get(), type, width, 64, 2);
    return ggml_backend_supports_op(backend, ggml_flash_attn_ext(ctx.get(), q, k, v, nullptr, 1.0f, 0.0f, 0.0f));
}

}  // namespace

// What no flash attention of a card takes goes in slices. The scheduler would else give it to ggml's kernel for CPUs, and that one adds
// values of half precision up in half precision, one patch at a time: of thousands that weigh alike, the later ones are lost.
attention_plan plan_attention(ggml_backend_t device, bool on_cpu, int32_t head_dim) {
    if (on_cpu) {
        return {};
    }
    const char * backend = ggml_backend_reg_name(ggml_backend_dev_backend_reg(ggml_backend_get_device(device)));
    const bool   rounds  = std::strcmp(backend, "CUDA") == 0;  // sums, to half precision, whatever precision is asked for
    for (const int32_t width : {qv_flash_width(backend, head_dim), head_dim}) {
        for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16}) {
            if (attends(device, width, type)) {
                return {true, type, width, rounds};
            }
        }
    }
    return {};
}

}  // namespace qv

// CUDA's tensor cores are not used for heads of 72, those of the 8B's tower and larger ones; for 80 they are. The kernel that takes 72
// also sums in half precision one patch at a time, that for tensor cores 16 at a time.
extern "C" int32_t qv_flash_width(const char * backend, int32_t head_dim) {
    return std::strcmp(backend, "CUDA") == 0 && head_dim == 72 ? 80 : head_dim;
}
