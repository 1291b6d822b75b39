package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command says in a line what it does and shows an example; help fits a
// terminal of 100 characters where it is written by hand.
func TestHelp(t *testing.T) {
	t.Parallel()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: the short help %q must be there, without a full stop", cmd.CommandPath(), cmd.Short)
		}
		if !cmd.HasSubCommands() && !strings.Contains(cmd.Example, "waybell") {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if len([]rune(line)) > 100 {
				t.Errorf("%s: a line of the help is too long: %q", cmd.CommandPath(), line)
			}
		}
	}
	walk(newRootCommand())
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"listen", "retention", "data-dir", "log-level"}
	for name, want := range map[string]string{
		"listn": "listen", "retenton": "retention", "datadir": "data-dir", "LISTEN": "", "zzz": "", "log-leve": "log-level",
	} {
		if got := nearest(name, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"same", "same", 0}} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
