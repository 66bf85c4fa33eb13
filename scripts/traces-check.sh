#!/usr/bin/env bash
# Has a real OpenTelemetry Collector take the traces of the built-in pair, and looks whether they say what docs/TRACING.md
# says. Run it through `make traces-check`. CI need not.
#
# The collector is built from Go's proxy (tools/otelcol, a module of its own; a few minutes the first time), unless OTELCOL
# names one.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z ${OTELCOL-} ]]; then
	OTELCOL=$PWD/.deps/otelcol
	CGO_ENABLED=0 go build -C tools/otelcol -o "$OTELCOL" .
fi
cd e2e
OTELCOL=$OTELCOL QWENVLD_BINARY=${QWENVLD_BINARY:-$PWD/../bin/qwenvld} \
	go test -count=1 -timeout 10m -run '^TestACollector' "$@" .
