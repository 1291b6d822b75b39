package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/waybell/waybell"
)

var sessionTests = []test{
	{"Life", testSessionLife},
	{"Console", testConsoleSession},
	{"Refused", testSessionRefused},
	{"ExchangeOnce", testExchangeOnce},
	{"Limit", testSessionLimit},
	{"LimitTogether", testSessionLimitTogether},
	{"Sweep", testSweepSessions},
	{"Setting", testSetting},
}

// session is a portal session whose key works for a minute from start on, made
// different by n.
func session(a waybell.Agent, n int) waybell.Session {
	return waybell.Session{
		ID: fmt.Sprintf("ses_%03d", n), Agent: a.Number, AgentID: a.ID,
		Capabilities: []waybell.Capability{waybell.CapabilityView, waybell.CapabilityResend},
		Theme:        "dark", KeyID: "key_1", KeyHash: hash(1, n), TTL: 90 * time.Second,
		CreatedAt: start, EndsAt: start.Add(time.Minute),
	}
}

func hash(kind byte, n int) [32]byte { return [32]byte{kind, byte(n), byte(n >> 8), 31: kind} }

func exchange(n int, now time.Time) waybell.SessionExchange {
	return waybell.SessionExchange{KeyHash: hash(1, n), TokenHash: hash(2, n), Now: now}
}

func testSessionLife(e *env) {
	a, _ := e.agent(0)
	want := session(a, 1)
	e.ok(e.s.CreateSession(e.ctx(), want, 10))
	version := e.version()

	// The key is no token, nor is no token one.
	for _, h := range [][32]byte{hash(1, 1), hash(2, 1), {}} {
		_, err := e.s.SessionByToken(e.ctx(), h, start)
		e.is(err, waybell.ErrNotFound)
	}
	e.crash() // what was made is still there in the next process
	now := start.Add(time.Minute - time.Microsecond)
	got, err := e.s.ExchangeSession(e.ctx(), exchange(1, now))
	e.ok(err)
	want.TokenHash, want.ExchangedAt, want.EndsAt = hash(2, 1), now, now.Add(want.TTL)
	e.same("exchanged", got, want)
	_, err = e.s.ExchangeSession(e.ctx(), exchange(1, now))
	e.is(err, waybell.ErrNotFound)

	e.crash()
	for _, at := range []time.Time{now, want.EndsAt.Add(-time.Microsecond)} {
		got, err = e.s.SessionByToken(e.ctx(), hash(2, 1), at)
		e.ok(err)
		e.same("session", got, want)
	}
	_, err = e.s.SessionByToken(e.ctx(), hash(2, 1), want.EndsAt)
	e.is(err, waybell.ErrNotFound)
	_, err = e.s.SessionByToken(e.ctx(), hash(1, 1), now)
	e.is(err, waybell.ErrNotFound)

	e.ok(e.s.EndSession(e.ctx(), want.ID))
	e.is(e.s.EndSession(e.ctx(), want.ID), waybell.ErrNotFound)
	_, err = e.s.SessionByToken(e.ctx(), hash(2, 1), now)
	e.is(err, waybell.ErrNotFound)
	if e.version() != version {
		e.Fatal("a session is no configuration: publishing would match again for it")
	}
}

func testConsoleSession(e *env) {
	want := waybell.Session{ID: "ses_c", KeyHash: hash(1, 1), TTL: 12 * time.Hour, CreatedAt: start, EndsAt: start.Add(time.Minute)}
	e.ok(e.s.CreateSession(e.ctx(), want, 1))
	got, err := e.s.ExchangeSession(e.ctx(), exchange(1, start))
	e.ok(err)
	want.TokenHash, want.ExchangedAt, want.EndsAt = hash(2, 1), start, start.Add(want.TTL)
	e.same("exchanged", got, want)
}

func testSessionRefused(e *env) {
	a, _ := e.agent(0)
	e.ok(e.s.CreateSession(e.ctx(), session(a, 1), 10))
	sameID, sameKey := session(a, 2), session(a, 3)
	sameID.ID, sameKey.KeyHash = "ses_001", hash(1, 1)
	e.is(e.s.CreateSession(e.ctx(), sameID, 10), waybell.ErrExists)
	e.is(e.s.CreateSession(e.ctx(), sameKey, 10), waybell.ErrExists)

	for name, x := range map[string]waybell.SessionExchange{
		"at its end":    exchange(1, start.Add(time.Minute)),
		"long after":    exchange(1, start.Add(time.Hour)),
		"unknown":       exchange(9, start),
		"no key at all": {Now: start},
	} {
		if _, err := e.s.ExchangeSession(e.ctx(), x); !errors.Is(err, waybell.ErrNotFound) {
			e.Errorf("%s: %v", name, err)
		}
	}
	e.ok(e.s.EndSession(e.ctx(), "ses_001")) // before its key was exchanged
	_, err := e.s.ExchangeSession(e.ctx(), exchange(1, start))
	e.is(err, waybell.ErrNotFound)
}

