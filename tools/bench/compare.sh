#!/usr/bin/env bash
# Measures qwenvld against llama-server on the same files: starts both, has `qwenvld bench` play to them in turns, and stops both.
#
#   tools/bench/compare.sh MODEL.gguf PROJECTOR.gguf LLAMA_SERVER [options of `qwenvld bench`, such as --quick --scenario mixed]
#
# LLAMA_SERVER is the binary. Each gets as many cells (CELLS, 24576; CONTEXT of them for a request, 20480) and eight sequences. For the
# scenario both-variants the same files are served twice by both. QWENVLD names another binary than bin/qwenvld, LOGS a folder that keeps the
# servers' logs, RIVAL_OPTIONS what llama-server gets in place of "--parallel 8 --kv-unified". ALSO=NAME=SERVER is a third server in the same
# turns, of llama-server's options, such as ik=PATH/TO/ik_llama.cpp/build/bin/llama-server; ALSO_OPTIONS is what it gets in place of
# "--parallel 8". Ratios are to the rival; --base NAME has them to the third.
set -euo pipefail
[[ $# -ge 3 ]] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
model=$(realpath "$1") projector=$(realpath "$2") rival=$(realpath "$3")
shift 3
qwenvld=$(realpath "${QWENVLD:-$(dirname "$0")/../../bin/qwenvld}")
cells=${CELLS:-24576}
goals=$(dirname "$(realpath "$0")")/goals.txt
[[ " $* " != *" --busy "* ]] || goals=${goals%.txt}-busy.txt
logs=${LOGS:-$(mktemp -d)}
mkdir -p "$logs"

started=()
stop() {
	for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
	[[ -n ${LOGS:-} ]] || rm -r "$logs"
}
trap stop EXIT

# A port that nobody answers at. Numbers are not used twice.
port=$((20000 + RANDOM % 10000))
free_port() {
	port=$((port + 1))
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
}

# Waits until a server that was started is ready.
ready() {
	local name=$1 pid=$2 url=$3
	for _ in $(seq 600); do
		curl --silent --fail --max-time 2 --output /dev/null "$url/health" && return
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.5
	done
	echo "$name does not get ready:" >&2
	tail -20 "$logs/$name.log" >&2
	exit 1
}

start_rival() {
	local name=$1 server=$2 options=$3
	free_port
	# shellcheck disable=SC2086 # several options in one variable
	"$server" --model "$model" --mmproj "$projector" --host 127.0.0.1 --port "$port" --ctx-size "$cells" \
		--threads "$(nproc)" $options >"$logs/$name.log" 2>&1 &
	started+=($!)
	ready "$name" $! "http://127.0.0.1:$port"
}

variant="{model: $model, projector: $projector}"
models="instruct: $variant"
other=""
if [[ " $* " == *both-variants* ]]; then
	models+=$'\n    thinking: '"$variant"
	other=yes
fi
free_port
cat >"$logs/qwenvld.yaml" <<EOF
listen: 127.0.0.1:$port
models:
  - id: qwen3-vl
    $models
    engine: {context_size: ${CONTEXT:-20480}, cache_tokens: $cells, max_sequences: 8}
EOF
"$qwenvld" serve --config "$logs/qwenvld.yaml" >"$logs/us.log" 2>&1 &
started+=($!)
us="us=http://127.0.0.1:$port,pid=$!,model=qwen3-vl-instruct${other:+,other-model=qwen3-vl-thinking}"
ready us $! "http://127.0.0.1:$port"

# Starts a rival, twice for both variants, and names it as a server of the benchmark.
targets=(--target "$us")
add_rival() {
	local name=$1 server=$2 options=$3 target
	start_rival "$name" "$server" "$options"
	target="$name=http://127.0.0.1:$port,pid=${started[-1]}"
	if [[ -n $other ]]; then
		start_rival "$name-second" "$server" "$options"
		target+=",pid=${started[-1]},other=http://127.0.0.1:$port"
	fi
	targets+=(--target "$target")
}

add_rival rival "$rival" "${RIVAL_OPTIONS:---parallel 8 --kv-unified}"
if [[ -n ${ALSO:-} ]]; then
	add_rival "${ALSO%%=*}" "$(realpath "${ALSO#*=}")" "${ALSO_OPTIONS:---parallel 8}"
fi

"$qwenvld" bench "${targets[@]}" --base rival --goals "$goals" "$@"
