//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// ignoreFileSizeLimit makes a write beyond the process's file size limit an
// error like a full disk, which the store recovers from; by default it ends the
// process (setrlimit(2)).
func ignoreFileSizeLimit() { signal.Ignore(syscall.SIGXFSZ) }