// testExchangeOnce has many callers exchange each key at the same time.
func testExchangeOnce(e *env) {
	a, _ := e.agent(0)
	const keys, callers = 8, 32
	for n := range keys {
		e.ok(e.s.CreateSession(e.ctx(), session(a, n), keys))
	}
	var mu sync.Mutex
	winners := make(map[int][]waybell.Session)
	var running sync.WaitGroup
	gate := make(chan struct{})
	for i := range keys * callers {
		running.Go(func() {
			<-gate
			n := i % keys
			got, err := e.s.ExchangeSession(e.ctx(), waybell.SessionExchange{KeyHash: hash(1, n), TokenHash: hash(2, i), Now: start})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				winners[n] = append(winners[n], got)
			case !errors.Is(err, waybell.ErrNotFound):
				e.Errorf("caller %d: %v", i, err)
			}
		})
	}
	close(gate)
	running.Wait()
	tokens := 0
	for n := range keys {
		if len(winners[n]) != 1 {
			e.Fatalf("key %d was exchanged %d times", n, len(winners[n]))
		}
	}
	for i := range keys * callers {
		got, err := e.s.SessionByToken(e.ctx(), hash(2, i), start)
		if errors.Is(err, waybell.ErrNotFound) {
			continue
		}
		e.ok(err)
		tokens++
		e.same("session", got, winners[i%keys][0])
	}
	if tokens != keys {
		e.Fatalf("%d tokens work for %d keys", tokens, keys)
	}
}

func testSessionLimit(e *env) {
	a, _ := e.agent(0)
	b, _ := e.agent(0)
	at := func(s waybell.Session, now time.Time) waybell.Session {
		s.CreatedAt, s.EndsAt = now, now.Add(time.Minute)
		return s
	}
	e.ok(e.s.CreateSession(e.ctx(), session(a, 1), 2))
	e.ok(e.s.CreateSession(e.ctx(), session(a, 2), 2))
	e.is(e.s.CreateSession(e.ctx(), session(a, 3), 2), waybell.ErrConflict)
	e.ok(e.s.CreateSession(e.ctx(), session(b, 4), 2))
	console := session(waybell.Agent{}, 5)
	e.ok(e.s.CreateSession(e.ctx(), console, 2))

	// An exchanged one lives for its TTL, the other ends with its key.
	_, err := e.s.ExchangeSession(e.ctx(), exchange(1, start.Add(30*time.Second)))
	e.ok(err)
	later := start.Add(time.Minute)
	e.ok(e.s.CreateSession(e.ctx(), at(session(a, 6), later), 2))
	e.is(e.s.CreateSession(e.ctx(), at(session(a, 7), later), 2), waybell.ErrConflict)
	e.ok(e.s.EndSession(e.ctx(), "ses_001"))
	e.ok(e.s.CreateSession(e.ctx(), at(session(a, 7), later), 2))
}

// testSessionLimitTogether has many callers take the last places.
func testSessionLimitTogether(e *env) {
	a, _ := e.agent(0)
	const limit, callers = 5, 40
	errs := make([]error, callers)
	var running sync.WaitGroup
	for n := range callers {
		running.Go(func() { errs[n] = e.s.CreateSession(e.ctx(), session(a, n), limit) })
	}
	running.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
			continue
		}
		e.is(err, waybell.ErrConflict)
	}
	if made != limit {
		e.Fatalf("%d were made, the limit is %d", made, limit)
	}
}

func testSweepSessions(e *env) {
	a, _ := e.agent(0)
	for n := range 7 {
		s := session(a, n)
		s.EndsAt = start.Add(time.Duration(n) * time.Second)
		e.ok(e.s.CreateSession(e.ctx(), s, 10))
	}
	e.ok(e.s.DeleteAgent(e.ctx(), a, 0)) // its sessions go like all others
	_, err := e.s.ExchangeSession(e.ctx(), exchange(1, start))
	e.ok(err)                             // lives for its TTL now
	for _, want := range []int{2, 2, 0} { // 0, 2, 3 and 4 have ended, in pieces of 2
		n, err := e.s.SweepSessions(e.ctx(), start.Add(4*time.Second), 2)
		e.ok(err)
		if n != want {
			e.Fatalf("%d sessions went, want %d", n, want)
		}
	}
	for n := range 7 {
		err := e.s.EndSession(e.ctx(), session(a, n).ID)
		if stays := n == 1 || n > 4; stays != (err == nil) {
			e.Fatalf("session %d: %v", n, err)
		}
	}
}

func testSetting(e *env) {
	_, err := e.s.Setting(e.ctx(), "a")
	e.is(err, waybell.ErrNotFound)
	for _, value := range [][]byte{[]byte("Zoë\x00"), {}, bytes.Repeat([]byte{0xff}, 256<<10)} {
		e.ok(e.s.PutSetting(e.ctx(), "a", value))
		e.ok(e.s.PutSetting(e.ctx(), "b", []byte("other")))
		e.crash()
		got, err := e.s.Setting(e.ctx(), "a")
		e.ok(err)
		e.same("setting", got, value)
	}
	got, err := e.s.Setting(e.ctx(), "b")
	e.ok(err)
	e.same("setting", got, []byte("other"))
}
