# syntax=docker/dockerfile:1
# Builds with kernels for any x86-64 processor with AVX2 (2013 and later) or any 64-bit ARM; see README for a native build.
FROM golang:1.26-bookworm AS build
WORKDIR /src
# The modules, llama.cpp's sources among them, are fetched in a layer of their own.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETARCH=amd64
RUN --mount=type=cache,target=/root/.cache/go-build \
    case "$TARGETARCH" in amd64) march=x86-64-v3 ;; *) march=armv8-a ;; esac \
    && mkdir -p .deps && touch .deps/no-ffmpeg \
    && QWENVLD_MARCH="$march" make build

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates ffmpeg libgomp1 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin qwenvld
COPY --from=build /src/bin/qwenvld /usr/local/bin/qwenvld
USER 10001
ENV QWENVLD_LISTEN=0.0.0.0:8080
EXPOSE 8080
# Asks the daemon of this container however that was started: with flags, keys, https or another address.
HEALTHCHECK --interval=10s --timeout=6s --start-period=120s --retries=3 CMD ["qwenvld", "health"]
ENTRYPOINT ["qwenvld"]
CMD ["serve"]
