#include "release.h"

#include <utility>
#include <vector>

#include "ggml-backend-impl.h"
#include "ggml-backend.h"
#include "llama-context.h"

extern "C" {

void qv_free_context(struct llama_context * ctx) {
    if (ctx == nullptr) {
        return;
    }
    using freer = void (*)(ggml_backend_t);
    std::vector<std::pair<ggml_backend_t, freer>> kept;
    ggml_backend_sched_t sched = ctx->get_sched();
    for (int i = 0; sched != nullptr && i < ggml_backend_sched_get_n_backends(sched); ++i) {
        ggml_backend_t backend = ggml_backend_sched_get_backend(sched, i);
        if (backend->iface.reset != nullptr) {
            kept.emplace_back(backend, backend->iface.free);
            backend->iface.free = [](ggml_backend_t) {};
        }
    }
    llama_free(ctx);
    for (const auto & [backend, original] : kept) {
        backend->iface.free = original;
        ggml_backend_free(backend);
    }
}

}  // extern "C"
