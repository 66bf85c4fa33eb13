"""Writes transformers' Qwen3-VL models as GGUF pairs in llama.cpp's layout (a language model and a `clip` projector)."""
import json

import gguf
import numpy as np
import torch


def _array(t):
    return t.detach().float().numpy()


def _tokens(writer, tok, control, user_defined):
    size = tok.get_vocab_size()
    kinds = {tok.token_to_id(t): gguf.TokenType.CONTROL for t in control}
    kinds |= {tok.token_to_id(t): gguf.TokenType.USER_DEFINED for t in user_defined}
    merges = [m if isinstance(m, str) else " ".join(m) for m in json.loads(tok.to_str())["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([tok.id_to_token(i) for i in range(size)])
    writer.add_token_types([kinds.get(i, gguf.TokenType.NORMAL) for i in range(size)])
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tok.token_to_id("<|im_end|>"))
    writer.add_bos_token_id(tok.token_to_id("<|endoftext|>"))
    writer.add_pad_token_id(tok.token_to_id("<|endoftext|>"))
    writer.add_add_bos_token(False)


def _finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_model(path, model, tok, control, user_defined, name, template, dtype="f32", temperature=None):
    """The language model. dtype is that of matrices: f32 or f16; temperature is the sampling the file recommends."""
    c = model.config.text_config
    moe = hasattr(c, "num_experts") and c.num_experts
    w = gguf.GGUFWriter(path, "qwen3vlmoe" if moe else "qwen3vl")
    w.add_name(name)
    w.add_license("MIT")
    if temperature is not None:
        w.add_float32("general.sampling.temp", temperature)
    w.add_block_count(c.num_hidden_layers)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_key_length(c.head_dim)
    w.add_value_length(c.head_dim)
    w.add_rope_freq_base(c.rope_parameters["rope_theta"])
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    w.add_rope_dimension_sections(list(c.rope_parameters["mrope_section"]) + [0])
    w.add_num_deepstack_layers(len(model.config.vision_config.deepstack_visual_indexes))
    if moe:
        w.add_expert_count(c.num_experts)
        w.add_expert_used_count(c.num_experts_per_tok)
        w.add_expert_feed_forward_length(c.moe_intermediate_size)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if dtype == "f16" else gguf.LlamaFileType.ALL_F32)
    _tokens(w, tok, control, user_defined)
    if template:
        w.add_chat_template(template)

    def matrix(key, a):
        w.add_tensor(key, np.ascontiguousarray(a.astype(np.float16 if dtype == "f16" else np.float32)))

    def vector(key, a):
        w.add_tensor(key, a.astype(np.float32))

    lm = model.model.language_model
    matrix("token_embd.weight", _array(lm.embed_tokens.weight))
    vector("output_norm.weight", _array(lm.norm.weight))
    if not model.config.tie_word_embeddings:
        matrix("output.weight", _array(model.lm_head.weight))
    for i, layer in enumerate(lm.layers):
        p, a = f"blk.{i}.", layer.self_attn
        vector(p + "attn_norm.weight", _array(layer.input_layernorm.weight))
        vector(p + "ffn_norm.weight", _array(layer.post_attention_layernorm.weight))
        vector(p + "attn_q_norm.weight", _array(a.q_norm.weight))
        vector(p + "attn_k_norm.weight", _array(a.k_norm.weight))
        for key, m in (("attn_q", a.q_proj), ("attn_k", a.k_proj), ("attn_v", a.v_proj), ("attn_output", a.o_proj)):
            matrix(f"{p}{key}.weight", _array(m.weight))
        if not moe:
            for key, m in (("ffn_gate", layer.mlp.gate_proj), ("ffn_up", layer.mlp.up_proj), ("ffn_down", layer.mlp.down_proj)):
                matrix(f"{p}{key}.weight", _array(m.weight))
            continue
        experts, ff = layer.mlp.experts, c.moe_intermediate_size
        up, down = _array(experts.gate_up_proj), _array(experts.down_proj)
        # transformers 5 keeps [expert, out, in]; 4.x kept the transpose.
        if up.shape[1] != 2 * ff:
            up, down = up.transpose(0, 2, 1), down.transpose(0, 2, 1)
        vector(p + "ffn_gate_inp.weight", _array(layer.mlp.gate.weight))
        matrix(p + "ffn_gate_exps.weight", up[:, :ff])
        matrix(p + "ffn_up_exps.weight", up[:, ff:])
        matrix(p + "ffn_down_exps.weight", down)
    _finish(w)


