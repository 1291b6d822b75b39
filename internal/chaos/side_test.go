//go:build linux

package chaos

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/postgres"
	"github.com/waybell/waybell/signature"
	"github.com/waybell/waybell/sqlite"
)

const (
	// sideAgent is another agent, to whose endpoints nothing may ever be sent: the
	// receiver does not know their paths.
	sideAgent = "side"
	// sideEndpoints is how many it has. Only the first takes what is published.
	sideEndpoints = 6
	// sideHeld is how many of its deliveries are canceled at once: more than the
	// engine takes in hand at once, which cancels what it finds so.
	sideHeld = 2800
)

// side is the other agent of a trial.
type side struct {
	first    string // id of the endpoint
	accepted int
	rounds   int // of cancelHeld
	old      int // number of the next old event
}

// newSide makes the agent with its endpoints, all paused.
func newSide(t *testing.T, tr *trial) *side {
	t.Helper()
	s := &side{}
	call := func(path string, body, out any) {
		if err := tr.server.call(t.Context(), http.MethodPost, path, body, out); err != nil {
			t.Fatal(err)
		}
	}
	call("/v1/agents", map[string]any{"id": sideAgent, "name": "Side"}, nil)
	for i := range sideEndpoints {
		var made struct{ ID string }
		events := []string{"lead.submit"}
		if i == 0 {
			events = []string{"message.received"}
		}
		call("/v1/agents/"+sideAgent+"/endpoints", map[string]any{
			"url": tr.receiver.URL(fmt.Sprintf("/side-%d", i)), "events": events, "profile": "standard",
			"secret": signature.GenerateSecret().Reveal(),
		}, &made)
		call("/v1/agents/"+sideAgent+"/endpoints/"+made.ID+"/pause", nil, nil)
		if i == 0 {
			s.first = made.ID
		}
	}
	return s
}

// pause has the first endpoint hold what it gets.
func (s *side) pause(p *pointTrial) {
	s.enable(p, true)
	p.act(http.MethodPost, s.path()+"/pause", nil)
}

// enable switches the first endpoint on, or off: what waits is canceled.
func (s *side) enable(p *pointTrial, on bool) {
	p.act(http.MethodPatch, s.path(), map[string]any{"enabled": on})
}

func (s *side) path() string { return "/v1/agents/" + sideAgent + "/endpoints/" + s.first }

// cancelHeld lets deliveries be held, and has them canceled.
func (p *pointTrial) cancelHeld() {
	p.side.pause(p)
	p.side.rounds++
	for from := 0; from < sideHeld; from += 400 {
		events := make([]any, 400)
		for i := range events {
			e := event(fmt.Sprintf("s%d-%d", p.side.rounds, from+i))
			e["agent_id"], e["event"] = sideAgent, "message.received"
			e["data"] = map[string]any{"text": "held"}
			events[i] = e
		}
		var answer struct {
			Data []struct{ Status int }
		}
		if err := p.server.call(p.t.Context(), http.MethodPost, "/v1/events", map[string]any{"events": events}, &answer); err != nil {
			p.t.Fatal(err)
		}
		for _, a := range answer.Data {
			if a.Status != http.StatusAccepted {
				p.t.Fatalf("an event of the other agent is answered %d", a.Status)
			}
		}
		p.side.accepted += len(events)
	}
	p.sideHolds(sideHeld)
	p.side.enable(p, false)
}

// sideHolds waits until so many deliveries of the agent are held.
func (p *pointTrial) sideHolds(n int64) {
	var l ledger
	p.await(fmt.Sprintf("%d deliveries of the other agent are held", n), func() bool {
		err := p.server.read(p.t.Context(), "/v1/agents/"+sideAgent+"/ledger", &l)
		return err == nil && l.Held >= n
	})
}

// sideSettled switches the endpoint on and waits until all of the agent's deliveries
// are canceled: nothing of what waited when it was switched off, or was older than
// retention, is sent or forgotten. While it is off the ledger would count what waits
// as canceled anyway.
func (p *pointTrial) sideSettled() {
	p.side.enable(p, true)
	p.act(http.MethodPost, p.side.path()+"/resume", nil)
	var l ledger
	defer func() {
		if p.t.Failed() {
			p.t.Logf("the ledger of the other agent: %+v", l)
			p.tellWaiting()
		}
	}()
	p.await(fmt.Sprintf("%d deliveries of the other agent are canceled", p.side.accepted), func() bool {
		err := p.server.read(p.t.Context(), "/v1/agents/"+sideAgent+"/ledger", &l)
		return err == nil && l.Pending+l.Retrying+l.Held == 0
	})
	if n := int64(p.side.accepted); l.Accepted != n || l.Canceled != n {
		p.t.Errorf("the other agent's ledger is %+v, want %d accepted and canceled", l, n)
	}
}

// tellWaiting logs what waits in a shared store, for whoever looks into a failure.
func (p *pointTrial) tellWaiting() {
	if p.shared == nil {
		return
	}
	err := p.shared.ask(p.t.Context(), func(r pgx.CollectableRow) error {
		values, err := r.Values()
		p.t.Logf("agent, owner, adopted, begun, deaths, oldest, newest, rows: %v", values)
		return err
	}, `SELECT agent, owner, adopted, begun, deaths, min(event), max(event), count(*) FROM waiting GROUP BY 1, 2, 3, 4, 5`)
	p.t.Logf("what waits: %v", err)
	err = p.shared.ask(p.t.Context(), func(r pgx.CollectableRow) error {
		values, err := r.Values()
		p.t.Logf("agent, endpoint, seat, lane, accepted, pending, canceled: %v", values)
		return err
	}, `SELECT agent, endpoint, seat, lane, accepted, pending, canceled FROM counters ORDER BY 1, 2, 3, 4`)
	p.t.Logf("what is counted: %v", err)
}

