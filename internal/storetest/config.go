package storetest

import (
	"encoding/json"
	"time"

	"github.com/waybell/waybell"
)

var configTests = []test{
	{"Agent", testAgent},
	{"AgentConflicts", testAgentConflicts},
	{"Endpoint", testEndpoint},
	{"EndpointConflicts", testEndpointConflicts},
	{"DeleteAgent", testDeleteAgent},
	{"Pages", testPages},
	{"EventType", testEventType},
	{"Key", testKey},
	{"RootKey", testRootKey},
	{"Since", testConfigSince},
}

func testAgent(e *env) {
	for _, a := range []waybell.Agent{
		{ID: "plain"},
		{ID: "full:1", Name: "Zoë ‘quoted’ <b>", Profile: "chatzuri", Metadata: json.RawMessage("{ \"a\" : \"<é>\" }"),
			AvailableEvents: []string{"lead.submit", "ünï.code"}, CreatedAt: start, UpdatedAt: start.Add(time.Microsecond)},
		{ID: "none", AvailableEvents: []string{}, CreatedAt: start, UpdatedAt: start},
	} {
		before := e.version()
		made, err := e.s.CreateAgent(e.ctx(), a)
		e.ok(err)
		if made.Number == 0 || made.Version != before+1 || e.version() != made.Version {
			e.Fatalf("number %d, version %d after %d", made.Number, made.Version, before)
		}
		a.Number, a.Version = made.Number, made.Version
		e.same("created", made, a)
		got, err := e.s.Agent(e.ctx(), a.ID)
		e.ok(err)
		e.same("agent", got, a)

		a.Name, a.UpdatedAt = "new", start.Add(time.Hour)
		updated, err := e.s.UpdateAgent(e.ctx(), a)
		e.ok(err)
		a.Version = before + 2
		e.same("updated", updated, a)
		got, err = e.s.Agent(e.ctx(), a.ID)
		e.ok(err)
		e.same("agent", got, a)
	}
	_, err := e.s.Agent(e.ctx(), "nobody")
	e.is(err, waybell.ErrNotFound)
}

func testAgentConflicts(e *env) {
	a, err := e.s.CreateAgent(e.ctx(), waybell.Agent{ID: "a"})
	e.ok(err)
	version := e.version()
	_, err = e.s.CreateAgent(e.ctx(), waybell.Agent{ID: "a"})
	e.is(err, waybell.ErrExists)
	for _, wrong := range []int64{0, a.Version - 1, a.Version + 1} {
		other := a
		other.Version = wrong
		_, err = e.s.UpdateAgent(e.ctx(), other)
		e.is(err, waybell.ErrConflict)
		if wrong != 0 {
			e.is(e.s.DeleteAgent(e.ctx(), other, 0), waybell.ErrConflict)
		}
	}
	if v := e.version(); v != version {
		e.Fatalf("version %d after refused changes, want %d", v, version)
	}
	e.ok(e.s.DeleteAgent(e.ctx(), a, 0))
	_, err = e.s.Agent(e.ctx(), "a")
	e.is(err, waybell.ErrNotFound)
	_, err = e.s.UpdateAgent(e.ctx(), a)
	e.is(err, waybell.ErrNotFound)
	e.is(e.s.DeleteAgent(e.ctx(), a, 0), waybell.ErrNotFound)
	again, err := e.s.CreateAgent(e.ctx(), waybell.Agent{ID: "a"})
	e.ok(err)
	if again.Number == a.Number {
		e.Fatal("a number was used again")
	}
}

// fullEndpoint has every field set.
func fullEndpoint(a waybell.Agent, id string) waybell.Endpoint {
	return waybell.Endpoint{
		ID: id, Agent: a.Number, AgentID: a.ID, URL: "https://example.com/ü?a=<b>", Description: "Zoë", Enabled: true,
		Events: []string{"*"}, Profile: "standard", Method: "PUT", Timeout: 1500 * time.Millisecond, Format: "chatislav",
		IncludeMessages: true, StandardHeaders: true,
		Retry:     waybell.RetrySettings{Policy: "standard", Schedule: []time.Duration{time.Second, time.Minute}, Window: time.Hour},
		RateLimit: 2.5, Concurrency: 7, Sealed: []byte{0, 1, 255},
		State: waybell.EndpointSuspended, StateReason: "gone", StateSince: start, Held: 90 * time.Second,
		CancelUpTo: 5, DrainUpTo: 6, CreatedAt: start, UpdatedAt: start.Add(time.Microsecond),
	}
}

