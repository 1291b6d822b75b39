package waybell_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/sqlite"
)

// logStart is when the first event of these tests was accepted.
var logStart = time.Date(2026, 4, 26, 8, 30, 0, 0, time.UTC)

// logbook is a real store with a service that reads it. No engine runs: what
// the tests write stays as it is.
type logbook struct {
	t     *testing.T
	store *sqlite.Store
	svc   *waybell.Service
	lease waybell.Lease
	agent waybell.Agent
	now   time.Time
}

func newLogbook(t *testing.T) *logbook {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	svc := newLogService(t, store)
	b := &logbook{t: t, store: store, svc: svc, now: logStart}
	if b.lease, err = store.Join(t.Context(), waybell.NodeInfo{Name: "log"}); err != nil {
		t.Fatal(err)
	}
	b.agent = b.newAgent("bot-1")
	return b
}

func newLogService(t *testing.T, store waybell.Store) *waybell.Service {
	t.Helper()
	svc, err := waybell.New(waybell.Config{
		Store: store, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		EncryptionKeys: []waybell.Secret{waybell.Secret(base64.StdEncoding.EncodeToString(make([]byte, 32)))},
	})
	if err == nil {
		err = svc.LoadLog(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

func (b *logbook) newAgent(id string) waybell.Agent {
	b.t.Helper()
	a, err := b.svc.CreateAgent(b.t.Context(), waybell.AgentInput{ID: id, Name: waybell.Some("Bot")})
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

func (b *logbook) endpoint() waybell.Endpoint {
	b.t.Helper()
	r, err := b.svc.CreateEndpoint(b.t.Context(), b.agent.ID, waybell.EndpointInput{
		URL: waybell.Some("https://hooks.example.com/in"), Events: waybell.Some([]string{"*"}),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return r.Endpoint
}

// accept stores an event a second after the one before.
func (b *logbook) accept(eventType string, to ...waybell.Endpoint) waybell.Event {
	b.t.Helper()
	e := b.event(eventType, to...)
	b.write([]*waybell.NewEvent{e})
	return e.Event
}

// acceptMany stores n events at once.
func (b *logbook) acceptMany(eventType string, to waybell.Endpoint, n int) {
	b.t.Helper()
	events := make([]*waybell.NewEvent, n)
	for i := range events {
		events[i] = b.event(eventType, to)
	}
	b.write(events)
}

func (b *logbook) event(eventType string, to ...waybell.Endpoint) *waybell.NewEvent {
	key := waybell.KeyAt(b.now)
	b.now = b.now.Add(time.Second)
	e := &waybell.NewEvent{Event: waybell.Event{
		Key: key, Agent: b.agent.Number, AgentID: b.agent.ID, AgentName: b.agent.Name,
		ID: waybell.EventID(key), Type: eventType, Timestamp: key.Time(),
		Data: []byte(`{"text":"hi"}`), Messages: []byte(`[{"role":"customer","text":"hi"}]`), Deliveries: len(to),
	}}
	for _, target := range to {
		e.Targets = append(e.Targets, waybell.NewTarget{Endpoint: target.Number, WindowEnd: key.Time().Add(24 * time.Hour)})
	}
	return e
}

func (b *logbook) write(events []*waybell.NewEvent) {
	b.t.Helper()
	version, err := b.store.ConfigVersion(b.t.Context())
	if err == nil {
		_, err = b.store.Accept(b.t.Context(), b.lease, version, events)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// settle writes the outcome of attempt number 1.
func (b *logbook) settle(e waybell.Event, to waybell.Endpoint, state waybell.DeliveryState) {
	b.t.Helper()
	ref := waybell.DeliveryRef{Event: e.Key, Endpoint: to.Number}
	detail, err := b.svc.SentDetail(to.Number, e)
	if err != nil {
		b.t.Fatal(err)
	}
	a := &waybell.Attempt{DeliveryRef: ref, Agent: e.Agent, Number: 1, StartedAt: e.Key.Time(), StatusCode: 503, Reason: waybell.ReasonHTTPStatus, Detail: detail}
	o := waybell.Settlement{DeliveryRef: ref, Agent: e.Agent, Attempt: a, State: state, Reason: waybell.ReasonHTTPStatus, FinishedAt: e.Key.Time()}
	switch state {
	case waybell.DeliveryRetrying:
		o.Kind, o.NextAt = waybell.SettleRetry, e.Key.Time().Add(time.Minute)
	case waybell.DeliveryDelivered:
		a.StatusCode, a.Reason, o.Reason = 200, waybell.ReasonDelivered, waybell.ReasonDelivered
	case waybell.DeliveryFailed:
		o.Reason = waybell.ReasonExpired
	case waybell.DeliveryCanceled:
		o.Attempt, o.Reason = nil, waybell.ReasonCanceled
	}
	if err := b.store.Settle(b.t.Context(), b.lease, []waybell.Settlement{o}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *logbook) must(_ any, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// all walks a list to its end.
func (b *logbook) all(f waybell.LogFilter) []waybell.DeliveryView {
	b.t.Helper()
	var list []waybell.DeliveryView
	for range 100 {
		page, err := b.svc.Deliveries(b.t.Context(), b.agent.ID, f)
		if err != nil {
			b.t.Fatal(err)
		}
		list = append(list, page.Data...)
		if f.Cursor = page.Next; f.Cursor == "" {
			return list
		}
	}
	b.t.Fatal("the list has no end")
	return nil
}

// endpointsByState has one endpoint for each thing that an endpoint's state
// makes of what waits, with one delivery of each stored state.
func (b *logbook) endpointsByState() map[string]waybell.Endpoint {
	b.t.Helper()
	ctx, names := b.t.Context(), []string{"active", "paused", "suspended", "disabled", "deleted", "resumed"}
	byName := map[string]waybell.Endpoint{}
	for _, name := range names {
		e := b.endpoint()
		byName[name] = e
		b.accept("message.sent", e)
		for _, state := range []waybell.DeliveryState{waybell.DeliveryRetrying, waybell.DeliveryDelivered, waybell.DeliveryFailed, waybell.DeliveryCanceled} {
			b.settle(b.accept("message.sent", e), e, state)
		}
	}
	b.must(b.svc.PauseEndpoint(ctx, b.agent.ID, byName["paused"].ID, 0))
	b.must(nil, b.svc.SuspendEndpoint(ctx, byName["suspended"].Number, "410 Gone"))
	b.must(b.svc.UpdateEndpoint(ctx, b.agent.ID, byName["disabled"].ID, waybell.EndpointInput{Enabled: waybell.Some(false)}, 0))
	b.must(nil, b.svc.DeleteEndpoint(ctx, b.agent.ID, byName["deleted"].ID, 0))
	b.must(b.svc.PauseEndpoint(ctx, b.agent.ID, byName["resumed"].ID, 0))
	b.must(b.svc.ResumeEndpoint(ctx, b.agent.ID, byName["resumed"].ID, waybell.HeldCancel, 0))
	return byName
}

func TestDeliveriesShowThePublicState(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	endpoints := b.endpointsByState()
	// What becomes of the first two deliveries, pending and retrying as stored.
	waiting := map[string][]string{
		"active": {"pending", "retrying"}, "paused": {"held", "held"}, "suspended": {"held", "held"},
		"disabled": {"canceled", "canceled"}, "deleted": {"canceled", "canceled"}, "resumed": {"canceled", "canceled"},
	}
	want := map[string][]string{} // by state: endpoint/state, sorted
	for name, e := range endpoints {
		for _, state := range append(waiting[name], "delivered", "failed", "canceled") {
			want[state] = append(want[state], e.ID+"/"+state)
		}
	}
	seen := map[string]int{}
	for _, d := range b.all(waybell.LogFilter{Limit: 7}) {
		seen[d.State.String()]++
		checkShown(t, d)
	}
	for _, state := range []string{"pending", "retrying", "held", "delivered", "failed", "canceled"} {
		slices.Sort(want[state])
		if seen[state] != len(want[state]) {
			t.Errorf("%d deliveries are %s, want %d", seen[state], state, len(want[state]))
		}
		if got := shown(b.all(waybell.LogFilter{State: state, Limit: 2})); !slices.Equal(got, want[state]) {
			t.Errorf("state=%s lists\n%v\nwant\n%v", state, got, want[state])
		}
		for name, e := range endpoints {
			part := slices.DeleteFunc(slices.Clone(want[state]), func(s string) bool { return !strings.HasPrefix(s, e.ID) })
			if got := shown(b.all(waybell.LogFilter{State: state, EndpointID: e.ID})); !slices.Equal(got, part) {
				t.Errorf("state=%s of the %s endpoint lists %v, want %v", state, name, got, part)
			}
		}
	}
}

// checkShown holds what must be true of a delivery in each public state.
func checkShown(t *testing.T, d waybell.DeliveryView) {
	t.Helper()
	planned := d.State == waybell.DeliveryPending || d.State == waybell.DeliveryRetrying
	if d.NextAt.IsZero() == planned {
		t.Errorf("a %s delivery has next_at %v", d.State, d.NextAt)
	}
	if d.FinishedAt.IsZero() == d.State.Settled() {
		t.Errorf("a %s delivery has finished_at %v", d.State, d.FinishedAt)
	}
	if (d.State == waybell.DeliveryCanceled) != (d.Reason == waybell.ReasonCanceled) {
		t.Errorf("a %s delivery has the reason %s", d.State, d.Reason)
	}
	if d.EventID == "" || d.Type != "message.sent" || !d.CreatedAt.Equal(d.Event.Time()) {
		t.Errorf("the delivery is %+v", d)
	}
}

func shown(list []waybell.DeliveryView) []string {
	var out []string
	for _, d := range list {
		out = append(out, d.EndpointID+"/"+d.State.String())
	}
	slices.Sort(out)
	return out
}

func TestLedger(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	endpoints := b.endpointsByState()
	want := map[string]waybell.Ledger{
		"active":    {Accepted: 5, Pending: 1, Retrying: 1, Delivered: 1, Failed: 1, Canceled: 1},
		"paused":    {Accepted: 5, Held: 2, Delivered: 1, Failed: 1, Canceled: 1},
		"suspended": {Accepted: 5, Held: 2, Delivered: 1, Failed: 1, Canceled: 1},
		"disabled":  {Accepted: 5, Delivered: 1, Failed: 1, Canceled: 3},
		"deleted":   {Accepted: 5, Delivered: 1, Failed: 1, Canceled: 3},
		"resumed":   {Accepted: 5, Pending: 1, Retrying: 1, Delivered: 1, Failed: 1, Canceled: 1}, // until its rows follow
		"new":       {},
	}
	endpoints["new"] = b.endpoint()
	for name, e := range endpoints {
		got, err := b.svc.Ledger(t.Context(), b.agent.ID, e.ID)
		if err != nil || got != want[name] {
			t.Errorf("the ledger of the %s endpoint is %+v, %v; want %+v", name, got, err, want[name])
		}
	}
	total, err := b.svc.Ledger(t.Context(), b.agent.ID, "")
	if all := (waybell.Ledger{Accepted: 30, Pending: 2, Retrying: 2, Held: 4, Delivered: 6, Failed: 6, Canceled: 10}); err != nil || total != all {
		t.Errorf("the agent's ledger is %+v, %v; want %+v", total, err, all)
	}
	if total.Accepted != total.Pending+total.Retrying+total.Held+total.Delivered+total.Failed+total.Canceled {
		t.Errorf("the ledger does not add up: %+v", total)
	}
	b.newAgent("bot-2")
	for agent, endpoint := range map[string]string{"bot-2": endpoints["active"].ID, "bot-1": "ep_none"} {
		if _, err := b.svc.Ledger(t.Context(), agent, endpoint); waybell.ErrorCode(err) != waybell.CodeEndpointNotFound {
			t.Errorf("the ledger of %s of %s: %v", endpoint, agent, err)
		}
	}
	if _, err := b.svc.Ledger(t.Context(), "nobody", ""); waybell.ErrorCode(err) != waybell.CodeAgentNotFound {
		t.Errorf("the ledger of nobody: %v", err)
	}
}

func TestDeliveryPages(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	one, two := b.endpoint(), b.endpoint()
	var want []waybell.DeliveryRef
	for i := range 7 {
		e := b.accept("message.sent", one, two)
		if i%2 == 0 {
			b.settle(e, one, waybell.DeliveryDelivered)
		}
		want = append(want, waybell.DeliveryRef{Event: e.Key, Endpoint: one.Number}, waybell.DeliveryRef{Event: e.Key, Endpoint: two.Number})
	}
	slices.SortFunc(want, func(a, b waybell.DeliveryRef) int {
		return cmp.Or(cmp.Compare(b.Event, a.Event), cmp.Compare(b.Endpoint, a.Endpoint))
	})
	for limit := range 16 {
		var got []waybell.DeliveryRef
		for _, d := range b.all(waybell.LogFilter{Limit: limit}) {
			got = append(got, d.DeliveryRef)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %v, want %v", limit, got, want)
		}
	}
}

// narrowStore looks at few rows where it is asked to look at many.
type narrowStore struct {
	waybell.Store
	asked []int // the bounds asked for
}

func (s *narrowStore) Deliveries(ctx context.Context, q waybell.DeliveryQuery) (waybell.DeliveryPage, error) {
	s.asked = append(s.asked, q.Scan)
	q.Scan = min(q.Scan, 20)
	return s.Store.Deliveries(ctx, q)
}

// TestDeliveriesLookAtSoMuch has as many rows that do not match as one page
// looks at.
func TestDeliveriesLookAtSoMuch(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	e := b.endpoint()
	wanted := b.accept("lead.submit", e)
	b.acceptMany("message.sent", e, 20)
	store := &narrowStore{Store: b.store}
	b.svc = newLogService(t, store)
	f := waybell.LogFilter{Type: "lead.submit"}
	page, err := b.svc.Deliveries(t.Context(), b.agent.ID, f)
	if err != nil || len(page.Data) != 0 || page.Next == "" {
		t.Fatalf("the first page holds %d, next %q, %v", len(page.Data), page.Next, err)
	}
	f.Cursor = page.Next
	page, err = b.svc.Deliveries(t.Context(), b.agent.ID, f)
	if err != nil || len(page.Data) != 1 || page.Next != "" || page.Data[0].EventID != wanted.ID {
		t.Errorf("the second page holds %d, next %q, %v", len(page.Data), page.Next, err)
	}
	if !slices.Equal(store.asked, []int{10_000, 10_000}) {
		t.Errorf("the store was asked to look at %d rows", store.asked)
	}
}

// TestDeliveriesSortedOut reads on where the first rows are not what they look
// like: only their endpoint's state tells that they are canceled.
func TestDeliveriesSortedOut(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	active, resumed := b.endpoint(), b.endpoint()
	b.acceptMany("message.sent", active, 4)
	b.acceptMany("message.sent", resumed, 60)
	b.must(b.svc.PauseEndpoint(t.Context(), b.agent.ID, resumed.ID, 0))
	b.must(b.svc.ResumeEndpoint(t.Context(), b.agent.ID, resumed.ID, waybell.HeldCancel, 0))
	for state, rest := range map[string]int{"pending": 1, "canceled": 57} {
		f := waybell.LogFilter{State: state, Limit: 3}
		page, err := b.svc.Deliveries(t.Context(), b.agent.ID, f)
		if err != nil || len(page.Data) != 3 || page.Next == "" {
			t.Fatalf("%s: the first page holds %d, next %q, %v", state, len(page.Data), page.Next, err)
		}
		f.Cursor, f.Limit = page.Next, 250
		if got := len(b.all(f)); got != rest {
			t.Errorf("%s: %d more, want %d", state, got, rest)
		}
	}
}

func TestDeliveryFilters(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	one, two := b.endpoint(), b.endpoint()
	lead, sent := b.accept("lead.submit", one), b.accept("message.sent", one, two)
	summary := b.accept("conversation.summary", two)
	b.settle(lead, one, waybell.DeliveryDelivered)
	b.settle(sent, two, waybell.DeliveryRetrying)
	for name, test := range map[string]struct {
		filter waybell.LogFilter
		want   []waybell.Event
	}{
		"all":               {waybell.LogFilter{}, []waybell.Event{summary, sent, sent, lead}},
		"endpoint":          {waybell.LogFilter{EndpointID: one.ID}, []waybell.Event{sent, lead}},
		"type":              {waybell.LogFilter{Type: "message.sent"}, []waybell.Event{sent, sent}},
		"alias":             {waybell.LogFilter{Type: "lead_collection"}, []waybell.Event{lead}},
		"other alias":       {waybell.LogFilter{Type: "conversation_summary"}, []waybell.Event{summary}},
		"type without log":  {waybell.LogFilter{Type: "order.created"}, nil},
		"test sends":        {waybell.LogFilter{Type: "webhook.test"}, nil},
		"status":            {waybell.LogFilter{StatusCode: 503}, []waybell.Event{sent}},
		"since, inclusive":  {waybell.LogFilter{Since: sent.Key.Time()}, []waybell.Event{summary, sent, sent}},
		"since, just after": {waybell.LogFilter{Since: sent.Key.Time().Add(1)}, []waybell.Event{summary}},
		"until, exclusive":  {waybell.LogFilter{Until: sent.Key.Time()}, []waybell.Event{lead}},
		"until, just after": {waybell.LogFilter{Until: sent.Key.Time().Add(1)}, []waybell.Event{sent, sent, lead}},
		"both":              {waybell.LogFilter{Since: sent.Key.Time(), Until: summary.Key.Time()}, []waybell.Event{sent, sent}},
		"none between":      {waybell.LogFilter{Since: summary.Key.Time(), Until: sent.Key.Time()}, nil},
		"long ago":          {waybell.LogFilter{Until: time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)}, nil},
		"far ahead":         {waybell.LogFilter{Since: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, nil},
		"everything":        {waybell.LogFilter{Since: time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, []waybell.Event{summary, sent, sent, lead}},
	} {
		var got, want []string
		for _, d := range b.all(test.filter) {
			got = append(got, d.EventID)
		}
		for _, e := range test.want {
			want = append(want, e.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestLogRefusesBadFilters(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	e := b.endpoint()
	for range 2 {
		b.accept("message.sent", e)
	}
	deliveries, err := b.svc.Deliveries(t.Context(), b.agent.ID, waybell.LogFilter{Limit: 1})
	b.must(nil, err)
	events, err := b.svc.Events(t.Context(), b.agent.ID, waybell.LogFilter{Limit: 1})
	b.must(nil, err)
	both := map[string]waybell.LogFilter{
		"query.limit":  {Limit: 251},
		"query.event":  {Type: "No Type"},
		"query.cursor": {Cursor: "evt_1"},
	}
	onlyDeliveries := map[string]waybell.LogFilter{
		"query.limit":       {Limit: -1},
		"query.cursor":      {Cursor: events.Next},
		"query.state":       {State: "lost"},
		"query.status_code": {StatusCode: 600},
		"query.endpoint_id": {EndpointID: "ep_none"},
	}
	list := map[string]func(context.Context, waybell.LogFilter) error{
		"deliveries": func(ctx context.Context, f waybell.LogFilter) error {
			_, err := b.svc.Deliveries(ctx, b.agent.ID, f)
			return err
		},
		"events": func(ctx context.Context, f waybell.LogFilter) error {
			_, err := b.svc.Events(ctx, b.agent.ID, f)
			return err
		},
	}
	check := func(kind, location string, f waybell.LogFilter) {
		t.Helper()
		err := list[kind](t.Context(), f)
		if waybell.ErrorCode(err) != waybell.CodeInvalid || !strings.Contains(fmt.Sprint(err), location) {
			t.Errorf("%s with %+v: %v, want one about %s", kind, f, err, location)
		}
	}
	for location, f := range both {
		check("deliveries", location, f)
		check("events", location, f)
	}
	for location, f := range onlyDeliveries {
		check("deliveries", location, f)
	}
	check("events", "query.cursor", waybell.LogFilter{Cursor: deliveries.Next})
	for kind := range maps.Keys(list) {
		if err := list[kind](t.Context(), waybell.LogFilter{Limit: 250}); err != nil {
			t.Errorf("%s with the largest limit: %v", kind, err)
		}
	}
}

func TestDeliveryWithAttempts(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	e := b.endpoint()
	event := b.accept("message.sent", e)
	b.settle(event, e, waybell.DeliveryRetrying)
	ref := waybell.DeliveryRef{Event: event.Key, Endpoint: e.Number}
	changed := event // what another version of the format might have sent
	changed.Data = []byte(`{"text":"ho"}`)
	detail, err := b.svc.SentDetail(e.Number, changed)
	b.must(nil, err)
	for i, detail := range [][]byte{detail, []byte("damaged")} {
		b.must(nil, b.store.Settle(t.Context(), b.lease, []waybell.Settlement{{
			DeliveryRef: ref, Agent: event.Agent, Kind: waybell.SettleRetry, Reason: waybell.ReasonTimeout, NextAt: b.now,
			Attempt: &waybell.Attempt{DeliveryRef: ref, Agent: event.Agent, Number: 2 + i, StartedAt: b.now, Reason: waybell.ReasonTimeout, Detail: detail},
		}}))
	}
	d, err := b.svc.Delivery(t.Context(), b.agent.ID, ref.ID())
	if err != nil || len(d.Attempts) != 3 {
		t.Fatalf("the delivery has %d attempts, %v", len(d.Attempts), err)
	}
	first := d.Attempts[0]
	if want := `{"id":"` + event.ID + `","type":"message.sent","timestamp":"2026-04-26T08:30:00.000Z","agent_id":"bot-1","data":{"text":"hi"}}`; string(first.Body) != want {
		t.Errorf("the body is %s, want %s", first.Body, want)
	}
	if first.Method != "POST" || first.URL != e.URL || first.StatusCode != 503 || first.Number != 1 {
		t.Errorf("the attempt is %+v", first)
	}
	if second := d.Attempts[1]; second.Body != nil || second.URL != e.URL {
		t.Errorf("an attempt that sent other bytes shows %q to %q", second.Body, second.URL)
	}
	if third := d.Attempts[2]; third.Number != 3 || third.Reason != waybell.ReasonTimeout || third.Method != "" || third.Body != nil {
		t.Errorf("a damaged detail shows as %+v", third)
	}
	if d.EndpointID != e.ID || d.EventID != event.ID || d.State != waybell.DeliveryRetrying || d.Delivery.Attempts < 1 {
		t.Errorf("the delivery is %+v", d.Delivery)
	}
	other := b.newAgent("bot-2")
	for agent, id := range map[string]string{other.ID: ref.ID(), b.agent.ID: "dlv_0"} {
		if _, err := b.svc.Delivery(t.Context(), agent, id); waybell.ErrorCode(err) != waybell.CodeDeliveryNotFound {
			t.Errorf("delivery %s of %s: %v", id, agent, err)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	e := b.endpoint()
	var want []string
	for i := range 9 {
		eventType := []string{"message.sent", "lead.submit", "message.received"}[i%3]
		want = append(want, b.accept(eventType, e).ID)
	}
	slices.Reverse(want)
	for limit := 1; limit <= 10; limit++ {
		var got []string
		f := waybell.LogFilter{Limit: limit}
		for more := true; more; more = f.Cursor != "" {
			page, err := b.svc.Events(t.Context(), b.agent.ID, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Data {
				got = append(got, e.ID)
				if e.AgentID != b.agent.ID || e.Deliveries != nil || e.Event.Deliveries != 1 {
					t.Errorf("the event is %+v", e)
				}
			}
			f.Cursor = page.Next
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %v, want %v", limit, got, want)
		}
	}
	page, err := b.svc.Events(t.Context(), b.agent.ID, waybell.LogFilter{Type: "lead_collection", Since: logStart.Add(2 * time.Second), Until: logStart.Add(7 * time.Second)})
	if err != nil || len(page.Data) != 1 || page.Data[0].ID != want[9-1-4] {
		t.Errorf("filtered: %+v, %v", page, err)
	}
}

func TestEventWithDeliveries(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	one, two := b.endpoint(), b.endpoint()
	event := b.accept("message.sent", one, two)
	b.settle(event, one, waybell.DeliveryDelivered)
	b.must(b.svc.PauseEndpoint(t.Context(), b.agent.ID, two.ID, 0))
	got, err := b.svc.Event(t.Context(), b.agent.ID, event.ID)
	if err != nil || got.ID != event.ID || got.AgentID != b.agent.ID || string(got.Data) != string(event.Data) {
		t.Errorf("the event is %+v, %v", got, err)
	}
	want := []string{one.ID + "/delivered", two.ID + "/held"}
	slices.Sort(want)
	if list := shown(got.Deliveries); !slices.Equal(list, want) {
		t.Errorf("its deliveries are %v, want %v", list, want)
	}
	if _, err := b.svc.Event(t.Context(), b.agent.ID, "evt_none"); waybell.ErrorCode(err) != waybell.CodeEventNotFound ||
		!strings.Contains(err.Error(), "there is no such event") {
		t.Errorf("an unknown event: %v", err)
	}
}
