// A ggml device that runs the attention kernel, in the way ggml's BLAS device takes matrix products over: the scheduler
// gives a node to the first device that supports it and its buffers, and this one stands before the CPU device and
// shares its memory.

#include <cstring>
#include <memory>
#include <mutex>

#include "attention.h"
#include "attention.hpp"
#include "ggml-backend-impl.h"
#include "ggml-cpu.h"

namespace {

// The kernel runs on the threads of a CPU backend: as the only node of a graph.
struct runner {
    ggml_backend_t     cpu     = nullptr;
    ggml_context *     ctx     = nullptr;
    ggml_cgraph *      graph   = nullptr;
    int                threads = 1;
    qv::attention_job  job;

    ~runner() {
        ggml_free(ctx);
        ggml_backend_free(cpu);
    }
};

runner * of(ggml_backend_t b) {
    return static_cast<runner *>(b->context);
}

void run_job(ggml_tensor *, int ith, int, void * job) {
    static_cast<qv::attention_job *>(job)->work(ith);
}

void set_threads(ggml_backend_t b, int n) {
    of(b)->threads = n;
    ggml_backend_cpu_set_n_threads(of(b)->cpu, n);
}

void set_abort(ggml_backend_t b, ggml_abort_callback callback, void * data) {
    ggml_backend_cpu_set_abort_callback(of(b)->cpu, callback, data);
}

ggml_status compute(ggml_backend_t b, ggml_cgraph * graph, int) {
    runner * r = of(b);
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
        ggml_tensor * node = ggml_graph_node(graph, i);
        if (node->op != GGML_OP_FLASH_ATTN_EXT) {
            continue;  // a view
        }
        r->job.prepare(node, r->threads);
        if (const ggml_status status = ggml_backend_graph_compute(r->cpu, r->graph); status != GGML_STATUS_SUCCESS) {
            return status;
        }
    }
    return GGML_STATUS_SUCCESS;
}

const char * name(ggml_backend_t) {
    return "attention";
}

void free_backend(ggml_backend_t b) {
    delete of(b);
    delete b;
}

ggml_guid_t guid() {
    static ggml_guid id = {0x71, 0x76, 0x61, 0x74, 0x74, 0x65, 0x6e, 0x74, 0x69, 0x6f, 0x6e, 0x2d, 0x63, 0x70, 0x75, 0x31};
    return &id;
}

ggml_backend_t open(ggml_backend_dev_t dev, const char *) {
    auto r = std::make_unique<runner>();
    r->cpu = ggml_backend_cpu_init();
    const ggml_init_params params = {4 * ggml_tensor_overhead() + ggml_graph_overhead_custom(4, false), nullptr, true};
    r->ctx                        = ggml_init(params);
    r->graph                      = ggml_new_graph_custom(r->ctx, 4, false);
    ggml_build_forward_expand(r->graph, ggml_custom_4d(r->ctx, GGML_TYPE_F32, 1, 1, 1, 1, nullptr, 0, run_job, GGML_N_TASKS_MAX, &r->job));
    auto * b   = new ggml_backend();
    b->guid    = guid();
    b->device  = dev;
    b->context = r.release();
    b->iface.get_name      = name;
    b->iface.free          = free_backend;
    b->iface.graph_compute = compute;
    return b;
}

const char * device_name(ggml_backend_dev_t) {
    return "attention";
}

const char * device_description(ggml_backend_dev_t) {
    return "attention in single precision";
}

void device_memory(ggml_backend_dev_t, size_t * free, size_t * total) {
    *free = *total = 0;  // it has none of its own
}

enum ggml_backend_dev_type device_type(ggml_backend_dev_t) {
    return GGML_BACKEND_DEVICE_TYPE_ACCEL;
}

void device_props(ggml_backend_dev_t dev, ggml_backend_dev_props * props) {
    *props             = {};
    props->name        = device_name(dev);
    props->description = device_description(dev);
    props->type        = device_type(dev);
}

ggml_backend_buffer_type_t buffer_type(ggml_backend_dev_t) {
    return ggml_backend_cpu_buffer_type();
}

bool supports_op(ggml_backend_dev_t, const ggml_tensor * op) {
    switch (op->op) {
    case GGML_OP_NONE:
    case GGML_OP_RESHAPE:
    case GGML_OP_VIEW:
    case GGML_OP_PERMUTE:
    case GGML_OP_TRANSPOSE:
        return true;
    case GGML_OP_FLASH_ATTN_EXT:
        return qv::attention_job::takes(op);
    default:
        return false;
    }
}

bool supports_buffer(ggml_backend_dev_t, ggml_backend_buffer_type_t t) {
    return ggml_backend_buft_is_host(t);
}

const char * registry_name(ggml_backend_reg_t) {
    return "attention";
}

size_t device_count(ggml_backend_reg_t) {
    return 1;
}

ggml_backend_dev_t device(ggml_backend_reg_t reg, size_t) {
    static ggml_backend_device dev = [reg] {
        ggml_backend_device d     = {};
        d.reg                     = reg;
        d.iface.get_name          = device_name;
        d.iface.get_description   = device_description;
        d.iface.get_memory        = device_memory;
        d.iface.get_type          = device_type;
        d.iface.get_props         = device_props;
        d.iface.init_backend      = open;
        d.iface.get_buffer_type   = buffer_type;
        d.iface.supports_op       = supports_op;
        d.iface.supports_buft     = supports_buffer;
        return d;
    }();
    return &dev;
}

void * proc_address(ggml_backend_reg_t, const char * name) {
    if (std::strcmp(name, "ggml_backend_set_n_threads") == 0) {
        return reinterpret_cast<void *>(set_threads);
    }
    if (std::strcmp(name, "ggml_backend_set_abort_callback") == 0) {
        return reinterpret_cast<void *>(set_abort);
    }
    return nullptr;
}

ggml_backend_reg_t registry() {
    static ggml_backend_reg reg = [] {
        ggml_backend_reg r       = {};
        r.api_version            = GGML_BACKEND_API_VERSION;
        r.iface.get_name         = registry_name;
        r.iface.get_device_count = device_count;
        r.iface.get_device       = device;
        r.iface.get_proc_address = proc_address;
        return r;
    }();
    return &reg;
}

}  // namespace

extern "C" void qv_offer_attention(bool offered) {
    static std::mutex lock;
    static bool       registered = false;
    const std::lock_guard<std::mutex> held(lock);
    if (offered && !registered) {
        ggml_backend_register(registry());
    } else if (!offered && registered) {
        ggml_backend_unload(registry());
    }
    registered = offered;
}
