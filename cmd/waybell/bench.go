package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waybell/waybell/internal/bench"
)

func newBenchCommand() *cobra.Command {
	var o bench.Options
	var out output
	var all bool
	var plots string
	cmd := &cobra.Command{
		Use:   "bench [scenario …]",
		Short: "Measure this program beside the raw ceiling",
		Long: `Measure this program beside the raw ceiling.

Each scenario starts servers of its own, with a fresh store on a real disk and
fsync on, and a receiver, all on loopback. In turn with it a plain HTTP client
loop signs and posts the same bytes to such a receiver: what counts is the ratio
to that. Without any named, S1, S2, S2b and S3 run, with --all the whole of
` + strings.Join(bench.All(), ", ") + `. All scenarios:
` + strings.Join(bench.Names(), ", ") + `

With --store postgres a PostgreSQL server is started too, from the installed
programs, and removed at the end; --database-url gives one that runs, with an
empty database. Both stores may be named, to be measured in one run.

docs/performance.md describes the scenarios and how to read the figures.`,
		Example: `  waybell bench
  waybell bench S1 S2 --pairs 3 --duration 2s --dir /var/tmp
  waybell bench S1 S2 S3 --store sqlite,postgres
  waybell bench --all --store sqlite,postgres -o json >result.json
  waybell bench S7 --store postgres --stored 10000000
  waybell bench S1 -o json --flag --log-level=info`,
		ValidArgs: bench.Names(),
		Args:      cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			write := bench.WriteTable
			if out.json() {
				write = bench.WriteJSON
			}
			if o.Scenarios = args; all {
				if len(args) > 0 {
					return usageErrorf("--all is all: name no scenarios with it")
				}
				o.Scenarios = bench.All()
			}
			b := build()
			o.Version = strings.TrimSpace(b.Version + " " + b.Commit[:min(12, len(b.Commit))])
			o.Progress = cmd.ErrOrStderr()
			if err := o.Validate(); err != nil {
				return usageErrorf("%w", err)
			}
			var err error
			if o.Binary, err = os.Executable(); err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			report, err := bench.Run(cmd.Context(), o)
			if len(report.Results) > 0 { // what was measured before a failure is worth showing
				if err := write(cmd.OutOrStdout(), report); err != nil {
					return err
				}
				if plots != "" {
					if err := bench.WritePlots(plots, report); err != nil {
						return err
					}
				}
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&all, "all", false, "a whole run; takes some minutes for each store, of a machine that does nothing else")
	addBenchFlags(flags, &o)
	out.flag(cmd)
	flags.StringVar(&plots, "plots", "", "a folder for SVG plots of the ratios and of latency over time")
	return cmd
}

// addBenchFlags adds the flags that choose what is measured.
func addBenchFlags(flags *pflag.FlagSet, o *bench.Options) {
	flags.IntVar(&o.Pairs, "pairs", 5, "how often each scenario runs, in turn with the ceiling")
	flags.DurationVar(&o.Duration, "duration", 2*time.Second, "how long each load lasts")
	flags.StringVar(&o.Dir, "dir", "", "where stores are made (default: the system's folder for temporary files)")
	flags.StringSliceVar(&o.Stores, "store", []string{bench.SQLite}, "what the servers keep everything in: sqlite, postgres or both")
	flags.StringVar(&o.DatabaseURL, "database-url", "", "an empty PostgreSQL database, instead of a server of the bench's own")
	flags.StringToStringVar(&o.PostgresSettings, "postgres", nil, "a setting of the bench's own PostgreSQL server, such as shared_buffers=1GB; may be repeated")
	flags.IntVar(&o.Stored, "stored", 1_000_000, "attempts that S7 begins with")
	flags.IntVar(&o.Waiting, "waiting", 1_000_000, "retries that wait in S6")
	flags.StringArrayVar(&o.Flags, "flag", nil, "a flag for serve, such as --flag=--retention=1h; may be repeated")
}
