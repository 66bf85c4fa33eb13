#!/usr/bin/env bash
# Builds an image from the Dockerfile without a container engine and without a registry, starts it as its user with a read-only root and
# without network, asks it with text, a picture and a video, and prints the size of its parts. It needs root on Debian or Ubuntu, and
# installs buildah and debootstrap where they are missing; the images that the Dockerfile begins with are made of Debian's packages and
# of the Go that is installed here.
#
#   TARGET          cpu (default) or cuda.
#   IMAGE_WORK      folder of all that is kept between runs (.deps/image): some 5 GB for cpu, 12 GB for cuda.
#   IMAGE_OPTIONS   more options of `buildah build`, such as --build-arg CUDA_ARCHS=90-real.
#   GOTOOLCHAIN     another Go for the image than the one that is installed, such as go1.26.10; fetched by Go itself.
#   MODULES         a folder like Go's module cache, to read modules from in place of the network (that of `go env GOMODCACHE`).
#   SHARED          1 to compile with the cache of this machine's Go in place of one of its own: with the image's flags (MARCH of the Dockerfile) as
#                   native, nothing of llama.cpp is compiled again.
#   STEP            all (default), or one of base, build and check.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${TARGET:-cpu}
work=${IMAGE_WORK:-$PWD/.deps/image}
step=${STEP:-all}
image=qwenvld:$target-check
most_mb=350
[[ $target != cuda ]] || most_mb=2500

have() { command -v "$1" >/dev/null 2>&1; }
die() { echo "$*" >&2; exit 1; }
said() { printf '%-26s %s\n' "$1" "$2"; }

[[ $(id -u) == 0 ]] || die "root is needed: mounts, chroot and debootstrap are"
missing=()
for program in buildah debootstrap jq curl; do
	have "$program" || missing+=("$program")
