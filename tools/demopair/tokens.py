#!/usr/bin/env python3
"""The demo pair's tokenizer, tokenizer.json: byte-level BPE with Qwen's splitting and all its special tokens by name, their ids being other ones.

  python tools/demopair/tokens.py           # fails where tokenizer.json is not the vocabulary of the built-in weights
  python tools/demopair/tokens.py --write   # writes it from them

It stays as it is while the pair is trained anew, since the goldens of engine/tokenizer are of this vocabulary. It was trained on 12,000 samples
of the first recipe's questions; 1,536 tokens trained on today's would make Korean questions a third shorter, Chinese ones a quarter, and English ones
no shorter.
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE = pathlib.Path(__file__).with_name("tokenizer.json")
QWEN2_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
               r"|\s+(?!\S)|\s+")


def field(r, key):
    return r.fields[key].contents()


def tokenizer_of(r):
    """transformers' tokenizer with the vocabulary of a model file."""
    import gguf
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    tokens, types = field(r, "tokenizer.ggml.tokens"), field(r, "tokenizer.ggml.token_type")
    plain = {t: i for i, (t, k) in enumerate(zip(tokens, types)) if k == gguf.TokenType.NORMAL}
    tok = Tokenizer(models.BPE(plain, [tuple(m.split(" ")) for m in field(r, "tokenizer.ggml.merges")]))
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"),
                                                 pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    for t, k in zip(tokens, types):
        if k != gguf.TokenType.NORMAL:
            tok.add_special_tokens([AddedToken(t, special=True, normalized=False)]) if k == gguf.TokenType.CONTROL else \
                tok.add_tokens([AddedToken(t, special=False, normalized=False)])
    if any(tok.token_to_id(t) != i for i, t in enumerate(tokens)):
        raise SystemExit("the tokenizer numbers tokens otherwise than the model file")
    return tok


def main():
    import gguf
    text = tokenizer_of(gguf.GGUFReader(ROOT / "internal/demopair/weights/instruct.gguf")).to_str() + "\n"
    if "--write" in sys.argv:
        FILE.write_text(text)
    elif FILE.read_text() != text:
        raise SystemExit(f"{FILE} is not the vocabulary of the built-in weights")


if __name__ == "__main__":
    main()
