#!/usr/bin/env bash
# Installs what the tests need and this machine lacks. Debian's packages and
# npm are the only sources. Safe to run again: what is there is left alone.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
if ((${#missing[@]})); then
  as_root=()
  if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
  echo "setup: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# install DIR WHAT installs what its lock file names, unless that is there.
install() {
  if [ ! -d "$1/node_modules" ] || [ "$1/package-lock.json" -nt "$1/node_modules/.package-lock.json" ]; then
    echo "setup: installing the Node packages of the $2"
    (cd "$1" && npm ci --no-audit --no-fund --loglevel=error)
  fi
}
install . tests
install ../../web screens
