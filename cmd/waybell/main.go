// Command waybell runs the webhook delivery service and talks to it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ignoreFileSizeLimit()
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel() // the command ends in order
		<-signals
		os.Exit(exitInterrupted) // or at once, when asked again
	}()
	os.Exit(execute(ctx, os.Args[1:]))
}
