package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/waybell/waybell"
)

var publishTests = []test{
	{"RoundTrip", testAcceptRoundTrip},
	{"ConfigChanged", testConfigChanged},
	{"CustomID", testCustomID},
	{"IdempotencyKey", testIdempotencyKey},
	{"BothKeys", testBothKeys},
	{"KeyExpires", testKeyExpires},
	{"WithinOneCall", testWithinOneCall},
	{"AllOrNone", testAllOrNone},
	{"OneGuilty", testOneGuilty},
	{"CanceledContext", testCanceledContext},
	{"Durable", testDurable},
}

func testAcceptRoundTrip(e *env) {
	a, eps := e.agent(2)
	plain := e.event(a)
	plain.Data = nil
	full := e.event(a, eps...)
	full.AgentName, full.Type, full.Test = "Zoë <b>", "ünï.code", true
	full.Data, full.Messages = []byte(`{"emoji":"🎉","nul":"\u0000"}`), []byte(`[{"role":"customer"}]`)
	full.Timestamp = time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC)
	empty := e.event(a, eps[0])
	empty.AgentName, empty.Data, empty.Messages, empty.Timestamp = "", []byte{}, []byte{}, time.Time{}
	custom := e.event(a)
	custom.ID, custom.CustomID = "my-own_id", true
	e.accept(plain, full, empty, custom)
	for _, n := range []*waybell.NewEvent{plain, full, empty, custom} {
		got, err := e.s.Event(e.ctx(), a.Number, n.Key)
		e.ok(err)
		e.same("event", got, n.Event)
	}
	for i, ep := range eps {
		want := waybell.Waiting{DeliveryRef: ref(full, ep), Agent: a.Number, Type: full.Type, Entered: full.Key,
			NextAt: full.Key.Time(), WindowEnd: full.Targets[i].WindowEnd, Owned: true, Test: true}
		owned, err := e.s.Owned(e.ctx(), e.lease, waybell.Waiting{Agent: a.Number,
			DeliveryRef: waybell.DeliveryRef{Event: full.Key, Endpoint: ep - 1}}, 1)
		e.ok(err)
		e.same("waiting", owned, []waybell.Waiting{want})
		e.same("delivery", e.delivery(a, want.DeliveryRef), waybell.Delivery{DeliveryRef: want.DeliveryRef, Agent: a.Number,
			EventID: full.ID, Type: full.Type, State: waybell.DeliveryPending, NextAt: want.NextAt,
			CreatedAt: full.Key.Time(), Entered: full.Key})
	}
	led := e.ledger(a)
	if led[eps[0]].Pending != 2 || led[eps[0]].Accepted != 2 || led[eps[1]].Pending != 1 {
		e.Fatalf("ledger %+v", led)
	}
	if _, ok := e.due(eps[0]); ok {
		e.Fatal("owned rows are due")
	}
	beside := aside(e.event(a, eps[1]))
	e.accept(beside)
	if at, ok := e.due(eps[1]); !ok || !at.Equal(beside.Key.Time()) {
		e.Fatalf("a row put aside is due at %v, %v", at, ok)
	}
	b, one := e.agent(1)
	ahead := aside(e.event(b, one[0])) // of a clock that went back since its key
	ahead.DueAt = ahead.Key.Time().Add(-25 * time.Hour)
	e.accept(ahead)
	if at, ok := e.due(one[0]); !ok || !at.Equal(ahead.DueAt) {
		e.Fatalf("a row put aside is due at %v, %v, want %v", at, ok, ahead.DueAt)
	}
}

