#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target of the repository for so long, two at a time with one process each. What is found
# lies in testdata/fuzz of its package afterwards, and fails go test from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
time=$1

# PACKAGE TARGET, a line each.
targets=$(grep -rn --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' -- */ | grep -v '^e2e/\|^tools/' |
	sed -E 's,^(.*)/[^/]*:[0-9]+:func (Fuzz.*)$,./\1 \2,' | sort)
[[ -n $targets ]] || { echo "no fuzz targets found" >&2; exit 1; }

fuzz() {
	local package=$1 target=$2 out status=0
	out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -parallel 1 -timeout 30m "$package" 2>&1) || status=$?
	# Go takes its own end of the time for a failure now and then. A real one has an input.
	if ((status)) && { [[ $out != *"context deadline exceeded"* ]] || [[ $out == *"Failing input"* ]]; }; then
		printf '%s %s fails:\n%s\n' "$package" "$target" "$out" >&2
		return 1
	fi
	printf '%-32s %-28s %s\n' "$package" "$target" "$(sed -nE 's/.*execs: ([0-9]+).*/\1 runs/p' <<<"$out" | tail -1)"
}
export -f fuzz
export time
# Both have an instrumented standard library to compile the first time: one after the other that is done once.
head -1 <<<"$targets" | xargs -r -L1 bash -c 'fuzz "$@"' fuzz
tail -n +2 <<<"$targets" | xargs -r -P2 -L1 bash -c 'fuzz "$@"' fuzz
