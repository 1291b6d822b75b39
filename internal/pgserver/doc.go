// Package pgserver runs PostgreSQL servers from the installed programs, each
// with its data in a temporary folder: for the tests, through package pgtest,
// and for the benchmark.
//
// The servers listen on a free port of loopback and never run as root: root
// starts them as the user postgres, or nobody. fsync is on. A small shell
// process waits for the end of this one, however it ends, then stops the servers
// and removes the folders.
//
// It works on Linux, as its sources of truth are in /proc.
package pgserver
