package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// execute runs the command line and returns the exit code. Data goes to
// standard output, everything else to standard error.
func execute(ctx context.Context, args []string) int {
	root := newRootCommand()
	root.SetArgs(args)
	// What fails before a command runs is a mistake of the command line.
	running := false
	root.PersistentPreRun = func(*cobra.Command, []string) { running = true }
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if _, coded := errors.AsType[*exitError](err); !running && !coded {
		err = &exitError{exitUsage, err}
	}
	report(cmd, err)
	return exitCode(err)
}

// report says on standard error what went wrong.
func report(cmd *cobra.Command, err error) {
	if e, ok := errors.AsType[*exitError](err); ok && e.err == nil {
		return
	}
	text := strings.TrimRight(err.Error(), "\n")
	if errors.Is(err, context.Canceled) {
		text = "interrupted"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "waybell: %s\n", text)
	if exitCode(err) == exitUsage {
		fmt.Fprintf(cmd.ErrOrStderr(), "Run '%s --help' for help.\n", cmd.CommandPath())
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "waybell",
		Short: "Deliver webhooks: signed, retried, logged",
		Long: `Waybell takes events and delivers them as webhooks: signed, retried and logged.

` + exitCodesHelp,
		Example: `  waybell demo      # see it work
  waybell serve     # run it`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs, // runGroup says what is wrong with them
		RunE:          runGroup,
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(explainFlagError)
	root.AddGroup(&cobra.Group{ID: "server", Title: "Run a server:"},
		&cobra.Group{ID: "client", Title: "Talk to a server:"},
		&cobra.Group{ID: "tool", Title: "Tools:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("server", newServeCommand(), newDemoCommand(), newConfigCommand(), newBackupCommand(),
		newCheckCommand(), newMigrateCommand(), newImportCommand(), newHealthcheckCommand())
	add("client", newSendCommand(), newTestEventCommand(), newAgentsCommand(), newEndpointsCommand(),
		newDeliveriesCommand(), newKeysCommand(), newConsoleCommand(), newNodesCommand())
	add("tool", newSignCommand(), newVerifyCommand(), newBenchCommand(), newBenchPartCommand(), newVersionCommand())
	root.SetHelpCommandGroupID("tool")
	root.SetCompletionCommandGroupID("tool")
	return root
}

// newGroup is a command that only has sub-commands.
func newGroup(use, short string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: runGroup}
	group.SuggestionsMinimumDistance = 2
	group.AddCommand(commands...)
	return group
}

// runGroup shows the help of a command that needs a sub-command. cobra takes an
// unknown sub-command below the root for an argument.
func runGroup(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %q?", near[0])
	}
	return usageErrorf("unknown command %q for %q%s", args[0], cmd.CommandPath(), hint)
}

// explainFlagError adds the nearest flag to the error about an unknown one.
func explainFlagError(cmd *cobra.Command, err error) error {
	hint := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := nearest(unknown.GetSpecifiedName(), names); near != "" {
			hint = fmt.Sprintf("; did you mean --%s?", near)
		}
	}
	return usageErrorf("%w%s", err, hint)
}

// nearest is the candidate that name was probably meant to be, or "".
func nearest(name string, candidates []string) string {
	best, distance := "", max(2, len(name)/3)+1
	for _, c := range candidates {
		if d := editDistance(name, c); d < distance {
			best, distance = c, d
		}
	}
	return best
}

// editDistance is the Levenshtein distance in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// exactly wants n arguments, named as in the usage line.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageErrorf("%q takes %d argument(s), got %d%s: %s", cmd.CommandPath(), n, len(args), strayValue(cmd, args), cmd.UseLine())
		}
		return nil
	}
}

// strayValue explains the first argument that is a boolean: its flag takes a value
// behind = only.
func strayValue(cmd *cobra.Command, args []string) string {
	for _, arg := range args {
		if new(boolValue).Set(arg) != nil {
			continue
		}
		hint := ""
		cmd.Flags().Visit(func(f *pflag.Flag) {
			if f.NoOptDefVal != "" && hint == "" {
				hint = fmt.Sprintf("; %q is one: is --%s=%s meant?", arg, f.Name, arg)
			}
		})
		return hint
	}
	return ""
}
