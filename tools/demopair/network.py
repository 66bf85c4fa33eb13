"""Qwen3-VL for training on a CPU or a card: the same computation and parameter names as transformers' Qwen3VLForConditionalGeneration, but for
batches in which all pictures have one grid, so that nothing is padded in the vision tower and nothing is looped over.

`python tools/demopair/check.py` compares it with transformers.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Shape:
    """Sizes of a variant."""
    vocab: int = 1536
    hidden: int = 192
    ffn: int = 576
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    sections: tuple = (12, 10, 10)
    theta: float = 10000.0
    vision_hidden: int = 128
    vision_ffn: int = 512
    vision_depth: int = 5
    vision_heads: int = 4
    side: int = 16  # of the learned position table
    taps: tuple = (0, 1, 2)
    eps: float = 1e-6


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        return F.rms_norm(x.float(), self.weight.shape, self.weight, self.eps).to(x.dtype)


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


def attend(q, k, v, mask=None):
    """Plain attention: on a CPU and at these lengths twice as fast, forward and back, as the fused one, which cards take."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v)
    score = q @ (k * q.shape[-1] ** -0.5).transpose(-1, -2)
    if mask is not None:
        score = score + mask
    return score.softmax(-1, dtype=torch.float32).to(v.dtype) @ v


class VisionAttention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.heads = s.vision_heads
        self.qkv, self.proj = nn.Linear(s.vision_hidden, 3 * s.vision_hidden), nn.Linear(s.vision_hidden, s.vision_hidden)

    def forward(self, x, cos, sin):
        n, p, c = x.shape
        q, k, v = self.qkv(x).view(n, p, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        y = attend(q, k, v)
        return self.proj(y.transpose(1, 2).reshape(n, p, c))


class VisionMLP(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.linear_fc1, self.linear_fc2 = nn.Linear(s.vision_hidden, s.vision_ffn), nn.Linear(s.vision_ffn, s.vision_hidden)

    def forward(self, x):
        return self.linear_fc2(F.gelu(self.linear_fc1(x), approximate="tanh"))


class VisionBlock(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(s.vision_hidden, 1e-6), nn.LayerNorm(s.vision_hidden, 1e-6)
        self.attn, self.mlp = VisionAttention(s), VisionMLP(s)

    def forward(self, x, cos, sin):
        x = x + self.attn(self.norm1(x), cos, sin)
        return x + self.mlp(self.norm2(x))


class Merger(nn.Module):
    def __init__(self, s, shuffled_norm):
        super().__init__()
        wide = 4 * s.vision_hidden
        self.shuffled_norm = shuffled_norm
        self.norm = nn.LayerNorm(wide if shuffled_norm else s.vision_hidden, 1e-6)
        self.linear_fc1, self.linear_fc2 = nn.Linear(wide, wide), nn.Linear(wide, s.hidden)

    def forward(self, x):
        n, p, c = x.shape
        x = self.norm(x.reshape(n, p // 4, 4 * c)) if self.shuffled_norm else self.norm(x).reshape(n, p // 4, 4 * c)
        return self.linear_fc2(F.gelu(self.linear_fc1(x)))


class Visual(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s = s
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv3d(3, s.vision_hidden, (2, 16, 16), (2, 16, 16))
        self.pos_embed = nn.Embedding(s.side * s.side, s.vision_hidden)
        self.blocks = nn.ModuleList(VisionBlock(s) for _ in range(s.vision_depth))
        self.merger = Merger(s, False)
        self.deepstack_merger_list = nn.ModuleList(Merger(s, True) for _ in s.taps)

    def see(self, pixels, grid):
        """The blocks alone: what the tapped ones gave and what the last one gave, each [n, patches, vision_hidden].

        pixels: uint8 [n, patches, frames, 3*16*16] in merge order, frames 1 or 2.
        """
        w, b = self.patch_embed.proj.weight, self.patch_embed.proj.bias
        x = pixels.to(b.dtype) / 127.5 - 1
        w = w.permute(0, 2, 1, 3, 4).reshape(w.shape[0], 2, -1)
        if pixels.shape[2] == 1:
            h = F.linear(x[:, :, 0], w.sum(1), b)
        else:
            h = F.linear(x.flatten(2), w.flatten(1), b)
        h = h + grid.positions(self.pos_embed.weight)
        cos, sin = grid.cos.to(h.dtype), grid.sin.to(h.dtype)
        tapped = []
        for i, block in enumerate(self.blocks):
            h = block(h, cos, sin)
            if i in self.s.taps:
                tapped.append(h)
        return tapped, h

    def forward(self, pixels, grid):
        """Returns [1 + taps][n, patches/4, hidden] and what the last block gave."""
        tapped, h = self.see(pixels, grid)
        return [self.merger(h)] + [m(t) for m, t in zip(self.deepstack_merger_list, tapped)], h


class Grid:
    """What depends on a picture's grid alone: position table lookups and rotary angles, in merge order (reference sections 1.4, 2)."""

    def __init__(self, gh, gw, s, half_pixel=False):
        rows, cols = torch.meshgrid(torch.arange(gh), torch.arange(gw), indexing="ij")

        def merged(t):
            return t.reshape(gh // 2, 2, gw // 2, 2).permute(0, 2, 1, 3).reshape(-1)

        rows, cols = merged(rows), merged(cols)
        self.lookups = []
        top = s.side - 1

        def place(v, n):
            t = ((v + 0.5) * s.side / n - 0.5).clamp(0, top) if half_pixel else v * (top / max(n - 1, 1))
            low = t.floor().long()
            return low, (low + 1).clamp(max=top), (t - low).float()

        y0, y1, dy = place(rows.float(), gh)
        x0, x1, dx = place(cols.float(), gw)
        for y, wy in ((y0, 1 - dy), (y1, dy)):
            for x, wx in ((x0, 1 - dx), (x1, dx)):
                self.lookups.append((y * s.side + x, (wy * wx)[:, None]))
        hd = s.vision_hidden // s.vision_heads
        freq = 10000.0 ** (-torch.arange(0, hd // 2, 2).float() / (hd // 2))
        angle = torch.cat([rows[:, None] * freq, cols[:, None] * freq], 1)
        angle = torch.cat([angle, angle], 1)
        self.cos, self.sin = angle.cos(), angle.sin()

    def to(self, device):
        self.cos, self.sin = self.cos.to(device), self.sin.to(device)
        self.lookups = [(index.to(device), weight.to(device)) for index, weight in self.lookups]
        return self

    def positions(self, table):
        return sum(F.embedding(index, table) * weight.to(table.dtype) for index, weight in self.lookups)


GRIDS = {}


def grid_of(batch, shape):
    """The grid of the batch's pictures, on their device."""
    if batch["grid"] is None:
        return None
    key = *batch["grid"], str(batch["pixels"].device)
    if key not in GRIDS:
        GRIDS[key] = Grid(*batch["grid"], shape).to(batch["pixels"].device)
    return GRIDS[key]


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s = s
        self.q_proj = nn.Linear(s.hidden, s.heads * s.head_dim, bias=False)
        self.k_proj = nn.Linear(s.hidden, s.kv_heads * s.head_dim, bias=False)
        self.v_proj = nn.Linear(s.hidden, s.kv_heads * s.head_dim, bias=False)
        self.o_proj = nn.Linear(s.heads * s.head_dim, s.hidden, bias=False)
        self.q_norm, self.k_norm = RMSNorm(s.head_dim, s.eps), RMSNorm(s.head_dim, s.eps)

    def forward(self, x, cos, sin, mask):
        b, n, _ = x.shape
        d, groups = self.s.head_dim, self.s.heads // self.s.kv_heads
        q = self.q_norm(self.q_proj(x).view(b, n, -1, d)).transpose(1, 2)
        k = self.k_norm(self.k_proj(x).view(b, n, -1, d)).transpose(1, 2)
        v = self.v_proj(x).view(b, n, -1, d).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if q.is_cuda:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            return self.o_proj(y.transpose(1, 2).reshape(b, n, -1))
        # The query heads of one key head stand below each other, so that keys and values are not repeated.
        y = attend(q.reshape(b, -1, groups * n, d), k, v, mask)
        return self.o_proj(y.reshape(b, -1, n, d).transpose(1, 2).reshape(b, n, -1))


class MLP(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(s.hidden, s.ffn, bias=False), nn.Linear(s.hidden, s.ffn, bias=False)
        self.down_proj = nn.Linear(s.ffn, s.hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.self_attn, self.mlp = Attention(s), MLP(s)
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(s.hidden, s.eps), RMSNorm(s.hidden, s.eps)

    def forward(self, x, cos, sin, mask):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Language(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.embed_tokens = nn.Embedding(s.vocab, s.hidden)
        self.layers = nn.ModuleList(Layer(s) for _ in range(s.layers))
        self.norm = RMSNorm(s.hidden, s.eps)


class Network(nn.Module):
    """model.visual and model.language_model as in transformers; the embedding is also the output matrix."""

    def __init__(self, s, chunked=False):
        super().__init__()
        self.s, self.patches, self.rows = s, None, None
        self.model = nn.Module()
        self.model.visual, self.model.language_model = Visual(s), Language(s)
        half = s.head_dim // 2
        axis = torch.zeros(half, dtype=torch.long)
        if chunked:
            axis = torch.repeat_interleave(torch.arange(3), torch.tensor(s.sections))
        else:
            for a in (1, 2):
                axis[a:3 * s.sections[a]:3] = a
        self.register_buffer("axis", axis, persistent=False)
        self.register_buffer("freq", s.theta ** (-torch.arange(half).float() / half), persistent=False)
        self.apply(self._start)
        for layer in self.model.language_model.layers:
            for m in (layer.self_attn.o_proj, layer.mlp.down_proj):
                m.weight.data.div_((2 * s.layers) ** 0.5)

    @staticmethod
    def _start(m):
        if isinstance(m, (nn.Linear, nn.Embedding, nn.Conv3d)):
            nn.init.normal_(m.weight, std=0.02)
            if getattr(m, "bias", None) is not None:
                nn.init.zeros_(m.bias)

    def forward(self, ids, positions, pixels=None, at=None, grid=None, no_deepstack=False, seen=None):
        """ids [b, n]; positions [3, b, n]; pixels as Visual's, or seen, what its mergers gave; at: rows of the flattened [b*n] that hold the picture
        tokens.

        Returns the last hidden state [b, n, hidden]; self.patches is then what the vision tower's last block gave, self.rows what its merger
        made of it.
        """
        lm = self.model.language_model
        x = lm.embed_tokens(ids).to(torch.bfloat16 if torch.is_autocast_enabled(ids.device.type) else lm.embed_tokens.weight.dtype)
        b, n, c = x.shape
        if pixels is not None:
            seen, self.patches = self.model.visual(pixels, grid)
            self.rows = seen[0]
        if seen is not None:
            seen = [v.reshape(-1, c).to(x.dtype) for v in seen]
            x = x.reshape(-1, c).index_copy(0, at, seen[0]).view(b, n, c)
        angle = positions.float().permute(1, 2, 0)[:, :, self.axis] * self.freq
        angle = torch.cat([angle, angle], -1)[:, None]
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        mask = None if x.is_cuda else torch.full((n, n), -1e4, dtype=x.dtype).triu(1).repeat(self.s.heads // self.s.kv_heads, 1)
        for i, layer in enumerate(lm.layers):
            x = layer(x, cos, sin, mask)
            if seen is not None and i < len(seen) - 1 and not no_deepstack:
                x = x.reshape(-1, c).index_add(0, at, seen[i + 1]).view(b, n, c)
        return lm.norm(x)

    def logits(self, hidden):
        return F.linear(hidden, self.model.language_model.embed_tokens.weight)
