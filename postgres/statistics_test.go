package postgres

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/waybell/waybell"
)

// ledgerOf writes counters and health as seats of nodes would have.
func (n *nodes) ledgerOf(agent waybell.AgentNumber, endpoint waybell.EndpointNumber, seat, lane int, delivered int64) {
	n.Helper()
	n.ok(n.a.change(n.Context(), func(t *tx) error {
		t.queue(`INSERT INTO counters VALUES ($1, $2, $3, $4, $5, 0, 0, $5, 0, 0)`, agent, int64(endpoint), seat, lane, delivered)
		return nil
	}))
}

func (n *nodes) healthOf(agent waybell.AgentNumber, endpoint waybell.EndpointNumber, seat int, h waybell.Health) {
	n.Helper()
	n.ok(n.a.change(n.Context(), func(t *tx) error {
		t.seat = seat
		t.noteHealth(&waybell.Settlement{Agent: agent, DeliveryRef: waybell.DeliveryRef{Endpoint: endpoint}, Health: &h})
		return nil
	}))
}

// TestHealthOfManyNodes: of what several nodes know of an endpoint the newest is
// its health, their counters are summed, and what is gone is forgotten.
func TestHealthOfManyNodes(t *testing.T) {
	t.Parallel()
	n := twoNodes(t)
	a := n.agent("a")
	var eps []waybell.Endpoint
	for i := range 4 {
		e, err := n.b.CreateEndpoint(t.Context(), waybell.Endpoint{ID: fmt.Sprint(i), Agent: a.Number}, 0)
		n.ok(err)
		eps = append(eps, e)
		for seat := range 3 {
			for lane := -1; lane < 2; lane++ {
				n.ledgerOf(a.Number, e.Number, seat, lane, int64(100*i+10*seat+lane+2))
			}
		}
	}
	failing := func(minute, failures int) waybell.Health {
		return waybell.Health{LastSuccess: at.Add(-time.Hour), LastFailure: at.Add(time.Duration(minute) * time.Minute), FailingSince: at,
			Failures: failures, Refusals: 2, RefusedSince: at.Add(time.Second), Open: true, LastReason: waybell.ReasonTimeout}
	}
	healthy := waybell.Health{LastSuccess: at.Add(5 * time.Minute), LastFailure: at.Add(4 * time.Minute), LastReason: waybell.ReasonDelivered, LastStatus: 204}
	// The first fails on every node, the second was failing until another node
	// had a success, the third is failing since then, the fourth has had none.
	n.healthOf(a.Number, eps[0].Number, 0, failing(1, 30))
	n.healthOf(a.Number, eps[0].Number, 1, failing(3, 40))
	n.healthOf(a.Number, eps[0].Number, 2, failing(2, 50))
	n.healthOf(a.Number, eps[1].Number, 0, failing(4, 9))
	n.healthOf(a.Number, eps[1].Number, 1, healthy)
	n.healthOf(a.Number, eps[2].Number, 1, healthy)
	n.healthOf(a.Number, eps[2].Number, 2, failing(6, 3))

	var want []waybell.Counters
	for i, h := range []waybell.Health{failing(3, 40), healthy, failing(6, 3), {}} {
		sum := int64(3*3*100*i + 3*(0+10+20) + 3*(1+2+3))
		want = append(want, waybell.Counters{Endpoint: eps[i].Number, Accepted: sum, Delivered: sum, Health: h})
	}
	same := func(what string, want []waybell.Counters) func([]waybell.Counters, error) {
		return func(got []waybell.Counters, err error) {
			t.Helper()
			n.ok(err)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s differs (-want +got):\n%s", what, d)
			}
		}
	}
	same("counters", want)(n.b.Counters(t.Context(), a.Number))
	far := waybell.Counters{Endpoint: eps[3].Number + 2*countersPage, Accepted: 7, Delivered: 7}
	n.ledgerOf(a.Number, far.Endpoint, 0, 0, 7)
	same("all counters", append(slices.Clone(want), far))(n.b.AllCounters(t.Context()))
	want = append(want, far)
	same("counters with the far one", want)(n.b.Counters(t.Context(), a.Number))
	same("counters of some", []waybell.Counters{want[3], want[1]})(
		n.b.CountersOf(t.Context(), []waybell.EndpointNumber{eps[3].Number, eps[1].Number}))
	same("failing", []waybell.Counters{want[0], want[2]})(n.b.FailingCounters(t.Context(), 10))
	same("failing longest", want[:1])(n.b.FailingCounters(t.Context(), 1))
	open := func(i int) waybell.Counters {
		return waybell.Counters{Endpoint: want[i].Endpoint, Health: want[i].Health}
	}
	same("open", []waybell.Counters{open(0), open(2)})(n.b.OpenBreakers(t.Context(), 10))

	stale := func() int { return n.count("SELECT count(*) FROM health WHERE failures >= 3 OR open") }
	if rows := stale(); rows != 5 {
		t.Fatalf("%d rows of failing endpoints, want 5", rows)
	}
	eps[0].State = waybell.EndpointDeleted
	_, err := n.a.UpdateEndpoint(t.Context(), eps[0])
	n.ok(err)
	if rows := stale(); rows != 2 {
		t.Errorf("%d rows of failing endpoints after one was deleted, want 2", rows)
	}
	n.ok(n.a.DeleteAgent(t.Context(), a, 0))
	if rows := stale(); rows != 0 {
		t.Errorf("%d rows of failing endpoints after the agent was deleted", rows)
	}
	same("failing at the end", nil)(n.b.FailingCounters(t.Context(), 10))
}

// TestStatisticsBesideSweep: two nodes add to rows that both sweep away. What
// was added is there or was removed, and nobody waits in a circle.
func TestStatisticsBesideSweep(t *testing.T) {
	t.Parallel()
	n := twoNodes(t)
	leases := make(map[*Store]waybell.Lease)
	for _, s := range []*Store{n.a, n.b} {
		lease, err := s.Join(t.Context(), waybell.NodeInfo{Name: "node"})
		n.ok(err)
		leases[s] = lease
	}
	minute := at.Truncate(time.Minute)
	var rows []waybell.StatisticsRow
	for agent := range 50 {
		var tally waybell.Tally
		tally.Deliver(time.Millisecond)
		rows = append(rows, waybell.StatisticsRow{Tally: tally,
			StatisticsKey: waybell.StatisticsKey{Agent: waybell.AgentNumber(agent), Step: waybell.StatisticsMinute, At: minute}})
	}
	rows = slices.Insert(rows, 0, rows[0])
	rows[0].At = minute.Add(-time.Minute)
	const times = 24
	n.within(n.each(times, func(s *Store, i int) error {
		if i%6 > 3 {
			_, _, err := s.SweepStatistics(t.Context(), leases[s], waybell.StatisticsSweep{Step: time.Minute, Before: minute}, time.Second)
			return err
		}
		return s.AddStatistics(t.Context(), leases[s], rows)
	}), times, nil)
	for agent := range 50 {
		got, err := n.a.Statistics(t.Context(), waybell.StatisticsQuery{Agent: waybell.AgentNumber(agent),
			Step: waybell.StatisticsMinute, Since: minute, Until: minute.Add(time.Minute)})
		n.ok(err)
		if len(got) != 1 || got[0].Tally.Delivered != times*2/3 {
			t.Fatalf("agent %d: %+v, want %d attempts", agent, got, times*2/3)
		}
	}
}
