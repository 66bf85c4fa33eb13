# syntax=docker/dockerfile:1
# Images of qwenvld with the built-in pair and without other weights:
#
#   docker build -t qwenvld .                            for processors
#   docker build -t qwenvld:cuda --target cuda .         for NVIDIA's cards too; compiles CUDA's kernels, which takes long (docs/GPU.md)
#   docker build -t qwenvld-sources --target sources .   what the LGPL wants to be at hand where the images are passed on
#
# scripts/image-check.sh builds, starts and questions one without a container engine.

# An ffmpeg with nothing but what videos are read with: Debian's brings 138 packages.
FROM debian:bookworm-slim AS ffmpeg
COPY scripts/ffmpeg.sh /
RUN /ffmpeg.sh /opt/ffmpeg

FROM scratch AS sources
COPY --from=ffmpeg /opt/ffmpeg/src /ffmpeg

# What all images have in common: Debian, without the daemon.
FROM debian:bookworm-slim AS base
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libdav1d6 libgomp1 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf /var/log/* /etc/*- \
    && groupadd --gid 10001 qwenvld \
    && useradd --uid 10001 --gid 10001 --home-dir /var/cache/qwenvld --no-create-home --shell /usr/sbin/nologin qwenvld \
    && install -d -o 10001 -g 10001 /var/cache/qwenvld /models
COPY --from=ffmpeg /opt/ffmpeg/bin/ /usr/local/bin/
COPY --from=ffmpeg /opt/ffmpeg/share/doc/ffmpeg/ /usr/share/doc/ffmpeg/

# The tag moves with Go's patches: `docker build --pull` builds with the newest one, which is what an image to be passed on needs
# (SECURITY.md).
FROM golang:1.26-bookworm AS source
WORKDIR /src
# Where modules come from, on networks without proxy.golang.org, and where a builder keeps what it has compiled.
ARG GOPROXY
ARG GOFLAGS
ARG GOCACHE
# The modules, llama.cpp's sources among them, are fetched in a layer of their own.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN mkdir -p .deps && touch .deps/no-ffmpeg && scripts/setup.sh

FROM source AS build
ARG GOPROXY
ARG GOFLAGS
ARG GOCACHE
ARG TARGETARCH=amd64
ARG VERSION=dev
ENV GO_LDFLAGS="-s -w -X main.version=${VERSION}"
# The daemon runs on any processor of its kind. On x86-64 it starts the best of the workers that are built for levels of it.
# An image for machines like this one alone is built much faster: --build-arg MARCH=native --build-arg LEVELS=none.
ARG MARCH
RUN --mount=type=cache,target=/root/.cache/go-build \
    case "$TARGETARCH" in amd64) march=x86-64-v2 ;; *) march=armv8-a ;; esac \
    && mkdir -p lib/qwenvld/workers \
    && QWENVLD_MARCH="${MARCH:-$march}" make build
ARG LEVELS="v3 v4"
RUN --mount=type=cache,target=/root/.cache/go-build make workers LEVELS="$LEVELS"

# The list of all parts of an image, and their licences.
FROM build AS notices
ARG GOPROXY
ARG GOFLAGS
ARG GOCACHE
COPY --from=base /usr/lib/os-release /inventory/os-release
COPY --from=base /var/lib/dpkg/status /inventory/dpkg-status
COPY --from=base /usr/share/doc /inventory/doc
RUN --mount=type=cache,target=/root/.cache/go-build scripts/notices.sh /inventory /notices

FROM base AS cpu
COPY --from=notices /notices/ /usr/share/doc/qwenvld/
COPY --from=build /src/lib/qwenvld/ /usr/local/lib/qwenvld/
COPY --from=build /src/bin/qwenvld /usr/local/bin/qwenvld
# Weights that the daemon fetches, and those of the built-in pair, lie in the volume. Nothing else is written but /tmp.
ENV QWENVLD_LISTEN=0.0.0.0:8080 \
    XDG_CACHE_HOME=/var/cache/qwenvld \
    HF_HOME=/var/cache/qwenvld/huggingface
VOLUME ["/var/cache/qwenvld"]
WORKDIR /models
USER 10001:10001
EXPOSE 8080
# Asks the daemon of this container however that was started: with flags, keys, https or another address.
HEALTHCHECK --interval=10s --timeout=6s --start-period=120s --retries=3 CMD ["qwenvld", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["qwenvld"]
CMD ["serve"]
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="qwenvld" \
    org.opencontainers.image.description="Qwen3-VL over the OpenAI HTTP API, instruct and thinking behind one name" \
    org.opencontainers.image.source="https://github.com/qwenvld/qwenvld" \
    org.opencontainers.image.documentation="https://github.com/qwenvld/qwenvld/blob/main/README.md" \
    org.opencontainers.image.licenses="MIT AND LGPL-2.1-or-later" \
    org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"

# CUDA's compiler and libraries from PyPI. --build-context toolkit=docker-image://NAME takes the /usr/local/cuda of another image.
FROM golang:1.26-bookworm AS toolkit
WORKDIR /src
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/*
COPY scripts/cuda-toolkit.sh scripts/
ARG CUDA_VERSION=13.0
ARG PIP_INDEX_URL
RUN scripts/cuda-toolkit.sh && mv .deps/cuda /usr/local/cuda

# It needs the sources alone, so that builders compile it beside the daemon.
FROM source AS cuda-backend
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends cmake ninja-build && rm -rf /var/lib/apt/lists/*
COPY --from=toolkit /usr/local/cuda/ /usr/local/cuda/
# The cards to compile for, such as "90-real" for the H100 alone. Each takes its time and its megabytes.
ARG CUDA_ARCHS
ARG JOBS
# A build that was broken off goes on where it stopped.
RUN --mount=type=cache,target=/src/.deps/backend CUDA_HOME=/usr/local/cuda scripts/backend.sh cuda

FROM notices AS cuda-notices
ARG GOPROXY
ARG GOFLAGS
ARG GOCACHE
COPY --from=cuda-backend /src/lib/qwenvld/cuda/licences/ /inventory/doc/
RUN --mount=type=cache,target=/root/.cache/go-build scripts/notices.sh /inventory /notices

FROM cpu AS cuda
COPY --from=cuda-notices /notices/ /usr/share/doc/qwenvld/
COPY --from=cuda-backend /src/lib/qwenvld/cuda/ /usr/local/lib/qwenvld/cuda/
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
LABEL org.opencontainers.image.licenses="MIT AND LGPL-2.1-or-later AND LicenseRef-NVIDIA-Proprietary"

# Without --target, the image for processors is built.
FROM cpu
