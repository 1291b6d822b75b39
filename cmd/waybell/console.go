package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/waybell/waybell"
)

func newConsoleCommand() *cobra.Command {
	ttl := durationValue(12 * time.Hour)
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Print a sign-in link to the console",
		Long: `Print a link that signs a browser in to the console, with all rights. It works
once, within 60 seconds. The server's setting public-url says where it leads;
without it, to where this command reached the server.`,
		Example: `  waybell console
  xdg-open "$(waybell console --ttl 1h)"`,
		Args: exactly(0),
	}
	cmd.Flags().Var(&ttl, "ttl", "how long the session lasts, 1m to 12h")
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, _ []string) error {
		var body map[string]any
		if cmd.Flags().Changed("ttl") {
			body = map[string]any{"ttl_seconds": int(time.Duration(ttl) / time.Second)}
		}
		doc, err := jsonCall(cmd, c, call{method: http.MethodPost, path: []string{"v1", "console-sessions"}}, body)
		if err != nil {
			return err
		}
		if out.json() {
			return out.raw(cmd, doc)
		}
		var made struct {
			URL string `json:"url"`
		}
		if err := json.Unmarshal(doc, &made); err != nil {
			return fmt.Errorf("the server's answer is not understood: %w", err)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), printable(made.URL))
		return err
	})
}

// screens tells whether this process serves them: a worker does not.
func (s *settings) screens() bool { return bool(s.Console) && s.role() != waybell.RoleWorker }

// signInLink makes the link that a starting server shows; "" where there is no
// console.
func (s *server) signInLink(ctx context.Context, c *configuration) (string, error) {
	if !c.screens() {
		return "", nil
	}
	_, key, err := s.svc.CreateConsoleSession(ctx, nil, waybell.ConsoleInput{AtStart: true})
	if err != nil {
		return "", fmt.Errorf("make a sign-in link: %w", err)
	}
	base := s.url
	if c.PublicURL != "" {
		base = strings.TrimRight(string(c.PublicURL), "/")
	}
	return base + "/console/#key=" + key.Reveal(), nil
}

// announceLink shows the sign-in link to whoever started the server. It is no
// line of the log, which is kept and shipped; where nobody looks at a terminal
// it is one short line.
func announceLink(w io.Writer, link string) {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintf(w, "\nConsole: %s\nThe link works once, for 15 minutes; `waybell console` prints a new one.\n\n", link)
		return
	}
	fmt.Fprintf(w, "console (once, 15 min): %s\n", link)
}
