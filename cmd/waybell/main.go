// Command waybell runs the webhook delivery service and talks to it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sameRequest is how close a second signal is to the first and still the same
// request: timeout(1) and some supervisors signal a process and then its group,
// to which it belongs.
const sameRequest = 50 * time.Millisecond

func main() {
	ignoreFileSizeLimit()
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		first := time.Now()
		cancel() // the command ends in order
		for range signals {
			if time.Since(first) > sameRequest {
				os.Exit(exitInterrupted) // or at once, when asked again
			}
		}
	}()
	os.Exit(execute(ctx, os.Args[1:]))
}