func testConfigChanged(e *env) {
	a, eps := e.agent(1)
	version := e.version()
	changes := []func(){
		func() { e.agent(0) },
		func() { e.agent(1) },
		func() {
			_, _, err := e.s.PutEventType(e.ctx(), waybell.EventType{Name: "a.b"})
			e.ok(err)
		},
		func() {
			_, err := e.s.CreateKey(e.ctx(), waybell.APIKey{ID: "k"})
			e.ok(err)
		},
	}
	for _, change := range changes {
		n := e.event(a, eps[0])
		change()
		_, err := e.s.Accept(e.ctx(), e.lease, version, []*waybell.NewEvent{n})
		e.is(err, waybell.ErrConfigChanged)
		_, err = e.s.Event(e.ctx(), a.Number, n.Key)
		e.is(err, waybell.ErrNotFound)
		version = e.version()
		_, err = e.s.Accept(e.ctx(), e.lease, version, []*waybell.NewEvent{n})
		e.ok(err)
	}
	e.ledger(a)
}

// repeat is a later publication under the same id or key.
func (e *env) repeat(n *waybell.NewEvent) *waybell.NewEvent {
	again := *n
	again.Key = e.key()
	if !again.CustomID {
		again.ID = waybell.EventID(again.Key)
	}
	return &again
}

// wantDuplicate publishes n and expects the original.
func (e *env) wantDuplicate(n, original *waybell.NewEvent) {
	e.Helper()
	res, err := e.tryAccept(n)
	e.ok(err)
	if res[0].Err != nil || res[0].Duplicate == nil {
		e.Fatalf("result %+v, want a duplicate", res[0])
	}
	d := res[0].Duplicate
	if d.Key != original.Key || d.ID != original.ID || d.Type != original.Type ||
		!d.Timestamp.Equal(original.Timestamp) || d.Deliveries != len(original.Targets) {
		e.Fatalf("duplicate of %+v, want %+v", d, original.Event)
	}
	e.wantAbsent(n)
}

func (e *env) wantMismatch(n *waybell.NewEvent) {
	e.Helper()
	res, err := e.tryAccept(n)
	e.ok(err)
	if res[0].Duplicate != nil || waybell.ErrorCode(res[0].Err) != waybell.CodeIdempotencyMismatch {
		e.Fatalf("result %+v, want a mismatch", res[0])
	}
	e.wantAbsent(n)
}

func (e *env) wantAbsent(n *waybell.NewEvent) {
	e.Helper()
	_, err := e.s.Event(e.ctx(), n.Agent, n.Key)
	e.is(err, waybell.ErrNotFound)
}

func testCustomID(e *env) {
	a, eps := e.agent(1)
	b, _ := e.agent(0)
	n := e.event(a, eps[0])
	n.ID, n.CustomID, n.Hash = "order_1", true, [32]byte{1}
	e.accept(n)
	e.wantDuplicate(e.repeat(n), n)
	other := e.repeat(n)
	other.Hash = [32]byte{2}
	e.wantMismatch(other)
	// Another agent's ids are its own.
	theirs := e.repeat(n)
	theirs.Agent, theirs.Targets = b.Number, nil
	e.accept(theirs)
	e.crash()
	e.wantDuplicate(e.repeat(n), n)
	e.wantMismatch(other)
	// An id is unique for as long as its event is kept.
	late := e.repeat(n)
	late.Key += waybell.KeyAt(time.UnixMicro(0).AddDate(1, 0, 0))
	e.wantDuplicate(late, n)
	e.ledger(a)
}

func testIdempotencyKey(e *env) {
	a, eps := e.agent(1)
	n := e.event(a, eps[0])
	n.IdempotencyKey, n.Hash = "schlüssel 1", [32]byte{1}
	e.accept(n)
	e.wantDuplicate(e.repeat(n), n)
	other := e.repeat(n)
	other.Hash = [32]byte{2}
	e.wantMismatch(other)
	e.crash()
	e.wantDuplicate(e.repeat(n), n)
	// An id equal to a key has nothing to do with it.
	id := e.event(a)
	id.ID, id.CustomID, id.Hash = n.IdempotencyKey, true, [32]byte{3}
	e.accept(id)
}

