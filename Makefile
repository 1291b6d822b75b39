# make test does everything: it installs what is missing and runs all checks
# and tests. See CONTRIBUTING.md.

SHELL := /bin/bash
GO ?= go
FUZZTIME ?= 2m

.PHONY: test check setup race on-postgres bench fuzz generate

test: setup check race on-postgres

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

# bench measures the scenarios of docs/performance.md beside the raw ceiling.
bench:
	CGO_ENABLED=0 $(GO) run ./cmd/waybell bench

# fuzz runs every fuzz target for FUZZTIME.
fuzz:
	@set -e; for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' .); do \
	  for t in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]+).*/\1/p' $$f); do \
	    echo "== $$f $$t"; $(GO) test -run '^$$' -fuzz "^$$t$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./$$(dirname $$f); \
	  done; done

# generate bundles the screens: web/src becomes web/dist, which is committed.
generate:
	$(GO) generate ./web
