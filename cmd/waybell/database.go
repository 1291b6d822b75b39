package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/postgres"
)

// checkStore finds what is wrong with the settings that choose the store.
func (c *configuration) checkStore() error {
	if !c.shared() {
		var errs []error
		if c.DataDir == "" {
			errs = append(errs, errors.New("data-dir: is empty; name a directory"))
		}
		for name, value := range map[string]secretValue{"database-listen-url": c.ListenURL, "database-replica-url": c.ReplicaURL} {
			if value != "" {
				errs = append(errs, fmt.Errorf("%s: is for PostgreSQL only: set database-url too", name))
			}
		}
		if c.role() != waybell.RoleAll {
			errs = append(errs, fmt.Errorf("role: the embedded store has one node, which does everything: leave %s out, or set database-url", c.Role))
		}
		return errors.Join(errs...)
	}
	errs := []error{
		checkDatabaseURL("database-url", c.DatabaseURL),
		checkDatabaseURL("database-listen-url", c.ListenURL),
		checkDatabaseURL("database-replica-url", c.ReplicaURL),
	}
	if c.Connections < leastConnections {
		errs = append(errs, fmt.Errorf("database-connections: is %d; it must be at least %d", c.Connections, leastConnections))
	}
	if c.EncryptionKey == "" {
		errs = append(errs, errors.New("encryption-key: must be given with database-url, the same to all nodes; make one with: openssl rand -base64 32"))
	}
	return errors.Join(errs...)
}

// leastConnections is what the store needs to work at all, see postgres.Config.
const leastConnections = 8

// checkDatabaseURL never repeats the value, which may hold a password. What is
// in detail wrong with it the driver knows; but where a part of the password
// would be read as host or database, nobody may go on, since these are shown.
func checkDatabaseURL(name string, value secretValue) error {
	text := string(value)
	scheme, rest, ok := strings.Cut(text, "://")
	switch {
	case text == "":
		return nil
	case !ok || scheme != "postgres" && scheme != "postgresql":
		return fmt.Errorf("%s: is not of the form postgres://user:password@host:5432/database", name)
	case !plainlySplit(rest):
		return fmt.Errorf("%s: cannot be split into user, password, host and database: percent-encode special characters "+
			"of the password, such as %%40 for @, %%2F for /, %%3F for ?, %%23 for # and %%25 for %%", name)
	}
	return nil
}

// plainlySplit tells whether what follows the scheme has its delimiters where a
// URL has them, and nowhere else.
func plainlySplit(rest string) bool {
	base, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(base, "/")
	for pair := range strings.SplitSeq(query, "&") {
		if key, _, _ := strings.Cut(pair, "="); strings.ContainsAny(key, "@:/") {
			return false
		}
	}
	hosts := authority
	if user, after, ok := strings.Cut(authority, "@"); ok {
		if _, err := url.PathUnescape(user); err != nil {
			return false
		}
		hosts = after
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if port := host[strings.LastIndexAny(host, ":]")+1:]; port != host && strings.Trim(port, "0123456789") != "" {
			return false // a password without its host
		}
	}
	return !strings.ContainsAny(hosts+path, "@") && !strings.Contains(rest, "#")
}

const (
	// databasePatience is how long a start waits for the database: containers
	// start in any order.
	databasePatience = time.Minute
	databasePause    = 2 * time.Second
	// databaseTold is how often a start that waits says so.
	databaseTold = 10 * time.Second
	// databaseAnswer is how long one look at the database may take.
	databaseAnswer = 5 * time.Second
)

// awaitDatabase returns when the database answers, or with why it will not: at
// once where it refuses the user, the password or the name of the database, or
// the URL makes no sense, after the patience where it cannot be reached.
func awaitDatabase(ctx context.Context, address string, patience time.Duration, log *slog.Logger) error {
	began := time.Now()
	var told time.Time
	for {
		err := lookAtDatabase(ctx, address)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, postgres.ErrDenied):
			return &exitError{exitUsage, hidePassword(fmt.Errorf("database-url: %w", err), address)}
		case !errors.Is(err, waybell.ErrUnavailable):
			return hidePassword(err, address)
		}
		waited := time.Since(began)
		if waited+databasePause > patience {
			return &exitError{exitUnavailable, hidePassword(fmt.Errorf(
				"the database cannot be reached: %w; see that it runs and that database-url leads to it", err), address)}
		}
		if time.Since(told) >= databaseTold {
			told = time.Now()
			log.Warn("the database cannot be reached yet; trying again", "waited", waited.Round(time.Second).String(),
				"patience", patience.String(), "error", hidePassword(err, address))
		}
		pause := time.NewTimer(databasePause)
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}

// lookAtDatabase connects and reads a little. It changes nothing.
func lookAtDatabase(ctx context.Context, address string) error {
	within, cancel := context.WithTimeout(ctx, databaseAnswer)
	defer cancel()
	_, err := postgres.Migrations(within, address)
	if err != nil && within.Err() != nil && !errors.Is(err, waybell.ErrUnavailable) {
		return fmt.Errorf("%w: no answer within %s", waybell.ErrUnavailable, databaseAnswer)
	}
	return err
}

// hiddenError is an error whose text may have held a password.
type hiddenError struct {
	text string
	err  error
}

// Error implements error.
func (e *hiddenError) Error() string { return e.text }

// Unwrap gives the cause.
func (e *hiddenError) Unwrap() error { return e.err }

// hidePassword masks the passwords of the URLs in an error's text. No error is
// known to hold one; that of a later driver might.
func hidePassword(err error, addresses ...string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, address := range addresses {
		for _, password := range passwordsOf(address) {
			text = strings.ReplaceAll(text, password, mask)
		}
	}
	if text == err.Error() {
		return err
	}
	return &hiddenError{text, err}
}

// mask stands for a secret.
const mask = "••••"

// passwordsOf are the spellings of the password in a URL.
func passwordsOf(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return []string{address}
	}
	var list []string
	if password, ok := u.User.Password(); ok && password != "" {
		list = append(list, password, url.QueryEscape(password), url.PathEscape(password))
	}
	if password := u.Query().Get("password"); password != "" {
		list = append(list, password, url.QueryEscape(password))
	}
	return list
}

// databaseName is a URL without what is secret in it: where to look, for people.
func databaseName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "PostgreSQL"
	}
	return "PostgreSQL " + u.Host + u.Path
}

// postgresConfig is what the settings say of the shared store.
func (c *configuration) postgresConfig(log *slog.Logger) postgres.Config {
	return postgres.Config{
		URL: string(c.DatabaseURL), ListenURL: string(c.ListenURL), ReplicaURL: string(c.ReplicaURL),
		Conns: int(c.Connections), Logger: log,
	}
}

// openShared opens the store that nodes share, when it answers.
func openShared(ctx context.Context, c *configuration, log *slog.Logger) (*postgres.Store, error) {
	urls := []string{string(c.DatabaseURL), string(c.ListenURL), string(c.ReplicaURL)}
	if err := awaitDatabase(ctx, urls[0], databasePatience, log); err != nil {
		return nil, err
	}
	store, err := postgres.Open(ctx, c.postgresConfig(log))
	if err != nil {
		return nil, hidePassword(explainStore(err), urls...)
	}
	return store, nil
}
