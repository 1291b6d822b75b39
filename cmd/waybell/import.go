package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/transfer"
	"github.com/waybell/waybell/postgres"
	"github.com/waybell/waybell/sqlite"
)

func newImportCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Move everything from a data directory into PostgreSQL",
		Long: `Move everything from a data directory into an empty PostgreSQL database: from one
machine to many, without losing the log or a pending delivery. Ids stay as they
are, and so do API keys; sessions of browsers end.

Stop the server first, and start no node on the database before the import has
ended. An import that was interrupted goes on where it was when it is run again;
one that has ended changes nothing. From its beginning no server starts on the
data directory any more. docs/moving.md has the whole way.`,
		Example: `  waybell import --data-dir /var/lib/waybell --database-url postgres://waybell@db/waybell`,
		Args:    exactly(0),
	}
	load := addSomeSettings(cmd, "data-dir", "database-url", "encryption-key")
	out.flag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		if !c.shared() {
			return usageErrorf("--database-url is required: where to move the data")
		}
		if err := checkDatabaseURL("database-url", c.DatabaseURL); err != nil {
			return &exitError{exitUsage, err}
		}
		m := &mover{configuration: c, errs: cmd.ErrOrStderr(), log: newLogger(cmd.ErrOrStderr(), c)}
		done, err := m.move(cmd.Context())
		if err != nil {
			return hidePassword(err, string(c.DatabaseURL))
		}
		if out.json() {
			return out.value(cmd, done)
		}
		return done.write(cmd.OutOrStdout())
	}
	return cmd
}

// mover moves a data directory into a database.
type mover struct {
	*configuration
	errs io.Writer
	log  *slog.Logger
}

// movedView is what `waybell import` tells at its end.
type movedView struct {
	From       string          `json:"from"`
	To         string          `json:"to"`
	Before     bool            `json:"moved_before"` // an earlier import did it all
	FinishedAt time.Time       `json:"finished_at"`
	Moved      transfer.Counts `json:"moved"`
}

func (m *mover) move(ctx context.Context) (*movedView, error) {
	dir := string(m.DataDir)
	if _, err := os.Stat(filepath.Join(dir, sqlite.FileName)); err != nil {
		return nil, &exitError{exitNotFound, fmt.Errorf("%s holds no database: %w", dir, err)}
	}
	from, err := sqlite.Open(ctx, sqlite.Config{Dir: dir})
	switch {
	case errors.Is(err, sqlite.ErrLocked):
		return nil, &exitError{exitUnavailable, fmt.Errorf("%w; stop the server first: what it sends meanwhile would be sent twice", err)}
	case err != nil:
		return nil, explainStore(err)
	}
	view, err := m.moveFrom(ctx, from)
	return view, errors.Join(err, from.Close())
}

// moveFrom has the lock of the data directory.
func (m *mover) moveFrom(ctx context.Context, from *sqlite.Store) (*movedView, error) {
	if err := m.checkKeys(ctx, from); err != nil {
		return nil, err
	}
	if err := awaitDatabase(ctx, string(m.DatabaseURL), databasePatience, m.log); err != nil {
		return nil, err
	}
	to, err := postgres.Open(ctx, m.postgresConfig(m.log))
	if err != nil {
		return nil, explainStore(err)
	}
	view, err := m.moveTo(ctx, from, to)
	return view, errors.Join(err, to.Close())
}

func (m *mover) moveTo(ctx context.Context, from *sqlite.Store, to *postgres.Store) (*movedView, error) {
	mark, err := readMoved(string(m.DataDir))
	if err != nil {
		return nil, err
	}
	here := databaseName(string(m.DatabaseURL))
	fresh := mark == nil
	if fresh {
		mark = newMoved(here)
	}
	uses, err := from.Uses(ctx)
	if err != nil {
		return nil, err
	}
	im, err := to.Import(ctx, mark.Import, uses)
	if err != nil {
		return nil, explainImport(err)
	}
	if !fresh && !im.Began() && mark.To != here {
		return nil, &exitError{exitRefused, fmt.Errorf("%s was moved elsewhere, to %s: two copies would both send what waits; remove %s if that database is gone",
			m.DataDir, mark.To, filepath.Join(string(m.DataDir), movedName))}
	}
	if fresh { // before anything is read: from now on no server starts here
		if err := mark.write(string(m.DataDir)); err != nil {
			return nil, err
		}
	}
	view := &movedView{From: string(m.DataDir), To: here, Before: im.Done()}
	if !im.Done() {
		if im, err = m.run(ctx, from, to, im, mark); err != nil {
			return nil, explainImport(err)
		}
	}
	view.Moved, view.FinishedAt = im.Moved()
	return view, nil
}

// run releases what waits, unless an earlier run did, and moves everything.
func (m *mover) run(ctx context.Context, from *sqlite.Store, to *postgres.Store, im *postgres.Import, mark *moved) (*postgres.Import, error) {
	export := from.ExportAgain()
	if im.Began() {
		fmt.Fprintln(m.errs, "An import that was interrupted goes on.")
	} else {
		var err error
		if export, err = from.Export(ctx, waybell.NodeInfo{Name: "import", Version: build().Version}); err != nil {
			return nil, err
		}
		uses, err := from.Uses(ctx) // once more now
		if err != nil {
			return nil, err
		}
		if im, err = to.Import(ctx, mark.Import, uses); err != nil {
			return nil, err
		}
	}
	total, err := export.Counts(ctx)
	if err != nil {
		return nil, err
	}
	return im, im.Run(ctx, export, newMoveProgress(m.errs, total).tell)
}

