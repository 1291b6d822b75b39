package storetest

import (
	"slices"

	"github.com/waybell/waybell"
)

var eventTests = []test{
	{"ByID", testEventByID},
	{"ByKey", testEventsByKey},
	{"List", testListEvents},
}

func testEventByID(e *env) {
	a, _ := e.agent(0)
	b, _ := e.agent(0)
	made, chosen := e.event(a), e.event(a)
	chosen.ID, chosen.CustomID = "chosen-1", true
	e.accept(made, chosen)
	// An id that was chosen to look like a made one is found first.
	imitation := e.event(a)
	imitation.ID, imitation.CustomID, imitation.Hash = made.ID, true, [32]byte{7}
	e.accept(imitation)
	theirs := e.event(b)
	theirs.ID, theirs.CustomID = chosen.ID, true
	e.accept(theirs)
	for _, c := range []struct {
		agent waybell.AgentNumber
		id    string
		want  *waybell.NewEvent
	}{
		{a.Number, made.ID, imitation},
		{a.Number, "chosen-1", chosen},
		{b.Number, "chosen-1", theirs},
		{b.Number, made.ID, nil},
		{a.Number, waybell.EventID(chosen.Key), nil}, // it has another id
		{a.Number, waybell.EventID(made.Key + 1), nil},
		{a.Number, "", nil},
		{a.Number, "evt_nonsense", nil},
	} {
		got, err := e.s.EventByID(e.ctx(), c.agent, c.id)
		if c.want == nil {
			e.is(err, waybell.ErrNotFound)
			continue
		}
		e.ok(err)
		e.same(c.id, got, c.want.Event)
	}
	plain := e.event(a)
	e.accept(plain)
	got, err := e.s.EventByID(e.ctx(), a.Number, plain.ID)
	e.ok(err)
	e.same("made id", got, plain.Event)
}

func testEventsByKey(e *env) {
	a, _ := e.agent(0)
	b, _ := e.agent(0)
	x, y, z := e.event(a), e.event(a), e.event(b)
	e.accept(x, y, z)
	got, err := e.s.EventsByKey(e.ctx(), []waybell.EventRef{{Agent: b.Number, Key: z.Key}, {Agent: a.Number, Key: x.Key},
		{Agent: a.Number, Key: x.Key + 1}, {Agent: a.Number, Key: z.Key}})
	e.ok(err)
	e.same("events", got, []waybell.Event{x.Event, z.Event}, anyOrder)
	got, err = e.s.EventsByKey(e.ctx(), nil)
	e.ok(err)
	if len(got) != 0 {
		e.Fatalf("events %+v", got)
	}
}

func testListEvents(e *env) {
	a, _ := e.agent(0)
	b, _ := e.agent(0)
	var all []waybell.Event // newest first
	for i := range 23 {
		n := e.event(a)
		if i%4 == 0 {
			n.Type = "rating.given"
		}
		e.accept(n, e.event(b))
		all = append([]waybell.Event{n.Event}, all...)
	}
	middle, later := all[15].Key, all[5].Key
	for _, c := range []struct {
		name string
		q    waybell.EventQuery
		want func(waybell.Event) bool
	}{
		{"all", waybell.EventQuery{}, func(waybell.Event) bool { return true }},
		{"type", waybell.EventQuery{Type: "rating.given"}, func(ev waybell.Event) bool { return ev.Type == "rating.given" }},
		{"unknown type", waybell.EventQuery{Type: "no.such"}, func(waybell.Event) bool { return false }},
		{"range", waybell.EventQuery{Since: middle, Until: later}, func(ev waybell.Event) bool { return ev.Key >= middle && ev.Key < later }},
		{"empty range", waybell.EventQuery{Since: later, Until: middle}, func(waybell.Event) bool { return false }},
	} {
		want := slices.DeleteFunc(slices.Clone(all), func(ev waybell.Event) bool { return !c.want(ev) })
		for _, size := range []struct{ limit, scan int }{{100, 1000}, {1, 1000}, {5, 7}, {100, 1}, {23, 23}} {
			q := c.q
			q.Agent, q.Limit, q.Scan = a.Number, size.limit, size.scan
			var got []waybell.Event
			for pages := 0; ; pages++ {
				page, err := e.s.ListEvents(e.ctx(), q)
				e.ok(err)
				if len(page.Events) > size.limit || pages > len(all) {
					e.Fatalf("%s %v: %d rows on page %d", c.name, size, len(page.Events), pages)
				}
				got = append(got, page.Events...)
				if page.Next == 0 {
					break
				}
				q.After = page.Next
			}
			if len(got) != len(want) {
				e.Fatalf("%s %v: %d events, want %d", c.name, size, len(got), len(want))
			}
			if len(want) > 0 {
				e.same(c.name, got, want)
			}
		}
	}
	page, err := e.s.ListEvents(e.ctx(), waybell.EventQuery{Agent: a.Number, Type: "rating.given", Limit: 1, Scan: 10})
	e.ok(err)
	if page.Next != page.Events[0].Key {
		e.Fatalf("next %d, want the last event looked at", page.Next)
	}
}
