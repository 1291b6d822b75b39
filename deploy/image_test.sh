#!/usr/bin/env bash
# Runs the image of the Dockerfile without Docker: its layer is made with the
# Dockerfile's own commands, and the binary runs as the image's user, without
# capabilities, in a read-only root with the volume as the one place to write to,
# and without any network but loopback.
#
#   sudo deploy/image_test.sh     # Linux with Go, curl, iproute2 and util-linux
set -euo pipefail

dockerfile=$(dirname "$(realpath "$0")")/../Dockerfile
api=http://127.0.0.1:8080/v1
api_key=image-test-key-of-24-characters

fail() {
  echo "image_test: $*" >&2
  [ -s "${log:-}" ] && tail -n 20 "$log" >&2
  exit 1
}

# build makes the image's layer in a folder.
build() {
  local command
  export VERSION=$2 TARGETOS=linux TARGETARCH
  TARGETARCH=$(go env GOARCH)
  # shellcheck disable=SC2016 # the command expands it
  sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' "$dockerfile" |
    sed -n '/^RUN .*\/image/{s/^RUN //;s/--mount=[^ ]*//g;s#/image\b#"$IMAGE"#g;p}' |
    while read -r command; do
      (cd "$(dirname "$dockerfile")" && IMAGE=$1 bash -euc "$command")
    done
}

# layer prints what the image holds outside the volume.
layer() { (cd "$root" && find . -path ./data -prune -o -path ./proc -prune -o -printf '%p %m %u %s %T@\n' | sort); }

# serve starts the server, and returns when its own health check says it is up.
serve() {
  "${run[@]}" /waybell serve 2>>"$log" &
  pid=$!
  for _ in {1..100}; do
    if "${run[@]}" /waybell healthcheck >/dev/null 2>&1; then return; fi
    kill -0 "$pid" 2>/dev/null || fail "the server ended before it was ready"
    sleep 0.1
  done
  fail "the server did not become ready"
}

# stop ends it as a container runtime does.
stop() {
  local code=0
  kill -TERM "$pid"
  wait "$pid" || code=$?
  [ "$code" = 0 ] || fail "exit code $code after SIGTERM"
}

call() {
  local answer
  answer=$(curl -sS --fail-with-body -H "Authorization: Bearer $api_key" -H 'Content-Type: application/json' "$api/$1" "${@:2}") ||
    fail "$1: $answer"
  echo "$answer"
}
field() { sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p"; }

# check runs in mount, PID and network namespaces of its own.
check() {
  local root=$1 version=$2 log=$1.log pid before inbox
  local run user environment
  mapfile -t environment < <(grep -oE '\bWAYBELL_[A-Z_]+=[^ ]+' "$dockerfile")
  user=$(sed -n 's/^USER //p' "$dockerfile")
  run=(env -i "${environment[@]}" "WAYBELL_API_KEY=$api_key"
    setpriv --no-new-privs "$(command -v chroot)" "--userspec=$user" "$root")

  ip link set lo up
  mkdir -p "$root/proc"
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount -o remount,bind,ro "$root"
  before=$(layer)

  "${run[@]}" /waybell version | grep -qF " $version " || fail "the version is not the one that was built"
  if "${run[@]}" /waybell serve 2>>"$log"; then fail "it serves without a volume"; fi
  grep -q 'read-only file system' "$log" || fail "without a volume it does not say why it stops"

  mount --bind "$root/data" "$root/data"
  mount -o remount,bind,rw "$root/data"
  serve
  grep -qP "^Uid:\t${user%:*}\t" "/proc/$pid/status" || fail "not the image's user"
  grep -qP '^CapEff:\t0+$' "/proc/$pid/status" || fail "it has capabilities"
  call agents -d '{"id":"support","name":"Support"}' >/dev/null
  inbox=$(call agents/support/inboxes -d '{}' | field url)
  call agents/support/endpoints -d '{"url":"'"$inbox"'","events":["*"],"generate_secret":true}' >/dev/null
  call agents/support/events -d '{"event":"lead.submit","data":{"name":"Sarah"}}' >/dev/null
  for _ in {1..50}; do
    [ "$(call agents/support/ledger | field delivered)" = 1 ] && break
    sleep 0.1
  done
  "${run[@]}" /waybell backup --check /data/copy.db 2>>"$log" || fail "the backup failed"
  stop
  if "${run[@]}" /waybell healthcheck >/dev/null 2>&1; then fail "the health check finds a server that has ended"; fi

  serve
  [ "$(call agents/support/ledger | field delivered)" = 1 ] || fail "the delivery is not in the volume"
  stop
  if touch "$root/file" 2>/dev/null; then fail "the root can be written"; fi
  [ "$before" = "$(layer)" ] || fail "the image changed while it ran"
}

if [ "${1:-}" = check ]; then
  check "$2" "$3"
  exit
fi
[ "$(id -u)" = 0 ] || fail "namespaces need root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 0755 "$work"
mkdir -m 0755 "$work/image"
version=0.0.0-image-test
build "$work/image" "$version"
unshare --mount-proc --pid --fork --kill-child --net "$0" check "$work/image" "$version"
echo "image_test: ok ($(stat -c %s "$work/image/waybell") bytes)"