// checkKeys sees to it that the nodes will be able to open what is moved, and
// says which key they need.
func (m *mover) checkKeys(ctx context.Context, from *sqlite.Store) error {
	keys, err := encryptionKeys(waybell.Secret(m.EncryptionKey))
	if err != nil {
		return &exitError{exitUsage, err}
	}
	path, given := filepath.Join(string(m.DataDir), keyFileName), keys != nil
	if !given {
		keys, err = readKeyFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return usageErrorf("the encryption key is missing: put %s back, or set encryption-key to the key that the server used", path)
		}
		if err != nil {
			return err
		}
	}
	change, err := from.ConfigSince(ctx, 0)
	if err != nil {
		return err
	}
	if err := waybell.CheckEncryption(keys, change.Endpoints); err != nil {
		return usageErrorf("the encryption key does not open what is to be moved: %w; set encryption-key to the key that the server used", err)
	}
	if given {
		fmt.Fprintln(m.errs, "The encryption key that was given opens everything. Give the same to all nodes.")
	} else {
		fmt.Fprintf(m.errs, "The encryption key in %s opens everything. Give it to all nodes as encryption-key.\n", path)
	}
	return nil
}

// explainImport adds what to do to the errors that an operator will meet.
func explainImport(err error) error {
	switch {
	case errors.Is(err, postgres.ErrNotEmpty):
		return &exitError{exitRefused, fmt.Errorf("%w; an import needs a database of its own, before the first node starts on it: make a new one", err)}
	case errors.Is(err, postgres.ErrInUse):
		return &exitError{exitRefused, fmt.Errorf("%w; stop the nodes, and wait for 15 s where one was killed", err)}
	case errors.Is(err, postgres.ErrSourceChanged):
		return &exitError{exitRefused, fmt.Errorf("%w, so that what was imported is out of date; make a new database, remove %s and begin again", err, movedName)}
	case errors.Is(err, waybell.ErrUnavailable):
		return &exitError{exitUnavailable, fmt.Errorf("%w; run it again to go on", err)}
	}
	return err
}

func (v *movedView) write(w io.Writer) error {
	if v.Before {
		fmt.Fprintf(w, "Everything was moved before, on %s. Nothing was changed.\n\n", v.FinishedAt.Format(time.RFC3339))
	} else {
		fmt.Fprintf(w, "Everything was moved from %s to %s, and is the same there.\n\n", v.From, v.To)
	}
	t, n := newTable(), v.Moved
	for _, row := range []struct {
		name string
		n    int64
	}{
		{"agents", n.Agents}, {"endpoints", n.Endpoints}, {"event types", n.EventTypes}, {"API keys", n.Keys}, {"inboxes", n.Inboxes},
		{"events", n.Events}, {"deliveries that wait", n.Waiting}, {"settled deliveries", n.Deliveries}, {"attempts", n.Attempts},
		{"idempotency keys", n.Promises}, {"rows of statistics", n.Tallies},
		{"ledger: accepted", n.Ledger.Accepted}, {"ledger: pending", n.Ledger.Pending}, {"ledger: retrying", n.Ledger.Retrying},
		{"ledger: delivered", n.Ledger.Delivered}, {"ledger: failed", n.Ledger.Failed}, {"ledger: canceled", n.Ledger.Canceled},
	} {
		t.add(row.name, strconv.FormatInt(row.n, 10))
	}
	return t.write(w)
}

// moveProgress tells on standard error how far a move has come.
type moveProgress struct {
	w     io.Writer
	total map[string]int64 // rows by phase
	phase string
	first int64 // rows that the phase had when it was first seen
	began time.Time
	told  time.Time
}

// moveTellEvery is the time between two lines.
const moveTellEvery = 2 * time.Second

func newMoveProgress(w io.Writer, n transfer.Counts) *moveProgress {
	fmt.Fprintf(w, "To be moved: %d events with %d deliveries and %d attempts.\n", n.Events, n.Waiting+n.Deliveries, n.Attempts)
	return &moveProgress{w: w, total: map[string]int64{"events": n.Events, "idempotency keys": n.Promises, "statistics": n.Tallies}}
}

func (p *moveProgress) tell(at postgres.ImportProgress) {
	now := time.Now()
	if at.Phase != p.phase {
		p.phase, p.first, p.began, p.told = at.Phase, at.Rows, now, now
		fmt.Fprintf(p.w, "Moving %s\n", at.Phase)
		return
	}
	moved, total := at.Rows-p.first, p.total[at.Phase]
	if now.Sub(p.told) < moveTellEvery || moved <= 0 || total <= 0 {
		return
	}
	p.told = now
	took := now.Sub(p.began)
	left := time.Duration(float64(took) / float64(moved) * float64(max(0, total-at.Rows)))
	fmt.Fprintf(p.w, "%d of %d %s (%d %%), %.0f/s, about %s left\n", at.Rows, total, at.Phase, at.Rows*100/total,
		float64(moved)/took.Seconds(), left.Round(time.Second))
}
