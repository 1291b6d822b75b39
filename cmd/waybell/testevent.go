package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// testTimeout is how long an endpoint may take to answer, and some more.
const testTimeout = 130 * time.Second

func newTestEventCommand() *cobra.Command {
	flags := []bodyFlag{
		{"event", "event", bodyText, "event type; default the first that the endpoint subscribed"},
		{"data", "data", bodyJSON, "the event's data: JSON text, @file or -; default an example"},
	}
	cmd := &cobra.Command{
		Use:   "test-event",
		Short: "Send a signed test request to an endpoint and wait for the answer",
		Long: `Send a real, signed request with an example to an endpoint, wait for the answer
and show it. It is logged like any other and never retried. Exit code 1 when
the endpoint did not take it.`,
		Example: "  waybell test-event --agent agent_42 --endpoint ep_068m2k4v8q1w5 --event lead.submit",
		Args:    exactly(0),
	}
	addAgentFlag(cmd)
	cmd.Flags().String("endpoint", "", "id of the endpoint (required)")
	addBodyFlags(cmd, flags)
	cmd = clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, _ []string) error {
		endpoint, _ := cmd.Flags().GetString("endpoint")
		if endpoint == "" {
			return usageErrorf("--endpoint is required")
		}
		path, err := agentPath(cmd, "endpoints", endpoint, "test")
		if err != nil {
			return err
		}
		body, err := readBodyFlags(cmd, flags)
		if err != nil {
			return err
		}
		doc, err := jsonCall(cmd, c, call{method: http.MethodPost, path: path}, body)
		if err != nil {
			return err
		}
		if err := showDelivery(cmd, out, doc); err != nil {
			return err
		}
		var delivery struct {
			State string `json:"state"`
		}
		if err := json.Unmarshal(doc, &delivery); err != nil {
			return fmt.Errorf("the server's answer is not understood: %w", err)
		}
		if delivery.State != "delivered" {
			return fmt.Errorf("the endpoint did not take it")
		}
		return nil
	})
	// The flag's default is set first, so that --timeout still wins.
	if err := cmd.Flags().Set("timeout", testTimeout.String()); err != nil {
		panic(err) // a constant of ours
	}
	cmd.Flags().Lookup("timeout").DefValue = testTimeout.String()
	cmd.Flags().Lookup("timeout").Changed = false
	return cmd
}
