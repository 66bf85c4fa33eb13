// Reads a `clip` GGUF file with projector qwen3vl_merger into device buffers, checking every shape, because ggml itself
// ends the process on a wrong one.

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "vision_tower.hpp"

namespace qv {
namespace {

struct file_deleter { void operator()(FILE * f) const { std::fclose(f); } };

// A GGUF file's header with typed access; missing keys and wrong types are errors that name the key.
class gguf_file {
  public:
    explicit gguf_file(const char * path) : data_(std::fopen(path, "rb")) {
        if (!data_) {
            fail("open projector: %s", std::strerror(errno));
        }
        ggml_context *   meta   = nullptr;
        gguf_init_params params = {true, &meta};
        header_.reset(gguf_init_from_file(path, params));
        tensors_.reset(meta);
        if (!header_) {
            fail("the projector is not a readable GGUF file");
        }
    }

    int64_t find(const std::string & key) const { return gguf_find_key(header_.get(), key.c_str()); }

    int64_t integer(const std::string & key, int64_t fallback) const {
        const int64_t id = find(key);
        if (id < 0) {
            return fallback;
        }
        switch (gguf_get_kv_type(header_.get(), id)) {
            case GGUF_TYPE_UINT32: return gguf_get_val_u32(header_.get(), id);
            case GGUF_TYPE_INT32:  return gguf_get_val_i32(header_.get(), id);
            case GGUF_TYPE_UINT64: return static_cast<int64_t>(gguf_get_val_u64(header_.get(), id));
            case GGUF_TYPE_INT64:  return gguf_get_val_i64(header_.get(), id);
            default:               fail("projector key %s is not an integer", key.c_str());
        }
    }

    int32_t positive(const std::string & key) const {
        const int64_t n = integer(key, 0);
        if (n <= 0 || n > 1 << 24) {
            fail("projector key %s is missing or out of range", key.c_str());
        }
        return static_cast<int32_t>(n);
    }

    std::string text(const std::string & key) const {
        const int64_t id = find(key);
        return id >= 0 && gguf_get_kv_type(header_.get(), id) == GGUF_TYPE_STRING ? gguf_get_val_str(header_.get(), id) : "";
    }

    float number(const std::string & key, float fallback) const {
        const int64_t id = find(key);
        return id >= 0 && gguf_get_kv_type(header_.get(), id) == GGUF_TYPE_FLOAT32 ? gguf_get_val_f32(header_.get(), id) : fallback;
    }

    bool flag(const std::string & key) const {
        const int64_t id = find(key);
        return id >= 0 && gguf_get_kv_type(header_.get(), id) == GGUF_TYPE_BOOL && gguf_get_val_bool(header_.get(), id);
    }

    void triple(const std::string & key, float out[3]) const {
        const int64_t id = find(key);
        if (id < 0) {
            return;
        }
        if (gguf_get_kv_type(header_.get(), id) != GGUF_TYPE_ARRAY || gguf_get_arr_type(header_.get(), id) != GGUF_TYPE_FLOAT32 ||
            gguf_get_arr_n(header_.get(), id) != 3) {
            fail("projector key %s is not an array of three floats", key.c_str());
        }
        std::memcpy(out, gguf_get_arr_data(header_.get(), id), 3 * sizeof(float));
    }

    ggml_tensor * tensor(const std::string & name) const { return ggml_get_tensor(tensors_.get(), name.c_str()); }

    std::vector<uint8_t> read(const ggml_tensor * t) const {
        const int64_t        id = gguf_find_tensor(header_.get(), t->name);
        std::vector<uint8_t> bytes(ggml_nbytes(t));
        const size_t         at = gguf_get_data_offset(header_.get()) + gguf_get_tensor_offset(header_.get(), id);
        if (fseeko(data_.get(), static_cast<off_t>(at), SEEK_SET) != 0 ||
            std::fread(bytes.data(), 1, bytes.size(), data_.get()) != bytes.size()) {
            fail("projector tensor %s is cut short", t->name);
        }
        if (!ggml_validate_row_data(t->type, bytes.data(), bytes.size())) {
            fail("projector tensor %s has a value that is not a number", t->name);
        }
        return bytes;
    }

    std::vector<float> read_f32(const ggml_tensor * t) const {
        const std::vector<uint8_t> bytes = read(t);
        std::vector<float>         out(ggml_nelements(t));
        if (t->type == GGML_TYPE_F32) {
            std::memcpy(out.data(), bytes.data(), bytes.size());
            return out;
        }
        const auto * traits = ggml_get_type_traits(t->type);
        if (!traits || !traits->to_float) {
            fail("projector tensor %s has type %s, which cannot be read", t->name, ggml_type_name(t->type));
        }
        traits->to_float(bytes.data(), out.data(), static_cast<int64_t>(out.size()));
        return out;
    }

