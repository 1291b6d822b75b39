// Package pgtest runs real PostgreSQL servers for tests and benchmarks, and
// what stands around them: standbys, PgBouncer, a network that breaks.
//
// Most tests need one line: [Database] gives a new, empty database on a server
// that the tests of a process share. Tests of faults start a server of their
// own with [Start], and stop, freeze, kill or promote it, or fill its disk.
// [StartBouncer] puts PgBouncer in transaction mode before a server, and
// [StartProxy] a network that can be cut or go silent.
//
// The programs come from Debian's packages, see internal/testsetup.sh. They
// listen on loopback, keep their files in a temporary folder and never run as
// root: a test of root's starts them as the user postgres, or nobody. fsync is
// on. No TestMain is needed: a small shell process waits for the end of the
// test process, however it ends, then stops the servers and removes the folders.
//
// The package works on Linux, as its sources of truth are in /proc.
package pgtest