def _quantised(a, dtype):
    if dtype == "f32":
        return a.astype(np.float32), None
    if dtype == "f16":
        return a.astype(np.float16), None
    kind = {"bf16": gguf.GGMLQuantizationType.BF16, "q8_0": gguf.GGMLQuantizationType.Q8_0}[dtype]
    return gguf.quants.quantize(a.astype(np.float32), kind), kind


def write_projector(path, model, name, dtype, round_to=False, min_pixels=None, max_pixels=None):
    """The vision tower. dtype is that of matrices: f32, f16, bf16 or q8_0; the convolution is never below f16.

    round_to also puts the rounded weights back into the model, so that it computes what the file holds.
    """
    c, visual = model.config.vision_config, model.model.visual
    w = gguf.GGUFWriter(path, "clip")
    w.add_name(name)
    w.add_type("mmproj")
    w.add_license("MIT")
    w.add_clip_has_vision_encoder(True)
    w.add_clip_projector_type(gguf.VisionProjectorType.QWEN3VL)
    w.add_vision_use_gelu(True)
    w.add_vision_spatial_merge_size(c.spatial_merge_size)
    w.add_vision_image_size(int(c.num_position_embeddings ** 0.5) * c.patch_size)
    w.add_vision_patch_size(c.patch_size)
    w.add_vision_projection_dim(c.out_hidden_size)
    w.add_vision_embedding_length(c.hidden_size)
    w.add_vision_feed_forward_length(c.intermediate_size)
    w.add_vision_block_count(c.depth)
    w.add_vision_head_count(c.num_heads)
    w.add_vision_attention_layernorm_eps(1e-6)
    w.add_vision_image_mean([0.5] * 3)
    w.add_vision_image_std([0.5] * 3)
    w.add_vision_is_deepstack_layers([i in c.deepstack_visual_indexes for i in range(c.depth)])
    if min_pixels:
        w.add_uint32("clip.vision.image_min_pixels", min_pixels)
    if max_pixels:
        w.add_uint32("clip.vision.image_max_pixels", max_pixels)
    kinds = {"f32": gguf.LlamaFileType.ALL_F32, "f16": gguf.LlamaFileType.MOSTLY_F16,
             "bf16": gguf.LlamaFileType.MOSTLY_BF16, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
    w.add_file_type(kinds[dtype])

    def matrix(key, p):
        a = _array(p)
        data, kind = _quantised(a, dtype)
        w.add_tensor(key, data, raw_dtype=kind)
        if round_to:
            p.copy_(torch.from_numpy(gguf.quants.dequantize(data, kind) if kind else data.astype(np.float32)))

    def vector(key, p):
        w.add_tensor(key, _array(p))

    def linear(key, m):
        matrix(key + ".weight", m.weight)
        vector(key + ".bias", m.bias)

    def norm(key, m):
        vector(key + ".weight", m.weight)
        vector(key + ".bias", m.bias)

    conv = visual.patch_embed.proj
    half = np.float32 if dtype == "f32" else np.float16
    if round_to:
        conv.weight.copy_(conv.weight.half().float())
    w.add_tensor("v.patch_embd.weight", np.ascontiguousarray(_array(conv.weight)[:, :, 0].astype(half)))
    w.add_tensor("v.patch_embd.weight.1", np.ascontiguousarray(_array(conv.weight)[:, :, 1].astype(half)))
    vector("v.patch_embd.bias", conv.bias)
    vector("v.position_embd.weight", visual.pos_embed.weight)
    for i, b in enumerate(visual.blocks):
        p = f"v.blk.{i}."
        norm(p + "ln1", b.norm1)
        norm(p + "ln2", b.norm2)
        linear(p + "attn_qkv", b.attn.qkv)
        linear(p + "attn_out", b.attn.proj)
        linear(p + "ffn_up", b.mlp.linear_fc1)
        linear(p + "ffn_down", b.mlp.linear_fc2)
    for i, m in zip(c.deepstack_visual_indexes, visual.deepstack_merger_list):
        p = f"v.deepstack.{i}."
        norm(p + "norm", m.norm)
        linear(p + "fc1", m.linear_fc1)
        linear(p + "fc2", m.linear_fc2)
    norm("v.post_ln", visual.merger.norm)
    linear("mm.0", visual.merger.linear_fc1)
    linear("mm.2", visual.merger.linear_fc2)
    _finish(w)