  private:
    std::unique_ptr<FILE, file_deleter> data_;
    gguf_context_ptr                    header_;
    ggml_context_ptr                    tensors_;
};

// One tensor on its way from the file to the device.
struct transfer {
    ggml_tensor * dst;
    ggml_tensor * src;
};

// Plans all transfers, so that one buffer of the right size can hold the weights.
class loader {
  public:
    loader(const gguf_file & file, ggml_context * ctx) : file_(file), ctx_(ctx) {}

    // A matrix [in, out]; a 4-D convolution kernel is taken as [in, out] too.
    ggml_tensor * matrix(const std::string & name, int64_t in, int64_t out) {
        ggml_tensor * src = require(name);
        const bool    ok  = src->ne[3] > 1 ? src->ne[0] * src->ne[1] * src->ne[2] == in && src->ne[3] == out
                                           : src->ne[0] == in && src->ne[1] == out && src->ne[2] == 1;
        if (!ok) {
            fail("projector tensor %s has shape [%lld, %lld, %lld, %lld], expected %lld inputs and %lld outputs", name.c_str(),
                 (long long) src->ne[0], (long long) src->ne[1], (long long) src->ne[2], (long long) src->ne[3], (long long) in,
                 (long long) out);
        }
        ggml_type type = src->type;
        if (src->ne[3] > 1) {
            type = GGML_TYPE_F32;  // 1.5 M values at most, and pixels deserve full precision
        } else if (type == GGML_TYPE_BF16) {
            // ggml's CPU kernels would round the activations to bf16 as well. bf16 fits into f16 without loss while
            // values stay in f16's range, which upload checks.
            type = GGML_TYPE_F16;
        }
        return plan(ggml_new_tensor_2d(ctx_, type, in, out), src);
    }

    ggml_tensor * vector(const std::string & name, int64_t n) {
        ggml_tensor * src = require(name);
        if (ggml_nelements(src) != n || src->ne[0] != n) {
            fail("projector tensor %s has %lld values, expected %lld", name.c_str(), (long long) ggml_nelements(src), (long long) n);
        }
        return plan(ggml_new_tensor_1d(ctx_, GGML_TYPE_F32, n), src);
    }

    affine linear(const std::string & name, int64_t in, int64_t out) {
        return {matrix(name + ".weight", in, out), vector(name + ".bias", out)};
    }

    affine norm(const std::string & name, int64_t n) { return {vector(name + ".weight", n), vector(name + ".bias", n)}; }

    ggml_tensor * require(const std::string & name) const {
        ggml_tensor * t = file_.tensor(name);
        if (!t) {
            fail("the projector has no tensor %s", name.c_str());
        }
        return t;
    }

    void upload(qv_watch * watch) const {
        for (const transfer & t : transfers_) {
            if (qv_watch_poll(watch)) {
                throw cancelled();
            }
            if (t.dst->type == t.src->type) {
                const auto bytes = file_.read(t.src);
                ggml_backend_tensor_set(t.dst, bytes.data(), 0, bytes.size());
            } else if (t.dst->type == GGML_TYPE_F32) {
                const auto values = file_.read_f32(t.src);
                ggml_backend_tensor_set(t.dst, values.data(), 0, values.size() * sizeof(float));
            } else {
                upload_f16(t);
            }
        }
    }

  private:
    ggml_tensor * plan(ggml_tensor * dst, ggml_tensor * src) {
        ggml_set_name(dst, src->name);
        transfers_.push_back({dst, src});
        return dst;
    }

    void upload_f16(const transfer & t) const {
        const auto values = file_.read_f32(t.src);
        for (float v : values) {
            if (!(std::fabs(v) <= 65504.0f)) {
                fail("projector tensor %s has a value outside half precision", t.src->name);
            }
        }
        std::vector<ggml_fp16_t> half(values.size());
        ggml_fp32_to_fp16_row(values.data(), half.data(), static_cast<int64_t>(values.size()));
        ggml_backend_tensor_set(t.dst, half.data(), 0, half.size() * sizeof(ggml_fp16_t));
    }

