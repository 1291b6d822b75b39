package storetest

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waybell/waybell"
)

var inboxTests = []test{
	{"Inbox", testInbox},
	{"Conflicts", testInboxConflicts},
	{"Life", testInboxLife},
	{"Lists", testInboxLists},
	{"Requests", testInboxRequests},
	{"RequestsAtOnce", testInboxRequestsAtOnce},
	{"Delete", testInboxDelete},
	{"Sweep", testInboxSweep},
	{"Crash", testInboxCrash},
}

const week = 7 * 24 * time.Hour

// inbox makes an inbox that lives for a week from start.
func (e *env) inbox(a waybell.Agent) waybell.Inbox {
	e.Helper()
	in, err := e.s.CreateInbox(e.ctx(), waybell.Inbox{ID: e.unique("inb"), Agent: a.Number, AgentID: a.ID, Name: "Zoë <b>",
		Token: e.unique("token"), RespondStatus: 201, CreatedAt: start, ExpiresAt: start.Add(week)}, 100)
	e.ok(err)
	return in
}

// received is a request with everything set.
func (e *env) received(in waybell.Inbox, at time.Time) waybell.InboxRequest {
	return waybell.InboxRequest{
		ID: e.unique("req"), Inbox: in.Number, ReceivedAt: at, Method: "PUT",
		Headers: map[string]string{"webhook-id": "evt_1", "X-Ü": "<ü>"}, Body: []byte("{\"a\":\"\xff<b>\"}"), Truncated: true, Status: 201,
		DeliveryID: "dlv_1", Event: "lead.submit", Attempt: 3,
		Verdict: waybell.InboxVerdict{Status: "failed", Header: "webhook-signature", Scheme: "standard", Text: "It is <wrong>."},
	}
}

func (e *env) addRequest(r waybell.InboxRequest, keep int, expires time.Time) {
	e.Helper()
	e.ok(e.s.AddInboxRequest(e.ctx(), r, keep, expires))
}

func (e *env) requests(in waybell.Inbox) []waybell.InboxRequest {
	e.Helper()
	list, err := e.s.InboxRequests(e.ctx(), in.Number, waybell.PageQuery{Limit: 1000})
	e.ok(err)
	return list
}

// sameInbox reads the inbox back, by both of its names.
func (e *env) sameInbox(want waybell.Inbox) {
	e.Helper()
	got, err := e.s.Inbox(e.ctx(), want.Agent, want.ID)
	e.ok(err)
	e.same("inbox", got, want)
	got, err = e.s.InboxByToken(e.ctx(), want.Token)
	e.ok(err)
	e.same("inbox by token", got, want)
}

func (e *env) noInbox(in waybell.Inbox) {
	e.Helper()
	_, err := e.s.Inbox(e.ctx(), in.Agent, in.ID)
	e.is(err, waybell.ErrNotFound)
	_, err = e.s.InboxByToken(e.ctx(), in.Token)
	e.is(err, waybell.ErrNotFound)
	if left := e.requests(in); len(left) != 0 {
		e.Fatalf("%d requests are left", len(left))
	}
}

func testInbox(e *env) {
	a, _ := e.agent(0)
	before := e.version()
	in := e.inbox(a)
	if in.Number == 0 || in.AgentID != a.ID || in.Requests != 0 || !in.LastRequestAt.IsZero() {
		e.Fatalf("made %+v", in)
	}
	e.sameInbox(in)
	in.Name, in.RespondStatus, in.ExpiresAt = "", 599, start.Add(week+time.Microsecond)
	e.ok(e.s.UpdateInbox(e.ctx(), in))
	e.sameInbox(in)
	if v := e.version(); v != before {
		e.Fatalf("an inbox raised the configuration version from %d to %d", before, v)
	}
	_, err := e.s.Inbox(e.ctx(), a.Number+1, in.ID)
	e.is(err, waybell.ErrNotFound)
	_, err = e.s.InboxByToken(e.ctx(), in.Token+"x")
	e.is(err, waybell.ErrNotFound)
	_, err = e.s.InboxByToken(e.ctx(), "")
	e.is(err, waybell.ErrNotFound)
}

