package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// tailWait is how long after a stream's end it is opened again.
const tailWait = time.Second

func newDeliveriesTailCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "tail", Short: "Watch an agent's deliveries as they happen",
		Long: `Watch an agent's deliveries as they happen: a line when one is accepted, after
each attempt, when it is canceled or sent again. With -o json each line is the
delivery as JSON. It goes on until it is interrupted; a connection that ends is
opened again where it was.`,
		Example: "  waybell deliveries tail --agent agent_42", Args: exactly(0),
	}
	addAgentFlag(cmd)
	cmd.Flags().String("endpoint", "", "only this endpoint")
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, _ []string) error {
		path, err := agentPath(cmd, "stream")
		if err != nil {
			return err
		}
		t := &tail{cmd: cmd, out: out, client: c, call: call{
			method: http.MethodGet, path: path, query: pageQuery(cmd, map[string]string{"endpoint": "endpoint_id"}),
			header: http.Header{"Accept": {"text/event-stream"}},
		}}
		return t.run(cmd.Context())
	})
}

// tail follows a stream.
type tail struct {
	cmd    *cobra.Command
	out    *output
	client *client
	call   call
	begun  bool  // it was open once: from then on its end is no error
	failed error // of showing: nothing to try again for
}

// run ends in order when the user interrupts it, and with the error of a
// server that refuses, or that was never there.
func (t *tail) run(ctx context.Context) error {
	for {
		err := t.follow(ctx)
		if ctx.Err() != nil || t.failed != nil {
			return t.failed
		}
		if e, ok := errors.AsType[*exitError](err); ok && (!t.begun || e.code != exitUnavailable) {
			return err
		}
		timer := time.NewTimer(tailWait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// follow reads one connection to its end.
func (t *tail) follow(ctx context.Context) error {
	body, err := t.client.open(ctx, t.call)
	if err != nil {
		return err
	}
	defer body.Close()
	return readEvents(body, func(id, event string, data []byte) error {
		if id != "" {
			t.call.header["Last-Event-ID"] = []string{id}
		}
		t.failed = t.show(event, data)
		return t.failed
	})
}

// show prints one event.
func (t *tail) show(event string, data []byte) error {
	switch event {
	case "hello":
		var hello struct{ Resumed bool }
		if err := json.Unmarshal(data, &hello); err != nil {
			return err
		}
		switch {
		case !t.begun:
			fmt.Fprintln(t.cmd.ErrOrStderr(), "Watching; end with Ctrl-C.")
		case !hello.Resumed:
			fmt.Fprintln(t.cmd.ErrOrStderr(), "Connected again; what happened meanwhile is not shown.")
		}
		t.begun = true
	case "lagging":
		var lagging struct{ Dropped int }
		if err := json.Unmarshal(data, &lagging); err != nil {
			return err
		}
		fmt.Fprintf(t.cmd.ErrOrStderr(), "%d lines are left out: too much at once.\n", lagging.Dropped)
	case "delivery":
		if t.out.json() {
			_, err := fmt.Fprintf(t.cmd.OutOrStdout(), "%s\n", data)
			return err
		}
		return t.line(data)
	}
	return nil
}

// line prints a delivery for people.
func (t *tail) line(data []byte) error {
	var d struct {
		ID        string  `json:"id"`
		Event     string  `json:"event"`
		State     string  `json:"state"`
		Reason    *string `json:"reason"`
		Attempts  int     `json:"attempts"`
		CreatedAt string  `json:"created_at"`
		Attempt   *struct {
			StartedAt  string  `json:"started_at"`
			DurationMS float64 `json:"duration_ms"`
			StatusCode *int    `json:"status_code"`
		} `json:"attempt"`
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return err
	}
	words := []string{d.CreatedAt, d.ID, d.Event, d.State}
	if a := d.Attempt; a != nil {
		words[0] = a.StartedAt
		words = append(words, fmt.Sprintf("attempt %d, %.1f ms", d.Attempts, a.DurationMS))
		if a.StatusCode != nil {
			words = append(words, fmt.Sprint(*a.StatusCode))
		}
	}
	if d.Reason != nil {
		words = append(words, *d.Reason)
	}
	_, err := fmt.Fprintln(t.cmd.OutOrStdout(), printable(strings.Join(words, "  ")))
	return err
}

// readEvents reads server-sent events (HTML Standard, section 9.2.6) as this
// server writes them: each has one line of data.
func readEvents(r io.Reader, event func(id, name string, data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	var id, name string
	var data []byte
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case field == "id":
			id = value
		case field == "event":
			name = value
		case field == "data":
			data = []byte(value)
		case lines.Text() == "" && data != nil:
			if err := event(id, name, data); err != nil {
				return err
			}
			id, name, data = "", "", nil
		}
	}
	return lines.Err()
}

func newDeliveriesExportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "export", Short: "Write deliveries to standard output, one JSON object per line",
		Long: `Write all deliveries that the filters choose to standard output, newest first,
one JSON object per line. An export that is cut short ends with an error.`,
		Example: "  waybell deliveries export --agent agent_42 --state failed --since 7d > failed.ndjson", Args: exactly(0),
	}
	addAgentFlag(cmd)
	addLogFlags(cmd)
	cmd.Flags().Bool("attempts", false, "with every attempt, what was sent and answered")
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, _ *output, _ []string) error {
		path, err := agentPath(cmd, "deliveries", "export")
		if err != nil {
			return err
		}
		q := pageQuery(cmd, logFilters())
		if err := addTimes(cmd, q, time.Now()); err != nil {
			return err
		}
		if attempts, _ := cmd.Flags().GetBool("attempts"); attempts {
			q.Set("attempts", "true")
		}
		body, err := c.open(cmd.Context(), call{method: http.MethodGet, path: path, query: q})
		if err != nil {
			return err
		}
		defer body.Close()
		if _, err := io.Copy(cmd.OutOrStdout(), body); err != nil {
			return fmt.Errorf("the export is not complete: %w", err)
		}
		return nil
	})
}
