package postgres

import (
	"context"
	"errors"
	"os"
	osexec "os/exec"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell"
)

// sleeper starts a process that lasts, and returns how to kill it.
func sleeper(t *testing.T) (pid int, kill func()) {
	t.Helper()
	c := osexec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if killed {
			return
		}
		killed = true
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	t.Cleanup(kill)
	return c.Process.Pid, kill
}

// A process has ended when its number is gone or another's, and only where it is
// certain that the number is of the same machine, boot and namespace.
func TestHasEnded(t *testing.T) {
	t.Parallel()
	pid, kill := sleeper(t)
	here, living := processOf(os.Getpid()), processOf(pid)
	fields := strings.Fields(living)
	if len(fields) != 7 {
		t.Fatalf("a process is named %q", living)
	}
	with := func(i int, text string) string {
		changed := append([]string(nil), fields...)
		changed[i] = text
		return strings.Join(changed, " ")
	}
	for name, process := range map[string]string{
		"itself": here, "living": living,
		"nothing": "", "words": "linux a b c d e f", "no number": with(5, "x"), "its group": with(5, "0"), "others": with(5, "-1"),
	} {
		if hasEnded(process, here) {
			t.Errorf("%s: %q has ended", name, process)
		}
	}
	if other := with(6, "1"); !hasEnded(other, here) { // its number is another's now
		t.Errorf("%q has not ended", other)
	}
	kill()
	if hasEnded(living, "") {
		t.Error("who cannot name itself knows of another")
	}
	if !hasEnded(living, here) {
		t.Errorf("%q has not ended, after it was killed", living)
	}
	for name, process := range map[string]string{
		"another host": with(1, "other"), "another boot": with(2, "00000000-0000-0000-0000-000000000000"), "another container": with(3, "pid:[1]"),
		"another time": with(4, "time:[1]"), "another system": with(0, "darwin"),
	} {
		if hasEnded(process, here) {
			t.Errorf("%s: %q has ended", name, process)
		}
	}
	if name := processOf(1 << 30); name != "" { // more than there can be
		t.Errorf("a process that is not there is named %q", name)
	}
}

// runsIn makes a node's row say that it is of another process.
func (p *peer) runsIn(t *testing.T, process string) {
	t.Helper()
	exec(t, p.Store, "UPDATE processes SET process = $2 WHERE node = $1", p.lease.Node, process)
}

// The deliveries of a process that has ended on this machine are taken over at once.
// A living one, or one of another machine, is left to its heartbeat.
func TestEndedProcessIsAdoptedAtOnce(t *testing.T) {
	t.Parallel()
	url := database(t)
	a := join(t, Config{URL: url})
	for range 5 {
		a.mustPublish(t)
	}
	if row := a.processRow(t); row != processOf(os.Getpid()) {
		t.Fatalf("the process of a node is %q", row)
	}
	pid, kill := sleeper(t)
	b := join(t, Config{URL: url})
	once := func(what string, want int) {
		t.Helper()
		n, _, err := b.Adopt(t.Context(), b.lease, time.Now())
		if err != nil || n != want {
			t.Fatalf("%s: %d rows were adopted, want %d: %v", what, n, want, err)
		}
	}
	once("this process", 0)
	living := processOf(pid)
	a.runsIn(t, living)
	once("a living process", 0)
	kill()
	a.runsIn(t, strings.Replace(living, "pid:", "pid:1", 1))
	once("a process of another machine", 0)
	a.runsIn(t, living)
	once("a process that has ended", 5)
	if _, err := a.publish(t.Context()); !errors.Is(err, waybell.ErrFenced) { // had it lived
		t.Errorf("a node that was buried publishes: %v", err)
	}
	if got := b.owned(t); len(got) != 0 {
		t.Errorf("%d rows are owned before they are claimed", len(got))
	}
	now := time.Now().Add(time.Minute)
	rows, err := b.Claim(t.Context(), b.lease, now, []waybell.ClaimWant{{Endpoint: 7, Max: 10}})
	if err != nil || len(rows) != 5 || !rows[0].Adopted {
		t.Errorf("%d rows were claimed: %v", len(rows), err)
	}
}

// A process that was buried and lives after all joins without its name: it is not
// buried again and again.
func TestFencedProcessIsNotNamed(t *testing.T) {
	t.Parallel()
	p := &peer{Store: openStore(t, Config{URL: database(t)})}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Join(ended, waybell.NodeInfo{Name: "in vain"}); err == nil {
		t.Fatal("it joined in a context that had ended")
	}
	var err error
	if p.lease, err = p.Join(t.Context(), waybell.NodeInfo{Name: "first"}); err != nil {
		t.Fatal(err)
	}
	if p.processRow(t) == "" {
		t.Fatal("the first joining does not name the process")
	}
	exec(t, p.Store, "DELETE FROM nodes")
	if p.lease, err = p.Join(t.Context(), waybell.NodeInfo{Name: "again"}); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := p.pool.QueryRow(t.Context(), "SELECT count(*) FROM processes").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d processes are named: %v", left, err)
	}
}

func (p *peer) processRow(t *testing.T) (process string) {
	t.Helper()
	if err := p.pool.QueryRow(t.Context(), "SELECT process FROM processes WHERE node = $1", p.lease.Node).Scan(&process); err != nil {
		t.Fatal(err)
	}
	return process
}