func testEndpoint(e *env) {
	a, _ := e.agent(0)
	plain := waybell.Endpoint{ID: "plain", Agent: a.Number, AgentID: a.ID, Events: []string{},
		Retry: waybell.RetrySettings{Schedule: []time.Duration{}}}
	for _, ep := range []waybell.Endpoint{plain, fullEndpoint(a, "full")} {
		secret := ep
		secret.Headers = []waybell.Header{{Name: "Authorization", Value: "Bearer x"}}
		secret.Secrets = []waybell.EndpointSecret{{Value: "whsec_x"}}
		made, err := e.s.CreateEndpoint(e.ctx(), secret, 0)
		e.ok(err)
		if made.Number == 0 || made.Version != e.version() {
			e.Fatalf("number %d, version %d", made.Number, made.Version)
		}
		ep.Number, ep.Version = made.Number, made.Version
		got, err := e.s.Endpoint(e.ctx(), a.Number, ep.ID)
		e.ok(err)
		e.same("endpoint", got, ep) // without headers and secrets

		ep.URL, ep.State, ep.Sealed = "https://example.org/", waybell.EndpointPaused, nil
		updated, err := e.s.UpdateEndpoint(e.ctx(), ep)
		e.ok(err)
		ep.Version++
		e.same("updated", updated, ep)
		got, err = e.s.Endpoint(e.ctx(), a.Number, ep.ID)
		e.ok(err)
		e.same("endpoint", got, ep)
		_, err = e.s.Endpoint(e.ctx(), a.Number+1, ep.ID)
		e.is(err, waybell.ErrNotFound)
	}
}

func testEndpointConflicts(e *env) {
	a, _ := e.agent(0)
	b, _ := e.agent(0)
	ep, err := e.s.CreateEndpoint(e.ctx(), waybell.Endpoint{ID: "one", Agent: a.Number}, 2)
	e.ok(err)
	_, err = e.s.CreateEndpoint(e.ctx(), waybell.Endpoint{ID: "two", Agent: a.Number}, 2)
	e.ok(err)
	_, err = e.s.CreateEndpoint(e.ctx(), waybell.Endpoint{ID: "three", Agent: a.Number}, 2)
	e.is(err, waybell.ErrConflict)
	_, err = e.s.CreateEndpoint(e.ctx(), waybell.Endpoint{ID: "three", Agent: b.Number}, 2)
	e.ok(err)

	wrong := ep
	wrong.Version++
	_, err = e.s.UpdateEndpoint(e.ctx(), wrong)
	e.is(err, waybell.ErrConflict)

	ep.State, ep.DeletedAt, ep.CancelUpTo = waybell.EndpointDeleted, start, 77
	_, err = e.s.UpdateEndpoint(e.ctx(), ep)
	e.ok(err)
	_, err = e.s.Endpoint(e.ctx(), a.Number, "one")
	e.is(err, waybell.ErrNotFound)
	ep.Version = e.version()
	_, err = e.s.UpdateEndpoint(e.ctx(), ep)
	e.is(err, waybell.ErrNotFound)
	// Room again, and a number of its own.
	again, err := e.s.CreateEndpoint(e.ctx(), waybell.Endpoint{ID: "four", Agent: a.Number}, 2)
	e.ok(err)
	if again.Number <= ep.Number {
		e.Fatal("a number was used again")
	}
}

func testDeleteAgent(e *env) {
	a, _ := e.agent(3)
	other, _ := e.agent(1)
	before := e.version()
	a.DeletedAt = start.Add(time.Hour)
	cancelUpTo := e.key()
	e.ok(e.s.DeleteAgent(e.ctx(), a, cancelUpTo))
	list, err := e.s.Endpoints(e.ctx(), a.Number, waybell.PageQuery{Limit: 10})
	e.ok(err)
	if len(list) != 0 {
		e.Fatalf("%d endpoints live on", len(list))
	}
	ch, err := e.s.ConfigSince(e.ctx(), before)
	e.ok(err)
	if len(ch.Agents) != 1 || len(ch.Endpoints) != 3 || !ch.Agents[0].DeletedAt.Equal(a.DeletedAt) {
		e.Fatalf("change %+v", ch)
	}
	for _, ep := range ch.Endpoints {
		if ep.State != waybell.EndpointDeleted || ep.CancelUpTo != cancelUpTo || ep.Version != ch.Version ||
			!ep.DeletedAt.Equal(a.DeletedAt) {
			e.Fatalf("endpoint %+v", ep)
		}
	}
	list, err = e.s.Endpoints(e.ctx(), other.Number, waybell.PageQuery{Limit: 10})
	e.ok(err)
	if len(list) != 1 {
		e.Fatal("another agent's endpoint went too")
	}
	b, _ := e.agent(0)
	b.Version = 0 // any
	e.ok(e.s.DeleteAgent(e.ctx(), b, 0))
}

