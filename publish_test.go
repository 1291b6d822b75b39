package waybell_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

// The same id or key again is answered with the first result; with another
// body, or where id and key name different events, it is a mismatch. All of it
// outlives a restart.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.agent("standard")
		r.endpoint("a")
		r.endpoint("b")
		body := func(id, text string) []byte {
			if id != "" {
				id = `"id":"` + id + `",`
			}
			return []byte(`{` + id + `"event":"message.sent","data":{"text":"` + text + `"}}`)
		}
		first := map[string]waybell.PublishResult{}
		check := func(name string, body []byte, key string, want waybell.Code, duplicateOf string) {
			t.Helper()
			res, err := r.svc.PublishJSON(r.ctx, "bot", body, key)
			switch {
			case want != "":
				if err == nil || waybell.ErrorCode(err) != want {
					t.Errorf("%s: %+v, %v; want %s", name, res, err, want)
				}
			case err != nil || res.Duplicate != (duplicateOf != "") || res.Deliveries != 2:
				t.Errorf("%s: %+v, %v; duplicate of %q wanted", name, res, err, duplicateOf)
			case duplicateOf != "":
				if f := first[duplicateOf]; res.ID != f.ID || !res.Timestamp.Equal(f.Timestamp) || res.Type != f.Type {
					t.Errorf("%s: %+v, want the result of %s: %+v", name, res, duplicateOf, f)
				}
			default:
				first[name] = res
			}
		}
		check("id", body("order-1", "a"), "", "", "")
		check("key", body("", "a"), "key 1", "", "")
		check("both", body("order-2", "a"), "key 2", "", "")
		again := func() {
			t.Helper()
			check("id again", body("order-1", "a"), "", "", "id")
			check("key again", body("", "a"), "key 1", "", "key")
			check("both again", body("order-2", "a"), "key 2", "", "both")
			check("id, other body", body("order-1", "b"), "", waybell.CodeIdempotencyMismatch, "")
			check("key, other body", body("", "b"), "key 1", waybell.CodeIdempotencyMismatch, "")
			check("id and key of different events", body("order-1", "a"), "key 2", waybell.CodeIdempotencyMismatch, "")
		}
		again()
		check("the id of an event that chose none", body(first["key"].ID, "b"), "", waybell.CodeIdempotencyMismatch, "")
		check("an id that looks like one", body(waybell.EventID(12345), "a"), "", "", "")
		check("it again", body(waybell.EventID(12345), "a"), "", "", "an id that looks like one")
		time.Sleep(time.Hour)
		r.stop()
		r.start()
		again()
		if first["id"].ID != "order-1" {
			t.Errorf("id %q, want the caller's", first["id"].ID)
		}
		time.Sleep(25 * time.Hour)
		check("key a day later", body("", "b"), "key 1", "", "")
		check("id a day later", body("order-1", "a"), "", "", "id")
		time.Sleep(time.Minute)
		if n := r.receiver.Count(); n != 2*5 {
			t.Errorf("%d requests for 5 events with 2 endpoints", n)
		}
	})
}

// Of many at once with one id exactly one is accepted.
func TestConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.agent("standard")
		r.endpoint("a")
		var wg sync.WaitGroup
		var mu sync.Mutex
		accepted := 0
		for range 50 {
			wg.Go(func() {
				res, err := r.svc.PublishJSON(r.ctx, "bot", []byte(`{"event":"message.sent","data":{"text":"a"}}`), "k")
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				} else if !res.Duplicate {
					accepted++
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
		if accepted != 1 || r.receiver.Count() != 1 {
			t.Errorf("%d accepted, %d requests; want 1 of each", accepted, r.receiver.Count())
		}
		if got := r.svc.Load(); got != (waybell.Load{}) {
			t.Errorf("load %+v: places of duplicates are still reserved", got)
		}
	})
}

