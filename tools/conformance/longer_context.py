"""Copies a GGUF file with another context length, so that the built-in pair takes prompts far longer than it was trained on.

What it answers to them makes no sense; clients with prompts of thousands of words can be tried all the same.
usage: longer_context.py FROM TO TOKENS
"""
import pathlib
import struct
import sys

source, target, tokens = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
data = bytearray(source.read_bytes())
key = b".context_length"
at = data.index(key) + len(key)
UINT32 = 4
assert struct.unpack_from("<I", data, at)[0] == UINT32 and data.count(key) == 1
struct.pack_into("<I", data, at + 4, tokens)
target.write_bytes(data)
