#!/usr/bin/env bash
# Installs what the tests need and this machine lacks. Debian's packages and
# npm are the only sources. Safe to run again: what is there is left alone.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
[ -x /usr/bin/chromium ] || missing+=(chromium fonts-dejavu-core fonts-noto-color-emoji)
if ((${#missing[@]})); then
  as_root=()
  if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
  echo "setup: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

for dir in . ../screentest; do
  # npm ci would empty what a link points to.
  if [ -L "$dir/node_modules" ]; then continue; fi
  if [ ! -d "$dir/node_modules" ] || [ "$dir/package-lock.json" -nt "$dir/node_modules/.package-lock.json" ]; then
    echo "setup: installing the Node packages of the tests in $dir"
    npm ci --prefix "$dir" --no-audit --no-fund --loglevel=error
  fi
done