// Reserved places of duplicates are given back: they do not fill the queue.
func TestDuplicatesFreeTheirPlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, limits(func(l *waybell.Limits) { l.QueueLength = 4 }))
		r.agent("standard")
		r.endpoint("a", func(in *waybell.EndpointInput) { in.RateLimit = waybell.Some(0.0001) })
		for i := range 20 {
			if _, err := r.svc.PublishJSON(r.ctx, "bot", []byte(`{"id":"x","event":"message.sent","data":{"text":"a"}}`), ""); err != nil {
				t.Fatal(err)
			}
			if i > 10 {
				body := fmt.Sprintf(`{"id":"x","event":"message.sent","data":{"text":"%d"}}`, i)
				if _, err := r.svc.PublishJSON(r.ctx, "bot", []byte(body), ""); err == nil {
					t.Fatal("a mismatch was accepted")
				}
			}
		}
		time.Sleep(time.Second) // the first was sent by the burst
		for i := range 4 {
			r.publish(i)
		}
		if got := r.svc.Load(); got.Queued != 4 {
			t.Errorf("load %+v, want four in a queue of four", got)
		}
	})
}

// Publishers that wait for their answers publish as fast as a quick endpoint takes it,
// and nothing goes through the store twice; for a slow one nobody is held up.
func TestPublishWait(t *testing.T) {
	t.Parallel()
	const publishers, batches, each = 2, 40, 250
	for name, tc := range map[string]struct {
		took  time.Duration // an attempt
		wait  time.Duration
		queue int
		rate  float64 // limit of the endpoint
		held  bool    // answers are held back
		aside bool    // events go through the store
	}{
		"quick endpoint":            {took: time.Millisecond, queue: 4096, held: true},
		"never held back":           {took: time.Millisecond, wait: -1, queue: 4096, aside: true},
		"held back too little":      {took: time.Millisecond, wait: time.Millisecond, queue: 4096, aside: true},
		"slow endpoint":             {took: 101 * time.Millisecond, queue: 4096, aside: true},
		"low rate limit":            {took: time.Millisecond, rate: 1000, queue: 4096, aside: true},
		"high rate limit":           {took: time.Millisecond, rate: 10000, queue: 4096, held: true, aside: true},
		"few places, never a crowd": {took: time.Millisecond, queue: 1000, aside: true},
		"all fit":                   {took: time.Millisecond, queue: 3 * publishers * batches * each},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &faultStore{}
				r := newRig(t, receivertest.Always(receivertest.After(tc.took, receivertest.Answer(200, ""))), withFaults(f),
					limits(func(l *waybell.Limits) { l.QueueLength, l.Queued = tc.queue, 4*tc.queue }),
					func(c *waybell.Config) { c.PublishWait = tc.wait })
				r.agent("standard")
				r.endpoint("a", func(in *waybell.EndpointInput) {
					if tc.rate > 0 {
						in.RateLimit = waybell.Some(tc.rate)
					}
				})
				r.publish(0)
				time.Sleep(time.Minute) // it is known how long an attempt takes
				began := time.Now()
				var publishing sync.WaitGroup
				for range publishers {
					publishing.Go(func() { r.publishBatches(batches * each) })
				}
				publishing.Wait()
				// Without waits all was published at once, but for the store's own.
				if took := time.Since(began); (took > 100*time.Millisecond) != tc.held {
					t.Errorf("publishing took %v", took)
				}
				time.Sleep(30 * time.Second)
				if n := f.count("Claim"); (n > 0) != tc.aside {
					t.Errorf("%d claims", n)
				}
				time.Sleep(5 * time.Minute)
				if l := r.ledger(); l.Delivered != publishers*batches*each+1 {
					t.Errorf("ledger %+v", l)
				}
			})
		})
	}
}

