package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/pgtest"
)

// at is the time of these tests.
var at = time.Date(2026, 4, 26, 8, 30, 14, 123456000, time.UTC)

// nodes are two processes on one database.
type nodes struct {
	*testing.T
	a, b *Store
}

func twoNodes(t *testing.T) *nodes {
	t.Helper()
	url := pgtest.Database(t)
	open := func() *Store {
		s, err := Open(t.Context(), Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	return &nodes{T: t, a: open(), b: open()}
}

// each runs f n times at once, on the two nodes in turn, and returns its errors.
func (n *nodes) each(times int, f func(s *Store, i int) error) []error {
	errs := make([]error, times)
	var running sync.WaitGroup
	for i := range times {
		running.Go(func() { errs[i] = f([]*Store{n.a, n.b}[i%2], i) })
	}
	running.Wait()
	return errs
}

func (n *nodes) ok(err error) {
	n.Helper()
	if err != nil {
		n.Fatal(err)
	}
}

func (n *nodes) is(err, want error) {
	n.Helper()
	if !errors.Is(err, want) {
		n.Fatalf("error %v, want %v", err, want)
	}
}

// within checks that so many succeeded and all others were refused with want.
func (n *nodes) within(errs []error, succeed int, want error) {
	n.Helper()
	for _, err := range errs {
		if err == nil {
			succeed--
		} else if !errors.Is(err, want) {
			n.Errorf("error %v, want %v", err, want)
		}
	}
	if succeed != 0 {
		n.Errorf("%d more should have succeeded", succeed)
	}
}

func (n *nodes) agent(id string) waybell.Agent {
	n.Helper()
	a, err := n.a.CreateAgent(n.Context(), waybell.Agent{ID: id})
	n.ok(err)
	return a
}

func (n *nodes) count(sql string, args ...any) (rows int) {
	n.Helper()
	n.ok(n.a.read(n.Context(), func(ctx context.Context, q querier) error { return q.QueryRow(ctx, sql, args...).Scan(&rows) }))
	return rows
}

// TestConfigInOrder: whoever follows the versions while two nodes change the
// configuration misses nothing, and no number or version is given twice.
func TestConfigInOrder(t *testing.T) {
	t.Parallel()
	n := twoNodes(t)
	const agents, limit = 24, 3
	done := make(chan []error)
	go func() {
		done <- n.each(agents, func(s *Store, i int) error {
			a, err := s.CreateAgent(t.Context(), waybell.Agent{ID: fmt.Sprint("a", i)})
			for e := range limit {
				if err == nil {
					_, err = s.CreateEndpoint(t.Context(), waybell.Endpoint{ID: fmt.Sprint("e", e), Agent: a.Number}, limit)
				}
			}
			return err
		})
	}()
	seen := make(map[int64]string)
	version := int64(0)
	follow := func() {
		ch, err := n.b.ConfigSince(t.Context(), version)
		n.ok(err)
		for _, a := range ch.Agents {
			if a.Version <= version || a.Version > ch.Version || seen[a.Version] != "" {
				t.Fatalf("agent with version %d after %d, up to %d, seen %q", a.Version, version, ch.Version, seen[a.Version])
			}
			seen[a.Version] = a.ID
		}
		for _, e := range ch.Endpoints {
			if e.Version <= version || e.Version > ch.Version || seen[e.Version] != "" {
				t.Fatalf("endpoint with version %d after %d, up to %d, seen %q", e.Version, version, ch.Version, seen[e.Version])
			}
			seen[e.Version] = e.AgentID + e.ID
		}
		version = ch.Version
	}
	for errs := []error(nil); errs == nil; {
		select {
		case errs = <-done:
			n.within(errs, agents, nil)
		default:
		}
		follow()
	}
	if want := agents * (1 + limit); len(seen) != want || version != int64(want) {
		t.Fatalf("%d changes were seen up to version %d, want %d", len(seen), version, want)
	}
}

// A start waits for all of the configuration, however long that takes; who has less
// time gets an error when it is over.
func TestConfigTakesLong(t *testing.T) {
	t.Parallel()
	s := openStore(t, Config{})
	a, err := s.CreateAgent(t.Context(), waybell.Agent{ID: "bot", Name: "Bot", Profile: "standard", CreatedAt: at})
	if err != nil {
		t.Fatal(err)
	}
	locked := make(chan struct{})
	var other sync.WaitGroup
	other.Go(func() {
		err := pgx.BeginFunc(t.Context(), s.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "LOCK TABLE endpoints IN ACCESS EXCLUSIVE MODE")
			close(locked)
			if err == nil {
				_, err = tx.Exec(t.Context(), "SELECT pg_sleep($1)", (readTimeout + 500*time.Millisecond).Seconds())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	defer other.Wait()
	<-locked
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.ConfigSince(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with 100 ms: %v", err)
	}
	ch, err := s.ConfigSince(t.Context(), 0)
	if err != nil || ch.Version != a.Version || len(ch.Agents) != 1 {
		t.Errorf("with all the time: %+v, %v", ch, err)
	}
}

// TestConfigTogether: what two nodes want of the same row, one gets.
func TestConfigTogether(t *testing.T) {
	t.Parallel()
	n := twoNodes(t)
	a := n.agent("shared")
	version, err := n.a.ConfigVersion(t.Context())
	n.ok(err)

	n.within(n.each(8, func(s *Store, _ int) error {
		_, err := s.CreateAgent(t.Context(), waybell.Agent{ID: "one"})
		return err
	}), 1, waybell.ErrExists)
	n.within(n.each(8, func(s *Store, i int) error {
		_, err := s.CreateEndpoint(t.Context(), waybell.Endpoint{ID: fmt.Sprint(i), Agent: a.Number}, 3)
		return err
	}), 3, waybell.ErrConflict)
	n.within(n.each(8, func(s *Store, i int) error {
		changed := a
		changed.Name = fmt.Sprint(i)
		_, err := s.UpdateAgent(t.Context(), changed)
		return err
	}), 1, waybell.ErrConflict)
	n.within(n.each(8, func(s *Store, i int) error {
		_, err := s.CreateKey(t.Context(), waybell.APIKey{ID: fmt.Sprint(i), Hash: [32]byte{1}})
		return err
	}), 1, waybell.ErrExists)
	fresh := make([]bool, 8)
	n.within(n.each(8, func(s *Store, i int) (err error) {
		_, fresh[i], err = s.PutEventType(t.Context(), waybell.EventType{Name: "order.paid", CreatedAt: at})
		return err
	}), 8, nil)
	if made := slices.DeleteFunc(fresh, func(f bool) bool { return !f }); len(made) != 1 {
		t.Errorf("new for %d, want one", len(made))
	}
	now, err := n.b.ConfigVersion(t.Context())
	n.ok(err)
	if want := version + 1 + 3 + 1 + 1 + 8; now != want {
		t.Errorf("version %d, want %d: what was refused does not count", now, want)
	}
}

// TestRootKeyOfManyNodes: nodes with the same key in their settings start at
// once; only the first one writes.
func TestRootKeyOfManyNodes(t *testing.T) {
	t.Parallel()
	n := twoNodes(t)
	replace := func(s *Store, i int) error {
		return s.ReplaceRootKey(t.Context(), waybell.APIKey{ID: fmt.Sprint("root", i), Hash: [32]byte{7}, CreatedAt: at})
	}
	n.ok(n.a.ReplaceRootKey(t.Context(), waybell.APIKey{ID: "old", Hash: [32]byte{6}, CreatedAt: at}))
	n.within(n.each(8, replace), 8, nil)
	keys, err := n.b.Keys(t.Context(), "", 10)
	n.ok(err)
	if len(keys) != 1 || keys[0].Hash != [32]byte{7} || !keys[0].Root {
		t.Fatalf("working keys: %+v", keys)
	}
	commits := n.a.commits.Load()
	n.ok(replace(n.a, 9))
	if n.a.commits.Load() != commits {
		t.Error("a key that is there cost a transaction")
	}
}

// TestSessionsOfManyNodes holds the limits and the one exchange of a key while
// two nodes write.
func TestSessionsOfManyNodes(t *testing.T) {
	t.Parallel()
	n := twoNodes(t)
	for kind, agent := range []waybell.AgentNumber{0, n.agent("portal").Number} {
		n.within(n.each(20, func(s *Store, i int) error {
			return s.CreateSession(t.Context(), waybell.Session{ID: fmt.Sprint(kind, "-", i), Agent: agent, KeyHash: [32]byte{byte(kind), byte(i)},
				TTL: time.Hour, CreatedAt: at, EndsAt: at.Add(time.Minute)}, 4)
		}), 4, waybell.ErrConflict)
	}
	n.ok(n.a.CreateSession(t.Context(), waybell.Session{ID: "x", Agent: 99, KeyHash: [32]byte{9}, TTL: time.Hour,
		CreatedAt: at, EndsAt: at.Add(time.Minute)}, 4))
	n.within(n.each(20, func(s *Store, i int) error {
		_, err := s.ExchangeSession(t.Context(), waybell.SessionExchange{KeyHash: [32]byte{9}, TokenHash: [32]byte{10, byte(i)}, Now: at})
		return err
	}), 1, waybell.ErrNotFound)
	commits := n.a.commits.Load()
	_, err := n.a.ExchangeSession(t.Context(), waybell.SessionExchange{KeyHash: [32]byte{11}, TokenHash: [32]byte{12}, Now: at})
	n.is(err, waybell.ErrNotFound)
	if n.a.commits.Load() != commits {
		t.Error("a key that a stranger made up cost a transaction")
	}
}

// TestInboxesOfManyNodes holds the bounds while two nodes write, and leaves no
// request behind of an inbox that goes while they come.
func TestInboxesOfManyNodes(t *testing.T) {
	t.Parallel()
	n := twoNodes(t)
	a := n.agent("a")
	made := make([]waybell.Inbox, 12)
	n.within(n.each(12, func(s *Store, i int) (err error) {
		made[i], err = s.CreateInbox(t.Context(), waybell.Inbox{ID: fmt.Sprint("i", i), Token: fmt.Sprint("t", i), Agent: a.Number,
			CreatedAt: at, ExpiresAt: at.Add(time.Hour)}, 2)
		return err
	}), 2, waybell.ErrConflict)
	list, err := n.b.Inboxes(t.Context(), a.Number, at, waybell.PageQuery{Limit: 10})
	n.ok(err)
	in := list[0]
	add := func(s *Store, i int) error {
		return s.AddInboxRequest(t.Context(), waybell.InboxRequest{ID: fmt.Sprint(i), Inbox: in.Number, ReceivedAt: at}, 5, at)
	}
	n.within(n.each(30, add), 30, nil)
	if kept := n.count("SELECT count(*) FROM inbox_requests"); kept != 5 {
		t.Errorf("%d requests are kept, want 5", kept)
	}
	for _, err := range n.each(30, func(s *Store, i int) error {
		if i == 15 {
			return s.DeleteInbox(t.Context(), a.Number, in.ID)
		}
		return add(s, i)
	}) {
		if err != nil {
			n.is(err, waybell.ErrNotFound)
		}
	}
	if left := n.count("SELECT count(*) FROM inbox_requests"); left != 0 {
		t.Errorf("%d requests of no inbox are left", left)
	}
}

// TestTextWithNUL: PostgreSQL's text takes neither NUL nor what is not UTF-8.
// What people write freely is kept, what they ask for is not found, and an id
// that the service would not let through is an error of the call alone.
func TestTextWithNUL(t *testing.T) {
	t.Parallel()
	n := twoNodes(t)
	a := n.agent("a")
	for _, bad := range []string{"a\x00b", "\xff"} {
		lookups := map[string]func() error{
			"agent":    func() error { _, err := n.a.Agent(t.Context(), bad); return err },
			"endpoint": func() error { _, err := n.a.Endpoint(t.Context(), a.Number, bad); return err },
			"type":     func() error { return n.a.DeleteEventType(t.Context(), bad, at) },
			"key":      func() error { return n.a.RevokeKey(t.Context(), bad, at) },
			"keys":     func() error { _, err := n.a.Keys(t.Context(), bad, 1); return err },
			"session":  func() error { return n.a.EndSession(t.Context(), bad) },
			"setting":  func() error { _, err := n.a.Setting(t.Context(), bad); return err },
			"inbox":    func() error { _, err := n.a.Inbox(t.Context(), a.Number, bad); return err },
			"token":    func() error { _, err := n.a.InboxByToken(t.Context(), bad); return err },
			"deletion": func() error { return n.a.DeleteInbox(t.Context(), a.Number, bad) },
		}
		for name, look := range lookups {
			if err := look(); !errors.Is(err, waybell.ErrNotFound) {
				t.Errorf("%s %q: %v", name, bad, err)
			}
		}
		_, err := n.a.CreateAgent(t.Context(), waybell.Agent{ID: bad})
		if err == nil || errors.Is(err, waybell.ErrUnavailable) {
			t.Errorf("an agent %q: %v", bad, err)
		}

		in, err := n.a.CreateInbox(t.Context(), waybell.Inbox{ID: fmt.Sprintf("%x", bad), Token: fmt.Sprintf("%x", bad),
			Agent: a.Number, Name: bad, CreatedAt: at, ExpiresAt: at.Add(time.Hour)}, 9)
		n.ok(err)
		if in, err = n.b.InboxByToken(t.Context(), in.Token); err != nil || in.Name != bad {
			t.Errorf("the inbox's name is %q, %v", in.Name, err)
		}
		version, err := n.a.ConfigVersion(t.Context())
		n.ok(err)
		_, _, err = n.a.PutEventType(t.Context(), waybell.EventType{Name: "x", Description: bad})
		n.ok(err)
		if ch, err := n.b.ConfigSince(t.Context(), version); err != nil || ch.EventTypes[0].Description != bad {
			t.Errorf("the type's description is not %q: %+v, %v", bad, ch.EventTypes, err)
		}
	}
	if _, err := n.a.UpdateAgent(t.Context(), a); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// TestChangesAreHeard: a change on one node wakes the other.
func TestChangesAreHeard(t *testing.T) {
	t.Parallel()
	n := twoNodes(t)
	_, err := n.a.Join(t.Context(), waybell.NodeInfo{Name: "a"})
	n.ok(err)
	_, err = n.b.Join(t.Context(), waybell.NodeInfo{Name: "b"})
	n.ok(err)
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	for i := 0; ; i++ { // the other may not listen yet
		n.agent(fmt.Sprint("a", i))
		again := time.NewTimer(50 * time.Millisecond)
		select {
		case <-n.b.Changes():
			again.Stop()
			return
		case <-again.C:
		case <-deadline.C:
			t.Fatal("the other node heard nothing")
		}
	}
}
