package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func newDeliveriesRetryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "retry [DELIVERY...]", Short: "Send deliveries again, due now",
		Long: `Send deliveries again, due now: those that are named, or all that the filters
choose, newest first. With --dry-run they are only counted.`,
		Example: `  waybell deliveries retry --agent agent_42 dlv_0crw6n2v4k8pq00000001
  waybell deliveries retry --agent agent_42 --state failed --since 2d --dry-run`,
	}
	addAgentFlag(cmd)
	addLogFlags(cmd)
	cmd.Flags().Bool("dry-run", false, "count only")
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, args []string) error {
		path, err := agentPath(cmd, "deliveries", "retry")
		if err != nil {
			return err
		}
		body, err := bulkBody(cmd, args)
		if err != nil {
			return err
		}
		if len(args) == 1 && body["dry_run"] == nil {
			return retryOne(cmd, c, out, args[0])
		}
		sum, err := retryAll(cmd, c, path, body)
		if err != nil {
			if sum.Retried > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "Before that, %d were sent again.\n", sum.Retried)
			}
			return err
		}
		if out.json() {
			return out.value(cmd, sum)
		}
		return sum.show(cmd, body["dry_run"] != nil)
	})
}

// retryOne sends one delivery again and shows it.
func retryOne(cmd *cobra.Command, c *client, out *output, id string) error {
	path, err := agentPath(cmd, "deliveries", id, "retry")
	if err != nil {
		return err
	}
	doc, err := c.do(cmd.Context(), call{method: http.MethodPost, path: path})
	if err != nil {
		return err
	}
	if out.json() {
		return out.raw(cmd, doc)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Due now: %s.\n", printable(id))
	return nil
}

// bulkBody makes the body from the names or the flags.
func bulkBody(cmd *cobra.Command, ids []string) (map[string]any, error) {
	q := pageQuery(cmd, logFilters())
	if err := addTimes(cmd, q, time.Now()); err != nil {
		return nil, err
	}
	body := map[string]any{}
	switch {
	case len(ids) > 0 && len(q) > 0:
		return nil, usageErrorf("name deliveries or give filters, not both")
	case len(ids) == 0 && len(q) == 0:
		return nil, usageErrorf("name deliveries, or give at least one filter such as --state failed")
	case len(ids) > 0:
		body["delivery_ids"] = ids
	default:
		filter, err := bulkFilter(q)
		if err != nil {
			return nil, err
		}
		body["filter"] = filter
	}
	if dry, _ := cmd.Flags().GetBool("dry-run"); dry {
		body["dry_run"] = true
	}
	return body, nil
}

// bulkFilter turns a query into the members of a filter.
func bulkFilter(q url.Values) (map[string]any, error) {
	filter := map[string]any{}
	for name := range q {
		filter[name] = q.Get(name)
	}
	if text := q.Get("status_code"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, usageErrorf("--status-code: %q is no status", text)
		}
		filter["status_code"] = n
	}
	return filter, nil
}

// bulkSum is the sum of the answers.
type bulkSum struct {
	Matched      int           `json:"matched"`
	Retried      int           `json:"retried"`
	Skipped      []bulkSkipped `json:"skipped"`
	SkippedCount int           `json:"skipped_count"`
	NextCursor   *string       `json:"next_cursor"`
}

type bulkSkipped struct {
	DeliveryID string `json:"delivery_id"`
	Code       string `json:"code"`
	Detail     string `json:"detail"`
}

// retryAll calls until nothing more follows.
func retryAll(cmd *cobra.Command, c *client, path []string, body map[string]any) (bulkSum, error) {
	sum := bulkSum{Skipped: []bulkSkipped{}}
	for {
		doc, err := jsonCall(cmd, c, call{method: http.MethodPost, path: path}, body)
		if err != nil {
			return sum, err
		}
		var part bulkSum
		if err := json.Unmarshal(doc, &part); err != nil {
			return sum, fmt.Errorf("the server's answer is not understood: %w", err)
		}
		sum.Matched += part.Matched
		sum.Retried += part.Retried
		sum.SkippedCount += part.SkippedCount
		if len(sum.Skipped) < 100 {
			sum.Skipped = append(sum.Skipped, part.Skipped...)
		}
		if part.NextCursor == nil {
			return sum, nil
		}
		body["cursor"] = *part.NextCursor
	}
}

// show says what was done. That everything was skipped is a failure.
func (s *bulkSum) show(cmd *cobra.Command, dryRun bool) error {
	done, n := "Due now", s.Retried
	if dryRun {
		done, n = "Would be sent again", s.Matched-s.SkippedCount
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d of %d.\n", done, n, s.Matched)
	for _, skipped := range s.Skipped {
		fmt.Fprintf(cmd.ErrOrStderr(), "  not %s: %s\n", printable(skipped.DeliveryID), printable(skipped.Detail))
	}
	if more := s.SkippedCount - len(s.Skipped); more > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "  and %d more\n", more)
	}
	if s.SkippedCount == s.Matched && s.Matched > 0 && !dryRun {
		return &exitError{exitRefused, errors.New("none could be sent again")}
	}
	return nil
}