// Whoever gives up while an answer is held back has published.
func TestPublishWaitGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.After(time.Millisecond, receivertest.Answer(200, ""))),
			limits(func(l *waybell.Limits) { l.QueueLength = 2048 }), func(c *waybell.Config) { c.PublishWait = waybell.MaxPublishWait })
		r.agent("standard")
		r.endpoint("a")
		r.publish(0)
		time.Sleep(time.Minute) // it is known how long an attempt takes
		began := time.Now()
		ctx, cancel := context.WithTimeout(r.ctx, 100*time.Millisecond)
		defer cancel()
		time.AfterFunc(50*time.Millisecond, func() {
			if got := r.svc.Load().PublishBytes; got != 0 {
				t.Errorf("%d bytes wait to be stored while an answer is held back", got)
			}
		})
		body := strings.Repeat(`{"event":"message.received","agent_id":"bot","data":{"text":"hello"}}`+"\n", 1000)
		for range 2 {
			items, err := r.svc.PublishBatch(ctx, waybell.BatchRequest{NDJSON: true, Body: []byte(body)})
			if err != nil || len(items) != 1000 || items[0].Err != nil {
				t.Fatalf("%d items, %v", len(items), err)
			}
		}
		if took := time.Since(began).Round(10 * time.Millisecond); took != 100*time.Millisecond {
			t.Errorf("answered after %v, want the time after which it was given up", took)
		}
		time.Sleep(time.Minute)
		if l := r.ledger(); l.Delivered != 2001 {
			t.Errorf("ledger %+v", l)
		}
	})
}

// Items of a batch fail alone; a wrong batch takes nothing.
func TestBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.agent("standard")
		r.endpoint("a")
		items := []struct {
			json string
			code waybell.Code
		}{
			{`{"agent_id":"bot","event":"message.sent","data":{"text":"good"}}`, ""},
			{`{"agent_id":"nobody","event":"message.sent","data":{}}`, waybell.CodeAgentNotFound},
			{`{"agent_id":"bot","event":"no.such.type","data":{}}`, waybell.CodeUnknownEventType},
			{`{"agent_id":"bot","event":"lead.submit","data":{}}`, waybell.CodeInvalid},
			{`{"agent_id":"bot","event":"message.sent","data":{},"extra":1}`, waybell.CodeInvalid},
			{`{"event":"message.sent","data":{}}`, waybell.CodeInvalid},
			{`{"agent_id":"bot","event":"lead_collection","data":{"name":"Sarah"}}`, ""},
			{`{"agent_id":"bot","id":"own","event":"message.sent","data":{"text":"1"}}`, ""},
			{`{"agent_id":"bot","id":"own","event":"message.sent","data":{"text":"2"}}`, waybell.CodeIdempotencyMismatch},
			{`{"agent_id":"forbidden","event":"message.sent","data":{}}`, waybell.CodeAgentNotFound},
			{`[1]`, waybell.CodeInvalid},
			{`{"agent_id":"bot","event":"message.sent","timestamp":"yesterday"}`, waybell.CodeInvalid},
		}
		var lines []string
		for _, item := range items {
			lines = append(lines, item.json)
		}
		allowed := func(id string) bool { return id != "forbidden" }
		for _, form := range []struct {
			name   string
			req    waybell.BatchRequest
			broken int // items that are no JSON, at the end
		}{
			{"json", waybell.BatchRequest{Body: []byte(`{"events":[` + strings.Join(lines, ",") + `]}`)}, 0},
			{"ndjson", waybell.BatchRequest{NDJSON: true, Body: []byte("\n" + strings.Join(lines, "\r\n") + "\n{\"agent_id\":\n\"x\" \"y\"\n")}, 2},
		} {
			form.req.Allowed = allowed
			before := r.ledger().Accepted
			got, err := r.svc.PublishBatch(r.ctx, form.req)
			if err != nil || len(got) != len(items)+form.broken {
				t.Fatalf("%s: %d items, %v", form.name, len(got), err)
			}
			taken := int64(0)
			for i, item := range got {
				want := waybell.CodeMalformedJSON
				if i < len(items) {
					want = items[i].code
				}
				switch {
				case want == "" && item.Err != nil, want != "" && (item.Err == nil || item.Err.Code != want):
					t.Errorf("%s: item %d: %v, want %q", form.name, i, item.Err, want)
				case want == "" && !item.Result.Duplicate:
					taken++
				}
			}
			if n := r.ledger().Accepted - before; n != taken || taken < 2 {
				t.Errorf("%s: %d deliveries accepted, %d answered", form.name, n, taken)
			}
		}
		for name, req := range map[string]waybell.BatchRequest{
			"no list":       {Body: []byte(`{}`)},
			"unknown field": {Body: []byte(`{"events":[],"x":1}`)},
			"no JSON":       {Body: []byte(`{"events":[`)},
			"bad key":       {Body: []byte(`{"events":[]}`), IdempotencyKey: "a\x01"},
			"too many":      {NDJSON: true, Body: []byte(strings.Repeat("{}\n", 1001))},
		} {
			if got, err := r.svc.PublishBatch(r.ctx, req); err == nil {
				t.Errorf("%s: %d items, want an error", name, len(got))
			}
		}
	})
}

