#!/usr/bin/env bash
# Makes the machine ready to build: compilers, ffmpeg, and the link to llama.cpp's headers. It does nothing that is done.
#
# Missing programs are installed with apt where that needs no password (root); elsewhere the one command to run is printed.
set -euo pipefail
cd "$(dirname "$0")/.."

have() { command -v "$1" >/dev/null 2>&1; }

# install PACKAGE...: quiet unless it fails.
install() {
	[[ $(id -u) == 0 ]] && have apt-get || return 1
	echo "installing $*"
	local log
	if ! log=$({ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } 2>&1 </dev/null); then
		printf '%s\n' "$log" | tail -n 5 >&2
		return 1
	fi
}

if ! have go; then
	echo "Go 1.26 or later is needed: https://go.dev/dl/" >&2
	exit 1
fi

if [[ $(uname -s) == Darwin ]]; then
	have cc || { echo "a C++ compiler is needed: xcode-select --install" >&2; exit 1; }
else
	missing=()
	for program in gcc g++ make; do
		have "$program" || missing+=("$program")
	done
	if ((${#missing[@]})) && ! install "${missing[@]}"; then
		echo "missing: ${missing[*]}. Run: sudo apt-get install -y ${missing[*]}" >&2
		exit 1
	fi
fi

mkdir -p .deps

# ffmpeg reads video; images need none. A failed attempt is not repeated at every make.
if ! have ffmpeg; then
	if [[ -e .deps/no-ffmpeg ]] || ! install ffmpeg; then
		touch .deps/no-ffmpeg
		echo "warning: ffmpeg is missing, so video input will not work. Run: sudo apt-get install -y ffmpeg" >&2
	fi
fi

# engine/llama finds llama.h and ggml.h through this link, so that go build and editors need no environment variables.
module=github.com/ollama/ollama
dir=$(go list -m -f '{{.Dir}}' "$module")
if [[ -z $dir ]]; then
	go mod download "$module"
	dir=$(go list -m -f '{{.Dir}}' "$module")
fi
if [[ $(readlink .deps/ollama || true) != "$dir" ]]; then
	ln -sfn "$dir" .deps/ollama
fi
