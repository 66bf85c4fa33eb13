#!/usr/bin/env bash
# Builds this program once for each level of x86-64 in LEVELS (v3 v4, or none) into lib/qwenvld/workers, from where a daemon that was built for less
# starts the best that its processor runs as workers (internal/x86level). Each takes llama.cpp's compile time, minutes, once.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${BACKEND_LIB:-lib/qwenvld}/workers
[[ $(uname -m) == x86_64 ]] || { echo "there are levels of x86-64 alone; this is $(uname -m)"; exit 0; }
mkdir -p "$out"
for level in ${LEVELS:-v3 v4}; do
	[[ $level != none ]] || continue
	march=x86-64-$level
	[[ $level != v4 ]] || march=x86-64-v4-bf16
	(
		eval "$(QWENVLD_MARCH=$march scripts/cgo-env.sh)"
		go build -ldflags="${GO_LDFLAGS:--s -w}" -o "$out/qwenvld-$level" ./cmd/qwenvld
	)
	echo "built $out/qwenvld-$level: $(du -h "$out/qwenvld-$level" | cut -f1)"
done
