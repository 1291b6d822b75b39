# make test does everything: it installs what is missing and runs all checks
# and tests. See CONTRIBUTING.md.

SHELL := /bin/bash
GO ?= go
FUZZTIME ?= 10m
FUZZ ?= .

.PHONY: test check setup race on-postgres simulate bench profile fuzz fuzz-short generate

# Tests leave the profile out that the program is optimised by (see profile): it
# changes speed, not meaning, and would have everything compiled twice.
check race on-postgres simulate fuzz fuzz-short: export GOFLAGS := $(GOFLAGS) -pgo=off

test: setup check race on-postgres simulate fuzz-short

# setup installs what the tests need and the machine lacks: a C compiler for
# the race detector, Node.js, Chromium, PostgreSQL and PgBouncer, the packages
# that judge what Waybell sends, and the languages of examples/verify.
setup:
	@./internal/testsetup.sh

# check is everything that needs no test run.
check:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
	web/node_modules/.bin/tsc --noEmit -p web
	$(GO) generate ./web
	@out=$$(git status --porcelain -- web/dist); if [ -n "$$out" ]; then echo "web/dist is not what go generate ./web makes:"; echo "$$out"; exit 1; fi

# race looks for races in everything but the translated C of SQLite: there it
# would cost seven times the time, for code that is not ours.
race:
	CGO_ENABLED=1 $(GO) test -race -gcflags='modernc.org/...=-race=false' -shuffle=on -timeout 20m ./...

# on-postgres runs what lies above the stores again, on PostgreSQL: race had it
# on the embedded store. The races of postgres/ are looked for in its own tests.
on-postgres:
	CGO_ENABLED=0 TEST_STORE=postgres $(GO) test -shuffle=on -timeout 20m ./api ./cmd/waybell ./deploy ./internal/screentest

# simulate runs days of the engine in virtual time for each of 250 seeds, and looks
# for flaws put into its store; race had some of the seeds.
simulate:
	CGO_ENABLED=0 $(GO) test ./internal/simulation

# bench measures the scenarios of docs/performance.md beside the raw ceiling.
bench:
	CGO_ENABLED=0 $(GO) run ./cmd/waybell bench

# profile measures again where the server spends its time. Every build of the
# program reads the result, cmd/waybell/default.pgo.
profile:
	@dir=$$(mktemp -d) && trap 'rm -r '$$dir EXIT && set -e; \
	CGO_ENABLED=0 $(GO) build -trimpath -pgo=off -o $$dir/waybell ./cmd/waybell; \
	$$dir/waybell bench --store sqlite,postgres --pairs 1 --duration 6s --dir /var/tmp --flag=--cpu-profile=$$dir; \
	if [ -n "$$(find $$dir -name '*.pprof' -empty)" ]; then echo "a server did not end in time to write its profile: run it again" >&2; exit 1; fi; \
	$(GO) tool pprof -proto -output cmd/waybell/default.pgo $$dir/waybell $$dir/*.pprof

# fuzz runs every fuzz target for FUZZTIME, as many at once as there are
# processors; FUZZ chooses some, such as FUZZ='signature' or FUZZ='FuzzPublish'.
fuzz:
	@internal/fuzz.sh $(FUZZTIME) $$(nproc) '$(FUZZ)'

# fuzz-short is what CI has time for.
fuzz-short:
	@internal/fuzz.sh 30s $$((4 * $$(nproc)))

# generate bundles the screens: web/src becomes web/dist, which is committed.
generate:
	$(GO) generate ./web
