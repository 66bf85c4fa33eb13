#!/usr/bin/env bash
# Codex CLI over the Responses API against a running daemon: it must get through a turn, and through a turn with a picture.
set -uo pipefail
: "${CONFORMANCE_URL:?}" "${CONFORMANCE_EXAMPLES:?}" "${CODEX:?}"
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir "$home/work"
cat >"$home/config.toml" <<TOML
model = "qwen3-vl-instruct"
model_provider = "qwenvld"
model_reasoning_summary = "auto"
[model_providers.qwenvld]
name = "qwenvld"
base_url = "$CONFORMANCE_URL/v1"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
TOML

status=0
# turn NAME EVENT ARGUMENT...: one turn, in which Codex must tell EVENT.
turn() {
	local name=$1 event=$2 log
	shift 2
	log=$home/events.jsonl
	CODEX_HOME=$home timeout 300 "$CODEX" exec --json --skip-git-repo-check --sandbox read-only -C "$home/work" "$@" >"$log" 2>"$home/stderr" </dev/null
	if grep -q "\"type\":\"$event\"" "$log"; then
		echo "| Codex CLI | $name | pass |"
	else
		echo "| Codex CLI | $name | FAIL: $(tail -n 1 "$log" | tr '|' ' ' | cut -c1-200) |"
		tail -n 20 "$log" "$home/stderr" >&2
		status=1
	fi
}
turn "text, streamed" turn.completed "Hello, who are you?"
turn "picture" turn.completed "What is the number in the picture?" -i "$CONFORMANCE_EXAMPLES/number.png"
# Thoughts about a prompt far beyond what the pair was trained on may go on to the context's end.
turn "reasoning" reasoning -m qwen3-vl-thinking "What is 3 + 4?"
exit $status
