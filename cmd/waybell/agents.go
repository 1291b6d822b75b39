package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

func newAgentsCommand() *cobra.Command {
	return newGroup("agents", "List, show, create, change and delete agents",
		newAgentsListCommand(), newAgentsGetCommand(), newAgentsCreateCommand(),
		newAgentsUpdateCommand(), newAgentsDeleteCommand())
}

// clientCommand adds the client's flags to a command and gives run the client.
func clientCommand(cmd *cobra.Command, run func(cmd *cobra.Command, c *client, out *output, args []string) error) *cobra.Command {
	flags := &clientFlags{}
	flags.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := flags.client()
		if err != nil {
			return err
		}
		return run(cmd, c, &flags.out, args)
	}
	return cmd
}

// jsonCall makes a call with members as the JSON body; nil sends none.
func jsonCall(cmd *cobra.Command, c *client, in call, members map[string]any) ([]byte, error) {
	if members != nil {
		body, err := json.Marshal(members)
		if err != nil {
			return nil, err
		}
		in.body = body
	}
	return c.do(cmd.Context(), in)
}

// addPageFlags are the flags of every list.
func addPageFlags(cmd *cobra.Command) {
	cmd.Flags().Int("limit", 50, "rows of a page, 1 to 250")
	cmd.Flags().String("cursor", "", "where the page before ended")
}

// pageQuery makes the query of a list; members maps further flags to their
// parameters.
func pageQuery(cmd *cobra.Command, members map[string]string) url.Values {
	q := url.Values{}
	if limit, _ := cmd.Flags().GetInt("limit"); cmd.Flags().Changed("limit") {
		q.Set("limit", strconv.Itoa(limit))
	}
	for flag, parameter := range members {
		if text, _ := cmd.Flags().GetString(flag); text != "" {
			q.Set(parameter, text)
		}
	}
	if cursor, _ := cmd.Flags().GetString("cursor"); cursor != "" {
		q.Set("cursor", cursor)
	}
	return q
}

func newAgentsListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List agents, newest first",
		Example: "  waybell agents list --limit 100\n  waybell agents list --search shop", Args: exactly(0),
	}
	addPageFlags(cmd)
	cmd.Flags().String("search", "", "only agents with this in the id or name")
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, _ []string) error {
		doc, err := c.do(cmd.Context(), call{method: http.MethodGet, path: []string{"v1", "agents"},
			query: pageQuery(cmd, map[string]string{"search": "search"})})
		if err != nil {
			return err
		}
		return out.list(cmd, doc, "id", "name", "profile", "endpoint_count", "created_at")
	})
}

func newAgentsGetCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "get AGENT", Short: "Show an agent",
		Example: "  waybell agents get agent_42", Args: exactly(1),
	}, func(cmd *cobra.Command, c *client, out *output, args []string) error {
		doc, err := c.do(cmd.Context(), call{method: http.MethodGet, path: []string{"v1", "agents", args[0]}})
		if err != nil {
			return err
		}
		return out.object(cmd, doc)
	})
}

func agentFlags() []bodyFlag {
	return []bodyFlag{
		{"name", "name", bodyText, "name of the agent"},
		{"profile", "profile", bodyText, "default profile of its endpoints: standard, chatzuri, chatislav or a configured one"},
		{"metadata", "metadata", bodyJSON, "a JSON object of your own: text, @file or -"},
		{"available-events", "available_events", bodyList, "event types that the agent's plan produces, separated by commas"},
	}
}

func newAgentsCreateCommand() *cobra.Command {
	flags := append([]bodyFlag{{"id", "id", bodyText, "id of your own; without it one is made"}}, agentFlags()...)
	cmd := &cobra.Command{
		Use: "create", Short: "Create an agent",
		Example: "  waybell agents create --id agent_42 --name 'Support bot' --profile chatzuri", Args: exactly(0),
	}
	addBodyFlags(cmd, flags)
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, _ []string) error {
		body, err := readBodyFlags(cmd, flags)
		if err != nil {
			return err
		}
		doc, err := jsonCall(cmd, c, call{method: http.MethodPost, path: []string{"v1", "agents"}}, body)
		if err != nil {
			return err
		}
		return out.object(cmd, doc)
	})
}

func newAgentsUpdateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update AGENT", Short: "Change an agent; what is not given stays",
		Example: "  waybell agents update agent_42 --name 'Sales bot'", Args: exactly(1),
	}
	addBodyFlags(cmd, agentFlags())
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, args []string) error {
		body, err := readBodyFlags(cmd, agentFlags())
		if err != nil {
			return err
		}
		if len(body) == 0 {
			return usageErrorf("nothing to change: give at least one flag")
		}
		doc, err := jsonCall(cmd, c, call{method: http.MethodPatch, path: []string{"v1", "agents", args[0]}}, body)
		if err != nil {
			return err
		}
		return out.object(cmd, doc)
	})
}

func newAgentsDeleteCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "delete AGENT", Short: "Delete an agent with its endpoints; what waits is canceled",
		Example: "  waybell agents delete agent_42", Args: exactly(1),
	}, func(cmd *cobra.Command, c *client, _ *output, args []string) error {
		if _, err := c.do(cmd.Context(), call{method: http.MethodDelete, path: []string{"v1", "agents", args[0]}}); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "Deleted agent %s.\n", printable(args[0]))
		return nil
	})
}
