package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// A line that is too long is refused by its number, and the rest goes on.
func TestSendLongLine(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetErr(&stderr)
	s := &lineSender{cmd: cmd, agent: "a"}
	if err := s.lines(strings.NewReader("broken\n" + strings.Repeat("x", 3*maxLine) + "\n\nbroken too")); err != nil {
		t.Fatal(err)
	}
	const want = "line 1: is no JSON object\nline 2: is longer than 2097152 bytes\nline 4: is no JSON object\n"
	if stderr.String() != want || s.failed != 3 {
		t.Errorf("%d refused:\n%s\nwant\n%s", s.failed, stderr.String(), want)
	}
}