func testInboxConflicts(e *env) {
	a, _ := e.agent(0)
	b, _ := e.agent(0)
	create := func(agent waybell.Agent, created time.Time) error {
		_, err := e.s.CreateInbox(e.ctx(), waybell.Inbox{ID: e.unique("inb"), Agent: agent.Number, Token: e.unique("t"),
			CreatedAt: created, ExpiresAt: created.Add(week)}, 2)
		return err
	}
	e.ok(create(a, start))
	e.ok(create(a, start.Add(time.Hour)))
	e.is(create(a, start.Add(2*time.Hour)), waybell.ErrConflict)
	e.ok(create(b, start))
	// The first one has expired, if not been swept.
	e.is(create(a, start.Add(week-time.Microsecond)), waybell.ErrConflict)
	e.ok(create(a, start.Add(week)))

	in := e.inbox(b)
	again := in
	again.Token = e.unique("t")
	_, err := e.s.CreateInbox(e.ctx(), again, 100)
	e.is(err, waybell.ErrExists)
	again.ID, again.Token = e.unique("inb"), in.Token
	_, err = e.s.CreateInbox(e.ctx(), again, 100)
	e.is(err, waybell.ErrExists)

	b.DeletedAt = start.Add(time.Hour)
	e.ok(e.s.DeleteAgent(e.ctx(), b, e.key()))
	e.is(create(b, start), waybell.ErrNotFound)
	in.ExpiresAt = b.DeletedAt // with its agent
	e.sameInbox(in)
}

func testInboxLife(e *env) {
	a, _ := e.agent(0)
	in := e.inbox(a)
	for _, c := range []struct{ to, want time.Time }{
		{start.Add(week + time.Hour), start.Add(week + time.Hour)},
		{start, start.Add(week + time.Hour)}, // never back
	} {
		e.ok(e.s.TouchInbox(e.ctx(), in.Number, c.to))
		in.ExpiresAt = c.want
		e.sameInbox(in)
		changed := in
		changed.ExpiresAt = c.to
		e.ok(e.s.UpdateInbox(e.ctx(), changed))
		e.sameInbox(in)
	}
	e.ok(e.s.TouchInbox(e.ctx(), in.Number+1000, start)) // gone: without effect
	unknown := in
	unknown.Number += 1000
	e.is(e.s.UpdateInbox(e.ctx(), unknown), waybell.ErrNotFound)
}

func testInboxLists(e *env) {
	a, _ := e.agent(0)
	b, _ := e.agent(0)
	var want []waybell.Inbox
	for range 5 {
		want = append([]waybell.Inbox{e.inbox(a)}, want...)
	}
	e.inbox(b)
	e.ok(e.s.TouchInbox(e.ctx(), want[1].Number, start.Add(2*week)))
	want[1].ExpiresAt = start.Add(2 * week)
	var got []waybell.Inbox
	for after := int64(0); ; {
		page, err := e.s.Inboxes(e.ctx(), a.Number, start, waybell.PageQuery{After: after, Limit: 2})
		e.ok(err)
		if got = append(got, page...); len(page) < 2 {
			break
		}
		after = int64(page[1].Number)
	}
	e.same("inboxes", got, want)
	// At its end an inbox is no longer listed.
	got, err := e.s.Inboxes(e.ctx(), a.Number, start.Add(week), waybell.PageQuery{Limit: 10})
	e.ok(err)
	e.same("living inboxes", got, want[1:2])
}

func testInboxRequests(e *env) {
	a, _ := e.agent(0)
	in, other := e.inbox(a), e.inbox(a)
	plain := waybell.InboxRequest{ID: e.unique("req"), Inbox: in.Number, ReceivedAt: start, Method: "POST", Status: 200,
		Headers: map[string]string{}, Verdict: waybell.InboxVerdict{Status: "unsigned", Text: "Not signed."}}
	e.addRequest(plain, 3, start.Add(time.Hour)) // never back
	e.addRequest(e.received(other, start), 3, start)
	var want []waybell.InboxRequest
	for i := range 4 {
		r := e.received(in, start.Add(time.Duration(i)*time.Minute))
		e.addRequest(r, 3, start.Add(week+time.Duration(i)*time.Minute))
		want = append([]waybell.InboxRequest{r}, want...)
		if i == 0 {
			e.same("requests", e.requests(in), []waybell.InboxRequest{r, plain}, withoutNumber, cmpopts.EquateEmpty())
		}
	}
	got := e.requests(in)
	e.same("newest three", got, want[:3], withoutNumber)
	in.Requests, in.LastRequestAt, in.ExpiresAt = 3, start.Add(3*time.Minute), start.Add(week+3*time.Minute)
	e.sameInbox(in)
	page, err := e.s.InboxRequests(e.ctx(), in.Number, waybell.PageQuery{After: got[0].Number, Limit: 1})
	e.ok(err)
	e.same("page", page, got[1:2])

	e.ok(e.s.ClearInbox(e.ctx(), in.Number))
	in.Requests = 0
	e.sameInbox(in)
	if left := e.requests(other); len(left) != 1 {
		e.Fatalf("%d requests of the other inbox are left", len(left))
	}
	e.addRequest(want[0], 3, start)
	if again := e.requests(in); len(again) != 1 || again[0].Number <= got[0].Number {
		e.Fatal("a number was used again")
	}
	unknown := want[0]
	unknown.Inbox += 1000
	e.is(e.s.AddInboxRequest(e.ctx(), unknown, 3, start), waybell.ErrNotFound)
}

