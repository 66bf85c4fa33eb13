#!/usr/bin/env bash
# Milliseconds of a decoded token with all threads, with one, and with as many as a worker chooses: alone, beside one and two busy processes
# of another session, and with both variants at work.
#
#   tools/bench/pace.sh MODEL.gguf [TURNS]
#
set -euo pipefail
cd "$(dirname "$0")/../.."
eval "$(scripts/cgo-env.sh)"
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY-passive} GOMP_SPINCOUNT=${GOMP_SPINCOUNT-2000}
QWENVLD_BENCH_MODEL=$(realpath "$1") exec go test ./engine/worker -run '^$' -bench '^BenchmarkPace$' -benchtime "${2:-8}x" -timeout 60m
