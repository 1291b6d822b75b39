package main

import (
	"context"
	"errors"
	"fmt"
)

// The exit codes. They are stable: scripts may depend on them.
const (
	exitOK          = 0
	exitFailure     = 1   // it did not work; also: the signature is wrong, the server is not ready
	exitUsage       = 2   // the command line or the configuration is wrong
	exitNotFound    = 3   // the server has no such agent, endpoint, delivery or key
	exitRefused     = 4   // the server refused the request: invalid, not allowed, in conflict
	exitUnavailable = 5   // the server cannot be reached, or cannot take it now; try again
	exitInterrupted = 130 // interrupted, as the shell counts SIGINT
)

const exitCodesHelp = `Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 not found,
4 refused or invalid, 5 unavailable (try again), 130 interrupted.`

// exitError is an error with the exit code that it leads to.
type exitError struct {
	code int
	err  error // nil: everything was said already
}

// Error implements error.
func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

// Unwrap gives the cause.
func (e *exitError) Unwrap() error { return e.err }

// usageErrorf is an error of the command line or the configuration.
func usageErrorf(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// exitQuietly ends with the code and says nothing more.
func exitQuietly(code int) error { return &exitError{code: code} }

// exitCode is what the process returns for err.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	if errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	return exitFailure
}
