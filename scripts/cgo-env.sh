#!/usr/bin/env bash
# Prints the environment for building llama.cpp's CPU kernels at full speed, as `export` lines for eval.
#
# Plain cgo flags give a baseline x86-64 build that is several times slower. On Linux the kernels are compiled for this very
# processor; the processor's flags are hashed into a define, so that a build cache carried to another machine is not mistaken
# for one made there (Go does not know what -march=native stands for).
#
# QWENVLD_NATIVE=0 leaves the kernels portable, for binaries that are to run elsewhere.
set -euo pipefail

case "$(uname -s)-${QWENVLD_NATIVE:-1}" in
Linux-1)
	cpu=$(gcc -march=native -Q --help=target 2>/dev/null | sha256sum | cut -c1-8)
	flags="-O3 -march=native -DGGML_USE_CPU_REPACK -DGGML_USE_OPENMP -fopenmp -DQWENVLD_CPU_ID=0x$cpu"
	ldflags="-fopenmp"
	;;
Linux-*)
	flags="-O3 -DGGML_USE_CPU_REPACK -DGGML_USE_OPENMP -fopenmp"
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
