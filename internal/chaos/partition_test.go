//go:build linux

package chaos

import (
	"testing"
	"time"

	"github.com/waybell/waybell/internal/pgtest"
)

// TestNodesPartition cuts one of three nodes off from the database while what it
// sends goes through, by silence or by refused connections. It starts
// nothing after its lease has run out; the others take over what it had; nothing
// of it is lost, and nothing else comes twice. It joins anew by itself.
func TestNodesPartition(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t, pgtest.Options{Dir: memory()})
	direct := c.Database(t)
	proxy := pgtest.StartProxy(t, c.Addr())
	shared := newShared(direct, direct, "all", "all", "all")
	shared.urls[0], shared.concurrency = proxy.URL(direct), 4
	calm := temper{fail: 4, reset: 2, slow: 10, slowness: 100 * time.Millisecond} // four attempts at once are enough
	tr := newTrial(t, options{temper: calm, timeout: calmTimeout, shared: shared})
	tr.unsure = true // of a commit that broke off nobody knows whether it happened
	s := tr.nodes[0]
	silence := tr.rng.IntN(2)
	var joined []time.Duration
	for n := range repeat(1) {
		cut := func() { proxy.Silence(pgtest.Both) }
		if n%2 == silence {
			cut = func() { proxy.Refuse(); proxy.Cut() }
		}
		tr.pause(300*time.Millisecond, 1500*time.Millisecond)
		number := shared.numbers(t)[s.number]
		// Work queues up there, so that some is left when the lease runs out.
		tr.receiver.behave(s.number, temper{slow: 100, slowness: 1900 * time.Millisecond})
		tr.await("work queues up", func() bool { return s.queued(t) >= 40 })
		before := tr.feeder.count()
		f := tr.duringOf(s, cutOff, func() {
			began := time.Now()
			cut()
			tr.pauseUntil(began.Add(leaseSpan + busyMachine/2)) // before the others look, so that all is there
			tr.faults[len(tr.faults)-1].stranded = shared.strandedBy(t, number)
			tr.pauseUntil(began.Add(lasts(16*time.Second, 30*time.Second)))
			tr.receiver.behave(s.number, calm)
			proxy.Heal()
		})
		if after := tr.feeder.count(); after.broken > before.broken {
			t.Errorf("publishes got no answer instead of 503: %+v before, %+v after", before, after)
		}
		tr.awaitNodes("the node joins anew", func(listed map[int]int64) bool { return listed[s.number] > number })
		joined = append(joined, time.Since(f.ended))
		t.Logf("joined anew %v after the end of the partition", joined[n].Round(time.Millisecond))
		tr.awaitService(s)
	}
	v := tr.end()
	took, counts := tr.judgeTakeovers(v)
	took["joined_again"] = joined
	for _, f := range tr.faults {
		late, sent := lastOf(v.hits, f)
		t.Logf("cut off, the node sent %d requests, the last one %v after its last heartbeat", sent, late.Round(time.Millisecond))
		took["last_attempt"] = append(took["last_attempt"], late)
		if sent == 0 {
			t.Error("the node sent nothing while it was cut off")
		}
		if late > leaseSpan+busyMachine {
			t.Errorf("the node began an attempt %v after its last heartbeat, want %v at most", late, leaseSpan)
		}
	}
	if slowest := tr.feeder.count().slowest; slowest > publishBound+busyMachine {
		t.Errorf("a publish was refused after %v, want within %v", slowest, publishBound)
	} else {
		t.Logf("refused after %v at most", slowest.Round(time.Millisecond))
		took["refused_after"] = []time.Duration{slowest}
	}
	tr.record("nodes:partition", len(tr.faults), v, took, counts)
}

// queued is how many deliveries a node has in its memory that wait for an attempt.
func (s *server) queued(t *testing.T) int {
	t.Helper()
	var list struct {
		Data []struct {
			This   bool
			Queued int
		}
	}
	if err := s.read(t.Context(), "/v1/nodes", &list); err != nil {
		t.Fatal(err)
	}
	for _, n := range list.Data {
		if n.This {
			return n.Queued
		}
	}
	t.Fatalf("node %d is not listed", s.number)
	return 0
}

// lastOf tells how long after its last heartbeat a node that was cut off sent its
// last request, and how many it sent meanwhile.
func lastOf(hits map[deliveryKey][]hit, f *fault) (late time.Duration, sent int) {
	for _, list := range hits {
		for _, h := range list {
			if h.node == f.node && h.at.After(f.began) && h.at.Before(f.ended) {
				late = max(late, h.at.Sub(f.stranded.seen))
				sent++
			}
		}
	}
	return late, sent
}
