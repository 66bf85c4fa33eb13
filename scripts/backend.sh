#!/usr/bin/env bash
# Builds ggml's backend for graphics cards into lib/qwenvld/KIND, where workers find it: scripts/backend.sh cuda|vulkan
#
#   CUDA_ARCHS     for cuda: cards to compile for, as CMake writes them ("90-real", "80-real;89-real;120-virtual"). Without it the cards
#                  that are present, and on a machine without one those of $common_archs below.
#   CUDA_HOME      for cuda: a toolkit; else nvcc of the PATH, /usr/local/cuda, or what `make cuda-toolkit` fetched.
#   JOBS           how many compilers run at a time (all processors).
#   BACKEND_LIB    the folder in place of lib/qwenvld.
#
# It needs no card. What is built already is not built again; a build that was broken off goes on where it stopped.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:?cuda or vulkan}
out=${BACKEND_LIB:-lib/qwenvld}/$kind
build=.deps/backend/$kind
common_archs="75-real;80-real;86-real;89-real;90-real;100-real;120-real;120-virtual"

have() { command -v "$1" >/dev/null 2>&1; }
die() { echo "$*" >&2; exit 1; }

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

need() { # PROGRAM PACKAGE
	have "$1" || install "$2" || die "$1 is missing. Run: sudo apt-get install -y $2"
}

need cmake cmake
need ninja ninja-build
[[ -e .deps/ollama ]] || scripts/setup.sh
module=$(readlink -f .deps/ollama)
options=(-DMODULE="$module")

# newer_headers PATH: whether Vulkan's headers there know what ggml uses (1.3.272).
newer_headers() { grep -qs VK_EXT_layer_settings "$1/vulkan/vulkan_core.h"; }

vulkan() {
	need glslc glslc
	[[ -e /usr/include/vulkan/vulkan.h ]] || install libvulkan-dev || die "Vulkan's headers are missing. Run: sudo apt-get install -y libvulkan-dev"
	local headers=.deps/vulkan-headers/usr/include
	if ! newer_headers "${VULKAN_SDK:-/usr}/include" && ! newer_headers "$headers"; then
		# Debian 12's are too old; those of Debian 13 are the same files for any system.
		echo "fetching Vulkan's headers"
		need curl curl
		local file=pool/main/v/vulkan-loader/libvulkan-dev_1.4.309.0-1_amd64.deb archive=.deps/vulkan-headers.deb
		curl -fsSL -o "$archive" "https://deb.debian.org/debian/$file" ||
			curl -fsSL -o "$archive" "https://snapshot.debian.org/archive/debian/20250901T000000Z/$file" || die "Vulkan's headers cannot be fetched"
		echo "8d329d465e16168afff58b1bd0dd6db46aac2cc3f56054a481b25a04e90b345a  $archive" | sha256sum -c --quiet -
		mkdir -p .deps/vulkan-headers
		(cd .deps/vulkan-headers && ar p ../vulkan-headers.deb data.tar.xz | tar xJ ./usr/include)
		rm "$archive"
	fi
	newer_headers "${VULKAN_SDK:-/usr}/include" || options+=(-DVulkan_INCLUDE_DIR="$PWD/$headers")
	options+=(-DBACKEND_VULKAN=ON)
}

# toolkit prints the folder of a CUDA toolkit.
toolkit() {
	if [[ -n ${CUDA_HOME:-} ]]; then
		echo "$CUDA_HOME"
	elif have nvcc; then
		dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")"
	elif [[ -x /usr/local/cuda/bin/nvcc ]]; then
		echo /usr/local/cuda
	elif [[ -x .deps/cuda/bin/nvcc ]]; then
		echo "$PWD/.deps/cuda"
	else
		die "there is no CUDA toolkit. Run: make cuda-toolkit"
	fi
}

# present prints the architectures of this machine's cards, such as 90-real.
present() {
	have nvidia-smi || return 0
	nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d '. ' | grep -E '^[0-9]+$' | sort -un |
		sed 's/$/-real/' | paste -sd';' || true
}

cuda() {
	home=$(toolkit)
	archs=${CUDA_ARCHS:-$(present)}
	archs=${archs:-$common_archs}
	echo "CUDA of $home for $archs"
	options+=(-DBACKEND_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES="$archs" -DCMAKE_CUDA_COMPILER="$home/bin/nvcc" -DCUDAToolkit_ROOT="$home")
}

# libraries copies what the CUDA backend is linked to and a driver does not bring. Links to the same files cost no space.
libraries() {
	local name file
	for name in libcudart libcublas libcublasLt; do
		file=$(find -L "$home/lib64" "$home/lib" "$home"/targets/*/lib -maxdepth 1 -name "$name.so.[0-9]*" 2>/dev/null | sort | head -n 1 || true)
		[[ -n $file ]] || die "$name is not in $home"
		file=$(readlink -f "$file")
		name=$(objdump -p "$file" | awk '$1 == "SONAME" { print $2 }')
		rm -f "$out/$name"
		cp -l "$file" "$out/$name" 2>/dev/null || cp "$file" "$out/$name"
	done
}

# notices copies the terms under which these libraries may be passed on.
notices() {
	mkdir -p "$out/licences"
	if [[ -d $home/licences ]]; then
		cp -r "$home/licences/." "$out/licences/"
	elif [[ -e $home/EULA.txt ]]; then
		mkdir -p "$out/licences/cuda"
		cp "$home/EULA.txt" "$out/licences/cuda/"
		local version
		version=$("$home/bin/nvcc" --version | sed -n "s/.*, V//p")
		printf '{"type": "library", "name": "cuda", "version": "%s", "license": "LicenseRef-NVIDIA-Proprietary", "purl": "pkg:generic/cuda@%s"}\n' \
			"$version" "$version" >"$out/licences/cuda/component.json"
	fi
}

case $kind in
cuda | vulkan) "$kind" ;;
*) die "$kind is neither cuda nor vulkan" ;;
esac

wanted="${options[*]}"
if [[ -e $out/libggml-$kind.so && $(cat "$out/built" 2>/dev/null) == "$wanted" ]]; then
	echo "$out is built"
	exit 0
fi
start=$SECONDS
mkdir -p "$build"
cmake -S engine/backends -B "$build" -G Ninja "${options[@]}" >"$build.log" 2>&1 || { tail -n 20 "$build.log" >&2; exit 1; }
ninja -C "$build" -j "${JOBS:-$(nproc)}" ggml-base "ggml-$kind"
mkdir -p "$out"
cp "$build/lib/libggml-base.so.0" "$out/"
cp "$build/lib/libggml-$kind.so" "$out/"
strip --strip-unneeded "$out/libggml-base.so.0" "$out/libggml-$kind.so"
if [[ $kind == cuda ]]; then
	libraries
	notices
fi
printf '%s\n' "$wanted" >"$out/built"
echo "built $out in $((SECONDS - start)) s: $(du -h "$out/libggml-$kind.so" | cut -f1)"
