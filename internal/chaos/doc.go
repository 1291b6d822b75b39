// Package chaos breaks a real Waybell and holds what docs/reliability.md
// promises. It has tests only; the command chaos runs them and makes that page of
// what they measured:
//
//	go test ./internal/chaos                                       # some cycles of each fault
//	go run ./internal/chaos/chaos run kill --cycles 100
//	go run ./internal/chaos/chaos all --long --cycles 20 --results docs/reliability
//	go run ./internal/chaos/chaos doc
//
// A [trial] runs the built binary as a child process on a real data directory.
// A feeder publishes over HTTP under ids of its own and remembers every answer,
// also those that never came. A scripted receiver in the test process answers
// well or badly and remembers every request. The test breaks something, again
// and again; then the feeder ends, the server drains, and a judge compares the
// three records, feeder, receiver and log: what was lost, what came twice and
// why, and whether the ledger agrees with the log.
//
// Points are places between two things that must both happen, or none. For them a
// binary is built in whose source calls of package point are laid over the engine's
// (overlay_test.go): the process kills itself there. What is shipped has none of it.
//
// With several nodes the database is a real PostgreSQL of package pgtest, and the
// faults are those of one node, of the way between a node and the database, or of
// the database. The feeder spreads its publishes over the nodes and goes on to the
// next where one refuses or is gone. The receiver knows which node sent a request:
// each runs a copy of the binary with a version of its own, which is in the
// User-Agent. What a node had in hand when it died, the test asks the database, so
// the judge allows no other delivery to come twice.
//
// What kills a process only shows what the operating system was given: kill -9
// proves that nothing promised was in the process's memory alone, not that the
// disk kept it through a power cut.
package chaos
