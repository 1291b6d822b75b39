#!/bin/sh
# Makes the secrets of single.yaml and cluster.yaml in ./secrets, once: what is
# there is kept. Keep a copy of encryption-key apart from the database's backups.
#
# The folder is closed to other users of this machine; the files in it are
# readable, since containers see them with the owner and mode they have here and
# run as users of their own.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets

make_secret() { # NAME VALUE
  [ -e "secrets/$1" ] && return
  (umask 022 && printf '%s\n' "$2" >"secrets/$1.new")
  mv "secrets/$1.new" "secrets/$1"
}

make_secret api-key "$(openssl rand -hex 24)"
make_secret encryption-key "$(openssl rand -base64 32)"
make_secret postgres-password "$(openssl rand -hex 24)"
make_secret database-url "postgres://waybell:$(cat secrets/postgres-password)@postgres:5432/waybell?sslmode=disable"
