#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target of the repository for so long, two at a time with one process each. What is found
# lies in testdata/fuzz of its package afterwards, and fails go test from then on.
#
# What is tried is new each time, so that a change can meet a fault that was there before it. With BASE set, a commit, an input that
# fails there too is told and kept, and does not make this fail: see .ci/run.
set -euo pipefail
cd "$(dirname "$0")/.."
time=$1
base=${BASE:-}

# PACKAGE TARGET, a line each.
targets=$(grep -rn --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' -- */ | grep -v '^e2e/\|^tools/' |
	sed -E 's,^(.*)/[^/]*:[0-9]+:func (Fuzz.*)$,./\1 \2,' | sort)
[[ -n $targets ]] || { echo "no fuzz targets found" >&2; exit 1; }

# old PACKAGE TARGET INPUT: the input fails what the change is based on, too.
old() {
	local tree out
	[[ -n $base ]] || return 1
	tree=$(mktemp -d)
	git worktree add --quiet --detach "$tree" "$base" || return 1
	mkdir -p "$tree/$1/testdata/fuzz/$2"
	cp "$1/testdata/fuzz/$2/$3" "$tree/$1/testdata/fuzz/$2/"
	cp -a .deps "$tree"
	out=$(cd "$tree" && go test -run "^$2\$/^$3\$" "$1" 2>&1) || true
	git worktree remove --force "$tree"
	[[ $out == *"--- FAIL: $2/$3"* ]]
}

fuzz() {
	local package=$1 target=$2 out status=0 input
	# Without a bound Go spends its time on making inputs shorter that reach something new, not on trying others.
	out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 200x -parallel 1 -timeout 30m "$package" 2>&1) || status=$?
	# Go takes its own end of the time for a failure now and then. A real one has an input.
	if ((status)) && { [[ $out != *"context deadline exceeded"* ]] || [[ $out == *"Failing input"* ]]; }; then
		printf '%s %s fails:\n%s\n' "$package" "$target" "$out" >&2
		input=$(sed -nE "s,.*Failing input written to testdata/fuzz/$target/([0-9a-f]+).*,\1,p" <<<"$out" | head -1)
		[[ -n $input ]] && old "$package" "$target" "$input" || return 1
		printf 'It fails %s too: no fault of what came since. Keep the input as a seed with the fix:\n%s\n' \
			"${base:0:12}" "$(cat "$package/testdata/fuzz/$target/$input")" >&2
		return 0
	fi
	printf '%-32s %-28s %s\n' "$package" "$target" "$(sed -nE 's/.*execs: ([0-9]+).*/\1 runs/p' <<<"$out" | tail -1)"
}
export -f fuzz old
export time base
# Both have an instrumented standard library to compile the first time: one after the other that is done once.
head -1 <<<"$targets" | xargs -r -L1 bash -c 'fuzz "$@"' fuzz
tail -n +2 <<<"$targets" | xargs -r -P2 -L1 bash -c 'fuzz "$@"' fuzz
