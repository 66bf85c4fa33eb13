#!/usr/bin/env bash
# Proves and measures this build on a machine with a card, in under 8 minutes, and prints one table. `make gpu-check` builds what it needs;
# afterwards bin/, lib/, testdata/ and scripts/ are all of it, so it can run where there is neither Go nor a compiler.
#
#   DEVICE         a card as `qwenvld devices` names it (the first one it finds).
#   MODEL, PROJECTOR   GGUF files to measure with; without them the built-in pair serves, and speed is not told.
#   LLAMA_SERVER   a llama-server to compare with, on the same files.
#   BAN            tokens that end answers, which no answer may have, so that all are equally long (Qwen3-VL's).
#   OUT            folder of the logs (a temporary one).
set -uo pipefail
cd "$(dirname "$0")/.."

out=${OUT:-$(mktemp -d)}
mkdir -p "$out"
qwenvld=$PWD/bin/qwenvld
began=$SECONDS failed=0
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done' EXIT

row() { # WHAT VERDICT FIGURES
	printf '| %-34s | %-6s | %s |\n' "$1" "$2" "$3" | tee -a "$out/table.md"
	[[ $2 != FAIL ]] || failed=1
}
ms() { date +%s%3N; }

printf '| %-34s | %-6s | %s |\n|---|---|---|\n' check verdict figures | tee "$out/table.md"

# 1. Devices.
"$qwenvld" devices --json >"$out/devices.json" 2>"$out/devices.log"
"$qwenvld" devices >"$out/devices.txt" 2>&1
DEVICE=${DEVICE:-$(awk '/^(cuda|metal|vulkan|rocm)/ { print $1; exit }' "$out/devices.txt")}
if [[ -z $DEVICE ]]; then
	row devices FAIL "no card: $(grep 'not usable' "$out/devices.txt" | head -n 1)"
	exit 1
fi
row devices ok "$(grep -m 1 "^$DEVICE " "$out/devices.txt" | tr -s ' ')"

# 2. Selftest.
if "$qwenvld" selftest --device "$DEVICE" --all >"$out/selftest.txt" 2>&1; then verdict=ok; else verdict=FAIL; fi
row selftest "$verdict" "$(tail -n 1 "$out/selftest.txt")"
grep FAIL "$out/selftest.txt" | head -n 5 | while read -r line; do echo "    $line"; done

# 3. The reference suite on the card: prompts, pictures, videos, 4,000 tokens, and swapped parts that must be noticed.
if [[ -x bin/llama.test ]]; then
	backend=$PWD/lib/qwenvld/${DEVICE%%[0-9]*}
	name=$(grep -io "\"name\": \"$DEVICE\"" "$out/devices.json" | head -n 1 | cut -d'"' -f4)
	[[ -d $backend ]] || backend="" # compiled in
	on_card() { # LOG TESTS [VARIABLE=VALUE...]
		local log=$out/$1 tests=$2
		shift 2
		(cd engine/llama && env LD_LIBRARY_PATH="$backend:${LD_LIBRARY_PATH:-}" OMP_WAIT_POLICY=passive QWENVLD_TEST_BACKEND="$backend" \
			QWENVLD_TEST_DEVICE="$name" "$@" timeout 150 ../../bin/llama.test -test.v -test.run "$tests") >"$log" 2>&1 && verdict=ok || verdict=FAIL
	}
	suite() { # WHAT LOG [VARIABLE=VALUE...]
		local what=$1 log=$2
		shift 2
		on_card "$log" 'MatchTransformers|VisionRows|ServingPrecision|Swapped|DecodesNoFurther|EncodeEnds' "$@"
		row "$what" "$verdict" "$(grep -c -- '--- PASS' "$out/$log") passed, $(grep -c -- '--- FAIL' "$out/$log") failed; \
worst $(grep -o 'worst relative error [0-9.e+-]*' "$out/$log" | awk '{ if ($4 > w) w = $4 } END { print w }')"
		grep -E 'want at most|top token at|unexpected signal|SIGSEGV' "$out/$log" | head -n 6
	}
	# A context that has computed ends, and others follow: by itself, as a fault in it ends the process.
	on_card contexts.txt 'TestContextsEndAndOthersFollow|TestCloseMayBeCalledTwice'
	row "contexts end" "$verdict" "$(grep -m 1 -oE 'SIG[A-Z]+|off those of the first context' "$out/contexts.txt" || echo "$(grep -c -- '--- PASS' "$out/contexts.txt") passed")"
	suite "reference suite" suite.txt
	# The same where NVIDIA's matrix products take float32 as it is: with the limits of exact products.
	[[ $DEVICE != cuda* ]] || suite "the same without TF32" suite-f32.txt NVIDIA_TF32_OVERRIDE=0
else
	row "reference suite" - "bin/llama.test is not there: make gpu-check"
fi

