#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: a C compiler for the race
# detector, strace, Node.js with the packages that judge what Waybell sends,
# Chromium, PostgreSQL with PgBouncer, and the languages of examples/verify.
# Debian's packages and npm are the only sources.
# Safe to run again: what is there is left alone.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
need() { command -v "$1" >/dev/null || missing+=("${@:2}"); }
need_crate() { compgen -G "/usr/share/cargo/registry/$1-[0-9]*" >/dev/null || missing+=("librust-$1-dev"); }

need gcc gcc libc6-dev
need node nodejs
need npm npm
need python3 python3
need php php-cli
need ruby ruby
need javac default-jdk-headless
need mcs mono-mcs
need mono mono-runtime
need cargo cargo
need strace strace
need psql postgresql-client
[ -x /usr/bin/chromium ] || missing+=(chromium fonts-dejavu-core fonts-noto-color-emoji)
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
[ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
for crate in base64ct hex hmac sha2 subtle; do need_crate "$crate"; done

if ((${#missing[@]})); then
  as_root=()
  if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
  install() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; }
  echo "setup: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  if [[ " ${missing[*]} " == *" postgresql "* ]]; then
    # The tests start servers of their own: the package need not make one.
    install postgresql-common
    "${as_root[@]}" sed -i 's/^#\?create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  fi
  install "${missing[@]}"
  if [[ " ${missing[*]} " == *" pgbouncer "* && -d /run/systemd/system ]]; then
    "${as_root[@]}" systemctl disable --quiet --now pgbouncer
  fi
fi

for dir in nodetest screentest ../web; do
  # npm ci would empty what a link points to.
  if [ -L "$dir/node_modules" ]; then continue; fi
  if [ ! -d "$dir/node_modules" ] || [ "$dir/package-lock.json" -nt "$dir/node_modules/.package-lock.json" ]; then
    echo "setup: installing the Node packages of $(basename "$dir")"
    npm ci --prefix "$dir" --no-audit --no-fund --loglevel=error
  fi
done