func testPages(e *env) {
	var want []waybell.AgentNumber
	var first waybell.Agent
	for i := range 7 {
		a, _ := e.agent(0)
		if i == 3 {
			e.ok(e.s.DeleteAgent(e.ctx(), a, 0))
			continue
		}
		if i == 0 {
			first = a
		}
		want = append([]waybell.AgentNumber{a.Number}, want...)
	}
	var got []waybell.AgentNumber
	for q := (waybell.PageQuery{Limit: 4}); ; q.After = int64(got[len(got)-1]) {
		page, err := e.s.Agents(e.ctx(), q)
		e.ok(err)
		if len(page) == 0 {
			break
		}
		for _, a := range page {
			got = append(got, a.Number)
		}
	}
	e.same("agents", got, want)

	var eps []waybell.EndpointNumber
	for range 5 {
		ep, err := e.s.CreateEndpoint(e.ctx(), waybell.Endpoint{ID: e.unique("p"), Agent: first.Number}, 0)
		e.ok(err)
		eps = append([]waybell.EndpointNumber{ep.Number}, eps...)
	}
	page, err := e.s.Endpoints(e.ctx(), first.Number, waybell.PageQuery{After: int64(eps[1]), Limit: 2})
	e.ok(err)
	if len(page) != 2 || page[0].Number != eps[2] || page[1].Number != eps[3] {
		e.Fatalf("page %+v", page)
	}
}

func testEventType(e *env) {
	et := waybell.EventType{Name: "order.paid", Description: "Zoë’s order", Schema: json.RawMessage(`{ "type":"object"}`),
		CreatedAt: start, UpdatedAt: start}
	made, fresh, err := e.s.PutEventType(e.ctx(), et)
	e.ok(err)
	if !fresh || made.Version != e.version() {
		e.Fatalf("new %v, version %d", fresh, made.Version)
	}
	et.Schema, et.Example, et.UpdatedAt, et.CreatedAt = nil, json.RawMessage(`{"a":1}`), start.Add(time.Hour), start.Add(time.Hour)
	made, fresh, err = e.s.PutEventType(e.ctx(), et)
	e.ok(err)
	if fresh || !made.CreatedAt.Equal(start) {
		e.Fatalf("new %v, created at %v: it was replaced", fresh, made.CreatedAt)
	}
	ch, err := e.s.ConfigSince(e.ctx(), made.Version-1)
	e.ok(err)
	e.same("event types", ch.EventTypes, []waybell.EventType{made})
	now := start.Add(2 * time.Hour)
	e.ok(e.s.DeleteEventType(e.ctx(), et.Name, now))
	e.is(e.s.DeleteEventType(e.ctx(), et.Name, now), waybell.ErrNotFound)
	e.is(e.s.DeleteEventType(e.ctx(), "no.such", now), waybell.ErrNotFound)
	ch, err = e.s.ConfigSince(e.ctx(), made.Version)
	e.ok(err)
	if len(ch.EventTypes) != 1 || !ch.EventTypes[0].DeletedAt.Equal(now) || ch.EventTypes[0].Version != ch.Version {
		e.Fatalf("change %+v", ch)
	}
	again, fresh, err := e.s.PutEventType(e.ctx(), et)
	e.ok(err)
	if !fresh || !again.DeletedAt.IsZero() || !again.CreatedAt.Equal(et.CreatedAt) {
		e.Fatalf("after a deletion: new %v, %+v", fresh, again)
	}
}