done
if ((${#missing[@]})); then
	echo "installing ${missing[*]}"
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

mkdir -p "$work"/{storage,run,tmp}
work=$(realpath "$work")
# Caches of RUN --mount=type=cache lie there, too.
export TMPDIR=$work/tmp BUILDAH_ISOLATION=chroot

# Overlays save copies of everything. They do not work upon each other, so that inside of containers everything is copied.
driver() {
	local probe=$work/tmp/overlay
	mkdir -p "$probe"/{lower,upper,work,merged}
	if mount -t overlay overlay -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" "$probe/merged" 2>/dev/null; then
		umount "$probe/merged"
		echo overlay
	else
		echo vfs
	fi
	rm -rf "$probe"
}
[[ -e $work/driver ]] || driver >"$work/driver"
b() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver "$(cat "$work/driver")" "$@"; }
made() { b inspect --type image "$1" >/dev/null 2>&1; }

# debian:bookworm-slim, as near to the one of the registry as debootstrap gets.
make_debian() {
	local container root
	container=$(b from scratch)
	root=$(b mount "$container")
	debootstrap --variant=minbase bookworm "$root" http://deb.debian.org/debian >"$work/debootstrap.log" 2>&1 || die "debootstrap: $(tail -n 3 "$work/debootstrap.log")"
	cat >"$root/etc/apt/sources.list" <<-LIST
		deb http://deb.debian.org/debian bookworm main
		deb http://deb.debian.org/debian bookworm-updates main
		deb http://deb.debian.org/debian-security bookworm-security main
	LIST
	cat >"$root/etc/dpkg/dpkg.cfg.d/docker" <<-OPTIONS
		path-exclude /usr/share/doc/*
		path-include /usr/share/doc/*/copyright
		path-exclude /usr/share/man/*
		path-exclude /usr/share/info/*
		path-exclude /usr/share/locale/*
		path-exclude /usr/share/lintian/*
	OPTIONS
	echo 'APT::Install-Recommends "false";' >"$root/etc/apt/apt.conf.d/docker"
	chroot "$root" sh -c 'apt-get update -qq && apt-get dist-upgrade -y -qq >/dev/null && apt-get clean' >>"$work/debootstrap.log" 2>&1
	find "$root/usr/share/doc" -type f ! -name copyright -delete
	find "$root/usr/share/doc" -type l ! -name copyright -delete
	find "$root/usr/share/doc" -type d -empty -delete
	rm -rf "$root"/usr/share/{man,info,locale,lintian}/* "$root"/var/lib/apt/lists/* "$root"/var/cache/{apt,debconf}/* "$root"/var/log/* "$root"/dev/*
	b umount "$container" >/dev/null
	b config --cmd bash --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
	b commit --quiet --rm "$container" docker.io/library/debian:bookworm-slim >/dev/null
}

# golang:1.26-bookworm, with the Go of this machine and its paths, so that what it has compiled counts there too.
make_golang() {
	local container root
	container=$(b from docker.io/library/debian:bookworm-slim)
	root=$(b mount "$container")
	b run "$container" -- sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		ca-certificates g++ gcc git libc6-dev make pkg-config >/dev/null && rm -rf /var/lib/apt/lists/*' >"$work/golang.log" 2>&1
	# A network may have a proxy with a certificate of its own, which this machine knows.
	cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
	cp -a "$(go env GOROOT)" "$root/usr/local/go"
	b umount "$container" >/dev/null
	b config --env "GOPATH=$(go env GOPATH)" --env GOTOOLCHAIN=local --env PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
	b commit --quiet --rm "$container" docker.io/library/golang:1.26-bookworm >/dev/null
}

if [[ $step == all || $step == base ]]; then
	start=$SECONDS
	made docker.io/library/debian:bookworm-slim || make_debian
	made docker.io/library/golang:1.26-bookworm || make_golang
	said "base images" "$((SECONDS - start)) s, storage $(cat "$work/driver")"
fi

if [[ $step == all || $step == build ]]; then
	start=$SECONDS
	modules=${MODULES:-$(go env GOMODCACHE)}/cache/download
	options=(--format docker --layers --pull-never --target "$target" --tag "$image"
		--build-arg "VERSION=${VERSION:-dev}" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)")
	if [[ -d $modules ]]; then
		options+=(--volume "$modules:/mnt:ro" --build-arg GOPROXY=file:///mnt,https://proxy.golang.org)
	fi
	if [[ ${SHARED:-} == 1 ]]; then
		options+=(--volume "$(go env GOCACHE):/go-build" --build-arg GOCACHE=/go-build)
	fi
	# shellcheck disable=SC2086 # several options or none
	b build "${options[@]}" ${IMAGE_OPTIONS:-} . >"$work/build.log" 2>&1 || { tail -n 30 "$work/build.log" >&2; die "the build failed: $work/build.log"; }
	said build "$((SECONDS - start)) s"
fi

[[ $step == all || $step == check ]] || exit 0
container=$(b from "$image")
mounted=$(b mount "$container")
trap 'b rm "$container" >/dev/null' EXIT
b inspect --type image "$image" | jq '.Docker.config' >"$work/config.json"

# Everything of the container happens in namespaces of its own; nothing of it is left afterwards.
unshare --mount --net --pid --fork --kill-child scripts/image-run.sh "$mounted" "$work/config.json" || die "the image does not do what it should"

# The tests of videos, with the image's ffmpeg; the one of this machine makes the videos.
if have go && have ffmpeg && ! ldd "$mounted/usr/local/bin/ffmpeg" | grep "not found" >/dev/null; then
	start=$SECONDS
	QWENVLD_TEST_FFMPEG=$mounted/usr/local/bin go test -count=1 ./multimodal/video >"$work/video.log" 2>&1 || { tail -n 20 "$work/video.log" >&2; die "its ffmpeg does not pass the tests"; }
	said "tests of its ffmpeg" "passed in $((SECONDS - start)) s"
fi

bytes() { du -sxB1 --apparent-size "$@" 2>/dev/null | awk '{ s += $1 } END { print s + 0 }'; }
row() { printf '%10.1f MB  %s\n' "$(awk -v b="$1" 'BEGIN { print b / 1e6 }')" "$2"; }
echo "size"
whole=$(bytes "$mounted") rest=$whole
for part in usr/local/bin/qwenvld usr/local/lib/qwenvld/workers/qwenvld-v3 usr/local/lib/qwenvld/workers/qwenvld-v4 \
	usr/local/lib/qwenvld/cuda/libggml-cuda.so usr/local/lib/qwenvld/cuda/libcublasLt.so.13 usr/local/lib/qwenvld/cuda/libcublas.so.13 \
	usr/share/doc/qwenvld; do
	[[ -e $mounted/$part ]] || continue
	size=$(bytes "$mounted/$part")
	rest=$((rest - size))
	row "$size" "/$part"
done
size=$(bytes "$mounted"/usr/local/bin/ff*)
row "$size" "ffmpeg and ffprobe"
row "$((rest - size))" "Debian and the rest"
row "$whole" "in all; $(tar -C "$mounted" -c . | gzip -6 | wc -c | awk '{ printf "%.0f MB", $1 / 1e6 }') compressed"
((whole <= most_mb * 1000000)) || die "more than $most_mb MB"