// A batch with an Idempotency-Key may be repeated as a whole.
func TestBatchIsIdempotent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.agent("standard")
		r.endpoint("a")
		req := waybell.BatchRequest{NDJSON: true, IdempotencyKey: "batch-7",
			Body: []byte(strings.Repeat(`{"agent_id":"bot","event":"message.sent","data":{"text":"same"}}`+"\n", 5))}
		ids := map[string]bool{}
		for round := range 3 {
			items, err := r.svc.PublishBatch(r.ctx, req)
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range items {
				if item.Err != nil || item.Result.Duplicate != (round > 0) {
					t.Errorf("round %d: %+v", round, item)
				}
				ids[item.Result.ID] = true
			}
		}
		if len(ids) != 5 {
			t.Errorf("%d events for 5 items", len(ids))
		}
	})
}

func TestUnknownAgentAndCreateAgents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := waybell.PublishInput{Type: "message.sent", Data: []byte(`{"text":"hi"}`)}
		r := newRig(t, nil)
		if _, err := r.svc.Publish(r.ctx, "new-bot", in); waybell.ErrorCode(err) != waybell.CodeAgentNotFound {
			t.Errorf("unknown agent: %v", err)
		}
		r.stop()
		r.change = append(r.change, func(c *waybell.Config) { c.CreateAgents = true })
		r.start()
		var wg sync.WaitGroup
		for range 10 { // the first event of an agent comes ten times at once
			wg.Go(func() {
				if res, err := r.svc.Publish(r.ctx, "new-bot", in); err != nil || res.Deliveries != 0 {
					t.Errorf("first event of an agent: %+v, %v", res, err)
				}
			})
		}
		wg.Wait()
		if a, err := r.svc.Agent(r.ctx, "new-bot"); err != nil || a.ID != "new-bot" {
			t.Errorf("agent %+v, %v", a, err)
		}
		if _, err := r.svc.Publish(r.ctx, "not an id!", in); waybell.ErrorCode(err) != waybell.CodeInvalid {
			t.Errorf("an id that none can have: %v", err)
		}
		// What is refused makes no agent.
		for _, body := range []string{
			`{"event":"no.such"}`, `{"event":"message.sent","data":{"text":7}}`, `{"event":"message.sent","id":""}`,
		} {
			if _, err := r.svc.PublishJSON(r.ctx, "late-bot", []byte(body), ""); err == nil {
				t.Errorf("%s is accepted", body)
			}
			if a, err := r.svc.Agent(r.ctx, "late-bot"); waybell.ErrorCode(err) != waybell.CodeAgentNotFound {
				t.Errorf("%s made the agent %+v, %v", body, a, err)
			}
		}
		batch := `{"events":[{"event":"message.sent","agent_id":""},{"event":"message.sent","agent_id":".."},{"event":"message.sent","agent_id":"late-bot"}]}`
		items, err := r.svc.PublishBatch(r.ctx, waybell.BatchRequest{Body: []byte(batch)})
		if err != nil || len(items) != 3 || items[2].Err != nil {
			t.Fatalf("batch: %+v, %v", items, err)
		}
		for i := range 2 {
			if e := items[i].Err; e == nil || len(e.Fields) != 1 || e.Fields[0].Location != fmt.Sprintf("body.events[%d].agent_id", i) {
				t.Errorf("item %d: %v", i, e)
			}
		}
	})
}

