#!/usr/bin/env bash
# Lists the module's packages, one a line, with how they are tested: "cxx PATH" when the package or its tests link llama.cpp; "plain PATH" for
# those that compute on one goroutine; else "race PATH".
set -euo pipefail
cd "$(dirname "$0")/.."

# Where nothing runs side by side the race detector has nothing to see, and makes what computes for long take ten times as long. That
# others use these packages side by side is seen in the others' tests.
alone=(engine/constraint engine/layout engine/tokenizer engine/worker/sampler router/difficulty)
for p in "${alone[@]}"; do
	if grep -lE '\bgo func|\bgo [a-z.]+\(|\.Go\(|Parallel\(|AfterFunc\(|httptest' "$p"/*.go >&2; then
		echo "scripts/packages.sh: $p runs things side by side: take it off the list" >&2
		exit 1
	fi
done
plain=("${alone[@]}" router/train) # whose one test of what it does side by side scripts/test.sh runs with the detector

# Test binaries appear as "PATH.test" with the dependencies of their tests.
go list -test -f '{{.ImportPath}} {{.ForTest}} {{join .Deps " "}}' ./... | awk -v plain="${plain[*]}" '
	BEGIN { split(plain, list, " "); for (i in list) alone["github.com/qwenvld/qwenvld/" list[i]] = 1 }
	$1 ~ /\.test$/ { sub(/\.test$/, "", $1) }
	$1 ~ /_test$/ || $0 ~ /^[^ ]+ \[/ { next }
	{ seen[$1] = 1 }
	/github\.com\/ollama\/ollama/ { cxx[$1] = 1 }
	END { for (p in seen) print (p in cxx ? "cxx" : p in alone ? "plain" : "race"), p }
' | sort
