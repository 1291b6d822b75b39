package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybell/waybell/postgres"
	"github.com/waybell/waybell/sqlite"
)

func newMigrateCommand() *cobra.Command {
	return newGroup("migrate", "Look at the schema of the database, and bring it to this version",
		newMigrateStatusCommand(), newMigratePlanCommand(), newMigrateUpCommand())
}

// migrationView is a step of the schema.
type migrationView struct {
	Version   int        `json:"version"`
	Name      string     `json:"name"`
	State     string     `json:"state"` // applied, pending or unknown
	AppliedAt *time.Time `json:"applied_at"`
	sql       string
}

// The states of a migration.
const (
	migrationApplied = "applied"
	migrationPending = "pending"
	migrationUnknown = "unknown" // of a later version of this program
)

// migrateCommand is a sub-command that finds the database by the settings of the
// server; it waits for one that cannot be reached as a start does.
func migrateCommand(cmd *cobra.Command, run func(cmd *cobra.Command, c *configuration, out *output) error) *cobra.Command {
	var out output
	load := addSomeSettings(cmd, "data-dir", "database-url")
	out.flag(cmd)
	cmd.Args = exactly(0)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		if c.shared() {
			if err := checkDatabaseURL("database-url", c.DatabaseURL); err != nil {
				return &exitError{exitUsage, err}
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			if err := awaitDatabase(cmd.Context(), string(c.DatabaseURL), databasePatience, log); err != nil {
				return err
			}
		}
		return hidePassword(run(cmd, c, &out), string(c.DatabaseURL))
	}
	return cmd
}

func newMigrateStatusCommand() *cobra.Command {
	return migrateCommand(&cobra.Command{
		Use: "status", Short: "List the steps of the schema, and which the database has",
		Long: `List the steps of the schema and which of them the database has. A server applies
what is missing at its start, so this is for those who want to do it themselves.`,
		Example: "  waybell migrate status --database-url postgres://waybell@db/waybell",
	}, func(cmd *cobra.Command, c *configuration, out *output) error {
		list, err := c.migrations(cmd.Context())
		if err != nil {
			return err
		}
		if out.json() {
			return out.value(cmd, list)
		}
		return migrationTable(list).write(cmd.OutOrStdout())
	})
}

func newMigratePlanCommand() *cobra.Command {
	return migrateCommand(&cobra.Command{
		Use: "plan", Short: "Print the SQL that the database lacks",
		Long: `Print the SQL of the steps that the database lacks, for those who look at it before,
and change nothing. 'waybell migrate up' runs it.`,
		Example: "  waybell migrate plan --database-url postgres://waybell@db/waybell",
	}, func(cmd *cobra.Command, c *configuration, out *output) error {
		list, err := c.migrations(cmd.Context())
		if err != nil {
			return err
		}
		type step struct {
			migrationView
			SQL string `json:"sql"`
		}
		plan := []step{}
		for _, m := range list {
			if m.State == migrationPending {
				plan = append(plan, step{m, m.sql})
			}
		}
		if out.json() {
			return out.value(cmd, plan)
		}
		for _, m := range plan {
			fmt.Fprintf(cmd.OutOrStdout(), "-- %s\n%s\n", m.Name, strings.TrimRight(m.SQL, "\n"))
		}
		if len(plan) == 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "Nothing is missing.")
		}
		return nil
	})
}

func newMigrateUpCommand() *cobra.Command {
	return migrateCommand(&cobra.Command{
		Use: "up", Short: "Apply the steps that the database lacks",
		Long: `Apply the steps that the database lacks, each in a transaction of its own. Nodes of
the version before go on meanwhile. A server does it at its start, too; steps only go forward.`,
		Example: "  waybell migrate up --database-url postgres://waybell@db/waybell",
	}, func(cmd *cobra.Command, c *configuration, out *output) error {
		done, err := c.migrate(cmd.Context())
		if err != nil {
			return explainStore(err)
		}
		if out.json() {
			return out.value(cmd, done)
		}
		if len(done) == 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "Nothing is missing.")
			return nil
		}
		return migrationTable(done).write(cmd.OutOrStdout())
	})
}

func migrationTable(list []migrationView) *table {
	t := newTable("MIGRATION", "STATE", "APPLIED AT")
	for _, m := range list {
		at := ""
		if m.AppliedAt != nil {
			at = m.AppliedAt.Format(time.RFC3339)
		}
		t.add(m.Name, m.State, at)
	}
	return t
}

// migrations lists the steps of the configured database.
func (c *configuration) migrations(ctx context.Context) ([]migrationView, error) {
	if c.shared() {
		list, err := postgres.Migrations(ctx, string(c.DatabaseURL))
		return viewMigrations(list), err
	}
	list, err := sqlite.Migrations(ctx, string(c.DataDir))
	if err != nil {
		return nil, explainEmbedded(string(c.DataDir), err)
	}
	views := []migrationView{}
	for _, m := range list {
		v := migrationView{Version: m.Version, Name: m.Name, State: migrationPending, sql: m.SQL}
		if m.Applied {
			v.State = migrationApplied
		}
		views = append(views, v)
	}
	return views, nil
}

// migrate applies what the configured database lacks.
func (c *configuration) migrate(ctx context.Context) ([]migrationView, error) {
	if c.shared() {
		list, err := postgres.Migrate(ctx, string(c.DatabaseURL))
		return viewMigrations(list), err
	}
	before, err := c.migrations(ctx)
	if err != nil {
		return nil, err
	}
	s, err := sqlite.Open(ctx, sqlite.Config{Dir: string(c.DataDir)}) // which migrates
	if err != nil {
		return nil, explainEmbedded(string(c.DataDir), err)
	}
	done := []migrationView{}
	for _, m := range before {
		if m.State == migrationPending {
			m.State = migrationApplied
			done = append(done, m)
		}
	}
	return done, s.Close()
}

func viewMigrations(list []postgres.Migration) []migrationView {
	views := []migrationView{}
	for _, m := range list {
		v := migrationView{Version: m.Version, Name: m.Name, State: migrationPending, sql: m.SQL}
		if !m.AppliedAt.IsZero() {
			at := m.AppliedAt.UTC().Truncate(time.Second)
			v.State, v.AppliedAt = migrationApplied, &at
		}
		if m.SQL == "" {
			v.State = migrationUnknown
		}
		views = append(views, v)
	}
	return views
}

// explainEmbedded sorts the errors of a data directory into the exit codes.
func explainEmbedded(dir string, err error) error {
	if errors.Is(err, sqlite.ErrLocked) {
		return &exitError{exitUnavailable, fmt.Errorf("%w; a running server has brought it to its own version", err)}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &exitError{exitNotFound, fmt.Errorf("%s holds no database: %w", dir, err)}
	}
	return explainStore(err)
}
