#!/usr/bin/env bash
# Fetches nvcc and the libraries that ggml's CUDA backend needs from PyPI into .deps/cuda: a compiler without an installation of CUDA, on
# machines with or without a card. About 0.8 GB are fetched and 1.5 GB kept. NVIDIA's terms hold for them:
# https://docs.nvidia.com/cuda/eula
#
#   CUDA_VERSION   13.0 (driver 580 or later) by default.
set -euo pipefail
cd "$(dirname "$0")/.."

version=${CUDA_VERSION:-13.0}
dir=.deps/cuda
if [[ -x $dir/bin/nvcc && $(cat "$dir/version" 2>/dev/null) == "$version" ]]; then
	echo "$dir is there"
	exit 0
fi
command -v python3 >/dev/null || { echo "python3 with pip is needed: sudo apt-get install -y python3-pip" >&2; exit 1; }
packages=()
for name in nvcc runtime cccl crt cublas; do
	packages+=("nvidia-cuda-$name==$version.*")
done
packages=("${packages[@]/nvidia-cuda-cublas/nvidia-cublas}" "nvidia-nvvm==$version.*")
rm -rf "$dir" "$dir.part"
mkdir -p "$dir.part"
python3 -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --target "$dir.part" "${packages[@]}"
mv "$dir.part"/nvidia/cu* "$dir"
# The terms of what a backend holds and is linked to, which go where that goes.
for info in "$dir.part"/nvidia_{cuda_runtime,cublas,cuda_cccl,cuda_crt}-*.dist-info; do
	[[ -d $info ]] || continue
	name=$(sed -n "s/^Name: //p" "$info/METADATA" | head -n 1) number=$(sed -n "s/^Version: //p" "$info/METADATA" | head -n 1)
	mkdir -p "$dir/licences/$name"
	find "$info" -iname "licen[cs]e*" -type f -exec cp {} "$dir/licences/$name/" \;
	printf '{"type": "library", "name": "%s", "version": "%s", "license": "LicenseRef-NVIDIA-Proprietary", "purl": "pkg:pypi/%s@%s"}\n' \
		"$name" "$number" "$name" "$number" >"$dir/licences/$name/component.json"
done
rm -rf "$dir.part"
# Wheels hold libcudart.so.13 and the like alone; compilers look for libcudart.so, in lib64.
for library in "$dir"/lib/*.so.[0-9]*; do
	ln -sf "$(basename "$library")" "${library%%.so.*}.so"
done
ln -sfn lib "$dir/lib64"
chmod +x "$dir"/bin/* "$dir"/nvvm/bin/* 2>/dev/null || true
echo "$version" >"$dir/version"
"$dir/bin/nvcc" --version | tail -n 2
