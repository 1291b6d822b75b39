// Package simulation runs whole installations in virtual time: the engine, a store
// in memory (internal/memstore, which keeps the same contract as the real ones)
// and scripted receivers, in a bubble of testing/synctest. Everything is in its
// tests:
//
//	go test ./internal/simulation                                   # 250 seeds, 4 with -race
//	go test ./internal/simulation -simulation.seeds 10000 -timeout 4h
//	go test ./internal/simulation -run Seeds -cpu 1 -simulation.seed 4711 -v   # one, with its trace
//	go test ./internal/simulation -run Seeds -simulation.first 5000 -simulation.seeds 10000 \
//	    -simulation.time 30m -chaos.results $PWD/docs/reliability       # and keep what was found
//
// # What a seed does
//
// A seed is 24 to 72 hours of an installation, and the time it then needs to come
// to rest. It draws agents and endpoints (profiles, retry policies, schedules and
// windows of their own, rate limits, concurrency, types), how each receiver
// behaves (2xx, 302, 404, 410, 429 and 503 with Retry-After, 500, slow, hanging,
// resetting, refusing, all in turn), and about a hundred steps: events alone, in
// bursts, in batches and repeated, pauses, resumes, disabling, deletions, changed
// URLs and policies, rotated secrets, re-sends of one and of many, cancels and
// test sends; and what goes wrong: crashes, restarts with a long or a short
// grace, a store that is away, slow, or whose commits end with an unknown
// outcome. Most of the time one process has the store for itself; for some
// minutes two or three nodes share it, crash, freeze and are cut off, beside
// each other. A process that crashes is cut from the store and from the network
// in one moment; only its goroutines are ended behind the scene.
//
// # What must hold
//
// While requests come in: no two attempts of one delivery at once, and none made
// twice, while the lease it was made under lives; attempts numbered one after the
// other; none early, none late without a reason; nothing begun for an endpoint
// that is held, disabled or deleted, or for what was canceled; held deliveries
// oldest first. When an attempt ends: verdict and next time as the policy says,
// which is written down here once more. After each step: accepted = pending +
// retrying + delivered + failed + canceled (held ones among the first two); the
// ledger is what a recount of the rows says; no settled delivery changes but by a
// re-send or a late success; no write went through under a lost lease. In the
// end: each delivery of each event that was answered with success is there and
// is settled, or held; delivered ones were taken by their receiver, failed ones
// tried, canceled ones canceled by somebody; the log has the attempts that were
// made, and no others; no goroutine is left (synctest sees to that).
//
// TestFlawsAreFound shows that the simulation can fail: it spoils the store in ten
// ways, and each has to be found.
//
// # How deterministic it is
//
// Time is virtual, so all times follow from the seed. Decisions are drawn by one
// goroutine; what else has to be chosen (how long an answer takes, where a retry
// lies in its jitter) is a hash of the seed and of what it is chosen for. What is
// left to the runtime is the order of goroutines that wake in the same
// nanosecond, and which case of a select they take. Answers and steps lie at
// moments of their own, so this is seldom seen: a seed with one node mostly
// repeats to the nanosecond, one with several nodes often parts by some
// milliseconds. With -cpu 1 fewer part; the race detector shuffles goroutines and
// more do. TestRepeats runs seeds twice and compares all requests and outcomes; it
// logs where two runs part, and asks that they go together for a good part of the
// way.
package simulation