// Every bound of an event has its error.
func TestPublishBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, limits(func(l *waybell.Limits) { l.EventBytes = 2048 }))
		r.agent("standard")
		event := func(rest string) string { return `{"event":"message.sent",` + rest + `}` }
		pad := func(n int) string { // an event of n bytes
			e := event(`"data":{"text":""}`)
			return event(`"data":{"text":"` + strings.Repeat("x", n-len(e)) + `"}`)
		}
		for _, tc := range []struct {
			name, body, key string
			want            waybell.Code
		}{
			{"at the bound", pad(2048), "", ""},
			{"over the bound", pad(2049), "", waybell.CodeTooLarge},
			{"longest id", event(`"id":"` + strings.Repeat("a", 128) + `"`), "", ""},
			{"longer id", event(`"id":"` + strings.Repeat("a", 129) + `"`), "", waybell.CodeInvalid},
			{"empty id", event(`"id":""`), "", waybell.CodeInvalid},
			{"strange id", event(`"id":"a b"`), "", waybell.CodeInvalid},
			{"id is a number", event(`"id":7`), "", waybell.CodeInvalid},
			{"longest key", event(`"data":{}`), strings.Repeat("k", 255), ""},
			{"longer key", event(`"data":{}`), strings.Repeat("k", 256), waybell.CodeInvalid},
			{"control in the key", event(`"data":{}`), "a\nb", waybell.CodeInvalid},
			{"no event", `{"data":{}}`, "", waybell.CodeInvalid},
			{"agent in the body", event(`"agent_id":"bot"`), "", waybell.CodeInvalid},
			{"data is a list", event(`"data":[]`), "", waybell.CodeInvalid},
			{"messages of words", event(`"messages":["hi"]`), "", waybell.CodeInvalid},
			{"no JSON", `{"event":`, "", waybell.CodeMalformedJSON},
			{"twice the same name", event(`"data":{"a":1,"a":2}`), "", waybell.CodeMalformedJSON},
			{"trailing data", event(`"data":{}`) + "x", "", waybell.CodeMalformedJSON},
			{"a number beyond JavaScript", event(`"data":{"n":1e999}`), "", waybell.CodeInvalid},
			{"first year", event(`"timestamp":"1970-01-01T00:00:00Z"`), "", ""},
			{"before it", event(`"timestamp":"1969-12-31T23:59:59Z"`), "", waybell.CodeInvalid},
			{"not RFC 3339", event(`"timestamp":"2026-04-26 08:30"`), "", waybell.CodeInvalid},
		} {
			_, err := r.svc.PublishJSON(r.ctx, "bot", []byte(tc.body), tc.key)
			if err == nil && tc.want != "" || err != nil && waybell.ErrorCode(err) != tc.want {
				t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), " json:") { // the name of a package, not of a place
				t.Errorf("%s: %v", tc.name, err)
			}
		}
		res, err := r.svc.PublishJSON(r.ctx, "bot", []byte(event(`"timestamp":"2026-04-26T10:30:14.5+02:00"`)), "")
		if want := time.Date(2026, 4, 26, 8, 30, 14, 5e8, time.UTC); err != nil || !res.Timestamp.Equal(want) || res.Timestamp.Location() != time.UTC {
			t.Errorf("timestamp %v (%v), want %v", res.Timestamp, err, want)
		}
	})
}

