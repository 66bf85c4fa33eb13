#!/usr/bin/env bash
# Prints the environment for building llama.cpp's CPU kernels at full speed, as `export` lines for eval.
#
# Plain cgo flags give a baseline x86-64 build that is several times slower. On Linux the kernels are compiled for this very
# processor; the processor's flags are hashed into a define, so that a build cache carried to another machine is not mistaken
# for one made there (Go does not know what -march=native stands for).
#
# QWENVLD_MARCH names another processor, for binaries that are to run elsewhere: x86-64-v3 runs on every x86 since 2013 (AVX2), and
# x86-64-v4-bf16 stands for AVX-512 with products of bytes and bfloat16 (Zen 4, Sapphire Rapids).
set -euo pipefail

march=${QWENVLD_MARCH:-native}
more=""
if [[ $march == x86-64-v4-bf16 ]]; then
	march=x86-64-v4 more=" -mavx512vnni -mavx512bf16"
fi
case "$(uname -s)" in
Linux)
	# shellcheck disable=SC2086 # more is several options or none
	cpu=$(gcc "-march=$march" $more -Q --help=target 2>/dev/null | sha256sum | cut -c1-8)
	# ggml's kernels for AMX lie in a folder that is no Go package, so nothing compiles them: without this, processors that have
	# AMX (Sapphire Rapids and later) do not link.
	amx=""
	if gcc "-march=$march" -dM -E -x c /dev/null 2>/dev/null | grep __AMX_TILE__ >/dev/null; then
		amx=" -mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
	fi
	flags="-O3 -march=$march$more$amx -DGGML_USE_CPU_REPACK -DGGML_USE_OPENMP -fopenmp -DQWENVLD_CPU_ID=0x$cpu"
	ldflags="-fopenmp"
	;;
*) # Apple's clang knows no -fopenmp, and its default target already has NEON.
	flags="-O3 -DGGML_USE_CPU_REPACK"
	ldflags=""
	;;
esac

printf 'export CGO_CFLAGS="%s"\n' "$flags"
printf 'export CGO_CXXFLAGS="%s"\n' "$flags"
printf 'export CGO_LDFLAGS="%s"\n' "$ldflags"
