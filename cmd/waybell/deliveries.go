package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

func newDeliveriesCommand() *cobra.Command {
	return newGroup("deliveries", "Read and watch the delivery log; retry and cancel deliveries",
		newDeliveriesListCommand(), newDeliveriesGetCommand(), newDeliveriesTailCommand(),
		newDeliveriesExportCommand(), newDeliveriesRetryCommand(), newDeliveriesCancelCommand())
}

func newDeliveriesListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List an agent's deliveries, newest first",
		Long: `List an agent's deliveries, newest first. --since and --until take a time
(2026-04-26T08:30:14Z) or a span back from now (90m, 2d).`,
		Example: "  waybell deliveries list --agent agent_42 --state failed --since 2d", Args: exactly(0),
	}
	addAgentFlag(cmd)
	addPageFlags(cmd)
	addLogFlags(cmd)
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, _ []string) error {
		path, err := agentPath(cmd, "deliveries")
		if err != nil {
			return err
		}
		q := pageQuery(cmd, logFilters())
		if err := addTimes(cmd, q, time.Now()); err != nil {
			return err
		}
		doc, err := c.do(cmd.Context(), call{method: http.MethodGet, path: path, query: q})
		if err != nil {
			return err
		}
		return out.list(cmd, doc, "id", "event", "endpoint_id", "state", "reason", "attempts", "last_status_code", "created_at")
	})
}

// logFilters are the flags that filter the log, with their parameters; since
// and until besides.
func logFilters() map[string]string {
	return map[string]string{
		"endpoint": "endpoint_id", "event": "event", "event-id": "event_id", "state": "state",
		"status-code": "status_code", "status-class": "status_class",
	}
}

func addLogFlags(cmd *cobra.Command) {
	cmd.Flags().String("endpoint", "", "only this endpoint")
	cmd.Flags().String("event", "", "only this event type")
	cmd.Flags().String("event-id", "", "only this event")
	cmd.Flags().String("state", "", "only this state: pending, retrying, delivered, failed, held, canceled")
	cmd.Flags().String("status-code", "", "only those whose last answer had this status")
	cmd.Flags().String("status-class", "", "only those whose last answer was 2xx, 3xx, 4xx, 5xx, or none")
	cmd.Flags().String("since", "", "only from this time on")
	cmd.Flags().String("until", "", "only before this time")
}

// addTimes sets since and until from the flags of these names.
func addTimes(cmd *cobra.Command, q url.Values, now time.Time) error {
	for _, name := range []string{"since", "until"} {
		text, _ := cmd.Flags().GetString(name)
		if text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			back, err := parseDuration(text)
			if err != nil {
				return usageErrorf("--%s: %q is neither a time such as 2026-04-26T08:30:14Z nor a span such as 90m or 2d", name, text)
			}
			t = now.Add(-back)
		}
		q.Set(name, t.UTC().Format(time.RFC3339Nano))
	}
	return nil
}

// deliveryCommand is a command on one delivery of an agent.
func deliveryCommand(cmd *cobra.Command, run func(cmd *cobra.Command, c *client, out *output, path []string) error) *cobra.Command {
	addAgentFlag(cmd)
	cmd.Args = exactly(1)
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, args []string) error {
		path, err := agentPath(cmd, "deliveries", args[0])
		if err != nil {
			return err
		}
		return run(cmd, c, out, path)
	})
}

func newDeliveriesGetCommand() *cobra.Command {
	return deliveryCommand(&cobra.Command{
		Use: "get DELIVERY", Short: "Show a delivery with its attempts",
		Long: `Show a delivery with its attempts. With -o json also what was sent and answered,
secrets masked.`,
		Example: "  waybell deliveries get --agent agent_42 dlv_0crw6n2v4k8pq00000001 -o json",
	}, func(cmd *cobra.Command, c *client, out *output, path []string) error {
		doc, err := c.do(cmd.Context(), call{method: http.MethodGet, path: path})
		if err != nil {
			return err
		}
		return showDelivery(cmd, out, doc)
	})
}

// attemptLine is what the table of attempts shows.
type attemptLine struct {
	Number     int     `json:"number"`
	StartedAt  string  `json:"started_at"`
	DurationMS float64 `json:"duration_ms"`
	StatusCode *int    `json:"status_code"`
	Reason     string  `json:"reason"`
	Error      *string `json:"error"`
}

// showDelivery shows a delivery and its attempts.
func showDelivery(cmd *cobra.Command, out *output, doc []byte) error {
	if err := out.object(cmd, doc, "attempt_log"); err != nil || out.json() {
		return err
	}
	var log struct {
		Attempts []attemptLine `json:"attempt_log"`
	}
	if err := json.Unmarshal(doc, &log); err != nil {
		return fmt.Errorf("the server's answer is not understood: %w", err)
	}
	if len(log.Attempts) == 0 {
		return nil
	}
	t := newTable("ATTEMPT", "STARTED AT", "MS", "STATUS", "REASON", "ERROR")
	for _, a := range log.Attempts {
		status, text := "-", ""
		if a.StatusCode != nil {
			status = fmt.Sprint(*a.StatusCode)
		}
		if a.Error != nil {
			text = *a.Error
		}
		t.add(fmt.Sprint(a.Number), a.StartedAt, fmt.Sprintf("%.1f", a.DurationMS), status, a.Reason, text)
	}
	fmt.Fprintln(cmd.OutOrStdout())
	return t.write(cmd.OutOrStdout())
}

func newDeliveriesCancelCommand() *cobra.Command {
	return deliveryCommand(&cobra.Command{
		Use: "cancel DELIVERY", Short: "Cancel a delivery that waits",
		Example: "  waybell deliveries cancel --agent agent_42 dlv_0crw6n2v4k8pq00000001",
	}, func(cmd *cobra.Command, c *client, out *output, path []string) error {
		doc, err := c.do(cmd.Context(), call{method: http.MethodPost, path: append(path, "cancel")})
		if err != nil {
			return err
		}
		if out.json() {
			return out.raw(cmd, doc)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "Canceled: %s.\n", printable(path[len(path)-1]))
		return nil
	})
}