    const gguf_file &     file_;
    ggml_context *        ctx_;
    std::vector<transfer> transfers_;
};

hparams read_hparams(const gguf_file & f) {
    const std::string kind = f.text("clip.projector_type");
    if (f.text("general.architecture") != "clip" || kind != "qwen3vl_merger") {
        fail("the projector file is of type \"%s/%s\", expected clip/qwen3vl_merger", f.text("general.architecture").c_str(),
             kind.c_str());
    }
    if (!f.flag("clip.has_vision_encoder") || !f.flag("clip.use_gelu")) {
        fail("the projector file has no GELU vision encoder (clip.has_vision_encoder, clip.use_gelu)");
    }
    const std::string v = "clip.vision.";
    hparams           hp;
    hp.patch      = f.positive(v + "patch_size");
    hp.width      = f.positive(v + "embedding_length");
    hp.ffn        = f.positive(v + "feed_forward_length");
    hp.depth      = f.positive(v + "block_count");
    hp.heads      = f.positive(v + "attention.head_count");
    hp.projection = f.positive(v + "projection_dim");
    hp.merge      = static_cast<int32_t>(f.integer(v + "spatial_merge_size", 2));
    hp.eps        = f.number(v + "attention.layer_norm_epsilon", 1e-6f);
    hp.min_pixels = f.integer(v + "image_min_pixels", 0);
    hp.max_pixels = f.integer(v + "image_max_pixels", 0);
    f.triple(v + "image_mean", hp.mean);
    f.triple(v + "image_std", hp.std);
    if (hp.width % hp.heads != 0 || hp.head_dim() % 4 != 0) {
        fail("projector: %d heads do not divide a width of %d into multiples of 4", hp.heads, hp.width);
    }
    if (hp.merge < 1 || hp.merge > 8 || hp.patch > 256 || hp.depth > 512) {
        fail("projector: merge size %d, patch size %d or depth %d is out of range", hp.merge, hp.patch, hp.depth);
    }
    if (f.integer(v + "temporal_patch_size", 2) != 2) {
        fail("projector: only a temporal patch size of 2 is supported");
    }
    for (float s : hp.std) {
        if (!(s > 0.0f)) {
            fail("projector key clip.vision.image_std must be positive");
        }
    }
    return hp;
}

std::string block_name(int i) {
    return "v.blk." + std::to_string(i) + ".";
}

block read_block(loader & l, const hparams & hp, int i) {
    const std::string p = block_name(i);
    block             b;
    b.ln1  = l.norm(p + "ln1", hp.width);
    b.qkv  = l.linear(p + "attn_qkv", hp.width, 3 * hp.width);
    b.out  = l.linear(p + "attn_out", hp.width, hp.width);
    b.ln2  = l.norm(p + "ln2", hp.width);
    b.up   = l.linear(p + "ffn_up", hp.width, hp.ffn);
    b.down = l.linear(p + "ffn_down", hp.ffn, hp.width);
    return b;
}

merger read_merger(loader & l, const hparams & hp, int64_t norm_width, const std::string & norm, const std::string & fc1,
                   const std::string & fc2) {
    const int64_t merged = static_cast<int64_t>(hp.width) * hp.merge * hp.merge;
    return {l.norm(norm, norm_width), l.linear(fc1, merged, merged), l.linear(fc2, merged, hp.projection)};
}

}  // namespace
}  // namespace qv

void qv_vision::load(const char * path, qv_watch * watch) {
    using namespace qv;
    const gguf_file file(path);
    hp = read_hparams(file);

    // Each tensor needs an overhead; 12 a block and 6 a merger at most.
    const size_t     tensors = 64 + static_cast<size_t>(hp.depth) * (12 + 6);
    ggml_init_params params  = {tensors * ggml_tensor_overhead(), nullptr, true};
    weights_ctx.reset(ggml_init(params));
    loader l(file, weights_ctx.get());

    embed[0]   = {l.matrix("v.patch_embd.weight", hp.patch_values(), hp.width), l.vector("v.patch_embd.bias", hp.width)};
    embed[1].w = l.matrix("v.patch_embd.weight.1", hp.patch_values(), hp.width);
    for (int i = 0; i < hp.depth; ++i) {
        blocks.push_back(read_block(l, hp, i));
        const std::string p = "v.deepstack." + std::to_string(i) + ".";
        if (file.tensor(p + "fc1.weight")) {
            const int64_t merged = static_cast<int64_t>(hp.width) * hp.merge * hp.merge;
            taps.push_back({i, read_merger(l, hp, merged, p + "norm", p + "fc1", p + "fc2")});
        }
    }
    final_merger = read_merger(l, hp, hp.width, "v.post_ln", "mm.0", "mm.2");

    const ggml_tensor * table = l.require("v.position_embd.weight");
    hp.table_side             = static_cast<int32_t>(std::lround(std::sqrt(static_cast<double>(table->ne[1]))));
    if (table->ne[0] != hp.width || static_cast<int64_t>(hp.table_side) * hp.table_side != table->ne[1]) {
        fail("projector tensor v.position_embd.weight is not a square table of width %d", hp.width);
    }
    position_table = file.read_f32(table);

    weights.reset(ggml_backend_alloc_ctx_tensors(weights_ctx.get(), backends.front().get()));
    if (!weights) {
        fail("no memory for the projector's weights on %s", ggml_backend_name(backends.front().get()));
    }
    ggml_backend_buffer_set_usage(weights.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    l.upload(watch);
}