func testKey(e *env) {
	make1 := func(id string, hash byte) waybell.APIKey {
		return waybell.APIKey{ID: id, Name: "Zoë", Hash: [32]byte{hash, 31: hash}, Scopes: []waybell.Scope{waybell.ScopeAdmin},
			AgentIDs: []string{"a"}, CreatedAt: start}
	}
	one := make1("key_1", 1)
	made, err := e.s.CreateKey(e.ctx(), one)
	e.ok(err)
	one.Version = e.version()
	e.same("key", made, one)
	two := make1("key_2", 2)
	two.AgentIDs, two.Scopes = nil, []waybell.Scope{}
	_, err = e.s.CreateKey(e.ctx(), two)
	e.ok(err)
	two.Version = e.version()
	_, err = e.s.CreateKey(e.ctx(), make1("key_3", 1))
	e.is(err, waybell.ErrExists)
	list, err := e.s.Keys(e.ctx(), "", 10)
	e.ok(err)
	e.same("keys", list, []waybell.APIKey{two, one})
	list, err = e.s.Keys(e.ctx(), "key_2", 10)
	e.ok(err)
	e.same("keys after the first", list, []waybell.APIKey{one})
	list, err = e.s.Keys(e.ctx(), "", 1)
	e.ok(err)
	e.same("first key", list, []waybell.APIKey{two})

	e.ok(e.s.RevokeKey(e.ctx(), "key_1", start.Add(time.Hour)))
	e.is(e.s.RevokeKey(e.ctx(), "key_1", start), waybell.ErrNotFound)
	e.is(e.s.RevokeKey(e.ctx(), "key_9", start), waybell.ErrNotFound)
	ch, err := e.s.ConfigSince(e.ctx(), two.Version)
	e.ok(err)
	if len(ch.Keys) != 1 || !ch.Keys[0].RevokedAt.Equal(start.Add(time.Hour)) {
		e.Fatalf("change %+v", ch)
	}
	_, err = e.s.CreateKey(e.ctx(), make1("key_3", 1)) // the hash works no longer
	e.ok(err)
}

func testRootKey(e *env) {
	key := func(id string, hash byte) waybell.APIKey {
		return waybell.APIKey{ID: id, Hash: [32]byte{hash}, Root: true, CreatedAt: start}
	}
	working := func() (ids []string) {
		list, err := e.s.Keys(e.ctx(), "", 10)
		e.ok(err)
		for _, k := range list {
			ids = append(ids, k.ID)
		}
		return ids
	}
	_, err := e.s.CreateKey(e.ctx(), waybell.APIKey{ID: "plain", Hash: [32]byte{9}})
	e.ok(err)
	e.ok(e.s.ReplaceRootKey(e.ctx(), key("root_1", 1)))
	version := e.version()
	e.ok(e.s.ReplaceRootKey(e.ctx(), key("root_2", 1)))
	if e.version() != version {
		e.Fatal("the same root key changed something")
	}
	e.ok(e.s.ReplaceRootKey(e.ctx(), key("root_3", 3)))
	e.same("working keys", working(), []string{"root_3", "plain"})
}

func testConfigSince(e *env) {
	empty, err := e.s.ConfigSince(e.ctx(), 0)
	e.ok(err)
	if empty.Version != e.version() || len(empty.Agents)+len(empty.Endpoints)+len(empty.EventTypes)+len(empty.Keys) != 0 {
		e.Fatalf("an empty store has %+v", empty)
	}
	a, _ := e.agent(2)
	middle := e.version()
	b, _ := e.agent(1)
	_, err = e.s.CreateKey(e.ctx(), waybell.APIKey{ID: "k", Hash: [32]byte{1}})
	e.ok(err)
	e.ok(e.s.DeleteAgent(e.ctx(), a, 0))

	all, err := e.s.ConfigSince(e.ctx(), 0)
	e.ok(err)
	if len(all.Agents) != 2 || len(all.Endpoints) != 3 || len(all.Keys) != 1 || all.Version != e.version() {
		e.Fatalf("since 0: %+v", all)
	}
	some, err := e.s.ConfigSince(e.ctx(), middle)
	e.ok(err)
	if len(some.Agents) != 2 || len(some.Endpoints) != 3 || len(some.Keys) != 1 {
		e.Fatalf("since %d: %+v", middle, some)
	}
	none, err := e.s.ConfigSince(e.ctx(), e.version())
	e.ok(err)
	if none.Version != e.version() || len(none.Agents)+len(none.Endpoints)+len(none.Keys) != 0 {
		e.Fatalf("since now: %+v", none)
	}
	// Of a row changed again only the newest state is told.
	b.Name = "changed"
	_, err = e.s.UpdateAgent(e.ctx(), b)
	e.ok(err)
	last, err := e.s.ConfigSince(e.ctx(), none.Version)
	e.ok(err)
	if len(last.Agents) != 1 || last.Agents[0].Name != "changed" || last.Agents[0].Version != last.Version {
		e.Fatalf("since %d: %+v", none.Version, last)
	}
	// What was read is still so in the next process.
	e.crash()
	after, err := e.s.ConfigSince(e.ctx(), none.Version)
	e.ok(err)
	e.same("after a crash", after, last)
}
