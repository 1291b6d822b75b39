package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

func newKeysCommand() *cobra.Command {
	return newGroup("keys", "List, create and revoke API keys",
		newKeysListCommand(), newKeysCreateCommand(), newKeysRevokeCommand())
}

func newKeysListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the keys that work, newest first",
		Example: "  waybell keys list", Args: exactly(0),
	}
	addPageFlags(cmd)
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, _ []string) error {
		doc, err := c.do(cmd.Context(), call{method: http.MethodGet, path: []string{"v1", "keys"}, query: pageQuery(cmd, nil)})
		if err != nil {
			return err
		}
		return out.list(cmd, doc, "id", "name", "scopes", "agent_ids", "root", "created_at")
	})
}

func newKeysCreateCommand() *cobra.Command {
	flags := []bodyFlag{
		{"name", "name", bodyText, "what the key is for"},
		{"scopes", "scopes", bodyList, "separated by commas: events:write, endpoints:read, endpoints:write, deliveries:read, deliveries:write, secrets:read, secrets:write, admin"},
		{"agents", "agent_ids", bodyList, "only these agents, separated by commas"},
	}
	cmd := &cobra.Command{
		Use: "create", Short: "Create a key; it is shown this once",
		Example: "  waybell keys create --name publisher --scopes events:write --agents agent_42", Args: exactly(0),
	}
	addBodyFlags(cmd, flags)
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, _ []string) error {
		body, err := readBodyFlags(cmd, flags)
		if err != nil {
			return err
		}
		doc, err := jsonCall(cmd, c, call{method: http.MethodPost, path: []string{"v1", "keys"}}, body)
		if err != nil {
			return err
		}
		return out.object(cmd, doc)
	})
}

func newKeysRevokeCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "revoke KEY", Short: "Revoke a key, by its id",
		Example: "  waybell keys revoke key_068m2k4v8q1w5", Args: exactly(1),
	}, func(cmd *cobra.Command, c *client, _ *output, args []string) error {
		if _, err := c.do(cmd.Context(), call{method: http.MethodDelete, path: []string{"v1", "keys", args[0]}}); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "Revoked key %s.\n", printable(args[0]))
		return nil
	})
}
