package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func newEndpointsCommand() *cobra.Command {
	return newGroup("endpoints", "List, show, create, change and delete an agent's endpoints",
		newEndpointsListCommand(), newEndpointsGetCommand(), newEndpointsCreateCommand(),
		newEndpointsUpdateCommand(), newEndpointsDeleteCommand(), newEndpointsPauseCommand(),
		newEndpointsResumeCommand(), newEndpointsRotateCommand(), newEndpointsSecretCommand(),
		newEndpointsLedgerCommand())
}

// addAgentFlag is the flag of all commands that work within one agent.
func addAgentFlag(cmd *cobra.Command) {
	cmd.Flags().StringP("agent", "a", "", "id of the agent (required)")
}

// agentPath is the path of something within the agent of the flag.
func agentPath(cmd *cobra.Command, more ...string) ([]string, error) {
	agent, _ := cmd.Flags().GetString("agent")
	if agent == "" {
		return nil, usageErrorf("--agent is required")
	}
	return append([]string{"v1", "agents", agent}, more...), nil
}

// endpointCommand is a command on one endpoint of an agent.
func endpointCommand(cmd *cobra.Command, run func(cmd *cobra.Command, c *client, out *output, path []string) error) *cobra.Command {
	addAgentFlag(cmd)
	cmd.Args = exactly(1)
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, args []string) error {
		path, err := agentPath(cmd, "endpoints", args[0])
		if err != nil {
			return err
		}
		return run(cmd, c, out, path)
	})
}

func newEndpointsListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List an agent's endpoints, newest first",
		Example: "  waybell endpoints list --agent agent_42", Args: exactly(0),
	}
	addAgentFlag(cmd)
	addPageFlags(cmd)
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, _ []string) error {
		path, err := agentPath(cmd, "endpoints")
		if err != nil {
			return err
		}
		doc, err := c.do(cmd.Context(), call{method: http.MethodGet, path: path, query: pageQuery(cmd, nil)})
		if err != nil {
			return err
		}
		return out.list(cmd, doc, "id", "state", "profile", "events", "url")
	})
}

func newEndpointsGetCommand() *cobra.Command {
	return endpointCommand(&cobra.Command{
		Use: "get ENDPOINT", Short: "Show an endpoint",
		Example: "  waybell endpoints get --agent agent_42 ep_068m2k4v8q1w5",
	}, func(cmd *cobra.Command, c *client, out *output, path []string) error {
		doc, err := c.do(cmd.Context(), call{method: http.MethodGet, path: path})
		if err != nil {
			return err
		}
		return out.object(cmd, doc)
	})
}

func endpointFlags() []bodyFlag {
	return []bodyFlag{
		{"url", "url", bodyText, "where events are sent"},
		{"description", "description", bodyText, "a note"},
		{"events", "events", bodyList, "event types, separated by commas; '*' is all"},
		{"enabled", "enabled", bodyBool, "--enabled=false: no target of new events, what waits is canceled"},
		{"profile", "profile", bodyText, "standard, chatzuri, chatislav or a configured one: fills format and retry"},
		{"format", "format", bodyText, "format of body and signature"},
		{"method", "method", bodyText, "POST or PUT"},
		{"request-timeout", "timeout_seconds", bodySeconds, "how long a whole request may take, such as 30s"},
		{"include-messages", "include_messages", bodyBool, "send the transcript too"},
		{"standard-headers", "standard_headers", bodyBool, "--standard-headers=false leaves out webhook-id, -timestamp and -signature"},
		{"retry", "retry", bodyJSON, `such as '{"schedule_seconds":[5,30],"window_seconds":3600}'`},
		{"rate-limit", "rate_limit_per_second", bodyNumber, "requests per second, at most"},
		{"concurrency", "concurrency", bodyNumber, "requests at once, at most"},
		{"secret", "secret", bodyText, "signing secret of your own (prefer --secret-file)"},
	}
}