# 4. Serving: what runs where, cancelling, and a worker that stands still.
port=$((20000 + RANDOM % 20000)) url=http://127.0.0.1:$port
weights="instruct: {model: $PWD/internal/demopair/weights/instruct.gguf, projector: $PWD/internal/demopair/weights/projector.gguf}"
[[ -z ${MODEL:-} ]] || weights="instruct: {model: $(readlink -f "$MODEL")${PROJECTOR:+, projector: $(readlink -f "$PROJECTOR")}}"
printf 'require_gpu: true\nmodels: [{id: m, %s, engine: {device: %s, max_sequences: 32}}]\n' "$weights" "$DEVICE" >"$out/config.yaml"
"$qwenvld" serve --config "$out/config.yaml" --listen "127.0.0.1:$port" >"$out/serve.out" 2>"$out/serve.log" &
daemon=$!
pids+=("$daemon")
ready() { curl -fsS -m 3 "$url/health/ready" >/dev/null 2>&1; }
for _ in $(seq 240); do ready && break; kill -0 "$daemon" 2>/dev/null || break; sleep 0.5; done
if ready; then
	row "serving on the card" ok "$(grep -m 1 -o 'layout=".*"' "$out/serve.log" | cut -d'"' -f2)"
else
	row "serving on the card" FAIL "$(tail -n 1 "$out/serve.log")"
	exit 1
fi

# A prompt as long as the context allows, left after 50 ms: another request must be answered within a batch, not after the whole prompt.
words=$(printf 'word %.0s' $(seq 1500))
ask() { curl -sS -m "${2:-60}" -o "$out/answer.json" -w '%{http_code}' "$url/v1/chat/completions" -H 'Content-Type: application/json' \
	-d "{\"model\": \"m\", \"max_tokens\": ${3:-1}, \"messages\": [{\"role\": \"user\", \"content\": \"$1\"}]}"; }
ask "warm up $RANDOM" >/dev/null
t=$(ms); ask "$RANDOM $words" >"$out/whole.code"; whole=$(($(ms) - t))
for _ in 1 2 3; do
	ask "$RANDOM $words" 0.05 >/dev/null 2>&1
	t=$(ms); code=$(ask "after $RANDOM"); after=$(($(ms) - t))
	[[ $code == 200 && ${least:-999999} -gt $after ]] && least=$after
done
[[ ${least:-999999} -lt $((whole + 500)) ]] && verdict=ok || verdict=FAIL
row "cancelling a prompt" "$verdict" "answered ${least:-never} ms after one was left that takes $whole ms"

# A worker that stands still, as with a hung driver, is seen and replaced.
worker=$(pgrep -P "$daemon" -f ' worker$' | head -n 1)
kill -STOP "$worker"
t=$(ms) seen="" back=""
for _ in $(seq 240); do
	[[ -n $seen ]] || ready || seen=$(($(ms) - t))
	[[ -z $seen ]] || ! ready || { back=$(($(ms) - t)); break; }
	sleep 0.25
done
[[ -n $back ]] && verdict=ok || verdict=FAIL
row watchdog "$verdict" "seen after ${seen:-no} ms, served again after ${back:-no} ms"

# 5. Speed, beside the bound that the memory of the card sets, and against the goals of scripts/gpu-goals.txt.
if [[ -n ${MODEL:-} ]]; then
	targets=(--target "qwenvld=$url,pid=$daemon")
	if [[ -n ${LLAMA_SERVER:-} ]]; then
		rival=$((port + 1))
		"$LLAMA_SERVER" -m "$MODEL" ${PROJECTOR:+--mmproj "$PROJECTOR"} --port $rival -ngl 999 -np 32 -c 65536 --kv-unified -fa on >"$out/rival.log" 2>&1 &
		pids+=("$!")
		targets+=(--target "llama-server=http://127.0.0.1:$rival,pid=$!")
		for _ in $(seq 240); do curl -fsS -m 2 "http://127.0.0.1:$rival/health" >/dev/null 2>&1 && break; sleep 0.5; done
	fi
	goals=()
	[[ -z ${LLAMA_SERVER:-} ]] || goals=(--goals "$PWD/scripts/gpu-goals.txt")
	left=$((450 - (SECONDS - began)))
	# 32 streams at once, each with a beginning of its own.
	for i in $(seq 32); do
		echo "{\"max_tokens\": 128, \"messages\": [{\"role\": \"user\", \"content\": \"Question $i of $RANDOM: tell a story about the number $((i * 37)).\"}]}"
	done >"$out/streams.jsonl"
	timeout $((left > 30 ? left : 30)) "$qwenvld" bench "${targets[@]}" --quick --scenario text-1,text-8,requests,image-new,video \
		--requests "$out/streams.jsonl" --ban "${BAN:-151643,151645}" "${goals[@]}" --json "$out/bench.json" >"$out/bench.md" 2>"$out/bench.log" && verdict=ok || verdict=FAIL
	missed=$(grep -c ' missed |$' "$out/bench.md")
	[[ $missed == 0 ]] || verdict=FAIL
	row speed "$verdict" "$missed goals missed; below and in $out/bench.md"
	gbs=$(awk 'BEGIN { IGNORECASE = 1 } /H200/ { print 4800; exit } /H100/ { print 3350; exit } /A100/ { print 2039; exit } /L40S/ { print 864; exit }
		/RTX 4090/ { print 1008; exit } /RTX 3090/ { print 936; exit } /L4/ { print 300; exit }' "$out/devices.txt")
	bytes=$(stat -Lc %s "$MODEL" 2>/dev/null || stat -Lf %z "$MODEL")
	[[ -z $gbs ]] || row "bound of one stream" - "$(awk -v g="$gbs" -v b="$bytes" 'BEGIN { printf "%.0f tokens/s: %.2f GB of weights at %d GB/s", g * 1e9 / b, b / 1e9, g }')"
	grep '^|' "$out/bench.md" || tail -n 3 "$out/bench.log"
fi
echo "$((SECONDS - began)) s, logs in $out"
exit $failed
