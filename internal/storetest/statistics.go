package storetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/statistics"
)

var statisticsTests = []test{
	{"AddAndRead", testStatistics},
	{"ManyNodes", testStatisticsOfManyNodes},
	{"Fenced", testStatisticsFenced},
	{"Stay", testStatisticsStay},
	{"Sweep", testSweepStatistics},
	{"Failing", testFailingCounters},
	{"OpenBreakers", testOpenBreakers},
	{"CountersOf", testCountersOf},
}

// hour is the start of an hour that start lies in.
func hour() time.Time { return start.Truncate(time.Hour) }

// tally counts some attempts.
func tally(delivered, failed int) waybell.Tally {
	var t waybell.Tally
	for i := range delivered {
		t.Deliver(time.Duration(i+1) * time.Millisecond)
	}
	for i := range failed {
		t.Fail(statistics.Cause{Reason: uint8(waybell.ReasonHTTPStatus), Status: uint16(500 + i%2)}, time.Duration(i+1)*time.Second)
	}
	return t
}

func minuteRow(agent waybell.AgentNumber, endpoint waybell.EndpointNumber, at time.Time, t waybell.Tally) waybell.StatisticsRow {
	return waybell.StatisticsRow{Tally: t, StatisticsKey: waybell.StatisticsKey{
		Agent: agent, Endpoint: endpoint, Step: waybell.StatisticsMinute, At: at,
	}}
}

func (e *env) addStatistics(rows ...waybell.StatisticsRow) {
	e.Helper()
	e.ok(e.s.AddStatistics(e.ctx(), e.lease, rows))
}

// minutes reads the minute rows of an hour.
func (e *env) minutes(agent waybell.AgentNumber, endpoints ...waybell.EndpointNumber) []waybell.StatisticsRow {
	e.Helper()
	list, err := e.s.Statistics(e.ctx(), waybell.StatisticsQuery{Agent: agent, Endpoints: endpoints,
		Step: waybell.StatisticsMinute, Since: hour(), Until: hour().Add(time.Hour)})
	e.ok(err)
	return list
}

func (e *env) wantRows(what string, got, want []waybell.StatisticsRow) {
	e.Helper()
	e.same(what, got, want, cmpopts.EquateEmpty())
}

func testStatistics(e *env) {
	a, eps := e.agent(2)
	b, _ := e.agent(0)
	x, y := min(eps[0], eps[1]), max(eps[0], eps[1])
	first, last := hour(), hour().Add(59*time.Minute)
	hours := minuteRow(a.Number, x, first, tally(9, 0))
	hours.Step = waybell.StatisticsHour
	before, after := minuteRow(a.Number, x, first.Add(-time.Minute), tally(5, 5)), minuteRow(a.Number, x, first.Add(time.Hour), tally(6, 6))
	e.addStatistics(
		minuteRow(0, 0, first, tally(3, 1)),
		minuteRow(a.Number, 0, first, tally(2, 1)), minuteRow(a.Number, 0, last, tally(0, 4)),
		before, minuteRow(a.Number, x, first, tally(2, 0)), minuteRow(a.Number, x, last, tally(0, 4)), after, hours,
		minuteRow(a.Number, y, first, tally(0, 1)),
		minuteRow(b.Number, 0, first, tally(1, 0)),
	)
	e.wantRows("overall", e.minutes(0), []waybell.StatisticsRow{minuteRow(0, 0, first, tally(3, 1))})
	e.wantRows("agent", e.minutes(a.Number), []waybell.StatisticsRow{
		minuteRow(a.Number, 0, first, tally(2, 1)), minuteRow(a.Number, 0, last, tally(0, 4))})
	e.wantRows("endpoints", e.minutes(a.Number, x, y), []waybell.StatisticsRow{
		minuteRow(a.Number, x, first, tally(2, 0)), minuteRow(a.Number, x, last, tally(0, 4)), minuteRow(a.Number, y, first, tally(0, 1))})
	e.wantRows("one endpoint", e.minutes(a.Number, y), []waybell.StatisticsRow{minuteRow(a.Number, y, first, tally(0, 1))})
	e.wantRows("of another agent", e.minutes(b.Number, x, y), nil)
	list, err := e.s.Statistics(e.ctx(), waybell.StatisticsQuery{Agent: a.Number, Endpoints: []waybell.EndpointNumber{x},
		Step: waybell.StatisticsHour, Since: first, Until: first.Add(time.Hour)})
	e.ok(err)
	e.wantRows("hours", list, []waybell.StatisticsRow{hours})

	// What comes later is added.
	e.addStatistics(minuteRow(a.Number, x, first, tally(1, 3)), minuteRow(a.Number, x, first.Add(time.Minute), tally(1, 0)))
	sum := tally(2, 0)
	more := tally(1, 3)
	sum.Add(&more)
	e.wantRows("added", e.minutes(a.Number, x), []waybell.StatisticsRow{
		minuteRow(a.Number, x, first, sum), minuteRow(a.Number, x, first.Add(time.Minute), tally(1, 0)), minuteRow(a.Number, x, last, tally(0, 4))})
	e.addStatistics() // nothing
}

