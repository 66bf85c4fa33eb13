#!/usr/bin/env bash
# Lists the module's packages, one a line: "cxx PATH" when the package or its tests link llama.cpp, else "race PATH".
set -euo pipefail
cd "$(dirname "$0")/.."

# Test binaries appear as "PATH.test" with the dependencies of their tests.
go list -test -f '{{.ImportPath}} {{.ForTest}} {{join .Deps " "}}' ./... | awk '
	$1 ~ /\.test$/ { sub(/\.test$/, "", $1) }
	$1 ~ /_test$/ || $0 ~ /^[^ ]+ \[/ { next }
	{ seen[$1] = 1 }
	/github\.com\/ollama\/ollama/ { cxx[$1] = 1 }
	END { for (p in seen) print (p in cxx ? "cxx" : "race"), p }
' | sort
