//go:build linux

package chaos

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// readyBar is how soon after its start a server takes publishes again, whatever
// waits in its store.
const readyBar = 2 * time.Second

// TestKillBacklog kills the process while 100,000 deliveries wait, 4,000 in short
// runs: it is ready within two seconds, goes on sending, and loses none.
func TestKillBacklog(t *testing.T) {
	t.Parallel()
	waiting := 4000
	if *cycles > 0 || *long {
		waiting = 100_000
	}
	tr := newTrial(t, options{temper: temper{fail: 4, reset: 2}, timeout: calmTimeout})
	tr.patience += time.Duration(waiting/50) * time.Second // to drain, on a busy machine
	tr.all("pause")
	const batch = 250
	for from := 0; from < waiting/len(tr.paths); from += batch {
		ids := make([]string, batch)
		for i := range ids {
			ids[i] = fmt.Sprintf("backlog-%06d", from+i)
		}
		if owed := tr.feeder.publish(0, ids); len(owed) > 0 {
			t.Fatal("the backlog is not taken")
		}
	}
	// Slow receivers keep it as long as that.
	tr.receiver.behave(tr.server.number, temper{fail: 4, reset: 2, slow: 94, slowness: 400 * time.Millisecond})
	tr.all("resume")
	var ready, work []time.Duration
	least := int64(waiting)
	for range repeat(2) {
		tr.pause(200*time.Millisecond, 1500*time.Millisecond)
		tr.during(killed, tr.server.kill)
		ready = append(ready, tr.server.start())
		work = append(work, tr.server.worked(t))
		l, err := tr.server.ledger(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		least = min(least, l.Pending+l.Retrying)
	}
	tr.receiver.behave(tr.server.number, tr.receiver.temper)
	v := tr.end()
	if least < int64(waiting)*9/10 {
		t.Errorf("only %d deliveries waited, want %d", least, waiting)
	}
	for i, took := range ready {
		// On a busy machine the time says little: what the process itself did does.
		if took > readyBar && work[i] > readyBar/2 {
			t.Errorf("after kill %d ready in %v by %v of work, want %v", i, took, work[i], readyBar)
		}
	}
	t.Logf("ready again with %d waiting: %s", least, spread(ready))
	t.Logf("processor time until then: %s", spread(work))
	tr.record("kill:backlog", len(ready), v, times{"ready": ready, "ready_processor": work}, map[string]int64{"waiting_least": least})
}

// worked is the processor time that the process has used.
func (s *server) worked(t *testing.T) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	// After the name, in parentheses, utime and stime are fields 12 and 13, in
	// hundredths of a second, see proc(5).
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	var ticks int
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// all makes a call about every endpoint of the agent.
func (tr *trial) all(action string) {
	tr.t.Helper()
	for id := range tr.paths {
		err := tr.server.call(tr.t.Context(), http.MethodPost, "/v1/agents/"+agentID+"/endpoints/"+id+"/"+action, nil, nil)
		if err != nil {
			tr.t.Fatal(err)
		}
	}
}