func addEndpointFlags(cmd *cobra.Command) {
	addBodyFlags(cmd, endpointFlags())
	cmd.Flags().String("secret-file", "", "file to read the signing secret from")
	cmd.Flags().StringArrayP("header", "H", nil, "custom header 'Name: value', may be repeated; replaces all")
}

// readEndpointFlags makes the request's members.
func readEndpointFlags(cmd *cobra.Command) (map[string]any, error) {
	body, err := readBodyFlags(cmd, endpointFlags())
	if err != nil {
		return nil, err
	}
	if path, _ := cmd.Flags().GetString("secret-file"); path != "" {
		secret, err := readSecretFile(path)
		if err != nil {
			return nil, usageErrorf("--secret-file: %w", err)
		}
		body["secret"] = secret
	}
	if cmd.Flags().Changed("header") {
		lines, _ := cmd.Flags().GetStringArray("header")
		headers := []map[string]string{}
		for _, line := range lines {
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				return nil, usageErrorf("--header is not of the form 'Name: value'") // the text may be a secret
			}
			headers = append(headers, map[string]string{"name": strings.TrimSpace(name), "value": strings.TrimSpace(value)})
		}
		body["headers"] = headers
	}
	return body, nil
}

func newEndpointsCreateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create", Short: "Subscribe a URL to an agent's events",
		Long: `Subscribe a URL to an agent's events. With --generate-secret the answer has the
signing secret, shown this once.`,
		Example: `  waybell endpoints create --agent agent_42 --url https://example.com/hooks \
    --events lead.submit,message.received --profile chatzuri --generate-secret`,
		Args: exactly(0),
	}
	addAgentFlag(cmd)
	addEndpointFlags(cmd)
	cmd.Flags().String("generate-secret", "", "make a signing secret; =ed25519 makes a key pair")
	cmd.Flags().Lookup("generate-secret").NoOptDefVal = "true"
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, _ []string) error {
		path, err := agentPath(cmd, "endpoints")
		if err != nil {
			return err
		}
		body, err := readEndpointFlags(cmd)
		if err != nil {
			return err
		}
		if kind, _ := cmd.Flags().GetString("generate-secret"); kind != "" {
			body["generate_secret"] = kind
			if made, err := strconv.ParseBool(kind); err == nil {
				body["generate_secret"] = made
			}
		}
		doc, err := jsonCall(cmd, c, call{method: http.MethodPost, path: path}, body)
		if err != nil {
			return err
		}
		return out.object(cmd, doc)
	})
}

func newEndpointsUpdateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update ENDPOINT", Short: "Change an endpoint; what is not given stays",
		Example: "  waybell endpoints update --agent agent_42 ep_068m2k4v8q1w5 --events '*'",
	}
	addEndpointFlags(cmd)
	return endpointCommand(cmd, func(cmd *cobra.Command, c *client, out *output, path []string) error {
		body, err := readEndpointFlags(cmd)
		if err != nil {
			return err
		}
		if len(body) == 0 {
			return usageErrorf("nothing to change: give at least one flag")
		}
		doc, err := jsonCall(cmd, c, call{method: http.MethodPatch, path: path}, body)
		if err != nil {
			return err
		}
		return out.object(cmd, doc)
	})
}

func newEndpointsDeleteCommand() *cobra.Command {
	return endpointCommand(&cobra.Command{
		Use: "delete ENDPOINT", Short: "Delete an endpoint; what waits is canceled, the log stays",
		Example: "  waybell endpoints delete --agent agent_42 ep_068m2k4v8q1w5",
	}, func(cmd *cobra.Command, c *client, _ *output, path []string) error {
		if _, err := c.do(cmd.Context(), call{method: http.MethodDelete, path: path}); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "Deleted endpoint %s.\n", printable(path[len(path)-1]))
		return nil
	})
}

func newEndpointsPauseCommand() *cobra.Command {
	return endpointCommand(&cobra.Command{
		Use: "pause ENDPOINT", Short: "Hold an endpoint's deliveries until it is resumed",
		Example: "  waybell endpoints pause --agent agent_42 ep_068m2k4v8q1w5",
	}, func(cmd *cobra.Command, c *client, out *output, path []string) error {
		doc, err := c.do(cmd.Context(), call{method: http.MethodPost, path: append(path, "pause")})
		if err != nil {
			return err
		}
		return out.object(cmd, doc)
	})
}

func newEndpointsResumeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "resume ENDPOINT", Short: "End a pause or a suspension",
		Example: "  waybell endpoints resume --agent agent_42 ep_068m2k4v8q1w5 --held cancel",
	}
	held := "send"
	cmd.Flags().Var(choiceValue{&held, []string{"send", "cancel"}}, "held", "what becomes of the held deliveries")
	return endpointCommand(cmd, func(cmd *cobra.Command, c *client, out *output, path []string) error {
		doc, err := jsonCall(cmd, c, call{method: http.MethodPost, path: append(path, "resume")}, map[string]any{"held": held})
		if err != nil {
			return err
		}
		return out.object(cmd, doc)
	})
}

func newEndpointsRotateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rotate-secret ENDPOINT", Short: "Replace an endpoint's signing secret",
		Long: `Replace an endpoint's signing secret and print the new one. While the old one
is still valid (--overlap, default 24 h), webhook-signature lists both.`,
		Example: "  waybell endpoints rotate-secret --agent agent_42 ep_068m2k4v8q1w5 --overlap 1h",
	}
	flags := []bodyFlag{{"overlap", "overlap_seconds", bodySeconds, "how long the old secret stays valid, 0 to 7d"}}
	addBodyFlags(cmd, flags)
	cmd.Flags().String("secret-file", "", "file with the new secret; without it one is made")
	return endpointCommand(cmd, func(cmd *cobra.Command, c *client, out *output, path []string) error {
		body, err := readBodyFlags(cmd, flags)
		if err != nil {
			return err
		}
		if file, _ := cmd.Flags().GetString("secret-file"); file != "" {
			if body["secret"], err = readSecretFile(file); err != nil {
				return usageErrorf("--secret-file: %w", err)
			}
		}
		doc, err := jsonCall(cmd, c, call{method: http.MethodPost, path: append(path, "secret", "rotate")}, body)
		if err != nil {
			return err
		}
		return out.object(cmd, doc)
	})
}

func newEndpointsSecretCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "secret ENDPOINT", Short: "Show or remove an endpoint's signing secret",
		Long: `Show an endpoint's signing secret, which needs a key with the scope
secrets:read and is audited, or remove it: requests are unsigned from then on.`,
		Example: "  waybell endpoints secret --agent agent_42 ep_068m2k4v8q1w5",
	}
	remove := cmd.Flags().Bool("remove", false, "remove the secret")
	return endpointCommand(cmd, func(cmd *cobra.Command, c *client, out *output, path []string) error {
		method := http.MethodGet
		if *remove {
			method = http.MethodDelete
		}
		doc, err := c.do(cmd.Context(), call{method: method, path: append(path, "secret")})
		switch {
		case err != nil:
			return err
		case *remove:
			fmt.Fprintln(cmd.ErrOrStderr(), "Removed the secret; requests are unsigned from now on.")
			return nil
		}
		return out.object(cmd, doc)
	})
}

func newEndpointsLedgerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ledger [ENDPOINT]", Short: "Show what became of all deliveries of an endpoint, or of the agent",
		Long: `Show the ledger of an endpoint, or of the whole agent: accepted is always the
sum of pending, retrying, delivered, failed, held and canceled.`,
		Example: "  waybell endpoints ledger --agent agent_42",
		Args:    cobra.MaximumNArgs(1),
	}
	addAgentFlag(cmd)
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, args []string) error {
		more := []string{"ledger"}
		if len(args) == 1 {
			more = []string{"endpoints", args[0], "ledger"}
		}
		path, err := agentPath(cmd, more...)
		if err != nil {
			return err
		}
		doc, err := c.do(cmd.Context(), call{method: http.MethodGet, path: path})
		if err != nil {
			return err
		}
		return out.object(cmd, doc)
	})
}
