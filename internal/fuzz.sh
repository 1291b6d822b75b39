#!/usr/bin/env bash
# Runs every fuzz target for a time, several at once, and prints a line for each:
#
#   internal/fuzz.sh TIME [JOBS [REGEXP]]
#
# REGEXP chooses targets by "package FuzzName". A target that fails says where the
# failing input is and how to run it again; it stays in the checkout, in the
# target's corpus. Nothing else does: what fuzzing finds interesting is kept in
# Go's build cache, for the next run.
set -euo pipefail
cd "$(dirname "$0")/.."

# one BINARY TIME DIR TARGET CACHE runs one target.
if [ "$1" = one ]; then
	log=$2.$5.log
	status=0
	(cd "$4" && "$2" -test.run='^$' -test.fuzz="^$5\$" -test.fuzztime="$3" -test.fuzzminimizetime=20x -test.parallel=1 \
		-test.fuzzcachedir="$6") >"$log" 2>&1 || status=$?
	# A worker that is slow to notice that the time is up is called a failure by
	# package testing, without an input.
	if grep -qx '    context deadline exceeded' "$log" && ! grep -q 'Failing input\|panic\|failure while testing seed' "$log"; then
		status=0
	fi
	figures=$(sed -nE 's/^fuzz: elapsed: ([^,]+), execs: ([0-9]+).*new interesting: ([0-9]+).*/\2 execs, \3 new interesting, \1/p' "$log" | tail -n 1)
	if [ $status = 0 ]; then
		[ -n "$figures" ] || figures="no time for more than the corpus"
		printf 'ok    %-18s %-22s %s\n' "$4" "$5" "$figures"
		exit 0
	fi
	{
		printf 'FAIL  %-18s %-22s %s\n' "$4" "$5" "$figures"
		sed '/^fuzz: /d; s/^/      /' "$log" | head -n 60
		input=$(sed -nE 's/^ *Failing input written to (.*)/\1/p' "$log" | tail -n 1)
		if [ -n "$input" ]; then
			printf '      input:  %s\n      replay: go test -run %s/%s ./%s\n' "$4/$input" "$5" "$(basename "$input")" "$4"
		fi
	} | cat # in one piece
	exit 1
fi

time=$1 jobs=${2:-$(nproc)} chosen=${3:-.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cache=$(go env GOCACHE)/fuzz
module=$(go list -m)

targets=$(git grep --untracked -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' |
	sed -E 's|^(.*/)?[^/]*:func |\1 |; s|^ |. |; s|/ | |' | sort -u | grep -E "$chosen")

# A binary for each package, built once for all its targets.
for dir in $(cut -d ' ' -f 1 <<<"$targets" | sort -u); do
	go test -c -fuzz . -o "$work/$(tr / _ <<<"$dir").test" "./$dir"
done

while read -r dir target; do
	printf 'one\0%s\0%s\0%s\0%s\0%s\0' "$work/$(tr / _ <<<"$dir").test" "$time" "$dir" "$target" "$cache/$module/$dir"
done <<<"$targets" | xargs -0 -n 6 -P "$jobs" "$0"
