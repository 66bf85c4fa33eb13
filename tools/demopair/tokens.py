"""The demo pair's tokenizer: byte-level BPE with Qwen's splitting and all its special tokens by name, their ids being other ones."""
import pathlib
import sys

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "reference"))
from make_reference import CONTROL, QWEN2_SPLIT, USER_DEFINED  # noqa: E402

import questions  # noqa: E402

SIZE = 1536


def texts(rng, n):
    skills = list(questions.MAKERS)
    for _ in range(n):
        s = questions.make(rng, questions.pick(rng, skills), questions.pick(rng, ["en", "en", "ko", "zh"]))
        for t in s.turns:
            yield t.ask
            yield t.thought
            yield t.answer
        for stamp in s.stamps:
            yield f"<{stamp:.1f} seconds>"


def train(seed=7, samples=12000, size=SIZE):
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size - len(CONTROL) - len(USER_DEFINED), show_progress=False, min_frequency=4,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    extra = ["user\nassistant\nsystem\n", "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n",
             "You are provided with function signatures within <tools></tools> XML tags:\n<tools>",
             '{"type": "function", "function": {"name": "calculator", "description": "Evaluates an arithmetic expression.", "parameters": {"type": '
             '"object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]}}}',
             "\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n"] * 200
    tok.train_from_iterator(list(texts(np.random.default_rng(seed), samples)) + extra, trainer)
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL])
    tok.add_tokens([AddedToken(t, special=False, normalized=False) for t in USER_DEFINED])
    return tok
