package main

import (
	"net/http"

	"github.com/spf13/cobra"
)

func newNodesCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "nodes", Short: "List the nodes that share the store, and what each has in hand",
		Long: `List the processes that work with the same store, oldest first. Dead ones are
listed until the others have taken over all that was theirs.`,
		Example: "  waybell nodes", Args: exactly(0),
	}, func(cmd *cobra.Command, c *client, out *output, _ []string) error {
		doc, err := c.do(cmd.Context(), call{method: http.MethodGet, path: []string{"v1", "nodes"}})
		if err != nil {
			return err
		}
		return out.list(cmd, doc, "id", "name", "role", "version", "state", "in_flight", "queued", "seen_at", "this")
	})
}