// testStatisticsOfManyNodes has nodes add to the same rows at the same time.
func testStatisticsOfManyNodes(e *env) {
	a, eps := e.agent(3)
	slices.Sort(eps)
	const nodes, times = 4, 10
	var wg sync.WaitGroup
	for n := range nodes {
		lease := e.join(e.unique("node"))
		wg.Go(func() {
			for i := range times {
				rows := []waybell.StatisticsRow{minuteRow(0, 0, hour(), tally(n, i)), minuteRow(a.Number, 0, hour(), tally(i, n))}
				for _, ep := range eps {
					rows = append(rows, minuteRow(a.Number, ep, hour(), tally(1, 2)))
				}
				if err := e.s.AddStatistics(e.ctx(), lease, rows); err != nil {
					e.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var all, agent, endpoint waybell.Tally
	for n := range nodes {
		for i := range times {
			x, y, z := tally(n, i), tally(i, n), tally(1, 2)
			all.Add(&x)
			agent.Add(&y)
			endpoint.Add(&z)
		}
	}
	e.wantRows("overall", e.minutes(0), []waybell.StatisticsRow{minuteRow(0, 0, hour(), all)})
	e.wantRows("agent", e.minutes(a.Number), []waybell.StatisticsRow{minuteRow(a.Number, 0, hour(), agent)})
	for _, ep := range eps {
		e.wantRows("endpoint", e.minutes(a.Number, ep), []waybell.StatisticsRow{minuteRow(a.Number, ep, hour(), endpoint)})
	}
}

func testStatisticsFenced(e *env) {
	old := e.crash()
	e.adoptAll(start)
	e.is(e.s.AddStatistics(e.ctx(), old, []waybell.StatisticsRow{minuteRow(0, 0, hour(), tally(1, 1))}), waybell.ErrFenced)
	_, _, err := e.s.SweepStatistics(e.ctx(), old, waybell.StatisticsSweep{Step: time.Minute, Before: start.Add(time.Hour)}, time.Minute)
	e.is(err, waybell.ErrFenced)
	e.wantRows("overall", e.minutes(0), nil)
	gone, cancel := context.WithCancel(e.ctx())
	cancel()
	e.is(e.s.AddStatistics(gone, e.lease, []waybell.StatisticsRow{minuteRow(0, 0, hour(), tally(1, 1))}), context.Canceled)
	e.wantRows("overall", e.minutes(0), nil)
}

// testStatisticsStay looks for rows after a crash, and after what they are of
// was deleted and its log removed.
func testStatisticsStay(e *env) {
	a, eps := e.agent(2)
	e.accept(e.event(a, eps...))
	want := minuteRow(a.Number, eps[0], hour(), tally(2, 3))
	e.addStatistics(minuteRow(a.Number, 0, hour(), tally(2, 3)), want)
	e.crash()
	e.adoptAll(start)
	ep, err := e.s.Endpoint(e.ctx(), a.Number, e.endpointID(a, eps[0]))
	e.ok(err)
	ep.State, ep.DeletedAt = waybell.EndpointDeleted, start
	_, err = e.s.UpdateEndpoint(e.ctx(), ep)
	e.ok(err)
	a.Version, a.DeletedAt = 0, start
	e.ok(e.s.DeleteAgent(e.ctx(), a, e.key()))
	e.sweep(e.key())
	e.wantRows("endpoint", e.minutes(a.Number, eps[0]), []waybell.StatisticsRow{want})
	e.wantRows("agent", e.minutes(a.Number), []waybell.StatisticsRow{minuteRow(a.Number, 0, hour(), tally(2, 3))})
}

// endpointID finds the id of an endpoint.
func (e *env) endpointID(a waybell.Agent, n waybell.EndpointNumber) string {
	e.Helper()
	list, err := e.s.Endpoints(e.ctx(), a.Number, waybell.PageQuery{Limit: 100})
	e.ok(err)
	i := slices.IndexFunc(list, func(ep waybell.Endpoint) bool { return ep.Number == n })
	return list[i].ID
}

// testSweepStatistics removes more than one piece, one microsecond at a time.
func testSweepStatistics(e *env) {
	const agents = 70
	kept := hour().Add(30 * time.Minute)
	var rows, hours, left []waybell.StatisticsRow
	for i := range agents {
		for m := range 10 {
			rows = append(rows, minuteRow(waybell.AgentNumber(i+1), 0, hour().Add(time.Duration(m)*time.Minute), tally(1, 0)))
		}
		h := minuteRow(waybell.AgentNumber(i+1), 0, hour(), tally(10, 0))
		h.Step = waybell.StatisticsHour
		hours = append(hours, h)
		left = append(left, minuteRow(waybell.AgentNumber(i+1), 0, kept, tally(1, 0)))
	}
	e.addStatistics(rows...)
	e.addStatistics(hours...)
	e.addStatistics(left...)
	total, calls := 0, 0
	for more := true; more; calls++ {
		n, again, err := e.s.SweepStatistics(e.ctx(), e.lease,
			waybell.StatisticsSweep{Step: waybell.StatisticsMinute, Before: kept}, time.Microsecond)
		e.ok(err)
		if total += n; calls > 10*agents {
			e.Fatalf("no end after %d rows", total)
		}
		more = again
	}
	if total != len(rows) {
		e.Fatalf("%d rows went, want %d", total, len(rows))
	}
	for i := range agents {
		n := waybell.AgentNumber(i + 1)
		e.wantRows("minutes", e.minutes(n), left[i:i+1])
		list, err := e.s.Statistics(e.ctx(), waybell.StatisticsQuery{Agent: n, Step: waybell.StatisticsHour, Since: hour(), Until: kept})
		e.ok(err)
		e.wantRows("hours", list, hours[i:i+1])
	}
}

// fail writes a failed attempt with the health that the endpoint then has.
func (e *env) fail(a waybell.Agent, ep waybell.EndpointNumber, h waybell.Health) {
	e.Helper()
	n := e.event(a, ep)
	e.accept(n)
	o := final(attempt(a.Number, ref(n, ep), 1, 410), waybell.DeliveryFailed)
	o.Health = &h
	e.settle(o)
}

func testFailingCounters(e *env) {
	a, eps := e.agent(7)
	b, beps := e.agent(1)
	since := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	failing := func(minutes, failures int) waybell.Health {
		return waybell.Health{LastFailure: since(60), FailingSince: since(minutes), Failures: failures,
			LastReason: waybell.ReasonHTTPStatus, LastStatus: 503}
	}
	for i, h := range []waybell.Health{
		failing(5, 3), failing(1, 40), failing(0, 2), {LastSuccess: start, LastReason: waybell.ReasonDelivered, LastStatus: 200},
		failing(3, 7), failing(2, 9), failing(4, 3),
	} {
		e.fail(a, eps[i], h)
	}
	e.fail(b, beps[0], failing(0, 99))
	list := func(limit int) (found []waybell.EndpointNumber) {
		e.Helper()
		rows, err := e.s.FailingCounters(e.ctx(), limit)
		e.ok(err)
		for _, c := range rows {
			found = append(found, c.Endpoint)
		}
		return found
	}
	e.same("failing", list(10), []waybell.EndpointNumber{beps[0], eps[1], eps[5], eps[4], eps[6], eps[0]})
	e.same("the first two", list(2), []waybell.EndpointNumber{beps[0], eps[1]})
	rows, err := e.s.FailingCounters(e.ctx(), 2)
	e.ok(err)
	e.same("row", rows[1], waybell.Counters{Endpoint: eps[1], Accepted: 1, Failed: 1, Health: failing(1, 40)})

	// Disabled and deleted ones are not in trouble; paused and suspended ones are.
	b.DeletedAt = start
	e.ok(e.s.DeleteAgent(e.ctx(), b, e.key()))
	for n, state := range map[waybell.EndpointNumber]waybell.EndpointState{
		eps[1]: waybell.EndpointDisabled, eps[5]: waybell.EndpointDeleted,
		eps[4]: waybell.EndpointPaused, eps[6]: waybell.EndpointSuspended,
	} {
		ep, err := e.s.Endpoint(e.ctx(), a.Number, e.endpointID(a, n))
		e.ok(err)
		ep.State = state
		_, err = e.s.UpdateEndpoint(e.ctx(), ep)
		e.ok(err)
	}
	e.same("failing still", list(10), []waybell.EndpointNumber{eps[4], eps[6], eps[0]})
	e.fail(a, eps[4], waybell.Health{LastSuccess: since(61)})
	e.same("after a success", list(10), []waybell.EndpointNumber{eps[6], eps[0]})
}

func testOpenBreakers(e *env) {
	other := e.join("other")
	a, eps := e.agent(5)
	open := func(minute int) waybell.Health {
		at := start.Add(time.Duration(minute) * time.Minute)
		return waybell.Health{LastFailure: at, FailingSince: start, Failures: 20, Refusals: 20, RefusedSince: start,
			Open: true, LastReason: waybell.ReasonConnect}
	}
	for _, i := range []int{3, 0, 1, 4} {
		e.fail(a, eps[i], open(i))
	}
	failing := open(9)
	failing.Open = false
	e.fail(a, eps[2], failing)
	list := func(limit int) []waybell.Counters {
		e.Helper()
		rows, err := e.s.OpenBreakers(e.ctx(), limit)
		e.ok(err)
		return rows
	}
	row := func(i int) waybell.Counters { return waybell.Counters{Endpoint: eps[i], Health: open(i)} }
	e.same("open", list(10), []waybell.Counters{row(0), row(1), row(3), row(4)})
	e.same("the first two", list(2), []waybell.Counters{row(0), row(1)})

	// What another node saw later counts, whichever way.
	settle := func(i int, h waybell.Health) {
		n := e.event(a, eps[i])
		_, err := e.s.Accept(e.ctx(), other, e.version(), []*waybell.NewEvent{n})
		e.ok(err)
		o := final(attempt(a.Number, ref(n, eps[i]), 1, 200), waybell.DeliveryDelivered)
		o.Health = &h
		e.ok(e.s.Settle(e.ctx(), other, []waybell.Settlement{o}))
	}
	settle(0, waybell.Health{LastSuccess: start.Add(20 * time.Minute), LastReason: waybell.ReasonDelivered, LastStatus: 200})
	settle(2, open(20))
	want := row(2)
	want.Health = open(20)
	e.same("after the other's outcomes", list(10), []waybell.Counters{row(1), want, row(3), row(4)})
	counters, err := e.s.CountersOf(e.ctx(), eps[:1])
	e.ok(err)
	if h := counters[0].Health; h.Open || !h.LastSuccess.Equal(start.Add(20*time.Minute)) {
		e.Fatalf("the newest health is %+v", h)
	}

	ep, err := e.s.Endpoint(e.ctx(), a.Number, e.endpointID(a, eps[3]))
	e.ok(err)
	ep.State, ep.DeletedAt = waybell.EndpointDeleted, start
	_, err = e.s.UpdateEndpoint(e.ctx(), ep)
	e.ok(err)
	e.same("without the deleted one", list(10), []waybell.Counters{row(1), want, row(4)})
}

func testCountersOf(e *env) {
	a, eps := e.agent(3)
	b, beps := e.agent(1)
	e.accept(e.event(a, eps[0]), e.event(a, eps[0]))
	e.accept(e.event(b, beps...))
	list, err := e.s.CountersOf(e.ctx(), []waybell.EndpointNumber{beps[0], eps[1], eps[0], 1 << 30})
	e.ok(err)
	e.same("counters", list, []waybell.Counters{
		{Endpoint: beps[0], Accepted: 1, Pending: 1}, {Endpoint: eps[0], Accepted: 2, Pending: 2},
	})
	list, err = e.s.CountersOf(e.ctx(), nil)
	e.ok(err)
	if len(list) != 0 {
		e.Fatalf("of none: %+v", list)
	}
}