// end holds the ledger against what was published.
func (s *side) end(p *pointTrial) { p.sideSettled() }

// open opens the store of a trial whose node is down.
func (p *pointTrial) open(ctx context.Context) (waybell.Store, error) {
	if p.shared != nil {
		return postgres.Open(ctx, postgres.Config{URL: p.shared.direct})
	}
	return sqlite.Open(ctx, sqlite.Config{Dir: p.dir})
}

const (
	oldAge    = 40 * 24 * time.Hour // past the retention of the trial
	oldEvents = 300                 // several pieces of a sweep
)

// addOld leaves a store with events that retention no longer keeps, some of which
// still wait.
func (p *pointTrial) addOld() {
	p.server.env = nil
	p.server.start()
	p.side.pause(p)
	p.kill()
	t, ctx := p.t, p.t.Context()
	store, err := p.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	lease, err := store.Join(ctx, waybell.NodeInfo{Name: "old"})
	if err != nil {
		t.Fatal(err)
	}
	config, err := store.ConfigSince(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	var list []*waybell.NewEvent
	for _, e := range config.Endpoints {
		if e.ID != p.side.first {
			continue
		}
		for range oldEvents {
			p.side.old++
			at := p.began.Add(-oldAge).Add(time.Duration(p.side.old) * time.Second)
			n := &waybell.NewEvent{Event: waybell.Event{
				Key: waybell.KeyAt(at), Agent: e.Agent, AgentID: sideAgent, ID: waybell.EventID(waybell.KeyAt(at)),
				Type: "message.received", Timestamp: at, Data: []byte(`{"text":"old"}`), Deliveries: 1,
			}}
			n.Targets = []waybell.NewTarget{{Endpoint: e.Number, WindowEnd: at.Add(24 * time.Hour), Aside: true}}
			list = append(list, n)
		}
	}
	if len(list) == 0 {
		t.Fatalf("the endpoint %s is not in the store", p.side.first)
	}
	if _, err := store.Accept(ctx, lease, config.Version, list); err != nil {
		t.Fatal(err)
	}
	p.side.accepted += len(list)
	if err := store.Leave(ctx, lease); err != nil {
		t.Fatal(err)
	}
}

// oldGone waits until retention has removed the old events with all that belongs
// to them. What waited among them is canceled, and counted.
func (p *pointTrial) oldGone() {
	until := p.began.Add(-oldAge / 2).UTC().Format(time.RFC3339)
	gone := func() bool {
		var page struct{ Data []struct{ ID string } }
		err := p.server.read(p.t.Context(), "/v1/agents/"+sideAgent+"/events?limit=1&until="+until, &page)
		return err == nil && len(page.Data) == 0
	}
	for range oldTries {
		for limit := time.Now().Add(restartAfter); time.Now().Before(limit); p.pause(20*time.Millisecond, 100*time.Millisecond) {
			if gone() {
				p.sideSettled()
				return
			}
		}
		p.kill()
		p.server.start()
	}
	p.t.Fatal("the old events are still there")
}

// oldTries is how often a process is started until retention has come to its end:
// on PostgreSQL a day is left for five minutes where others are in the way, as they
// are on a busy machine.
const oldTries = 6

// downgrade makes the store one of the first version of the schema, with all that
// it holds: what that version had no place for is left out.
func (p *pointTrial) downgrade() {
	t, ctx := p.t, p.t.Context()
	path, made := filepath.Join(p.dir, sqlite.FileName), filepath.Join(p.dir, "old.db")
	db, err := sql.Open("sqlite", made)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	exec := func(statement string, args ...any) {
		if _, err := db.ExecContext(ctx, statement, args...); err != nil {
			t.Fatalf("%.80s: %v", statement, err)
		}
	}
	script, err := os.ReadFile(filepath.Join("..", "..", "sqlite", "migrations", "0001_init.sql"))
	if err != nil {
		t.Fatal(err)
	}
	exec("PRAGMA page_size = 8192")
	exec("ATTACH ? AS newest", path)
	var id int
	if err := db.QueryRowContext(ctx, "PRAGMA newest.application_id").Scan(&id); err != nil {
		t.Fatal(err)
	}
	exec(fmt.Sprintf("%s; PRAGMA main.application_id = %d; PRAGMA main.user_version = 1", script, id))
	copies, err := column(ctx, db, `SELECT 'DELETE FROM main."' || t.name || '"; INSERT INTO main."' || t.name || '" (' || group_concat(c.name)
			|| ') SELECT ' || group_concat(c.name) || ' FROM newest."' || t.name || '"'
		FROM main.sqlite_schema t, pragma_table_info(t.name, 'main') c
		WHERE t.type = 'table' AND (t.name NOT LIKE 'sqlite_%' OR t.name = 'sqlite_sequence') GROUP BY t.name ORDER BY t.name = 'sqlite_sequence'`)
	if err != nil {
		t.Fatal(err)
	}
	exec("BEGIN; " + strings.Join(copies, "; ") + "; COMMIT; DETACH newest")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if err := os.Rename(made, path); err != nil {
		t.Fatal(err)
	}
}

// column is the one column of a query.
func column(ctx context.Context, db *sql.DB, query string) (list []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// numberedKey is an encryption key.
func numberedKey(n int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "chaos-encryption-key-%011d", n))
}

// rotate is another secret for the target. The one before may sign on.
func (x *target) rotate(t *testing.T) string {
	t.Helper()
	before, err := signature.ParseSecret(x.secret)
	if err != nil {
		t.Fatal(err)
	}
	x.older = append(x.older, before)
	x.expect(t, signature.GenerateSecret(), x.older...)
	return x.secret
}
