#!/usr/bin/env bash
# Brings Chromium, in which the playground is tested, where that needs no password (root on Debian or Ubuntu). Elsewhere those tests are
# skipped, and say so. A failed attempt is not repeated at every run.
set -euo pipefail
cd "$(dirname "$0")/.."

for program in chromium chromium-browser google-chrome google-chrome-stable; do
	command -v "$program" >/dev/null 2>&1 && exit 0
done
[[ -e .deps/no-chromium ]] && exit 0
if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	echo "installing chromium, for the tests of the playground"
	if { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium fonts-dejavu-core; } >/dev/null 2>&1 </dev/null; then
		exit 0
	fi
fi
mkdir -p .deps
touch .deps/no-chromium
echo "warning: chromium is missing, so the playground is not tested. Run: sudo apt-get install -y chromium" >&2