var withoutNumber = cmpopts.IgnoreFields(waybell.InboxRequest{}, "Number")

// testInboxRequestsAtOnce: the bound holds whatever comes at once, beside
// publishers in the same commits.
func testInboxRequestsAtOnce(e *env) {
	a, eps := e.agent(1)
	in := e.inbox(a)
	errs := make(chan error, 40)
	var wg sync.WaitGroup
	for i := range 40 {
		n := e.event(a, eps...)
		wg.Go(func() {
			if i%2 == 0 {
				_, err := e.s.Accept(e.ctx(), e.lease, e.version(), []*waybell.NewEvent{n})
				errs <- err
				return
			}
			r := e.received(in, start)
			r.Body = bytes.Repeat([]byte("x"), 20_000)
			errs <- e.s.AddInboxRequest(e.ctx(), r, 7, start)
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		e.ok(err)
	}
	if n := len(e.requests(in)); n != 7 {
		e.Fatalf("%d requests are kept, want 7", n)
	}
	if n := len(e.all(a.Number)); n != 20 {
		e.Fatalf("%d deliveries, want 20", n)
	}
}

func testInboxDelete(e *env) {
	a, _ := e.agent(0)
	b, _ := e.agent(0)
	in, other := e.inbox(a), e.inbox(a)
	for _, to := range []waybell.Inbox{in, other} {
		e.addRequest(e.received(to, start), 10, start)
	}
	e.is(e.s.DeleteInbox(e.ctx(), b.Number, in.ID), waybell.ErrNotFound)
	e.ok(e.s.DeleteInbox(e.ctx(), a.Number, in.ID))
	e.noInbox(in)
	e.is(e.s.DeleteInbox(e.ctx(), a.Number, in.ID), waybell.ErrNotFound)
	if len(e.requests(other)) != 1 {
		e.Fatal("another inbox's request went too")
	}
	if again := e.inbox(a); again.Number <= other.Number {
		e.Fatal("a number was used again")
	}
}

func testInboxSweep(e *env) {
	a, _ := e.agent(0)
	gone, empty, living := e.inbox(a), e.inbox(a), e.inbox(a)
	for range 100 {
		e.addRequest(e.received(gone, start), 100, start)
	}
	e.addRequest(e.received(living, start), 100, start.Add(week+time.Microsecond))
	sweep := func(now time.Time) (total int) {
		for more := true; more; {
			n, again, err := e.s.SweepInboxes(e.ctx(), e.lease, now, time.Minute)
			e.ok(err)
			total, more = total+n, again
		}
		return total
	}
	if n := sweep(start.Add(week - time.Microsecond)); n != 0 {
		e.Fatalf("%d inboxes went before their time", n)
	}
	if n := sweep(start.Add(week)); n != 2 {
		e.Fatalf("%d inboxes went, want 2", n)
	}
	e.noInbox(gone)
	e.noInbox(empty)
	if len(e.requests(living)) != 1 {
		e.Fatal("a living inbox's request went")
	}
	lost := e.lease
	lost.Epoch += 100
	_, _, err := e.s.SweepInboxes(e.ctx(), lost, start, time.Minute)
	e.is(err, waybell.ErrFenced)
}

func testInboxCrash(e *env) {
	a, _ := e.agent(0)
	in := e.inbox(a)
	for i := range 5 {
		r := e.received(in, start)
		r.Body = fmt.Appendf(nil, "%d", i)
		e.addRequest(r, 3, start)
	}
	want := e.requests(in)
	e.crash()
	e.same("after a crash", e.requests(in), want)
	in.Requests, in.LastRequestAt = 3, start
	e.sameInbox(in)
}