func testBothKeys(e *env) {
	a, _ := e.agent(0)
	n := e.event(a)
	n.ID, n.CustomID, n.IdempotencyKey, n.Hash = "id-1", true, "key-1", [32]byte{1}
	e.accept(n)
	e.wantDuplicate(e.repeat(n), n)
	m := e.event(a)
	m.ID, m.CustomID, m.IdempotencyKey, m.Hash = "id-2", true, "key-2", [32]byte{1}
	e.accept(m)
	crossed := e.repeat(n)
	crossed.IdempotencyKey = "key-2"
	e.wantMismatch(crossed) // id and key name different events
	onlyID := e.repeat(n)
	onlyID.IdempotencyKey = ""
	e.wantDuplicate(onlyID, n)
	// A key that comes with an id that is known is the event's too.
	newKey := e.repeat(n)
	newKey.IdempotencyKey = "key-3"
	e.wantDuplicate(newKey, n)
	for _, id := range []string{"id-3", ""} {
		other := e.event(a)
		other.ID, other.CustomID, other.IdempotencyKey, other.Hash = id, id != "", "key-3", [32]byte{2}
		e.wantMismatch(other)
	}
	// One that comes with a mismatch is nobody's.
	wrong := e.repeat(n)
	wrong.IdempotencyKey, wrong.Hash = "key-4", [32]byte{2}
	e.wantMismatch(wrong)
	free := e.event(a)
	free.IdempotencyKey, free.Hash = "key-4", [32]byte{3}
	e.accept(free)
}

func testKeyExpires(e *env) {
	a, _ := e.agent(0)
	n := e.event(a)
	n.IdempotencyKey, n.Hash = "k", [32]byte{1}
	e.accept(n)
	day := waybell.KeyAt(time.UnixMicro(0).Add(24 * time.Hour))
	early := e.repeat(n)
	early.Key, early.Hash = n.Key+day-1<<10, [32]byte{2}
	early.ID = waybell.EventID(early.Key)
	e.wantMismatch(early)
	late := e.repeat(n)
	late.Key, late.Hash = n.Key+day, [32]byte{2}
	late.ID = waybell.EventID(late.Key)
	e.accept(late)
	again := e.repeat(late)
	again.Key = late.Key + 1<<10
	e.wantDuplicate(again, late)
}

func testWithinOneCall(e *env) {
	a, _ := e.agent(0)
	n := e.event(a)
	n.ID, n.CustomID, n.Hash = "twice", true, [32]byte{1}
	same, other, plain := e.repeat(n), e.repeat(n), e.event(a)
	other.Hash = [32]byte{2}
	res, err := e.tryAccept(n, same, other, plain)
	e.ok(err)
	if res[0].Duplicate != nil || res[0].Err != nil || res[3].Duplicate != nil || res[3].Err != nil {
		e.Fatalf("new ones: %+v", res)
	}
	if d := res[1].Duplicate; d == nil || d.Key != n.Key {
		e.Fatalf("the same again: %+v", res[1])
	}
	if waybell.ErrorCode(res[2].Err) != waybell.CodeIdempotencyMismatch {
		e.Fatalf("the other: %+v", res[2])
	}
	e.wantAbsent(same)
	e.wantAbsent(other)
	if _, err := e.s.Event(e.ctx(), a.Number, plain.Key); err != nil {
		e.Fatal(err)
	}
}

func testAllOrNone(e *env) {
	a, eps := e.agent(1)
	first := e.event(a, eps[0])
	e.accept(first)
	fresh, clash := e.event(a, eps[0]), e.event(a, eps[0])
	clash.Key = first.Key // no two events have one key
	if _, err := e.tryAccept(fresh, clash); err == nil {
		e.Fatal("two events with one key")
	}
	e.wantAbsent(fresh)
	if led := e.ledger(a); led[eps[0]].Accepted != 1 {
		e.Fatalf("ledger %+v", led)
	}
}

