#!/usr/bin/env bash
# Runs every test. Run it through `make test`, which builds bin/qwenvld and sets the compiler flags first.
#
# Packages that do not link C++ run under the race detector. Those that do run without it: instrumenting Go around llama.cpp
# would compile it a second time and see nothing of what its threads do.
#
# What mostly waits, for daemons, clocks and pages, runs beside what computes. It is told of when it has ended.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=$(scripts/packages.sh)
cxx=() race=() plain=()
while read -r kind package; do
	case $kind in
	cxx) cxx+=("$package") ;;
	race) race+=("$package") ;;
	plain) plain+=("$package") ;;
	esac
done <<<"$packages"

waits() {
	local status=0
	echo "== a daemon under faults, and its administrator's day"
	# One of each kind; make faults does all.
	go run ./cmd/trial faults -mutants 20 -only "kill -9 of the instruct worker: decode,kill -9 of the decoders,clients leave: prefill,trickle,KV cells,full disk,GGUF" ||
		status=1
	go run ./cmd/trial day || status=1
	if [[ -f e2e/go.mod ]]; then
		scripts/browser.sh
		echo "== end to end, with the real binary"
		# Not cached: Go does not see that the binary has changed.
		(cd e2e && QWENVLD_BINARY="$PWD/../bin/qwenvld" go test -count=1 -timeout 40m ./...) || status=1
	fi
	return "$status"
}

computes() {
	local status=0 module
	echo "== with the race detector"
	go test -race -timeout 40m "${race[@]}" || status=1
	echo "== what computes on one goroutine"
	go test -timeout 20m "${plain[@]}" || status=1
	go test -race -timeout 20m -run '^TestTrainingLearnsAndRepeatsItself$' ./router/train || status=1
	echo "== the API through another server"
	go test -timeout 20m -run '^TestTheAPIThroughAnotherServer$' ./api || status=1
	echo "== packages that link C++"
	# Their tests compute in their own process, where OpenMP's threads would spin while they wait for each other: on a busy machine that keeps
	# the very thread they wait for from its core. Workers of the daemon are started with the same (cmd/qwenvld/workers.go).
	OMP_WAIT_POLICY=${OMP_WAIT_POLICY-passive} go test -timeout 40m "${cxx[@]}" || status=1
	echo "== the measures of the house"
	# Not cached: Go does not see which sources it reads.
	go -C tools test -count=1 ./house || status=1
	echo "== what images are made of, and the files for containers"
	# Not cached: Go does not see which files they read.
	for module in inventory deployment; do
		go -C "tools/$module" test -count=1 ./... || status=1
	done
	return "$status"
}

said=$(mktemp)
set -m # a process group of its own, which an interrupt of this script ends, too
waits >"$said" 2>&1 </dev/null &
waiting=$!
set +m
trap 'kill -- "-$waiting" 2>/dev/null || true; rm -f "$said"' EXIT
status=0
computes </dev/null || status=1
wait "$waiting" || status=1
cat "$said"
((status == 0)) && echo "all tests passed" || echo "some tests failed" >&2
exit "$status"
