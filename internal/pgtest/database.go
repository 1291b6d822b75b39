//go:build linux

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Database makes a new, empty database on the shared [Server] and returns its
// URL. It is dropped when the test ends, also from under open connections.
func Database(t testing.TB) string {
	t.Helper()
	return Server(t).Database(t)
}

// DatabaseFrom is [Database] for a copy of a template, see [Cluster.Template].
func DatabaseFrom(t testing.TB, template string) string {
	t.Helper()
	return Server(t).DatabaseFrom(t, template)
}

// Template is [Cluster.Template] of the shared [Server].
func Template(t testing.TB, name string, fill func(ctx context.Context, url string) error) string {
	t.Helper()
	return Server(t).Template(t, name, fill)
}

// Database makes a new, empty database and returns its URL. On a shared server
// it is dropped when the test ends; another server ends with its test.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	return c.DatabaseFrom(t, "template0")
}

// DatabaseFrom is Database for a copy of the database called template, which
// nobody may be connected to.
func (c *Cluster) DatabaseFrom(t testing.TB, template string) string {
	t.Helper()
	name := databaseName(t.Name(), c.databases.Add(1))
	if err := c.createDatabase(t.Context(), name, template); err != nil {
		t.Fatalf("pgtest: create database: %v", err)
	}
	if c.shared {
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
			defer cancel()
			if err := c.admin(ctx, "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)"); err != nil {
				t.Errorf("pgtest: drop database: %v", err)
			}
		})
	}
	return c.URL(name)
}

// Template makes a database by this name that is filled once, by the first
// call, and returns the name, for [Cluster.DatabaseFrom]. It stays until the
// server ends. fill gets its URL and must close what it opens.
func (c *Cluster) Template(t testing.TB, name string, fill func(ctx context.Context, url string) error) string {
	t.Helper()
	c.creating.Lock()
	once, known := c.templates[name]
	if !known {
		ctx := context.WithoutCancel(t.Context()) // a failure must not be that of the first caller only
		once = sync.OnceValue(func() error {
			if err := c.createDatabase(ctx, name, "template0"); err != nil {
				return err
			}
			return fill(ctx, c.URL(name))
		})
		c.templates[name] = once
	}
	c.creating.Unlock()
	if err := once(); err != nil {
		t.Fatalf("pgtest: template %s: %v", name, err)
	}
	return name
}

// createDatabase copies a template. Copies are made one after the other, and
// again where the server says that the template is in use: the session that
// filled it ends a moment after its client.
func (c *Cluster) createDatabase(ctx context.Context, name, template string) error {
	c.creating.Lock()
	defer c.creating.Unlock()
	for try := 1; ; try++ {
		// Copying files takes two thirds of the time of writing them to the log.
		err := c.admin(ctx, "CREATE DATABASE "+quote(name)+" TEMPLATE "+quote(template)+" STRATEGY file_copy")
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "55006" || try == 10 {
			return err
		}
	}
}

// admin runs a statement in the database postgres.
func (c *Cluster) admin(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol)
	return err
}

// databaseName is one that tells whose it is in the server's log.
func databaseName(test string, n int64) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '_'
	}, test)
	return fmt.Sprintf("%.40s_%d", safe, n)
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// until asks the server until the answer is true.
func (c *Cluster) until(ctx context.Context, question string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var yes bool
		if err := conn.QueryRow(ctx, question, args...).Scan(&yes); err != nil {
			return fmt.Errorf("%s: %w", question, err)
		}
		if yes {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: never true: %w", question, ctx.Err())
		}
	}
}