// testOneGuilty has many publishers at once, some with a row that cannot be
// written: only they get an error.
func testOneGuilty(e *env) {
	a, eps := e.agent(1)
	first := e.event(a, eps[0])
	first.Data = []byte("first")
	e.accept(first)
	const publishers = 40
	version := e.version()
	errs := make([]error, publishers)
	events := make([]*waybell.NewEvent, publishers)
	var wg sync.WaitGroup
	for i := range publishers {
		events[i] = e.event(a, eps[0])
		if i%13 == 0 {
			events[i].Key = first.Key
		}
		wg.Go(func() {
			_, errs[i] = e.s.Accept(e.ctx(), e.lease, version, []*waybell.NewEvent{events[i]})
		})
	}
	wg.Wait()
	guilty := 0
	for i, err := range errs {
		if i%13 == 0 {
			guilty++
			if err == nil || errors.Is(err, waybell.ErrUnavailable) {
				e.Errorf("publisher %d: error %v", i, err)
			}
			continue
		}
		if err != nil {
			e.Errorf("publisher %d: %v", i, err)
		}
		if _, err := e.s.Event(e.ctx(), a.Number, events[i].Key); err != nil {
			e.Errorf("event %d: %v", i, err)
		}
	}
	if led := e.ledger(a); led[eps[0]].Accepted != int64(1+publishers-guilty) {
		e.Fatalf("ledger %+v", led)
	}
	got, err := e.s.Event(e.ctx(), a.Number, first.Key)
	e.ok(err)
	e.same("first event", got, first.Event)
}

func testCanceledContext(e *env) {
	a, eps := e.agent(1)
	ctx, cancel := context.WithCancel(e.ctx())
	cancel()
	n := e.event(a, eps[0])
	_, err := e.s.Accept(ctx, e.lease, e.version(), []*waybell.NewEvent{n})
	e.is(err, context.Canceled)
	e.wantAbsent(n)
	_, err = e.s.Agent(ctx, a.ID)
	e.is(err, context.Canceled)
	_, err = e.s.Due(ctx, start)
	e.is(err, context.Canceled)
	// A context that ends meanwhile leaves either all or nothing.
	for i := range 20 {
		ctx, cancel := context.WithCancel(e.ctx())
		n := e.event(a, eps[0])
		var wg sync.WaitGroup
		wg.Go(cancel)
		_, err := e.s.Accept(ctx, e.lease, e.version(), []*waybell.NewEvent{n})
		wg.Wait()
		_, found := e.s.Event(e.ctx(), a.Number, n.Key)
		if (err == nil) != (found == nil) {
			e.Fatalf("try %d: accept says %v, the store %v", i, err, found)
		}
	}
	e.ledger(a)
}

// testDurable has every write survive the process.
func testDurable(e *env) {
	a, eps := e.agent(2)
	done, again, put := e.event(a, eps[0]), e.event(a, eps[0]), aside(e.event(a, eps[1]))
	e.accept(done, again, put)
	r := ref(done, eps[0])
	health := waybell.Health{LastSuccess: start, LastFailure: start.Add(time.Microsecond), FailingSince: start.Add(time.Second),
		Failures: 3, Refusals: 2, RefusedSince: start.Add(time.Minute), Open: true,
		LastReason: waybell.ReasonTLS, LastStatus: 599}
	outcome := final(attempt(a.Number, r, 1, 200), waybell.DeliveryDelivered)
	outcome.Health = &health
	next := start.Add(time.Hour + time.Microsecond)
	e.settle(outcome, retry(attempt(a.Number, ref(again, eps[0]), 1, 500), next))
	before := fmt.Sprintf("%+v %+v", e.all(a.Number), e.ledger(a))
	e.crash()
	if after := fmt.Sprintf("%+v %+v", e.all(a.Number), e.ledger(a)); after != before {
		e.Fatalf("before: %s\nafter:  %s", before, after)
	}
	e.same("attempts", e.attempts(a, r), []waybell.Attempt{*outcome.Attempt})
	counters, err := e.s.AllCounters(e.ctx())
	e.ok(err)
	e.same("health", counters[0].Health, health)
	if at, ok := e.due(eps[0]); !ok || !at.Equal(next) {
		e.Fatalf("due at %v, %v, want %v", at, ok, next)
	}
	if at, ok := e.due(eps[1]); !ok || !at.Equal(put.Key.Time()) {
		e.Fatalf("due at %v, %v, want %v", at, ok, put.Key.Time())
	}
}
