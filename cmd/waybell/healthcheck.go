package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
)

func newHealthcheckCommand() *cobra.Command {
	var server string
	timeout := durationValue(5 * time.Second)
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a server whether it is ready",
		Long: `Ask a server whether it is ready, for the health checks of containers. Exit code 0
when it is, 1 when it is not. No API key is needed. Without --server and
WAYBELL_SERVER it asks the port of WAYBELL_LISTEN on this machine.`,
		Example: "  HEALTHCHECK CMD [\"/waybell\", \"healthcheck\"]",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if server == "" && os.Getenv("WAYBELL_SERVER") == "" {
				server = listenURL(os.Getenv("WAYBELL_LISTEN"))
			}
			base, err := serverURL(server)
			if err != nil {
				return err
			}
			if _, err := newClient(base, "", time.Duration(timeout)).probe(cmd.Context(), "readyz"); err != nil {
				return &exitError{exitFailure, fmt.Errorf("not ready: %w", err)}
			}
			fmt.Fprintln(cmd.OutOrStdout(), "ready")
			return nil
		},
	}
	cmd.Flags().StringVar(&server, "server", "", "URL of the server (WAYBELL_SERVER; default "+defaultServer+")")
	cmd.Flags().Var(&timeout, "timeout", "how long to wait for the answer")
	return cmd
}

// listenURL is where a server with this listen setting is reached from its own
// machine; "" for an empty or strange one.
func listenURL(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