// Nothing that is secret is in the log or in an error: no secret, header value,
// query, body or transcript, whatever happens to the delivery.
func TestCanaries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const canary = "cAnArY"
		f := &faultStore{}
		r := newRig(t, nil, withFaults(f))
		scriptCanaries(r, canary)
		r.agent("standard")
		var e waybell.Endpoint
		for _, path := range []string{"ok", "error", "hang", "garbage", "blocked", "gone"} {
			e = r.endpoint(path+"?token="+canary+"-query", func(in *waybell.EndpointInput) {
				in.Secret = waybell.Some(waybell.Secret(canary + "-secret-of-the-endpoint"))
				in.Headers = waybell.Some([]waybell.HeaderInput{{Name: "Authorization", Value: waybell.Secret(canary + "-header")}})
				in.TimeoutSeconds = waybell.Some(2)
			})
		}
		var errs []error
		publish := func(body string) {
			_, err := r.svc.PublishJSON(r.ctx, "bot", []byte(body), canary+"-key")
			errs = append(errs, err)
		}
		publish(`{"event":"message.sent","data":{"text":"` + canary + `-data"},"messages":[{"role":"customer","text":"` + canary + `-said"}]}`)
		publish(`{"event":"message.sent","data":{"text":"` + canary + `-other"}}`)                    // mismatch
		publish(`{"event":"message.sent","data":{"text":{"` + canary + `-inner":"` + canary + `"}}}`) // schema
		publish(`{"event":"message.sent","data":{"text":"` + canary + `"`)
		time.Sleep(time.Minute)
		_, err := r.svc.Test(r.ctx, "bot", e.ID, waybell.TestInput{Data: []byte(`{"text":"` + canary + `"}`)})
		errs = append(errs, err)
		_, err = r.svc.UpdateEndpoint(r.ctx, "bot", e.ID, waybell.EndpointInput{Secret: waybell.Some(waybell.Secret("whsec_" + canary + "!"))}, 0)
		errs = append(errs, err)
		f.failBefore(waybell.ErrUnavailable, "Accept", "Settle", "Event", "EventsByKey")
		publish(`{"event":"message.sent","data":{"text":"` + canary + `"}}`)
		time.Sleep(time.Minute)
		f.failBefore(nil, "Accept", "Settle", "Event", "EventsByKey")
		r.stop()
		r.damage("UPDATE events SET data = ?", []byte(`{"text":"`+canary))
		r.start()
		time.Sleep(time.Hour)
		if r.receiver.Count() < 10 {
			t.Errorf("%d requests: the test does not test much", r.receiver.Count())
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for line := range strings.Lines(r.log.String()) {
			if strings.Contains(line, canary) {
				t.Errorf("a canary in the log: %.300s", line)
			}
		}
		failed := 0
		for _, err := range errs {
			for e := err; e != nil; e = errors.Unwrap(e) {
				if text := fmt.Sprintf("%v %+v", e, e); strings.Contains(text, canary+"-secret") || strings.Contains(text, canary+"-header") || strings.Contains(text, canary+"-data") {
					t.Errorf("a canary in an error: %.300s", text)
				}
			}
			if err != nil {
				failed++
			}
		}
		if failed < 4 {
			t.Errorf("%d errors: the test does not test much", failed)
		}
	})
}

// A batch that has too many lines is not parsed to find that out. Not parallel:
// it counts allocations.
func TestTooManyLinesCostNothing(t *testing.T) {
	n := startWithAgent(t)
	batch := waybell.BatchRequest{NDJSON: true, Body: []byte(strings.Repeat("12\n", 500_000))}
	allocs := testing.AllocsPerRun(1, func() {
		if _, err := n.PublishBatch(t.Context(), batch); waybell.ErrorCode(err) != waybell.CodeTooLarge ||
			!strings.Contains(err.Error(), "500000 events") {
			t.Error(err)
		}
	})
	if allocs > 1000 {
		t.Errorf("%v allocations", allocs)
	}
}

// Before the start no agent is known: nothing may be told of one.
func TestNothingBeforeTheStart(t *testing.T) {
	t.Parallel()
	for _, create := range []bool{false, true} {
		svc, err := waybell.New(waybell.Config{
			Store: struct{ waybell.Store }{}, EncryptionKeys: []waybell.Secret{testKey}, CreateAgents: create,
		})
		if err != nil {
			t.Fatal(err)
		}
		_, one := svc.Publish(t.Context(), "bot", waybell.PublishInput{Type: "lead.submit"})
		_, json := svc.PublishJSON(t.Context(), "bot", []byte(`{"event":"lead.submit"}`), "")
		_, ledger := svc.Ledger(t.Context(), "bot", "")
		_, batch := svc.PublishBatch(t.Context(), waybell.BatchRequest{Body: []byte(`{"events":[{"agent_id":"bot","event":"lead.submit"}]}`)})
		for _, err := range []error{one, json, ledger, batch} {
			if waybell.ErrorCode(err) != waybell.CodeUnavailable || !strings.Contains(err.Error(), "the service has not started") {
				t.Errorf("%v", err)
			}
		}
	}
}
