#!/usr/bin/env bash
# Runs the image that is mounted at ROOT as CONFIG (Docker's, JSON) says, and asks it: scripts/image-run.sh ROOT CONFIG.
# scripts/image-check.sh starts it in mount, network and process namespaces of its own. Like a container that is started with --read-only,
# --cap-drop ALL and --network none, the daemon gets the image's user, environment and volumes, no capability, and no root that it can
# write to.
set -euo pipefail
cd "$(dirname "$0")/.."

image=$1 config=$2
say() { printf '%-26s %s\n' "$1" "$2"; }
fail() { say "$1" "FAILED: $2" >&2; tail -n 5 "$work/log" >&2 2>/dev/null || true; exit 1; }

mount --make-rprivate /
work=$(mktemp -d)
root=$work/root
mkdir "$root"
trap 'umount --recursive --lazy "$root" && rm -rf "$work"' EXIT
mount --bind "$image" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/urandom" c 1 9
ln -s /proc/self/fd "$root/dev/fd"
mkdir -m 1777 "$root/dev/shm"
IFS=: read -r uid gid <<<"$(jq -r .User "$config")"
[[ $uid =~ ^[1-9][0-9]*$ && $gid =~ ^[1-9][0-9]*$ ]] || fail user "it runs as \"$uid:$gid\""
while read -r volume; do
	# Volumes begin as copies of what the image has there, as its owner's.
	owner=$(stat -c %u:%g "$root$volume")
	mount -t tmpfs -o "mode=755,uid=${owner%:*},gid=${owner#*:}" tmpfs "$root$volume"
done < <(jq -r '.Volumes // {} | keys[]' "$config")
ip link set lo up

mapfile -t variables < <(jq -r '.Env[]' "$config")
mapfile -t program < <(jq -r '.Entrypoint[], .Cmd[]' "$config")
mapfile -t check < <(jq -r '.Healthcheck.Test[1:][]' "$config")
[[ $(jq -r '.Healthcheck.Test[0]' "$config") == CMD ]] || fail healthcheck "there is none"
directory=$(jq -r .WorkingDir "$config")

# inside PROGRAM ARGUMENTS...: as the image's user, who has nothing else.
as_user=(chroot "$root" /usr/bin/setpriv --reuid="$uid" --regid="$gid" --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
		env -i -C "$directory" "${variables[@]}")
inside() { "${as_user[@]}" "$@"; }

# start and end run the daemon as the image says, and hold its healthcheck against what is true.
start() {
	local began
	inside "${check[@]}" >/dev/null 2>&1 && fail healthcheck "it says that all is well before anything runs"
	began=$(date +%s%3N)
	"${as_user[@]}" "${program[@]}" >"$work/log" 2>&1 &
	daemon=$!
	for _ in $(seq 600); do
		inside "${check[@]}" >"$work/health" 2>&1 && break
		kill -0 "$daemon" 2>/dev/null || fail start "it ended"
		sleep 0.2
	done
	inside "${check[@]}" >"$work/health" 2>&1 || fail healthcheck "$(tail -n 1 "$work/health")"
	say "healthy" "after $(($(date +%s%3N) - began)) ms: ${check[*]}"
	worker=$(readlink "$root"/proc/[0-9]*/exe | grep -o 'qwenvld-v[0-9]' | sort -u | paste -sd' ' || true)
	say workers "${worker:-of the build of the daemon itself}"
}
end() {
	local status=0
	kill -TERM "$daemon"
	wait "$daemon" || status=$?
	[[ $status == 0 ]] || fail "end" "status $status after SIGTERM"
	inside "${check[@]}" >/dev/null 2>&1 && fail healthcheck "it says that all is well after the end" || true
}

# ask NAME PATTERN: a request of examples/, whose answer must match.
ask() {
	local began answer
	began=$(date +%s%3N)
	answer=$(curl -fsS -m 120 http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' -d "@examples/$1.json" |
		jq -r '.choices[0].message.content') || fail "$1" "no answer"
	[[ $answer =~ $2 ]] || fail "$1" "$answer"
	say "$1" "$answer ($(($(date +%s%3N) - began)) ms)"
}
ask_all() {
	ask arithmetic 20
	ask sum 132
	ask video right
}

start
written=$(chroot "$root" touch /usr/x 2>&1 || true)
[[ $written == *Read-only* ]] || fail root "it can be written to: $written"
say "user, root" "$uid:$gid, read-only"
ask_all
end

# selftest PROGRAM sets result to the last line of what it says, and ends with its status.
selftest() {
	local status=0
	result=$(inside "$1" selftest 2>&1) || status=$?
	result=$(tail -n 1 <<<"$result")
	return "$status"
}
workers=$root/usr/local/lib/qwenvld/workers
mkdir "$work/beyond"
for build in "$workers"/qwenvld-v*; do
	[[ -e $build ]] || continue
	name=${build##*/}
	selftest "/${build#"$root"/}" || {
		# A processor that lacks its instructions cannot run it: SIGILL ends it, or the child that computes.
		[[ $? == 132 || $result == *llegal* ]] || fail "selftest of $name" "$result"
		result="not for this processor"
		cp "$build" "$work/beyond/"
	}
	say "selftest of $name" "$result"
done

# The same questions without the builds that this processor runs: those that it does not run must not be started.
if [[ -n $worker ]]; then
	mount --bind "$work/beyond" "$workers"
	start
	[[ -z $worker ]] || fail workers "$worker, which this processor does not run"
	ask_all
	end
fi
selftest qwenvld || fail "selftest of the daemon" "$result"
say "selftest of the daemon" "$result"

# There is no card here: the daemon runs on the processors, as it did above, and says so where it must have one.
if [[ -d $root/usr/local/lib/qwenvld/cuda ]]; then
	result=$(inside qwenvld devices 2>&1) || fail devices "$result"
	say "devices without a card" "$(tail -n +2 <<<"$result" | paste -sd';')"
	result=$(inside QWENVLD_REQUIRE_GPU=true timeout 60 qwenvld serve 2>&1) && fail require_gpu "it starts without a card"
	[[ $result == *"require_gpu is set"* ]] || fail require_gpu "$(tail -n 1 <<<"$result")"
	say require_gpu "$(tail -n 1 <<<"$result")"
fi

say version "$(inside qwenvld version | head -n 1)"
say ffmpeg "$(inside ffmpeg -hide_banner -version | head -n 1 | cut -d' ' -f1-3), $(inside ffmpeg -hide_banner -L 2>/dev/null | grep -o -m 1 'GNU Lesser General Public' || fail ffmpeg 'not under the LGPL')"
say labels "$(jq -r '[.Labels // {} | keys[] | sub("org.opencontainers.image."; "")] | join(" ")' "$config")"
parts=$(jq '.components | length' "$root/usr/share/doc/qwenvld/sbom.cdx.json")
((parts > 100)) || fail "list of parts" "$parts"
say "list of parts" "$parts, $(find "$root/usr/share/doc/qwenvld/licences" -type f | wc -l) texts of licences"
