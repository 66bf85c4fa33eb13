#!/usr/bin/env bash
# Has a real Prometheus scrape the built-in pair, and looks whether it finds what the dashboard and the rules in deploy/ ask
# for; promtool checks /metrics and the rules. Run it through `make metrics-check`. CI need not.
#
# prometheus and promtool are taken from the path, else from Debian's package, which is unpacked into .deps and not installed.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
	bin=$(dirname "$(command -v prometheus)")
else
	bin=$PWD/.deps/prometheus/usr/bin
	if [[ ! -x $bin/prometheus ]]; then
		dir=$(mktemp -d)
		trap 'rm -rf "$dir"' EXIT
		chmod 755 "$dir"
		(cd "$dir" && apt-get download prometheus)
		mkdir -p .deps/prometheus
		dpkg -x "$dir"/prometheus_*.deb .deps/prometheus
	fi
fi
"$bin/prometheus" --version 2>&1 | head -n 1
cd e2e
PROMETHEUS=$bin/prometheus PROMTOOL=$bin/promtool QWENVLD_BINARY=${QWENVLD_BINARY:-$PWD/../bin/qwenvld} \
	go test -count=1 -timeout 10m -run '^TestAPrometheus' "$@" .
