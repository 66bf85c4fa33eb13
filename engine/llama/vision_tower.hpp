// Types shared by the vision tower's sources: weights, graph and buffers. Internal to this package.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml.h"
#include "gguf.h"
#include "vision.h"

namespace qv {

struct ggml_context_deleter { void operator()(ggml_context * p) const { ggml_free(p); } };
struct gguf_context_deleter { void operator()(gguf_context * p) const { gguf_free(p); } };
struct backend_deleter { void operator()(ggml_backend_t p) const { ggml_backend_free(p); } };
struct buffer_deleter { void operator()(ggml_backend_buffer_t p) const { ggml_backend_buffer_free(p); } };
struct sched_deleter { void operator()(ggml_backend_sched_t p) const { ggml_backend_sched_free(p); } };

using ggml_context_ptr = std::unique_ptr<ggml_context, ggml_context_deleter>;
using gguf_context_ptr = std::unique_ptr<gguf_context, gguf_context_deleter>;
using backend_ptr      = std::unique_ptr<ggml_backend, backend_deleter>;
using buffer_ptr       = std::unique_ptr<ggml_backend_buffer, buffer_deleter>;
using sched_ptr        = std::unique_ptr<ggml_backend_sched, sched_deleter>;

// A linear layer or a norm: y = w*x + b.
struct affine {
    ggml_tensor * w = nullptr;
    ggml_tensor * b = nullptr;
};

struct block {
    affine ln1, qkv, out, ln2, up, down;
};

// A 2x2 patch merger: LayerNorm, fc1, GELU(erf), fc2 (Qwen3VLVisionPatchMerger).
struct merger {
    affine norm, fc1, fc2;
};

struct tap {
    int    block = 0;  // the block after whose output it reads
    merger proj;
};

struct hparams {
    int32_t patch = 0, merge = 0, width = 0, ffn = 0, depth = 0, heads = 0, projection = 0;
    int32_t table_side = 0;  // the position table is table_side x table_side
    float   eps        = 1e-6f;
    float   mean[3]    = {0.5f, 0.5f, 0.5f};
    float   std[3]     = {0.5f, 0.5f, 0.5f};
    int64_t min_pixels = 0, max_pixels = 0;

    int32_t head_dim() const { return width / heads; }
    int32_t patch_values() const { return 3 * patch * patch; }
};

// How a device attends. Slices of the queries' scores, as matrix products, unless flash is set.
struct attention_plan {
    bool      flash   = false;
    ggml_type type    = GGML_TYPE_F32;  // of K and V in flash attention
    int32_t   width   = 0;              // of a head there: its own values, then zeros
    bool      centred = false;          // the mean of V is taken off before and added after, for kernels whose sums are rounded
};

// How many images are encoded at once, and the grid of patches of each.
struct shape {
    int32_t grid_w = 0, grid_h = 0, images = 1;

    int64_t patches() const { return static_cast<int64_t>(grid_w) * grid_h; }
};

// The nodes of one encode that are filled or read from outside.
struct graph {
    ggml_context_ptr ctx;
    ggml_cgraph *    nodes      = nullptr;
    ggml_tensor *    patches[2] = {nullptr, nullptr};  // [patch_values, n], the same tensor for still images
    ggml_tensor *    table      = nullptr;             // [width, n] interpolated position embedding
    ggml_tensor *    positions  = nullptr;             // [4*n] row, col, row, col
    ggml_tensor *    rows       = nullptr;             // [projection*(1+taps), n/merge^2]
};

}  // namespace qv

struct qv_vision {
    qv::hparams                  hp;
    std::vector<qv::backend_ptr> backends;  // main device first, the CPU last
    std::vector<qv::backend_ptr> planning;  // the same for plans, which are made while backends compute
    qv::ggml_context_ptr         weights_ctx;
    qv::buffer_ptr               weights;
    qv::affine                   embed[2];  // conv slice of the even and of the odd frame; the bias is embed[0].b
    std::vector<float>           position_table;  // [table_side*table_side][width], on the host
    std::vector<qv::block>       blocks;
    std::vector<qv::tap>         taps;
    qv::merger                   final_merger;
    bool                         on_cpu = true;
    qv::attention_plan           attending;

    qv::graph build(const qv::shape & s, bool still) const;
    qv::sched_ptr scheduler(const std::vector<qv::backend_ptr> & on, const qv::shape & s) const;
    size_t host_bytes(int64_t patches) const;  // outside the devices' buffers
    void load(const char * path, qv_watch * watch);
    void open_backends(int32_t n_threads, ggml_backend_dev_t card);
};

namespace qv {

struct cancelled {};

[[noreturn]] void fail(const char * format, ...) __attribute__((format(printf, 1, 2)));

// Chooses how the device is to attend over heads of head_dim values.
attention_plan plan_attention(ggml_backend_t device, bool on_cpu, int32_t head_dim);

// Upper bound of graph nodes for images of so many patches each, for graph metadata and the scheduler's tables.
size_t graph_capacity(const qv_vision & v, int64_t patches, int64_t images);

// Interpolates the learned position table to the grid, align-corners, in merge order: out is [n][width].
void interpolate_positions(const qv_vision & v, int32_t grid_w, int32_t grid_h, float * out);

// Normalises pixels and cuts them into patches of [c][y][x] in merge order: out is [n][patch_values].
void cut_patches(const hparams & hp, const uint8_t * rgb, int32_t grid_w, int32_t grid_h, float * out);

}  // namespace qv
