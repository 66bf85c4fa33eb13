#!/usr/bin/env bash
# Lists what an image is made of (tools/inventory): scripts/notices.sh SYSTEM OUT, where SYSTEM holds os-release, dpkg-status and doc of the
# image. The Dockerfile runs it.
set -euo pipefail
cd "$(dirname "$0")/.."

system=$(realpath "${1:?a folder with what the image holds}") out=$(realpath -m "${2:?a folder to write to}")
mkdir -p "$out"
go -C tools/inventory run . -module ../.. -package ./cmd/qwenvld -embedded tools/inventory/embedded.json \
	-version "${VERSION:-dev}" -system "$system" -out "$out"
cp LICENSE "$out/"
