package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/waybell/waybell/sqlite"
)

func newBackupCommand() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the database while it is in use",
		Long: `Copy the database to a new file, consistent and synced, whether a server uses it
or not. The server that uses the data directory does it itself, on this machine.

The backup does not hold the encryption key: keep encryption.key, or what you
set as encryption-key, in another place. To restore, put the file as ` + sqlite.FileName + `
and the key as encryption.key into an empty data directory.`,
		Example: "  waybell backup --data-dir /var/lib/waybell /backup/waybell-$(date +%F).db",
		Args:    exactly(1),
	}
	dir := addDataDirFlags(cmd)
	cmd.Flags().BoolVar(&check, "check", false, "check the copy afterwards")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		data, err := dir()
		if err != nil {
			return err
		}
		err = onStore(cmd.Context(), data, storeWork{
			action: "backup", argument: path,
			direct: func(ctx context.Context, s *sqlite.Store) error { return s.Backup(ctx, path) },
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "Backed up to %s. It does not hold the encryption key: keep that apart.\n", args[0])
		if check {
			return checkCopy(cmd, path)
		}
		return nil
	}
	return cmd
}

// checkCopy checks a copy of a backup in a directory of its own, since opening
// a database may write to it.
func checkCopy(cmd *cobra.Command, path string) error {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".waybell-check-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyFile(path, filepath.Join(dir, sqlite.FileName)); err != nil {
		return err
	}
	s, err := sqlite.Open(cmd.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		return fmt.Errorf("the backup does not open: %w", err)
	}
	if err := errors.Join(s.Check(cmd.Context()), s.Close()); err != nil {
		return fmt.Errorf("the backup is not sound: %w", err)
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "The backup is sound.")
	return nil
}

func newCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the integrity of the database",
		Long: `Read the whole database and check it: SQLite's own integrity check, and what must
hold between events, deliveries, attempts and ledgers. It works while a server
uses the database, which does the check itself. Exit code 1 when it is damaged.`,
		Example: "  waybell check --data-dir /var/lib/waybell",
		Args:    exactly(0),
	}
	dir := addDataDirFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		data, err := dir()
		if err != nil {
			return err
		}
		err = onStore(cmd.Context(), data, storeWork{
			action: "check",
			direct: func(ctx context.Context, s *sqlite.Store) error { return s.Check(ctx) },
		})
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "The database is sound.")
		return nil
	}
	return cmd
}

// copyFile makes a new file, readable by its owner only, and syncs it.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// addDataDirFlags adds --data-dir and --config, and returns what tells the data
// directory of the server with the same settings. Other settings are not
// looked at: a backup must not fail because of them; but a server that uses
// PostgreSQL has no data directory.
func addDataDirFlags(cmd *cobra.Command) func() (string, error) {
	load := addSomeSettings(cmd, "data-dir")
	return func() (string, error) {
		c, err := load()
		if err != nil {
			return "", err
		}
		if c.shared() && !cmd.Flags().Changed("data-dir") {
			return "", usageErrorf("database-url is set (%s): this command is for the embedded store. PostgreSQL has its own tools: "+
				"pg_dump or pg_basebackup to back it up, pg_amcheck to check it", c.origins["database-url"])
		}
		return string(c.DataDir), nil
	}
}

// storeWork is done by the server that uses the store, or here when none does.
type storeWork struct {
	action, argument string
	direct           func(context.Context, *sqlite.Store) error
}

// onStore does the work. It never makes a database.
func onStore(ctx context.Context, dir string, w storeWork) error {
	if _, err := os.Stat(filepath.Join(dir, sqlite.FileName)); err != nil {
		return &exitError{exitNotFound, fmt.Errorf("%s holds no database: %w", dir, err)}
	}
	noServer := controlCall(ctx, dir, w.action, w.argument)
	if !errors.Is(noServer, errNoServer) {
		return noServer
	}
	s, err := sqlite.Open(ctx, sqlite.Config{Dir: dir})
	if errors.Is(err, sqlite.ErrLocked) {
		return &exitError{exitUnavailable, fmt.Errorf("%w; its server does not answer on %s", err, controlPath(dir))}
	}
	if err != nil {
		return explainStore(err)
	}
	return errors.Join(w.direct(ctx, s), s.Close())
}
