package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server. Without any setting it keeps everything in ./waybell-data and
listens on 127.0.0.1:8080; the first start prints an API key, and every start a
sign-in link to the console.

Every setting is a flag, a variable WAYBELL_<NAME> and a key of the YAML file
given with --config, all with the same name. A flag wins over the environment,
that over the file. Secrets can be read from a file: WAYBELL_API_KEY_FILE.

With --database-url everything is in PostgreSQL instead, and any number of such
processes share the work; all need the same --encryption-key.

SIGTERM or SIGINT ends it in order: publishing answers 503, attempts under way
finish within --shutdown-grace. A second signal ends it at once.`,
		Example: `  waybell serve
  waybell serve --listen :8080 --data-dir /var/lib/waybell --retention 90d
  waybell serve --database-url postgres://waybell@db/waybell --encryption-key-file key
  WAYBELL_API_KEY_FILE=/run/secrets/key waybell serve --config waybell.yaml`,
		Args: exactly(0),
		RunE: runServe,
	}
	cmd.Flags().SortFlags = false
	addSettingFlags(cmd.Flags())
	cmd.Flags().String(profileFlag, "", "a directory that gets a CPU profile of the whole run, cpu-<process>.pprof")
	cmd.Flags().MarkHidden(profileFlag) //nolint:errcheck // the flag is there
	return cmd
}

// profileFlag is for "make profile" and whoever looks for time spent. It is no
// setting: no server runs with it for long.
const profileFlag = "cpu-profile"

// profile writes a CPU profile into dir until stop is called.
func profile(dir string) (stop func(), err error) {
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("cpu-%d.pprof", os.Getpid())))
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", profileFlag, err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("--%s: %w", profileFlag, err), f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close() //nolint:errcheck // "make profile" refuses a file that is cut short
	}, nil
}

func runServe(cmd *cobra.Command, _ []string) error {
	c, err := loadSettings(cmd.Flags(), os.Environ())
	if err != nil {
		return err
	}
	if dir, _ := cmd.Flags().GetString(profileFlag); dir != "" {
		stop, err := profile(dir)
		if err != nil {
			return err
		}
		defer stop()
	}
	ctx, errs := cmd.Context(), cmd.ErrOrStderr()
	log := newLogger(errs, c)
	s, err := startServer(ctx, c, log, nil)
	if err != nil {
		return err
	}
	if s.madeKey {
		log.Info("an encryption key was made; keep a copy of it apart from the database's backups",
			"file", keyFileName, "dir", string(c.DataDir))
	}
	if len(c.AllowTargets) > 0 {
		log.Warn("endpoints may lead to targets that are not public", "allow_targets", c.AllowTargets.String())
	}
	if s.rootKey != "" {
		announceKey(errs, s.rootKey.Reveal())
	}
	// A stop that was asked for meanwhile finds the link where it is looked for.
	switch link, err := s.signInLink(context.WithoutCancel(ctx), c); {
	case err != nil:
		log.Warn("there is no sign-in link; make one with waybell console", "error", err)
	case link != "" && c.LogFormat == "text": // JSON lines are read by programs
		announceLink(errs, link)
	}
	store := []any{"data_dir", string(c.DataDir)}
	if c.shared() {
		store = []any{"database", databaseName(string(c.DatabaseURL)), "role", c.Role, "node", s.svc.Config().Node}
	}
	log.Info("ready", append([]any{"url", s.url, "version", build().Version, "config", c.path}, store...)...)
	failure := s.wait(ctx)
	log.Info("stopping", "grace", c.ShutdownGrace.String())
	// The context that asked for the stop has ended; stopping has its own time.
	if err := s.stop(context.WithoutCancel(ctx)); err != nil {
		log.Error("did not stop in order", "error", err)
		return fmt.Errorf("stop: %w", err)
	}
	log.Info("stopped")
	return failure
}

// announceKey shows the key that is shown once. It is no line of the log, which
// is kept and shipped.
func announceKey(w io.Writer, key string) {
	lines := []string{
		"API key, shown this once:",
		"",
		"  " + key,
		"",
		"It has all rights. Use it as Authorization: Bearer <key>,",
		"or put it into WAYBELL_API_KEY for the commands of waybell.",
	}
	width := 0
	for _, l := range lines {
		width = max(width, utf8.RuneCountInString(l))
	}
	rule := strings.Repeat("─", width+2)
	fmt.Fprintf(w, "\n┌%s┐\n", rule)
	for _, l := range lines {
		fmt.Fprintf(w, "│ %-*s │\n", width, l)
	}
	fmt.Fprintf(w, "└%s┘\n\n", rule)
}

// newLogger is the log on standard error.
func newLogger(w io.Writer, c *configuration) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		level = slog.LevelInfo // the table allows no other word
	}
	opts := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
