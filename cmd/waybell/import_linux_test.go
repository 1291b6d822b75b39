package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/pgtest"
	"github.com/waybell/waybell/internal/teststore"
	"github.com/waybell/waybell/internal/transfer"
	"github.com/waybell/waybell/postgres"
	"github.com/waybell/waybell/sqlite"
)

const moveKey = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

// receptions is a receiver that counts what it gets of each event.
type receptions struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string]int
}

func newReceptions(t *testing.T) *receptions {
	r := &receptions{seen: map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/down" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen[req.Header.Get("webhook-id")]++
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receptions) of(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[id]
}

func startOn(t *testing.T, store waybell.Store) *waybell.Service {
	t.Helper()
	svc, err := waybell.New(waybell.Config{
		Store: store, EncryptionKeys: []waybell.Secret{moveKey}, AllowTargets: []string{"127.0.0.0/8"},
		OwnURL: "http://127.0.0.1:1", Logger: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		err = svc.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

// origin is a data directory as a busy server leaves it that was killed.
type origin struct {
	dir     string
	waiting []string // ids of events whose delivery to /ok was never tried
}

// fill makes one: delivered, retried, canceled and held deliveries, a deleted
// endpoint, chosen ids, idempotency keys, event types, keys, inboxes, branding,
// statistics, and deliveries that a dead process had in hand.
func fill(t *testing.T, r *receptions) *origin {
	t.Helper()
	ctx := t.Context()
	o := &origin{dir: t.TempDir()}
	store, err := sqlite.Open(ctx, sqlite.Config{Dir: o.dir})
	if err != nil {
		t.Fatal(err)
	}
	svc := startOn(t, store)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = svc.CreateAgent(ctx, waybell.AgentInput{ID: "shop", Name: waybell.Some("Shop")})
	check(err)
	_, err = svc.CreateAgent(ctx, waybell.AgentInput{ID: "gone", Name: waybell.Some("Gone")})
	check(err)
	endpoint := func(path string) waybell.Endpoint {
		e, err := svc.CreateEndpoint(ctx, "shop", waybell.EndpointInput{
			URL: waybell.Some(r.URL + path), Events: waybell.Some([]string{"*"}), GenerateSecret: waybell.SecretSymmetric,
		})
		check(err)
		return e.Endpoint
	}
	ok, _, removed := endpoint("/ok"), endpoint("/down"), endpoint("/removed")
	for i := range 40 {
		in := waybell.PublishInput{Type: "lead.submit", Data: []byte(`{"name":"n"}`)}
		switch i % 4 {
		case 1:
			in.ID = fmt.Sprintf("own-%d", i)
		case 2:
			in.IdempotencyKey = fmt.Sprintf("key-%d", i)
		}
		_, err := svc.Publish(ctx, "shop", in)
		check(err)
	}
	_, _, err = svc.CreateKey(ctx, waybell.KeyInput{Name: "k", Scopes: []waybell.Scope{waybell.ScopeEventsWrite}})
	check(err)
	_, err = svc.EnsureRootKey(ctx, "the-root-key-of-the-import-test")
	check(err)
	_, _, err = svc.PutEventType(ctx, "order.created", waybell.EventTypeInput{Description: "An order."})
	check(err)
	_, err = svc.CreateInbox(ctx, "shop", waybell.InboxInput{Name: waybell.Some("in")})
	check(err)
	check(svc.DeleteEndpoint(ctx, "shop", removed.ID, 0))
	check(svc.DeleteAgent(ctx, "gone", 0))
	check(svc.Stop(ctx))
	o.die(t, store, ok)
	check(store.Close())
	return o
}

// die accepts events as a process does that is killed at once.
func (o *origin) die(t *testing.T, store *sqlite.Store, to waybell.Endpoint) {
	t.Helper()
	ctx := t.Context()
	lease, err := store.Join(ctx, waybell.NodeInfo{Name: "killed"})
	if err != nil {
		t.Fatal(err)
	}
	version, err := store.ConfigVersion(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var list []*waybell.NewEvent
	for i := range 10 {
		key := max(waybell.KeyAt(time.Now()), lease.LastKey) + waybell.Key((i+1)<<10)
		list = append(list, &waybell.NewEvent{
			Event: waybell.Event{Key: key, Agent: to.Agent, AgentID: "shop", AgentName: "Shop", ID: waybell.EventID(key), Type: "lead.submit",
				Timestamp: key.Time(), Data: []byte(`{"name":"killed"}`), Deliveries: 1},
			Targets: []waybell.NewTarget{{Endpoint: to.Number, WindowEnd: key.Time().Add(24 * time.Hour)}},
		})
		o.waiting = append(o.waiting, waybell.EventID(key))
	}
	if _, err := store.Accept(ctx, lease, version, list); err != nil {
		t.Fatal(err)
	}
}

// run runs `waybell import` as main does.
func (o *origin) run(t *testing.T, database string) (movedView, string, error) {
	t.Helper()
	root := newRootCommand()
	var out, errs bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs([]string{"import", "--data-dir", o.dir, "--database-url", database, "--encryption-key", moveKey, "-o", "json"})
	err := root.ExecuteContext(t.Context())
	var v movedView
	if err == nil {
		if err := json.Unmarshal(out.Bytes(), &v); err != nil {
			t.Fatalf("%v: %s", err, &out)
		}
	}
	return v, errs.String(), err
}

func openShop(t *testing.T, database string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Config{URL: database})
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

// Everything is moved, once, and what waited is delivered by the nodes.
func TestImport(t *testing.T) {
	t.Parallel()
	if !teststore.Embedded(t) {
		return // it is about both stores, whichever is chosen
	}
	r := newReceptions(t)
	o := fill(t, r)
	database := pgtest.Database(t)
	first, _, err := o.run(t, database)
	if err != nil {
		t.Fatal(err)
	}
	n := first.Moved
	if first.Before || n.Events != 50 || n.Waiting < 50 || n.Promises != 20 || n.Keys != 2 || n.Agents != 2 || n.Inboxes != 1 ||
		n.Endpoints != 3 || n.Attempts < 80 || n.Deliveries < 40 || n.Tallies == 0 || n.Ledger.Accepted != 130 {
		t.Errorf("moved %+v", n)
	}
	again, _, err := o.run(t, database)
	if err != nil || !again.Before || again.Moved != n {
		t.Errorf("the second run: %+v, %v", again, err)
	}
	if err := refuseMoved(o.dir); err == nil || !strings.Contains(err.Error(), "was moved to PostgreSQL") || strings.Contains(err.Error(), "AQEB") {
		t.Errorf("a server on the data directory: %v", err)
	}

	from, err := sqlite.Open(t.Context(), sqlite.Config{Dir: o.dir})
	if err != nil {
		t.Fatal(err)
	}
	to := openShop(t, database)
	sameStores(t, from, to)
	if err := from.Close(); err != nil {
		t.Fatal(err)
	}
	goesOn(t, o, r, to)
}

// sameStores compares what users see of both.
func sameStores(t *testing.T, from, to waybell.Store) {
	t.Helper()
	ctx := t.Context()
	all := func(s waybell.Store) (list []any) {
		must := func(v any, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, v)
		}
		config, err := s.ConfigSince(ctx, 0)
		must(config, err)
		counters, err := s.AllCounters(ctx)
		slices.SortFunc(counters, func(a, b waybell.Counters) int { return int(a.Endpoint - b.Endpoint) })
		must(counters, err)
		keys, err := s.Keys(ctx, "", 10)
		must(keys, err)
		agent, err := s.Agent(ctx, "shop")
		must(agent, err)
		inboxes, err := s.Inboxes(ctx, agent.Number, time.Now(), waybell.PageQuery{Limit: 10})
		must(inboxes, err)
		page, err := s.ListEvents(ctx, waybell.EventQuery{Agent: agent.Number, Limit: 1000, Scan: 1000})
		must(page, err)
		log, err := s.Deliveries(ctx, waybell.DeliveryQuery{Agent: agent.Number, Limit: 1000, Scan: 1000})
		must(log, err)
		for _, d := range log.Deliveries {
			attempts, err := s.Attempts(ctx, agent.Number, d.DeliveryRef, 100)
			must(attempts, err)
		}
		byID, err := s.EventByID(ctx, agent.Number, "own-1")
		must(byID, err)
		return list
	}
	want, got := all(from), all(to)
	if len(want) != len(got) {
		t.Fatalf("%d things, and %d were moved", len(want), len(got))
	}
	for i := range want {
		if !reflect.DeepEqual(want[i], got[i]) {
			t.Errorf("%T differs:\n%+v\n%+v", want[i], want[i], got[i])
		}
	}
}

// goesOn starts a node on the database: what waited is delivered, what was
// published is known, and new things get numbers of their own.
func goesOn(t *testing.T, o *origin, r *receptions, to *postgres.Store) {
	t.Helper()
	ctx := t.Context()
	svc := startOn(t, to)
	t.Cleanup(func() {
		if err := svc.Stop(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	if !poll(func() bool {
		return !slices.ContainsFunc(o.waiting, func(id string) bool { return r.of(id) == 0 })
	}) {
		t.Error("what waited was not delivered")
	}
	for _, id := range o.waiting {
		if n := r.of(id); n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
	repeated, err := svc.Publish(ctx, "shop", waybell.PublishInput{Type: "lead.submit", ID: "own-1", Data: []byte(`{"name":"n"}`)})
	if err != nil || !repeated.Duplicate {
		t.Errorf("an id that was used before: %+v, %v", repeated, err)
	}
	if _, err := svc.Authenticate(ctx, "the-root-key-of-the-import-test"); err != nil {
		t.Errorf("the API key: %v", err)
	}
	if _, err := svc.CreateAgent(ctx, waybell.AgentInput{ID: "later", Name: waybell.Some("Later")}); err != nil {
		t.Error(err)
	}
	if _, err := svc.CreateEndpoint(ctx, "later", waybell.EndpointInput{URL: waybell.Some(r.URL + "/ok"), Events: waybell.Some([]string{"*"})}); err != nil {
		t.Error(err)
	}
}

// failing is a source that breaks after some calls.
type failing struct {
	transfer.Source
	left int
}

var errBroken = errors.New("broken")

func (f *failing) may() error {
	if f.left--; f.left < 0 {
		return errBroken
	}
	return nil
}

func (f *failing) Events(ctx context.Context, after waybell.Key) (*transfer.Piece, error) {
	if err := f.may(); err != nil {
		return nil, err
	}
	return f.Source.Events(ctx, after)
}

func (f *failing) Promises(ctx context.Context, after transfer.Promise) ([]transfer.Promise, error) {
	if err := f.may(); err != nil {
		return nil, err
	}
	return f.Source.Promises(ctx, after)
}

func (f *failing) Tallies(ctx context.Context, after transfer.TallyKey) ([]transfer.Tally, error) {
	if err := f.may(); err != nil {
		return nil, err
	}
	return f.Source.Tallies(ctx, after)
}

// An import that ends at any piece goes on where it was.
func TestImportGoesOn(t *testing.T) {
	t.Parallel()
	if !teststore.Embedded(t) {
		return // it is about both stores, whichever is chosen
	}
	o := fill(t, newReceptions(t))
	database := pgtest.Database(t)
	from, err := sqlite.Open(t.Context(), sqlite.Config{Dir: o.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	export, err := from.Export(t.Context(), waybell.NodeInfo{Name: "import"})
	if err != nil {
		t.Fatal(err)
	}
	export.Rows = 7
	uses, err := from.Uses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to := openShop(t, database)
	runs := 0
	for ; runs < 1000; runs++ {
		im, err := to.Import(t.Context(), "test", uses)
		if err != nil {
			t.Fatal(err)
		}
		if im.Done() {
			break
		}
		if runs > 0 {
			if importing, err := to.Importing(t.Context()); err != nil || !importing {
				t.Fatalf("run %d: importing %v, %v", runs, importing, err)
			}
		}
		if err := im.Run(t.Context(), &failing{export, 2}, func(postgres.ImportProgress) {}); err != nil && !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
	}
	if runs < 10 {
		t.Errorf("%d runs: the pieces are too large for the test", runs)
	}
	if importing, err := to.Importing(t.Context()); err != nil || importing {
		t.Errorf("importing %v, %v", importing, err)
	}
	sameStores(t, from, to)
}

// What an import refuses, it refuses before anything is changed.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	if !teststore.Embedded(t) {
		return // it is about both stores, whichever is chosen
	}
	o := fill(t, newReceptions(t))
	mark := filepath.Join(o.dir, movedName)
	refused := func(name, database string, code int, text string) {
		t.Helper()
		_, _, err := o.run(t, database)
		if exitCode(err) != code || err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	unmarked := func(name string) {
		t.Helper()
		if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the data directory was marked: %v", name, err)
		}
	}
	ctx := t.Context()

	full := pgtest.Database(t)
	if _, err := openShop(t, full).CreateAgent(ctx, waybell.Agent{ID: "other", CreatedAt: time.Now(), UpdatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	refused("a database that has an agent", full, exitRefused, "a database of its own")
	unmarked("a database that has an agent")

	used := pgtest.Database(t)
	if _, err := openShop(t, used).Join(ctx, waybell.NodeInfo{Name: "early"}); err != nil {
		t.Fatal(err)
	}
	refused("a database with a node", used, exitRefused, "stop the nodes")
	unmarked("a database with a node")

	target := pgtest.Database(t)
	lock, err := sqlite.Open(ctx, sqlite.Config{Dir: o.dir})
	if err != nil {
		t.Fatal(err)
	}
	refused("a server that runs", target, exitUnavailable, "stop the server first")
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	unmarked("a server that runs")

	root := newRootCommand()
	root.SetErr(&bytes.Buffer{})
	root.SetArgs([]string{"import", "--data-dir", o.dir, "--database-url", target, "--encryption-key", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="})
	if err := root.ExecuteContext(ctx); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "does not open what is to be moved") {
		t.Errorf("another encryption key: %v", err)
	}
	unmarked("another encryption key")

	if _, _, err := o.run(t, target); err != nil {
		t.Fatal(err)
	}
	refused("another database after the move", pgtest.Database(t), exitRefused, "was moved elsewhere")
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	refused("the same database after going back", target, exitRefused, "imported from another place")
}
