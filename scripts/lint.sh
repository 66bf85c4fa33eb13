#!/usr/bin/env bash
# lint.sh TOOLS: formatting, go vet and golangci-lint over every Go module. TOOLS is the folder with the pinned programs.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/$1

status=0
unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs "$tools/gofumpt" -l)
if [[ -n $unformatted ]]; then
	printf 'not formatted with gofumpt (run make fmt):\n%s\n' "$unformatted" >&2
	status=1
fi

for module in . e2e; do
	[[ -f $module/go.mod ]] || continue
	echo "== go vet and golangci-lint in $module"
	(cd "$module" && go vet ./... && "$tools/golangci-lint" run --config "$OLDPWD/.golangci.yml" ./...) </dev/null || status=1
done
exit "$status"
