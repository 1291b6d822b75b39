// Command chaos runs the programmes of faults and makes docs/reliability.md from
// what they measured. It is for developers and no part of what is shipped: each
// programme is a test of its own, see package internal/chaos.
//
//	go run ./internal/chaos/chaos list
//	go run ./internal/chaos/chaos run kill points --cycles 100
//	go run ./internal/chaos/chaos all --cycles 20 --results docs/reliability
//	go run ./internal/chaos/chaos doc
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
)

const usage = `usage: go run ./internal/chaos/chaos COMMAND [flags]

  list             the programmes of faults
  run NAME...      some of them
  all              all of them
  doc              make docs/reliability.md from docs/reliability/*.json

flags of list, run and all:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		stop()
		os.Exit(1)
	}
}

// command runs one command in the folder of the module.
func command(ctx context.Context, args []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&o.cycles, "cycles", 0, "how often each fault happens; 0 = some times")
	flags.StringVar(&o.store, "store", "", "only programmes of this store: sqlite or postgres")
	flags.BoolVar(&o.long, "long", false, "let faults last as long as they do in the field, on a real disk")
	flags.Int64Var(&o.seed, "seed", 0, "of the random moments; 0 = another one each time")
	flags.StringVar(&o.results, "results", "", "directory for the results; those of the page are in docs/reliability")
	flags.Usage = func() {
		fmt.Fprint(out, usage)
		flags.PrintDefaults()
	}
	var names []string
	for len(args) > 0 { // names and flags in any order
		if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil
		} else if err != nil {
			return err
		}
		if args = flags.Args(); len(args) > 0 {
			names, args = append(names, args[0]), args[1:]
		}
	}
	if len(names) == 0 {
		flags.Usage()
		return errors.New("which command?")
	}
	if names[0] == "doc" {
		return writePage(ctx, ".")
	}
	list, err := programmes(".")
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(p programme) bool { return o.store != "" && !slices.Contains(p.stores, o.store) })
	switch {
	case names[0] == "list":
		w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		for _, p := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\n", p.name, strings.Join(p.stores, ", "), p.about)
		}
		return w.Flush()
	case names[0] == "all":
		return runAll(ctx, list, o, out)
	case names[0] == "run" && len(names) > 1:
		var chosen []programme
		for _, name := range names[1:] {
			i := slices.IndexFunc(list, func(p programme) bool { return p.name == name })
			if i < 0 {
				return fmt.Errorf("there is no programme %q: see the command list", name)
			}
			chosen = append(chosen, list[i])
		}
		return runAll(ctx, chosen, o, out)
	}
	flags.Usage()
	return fmt.Errorf("there is no command %q", strings.Join(names, " "))
}
