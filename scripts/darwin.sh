#!/usr/bin/env bash
# Vets for darwin/arm64 every package that links no C++. Those that do need a Mac: no other system has the frameworks' headers.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t packages < <(scripts/packages.sh | awk '$1 != "cxx" { print $2 }')
GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 go vet "${packages[@]}"
echo "${#packages[@]} packages vetted for darwin/arm64"
