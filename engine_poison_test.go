package waybell_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	_ "modernc.org/sqlite"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

// damage runs a statement on the database file beside the service, as a
// defective disk might.
func (r *rig) damage(statement string, args ...any) {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, "*.db"))
	if err != nil || len(files) != 1 {
		r.t.Fatalf("database files: %v (%v)", files, err)
	}
	db, err := sql.Open("sqlite", files[0]+"?_pragma=busy_timeout(5000)") // the service may be writing
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	res, err := db.Exec(statement, args...)
	if err != nil {
		r.t.Fatal(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		r.t.Fatalf("%q changed %d rows (%v)", statement, n, err)
	}
}

// countRows asks the database file beside the service for a number.
func (r *rig) countRows(query string, args ...any) (n int) {
	r.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(r.dir, "waybell.db"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(query, args...).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// An event that makes the code panic harms only its own delivery: it fails at
// the fifth panic, the others arrive.
func TestPanicsHarmOnlyTheirDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		r := newRig(t, func(int, *receivertest.Recorded) receivertest.Step {
			if up.Load() {
				return receivertest.Answer(200, "")
			}
			return receivertest.Answer(500, "")
		})
		r.agent("standard")
		r.endpoint("a")
		bad := r.publish(0)
		time.Sleep(100 * time.Millisecond)
		r.damage("UPDATE events SET data = ? WHERE key = (SELECT min(key) FROM events)", []byte(`{"text":"canary-in-a-body`))
		up.Store(true)
		for i := range 20 {
			r.publish(i + 1)
		}
		time.Sleep(25 * time.Hour)
		for _, d := range r.deliveries() {
			want, reason, attempts := waybell.DeliveryDelivered, waybell.ReasonDelivered, 1
			if d.EventID == bad {
				want, reason, attempts = waybell.DeliveryFailed, waybell.ReasonBadResponse, 6
			}
			if d.State != want || d.Reason != reason || d.Delivery.Attempts != attempts {
				t.Errorf("delivery of %s is %s, %s after %d attempts; want %s, %s after %d",
					d.EventID, d.State, d.Reason, d.Delivery.Attempts, want, reason, attempts)
			}
		}
		if l := r.ledger(); l.Failed != 1 || l.Delivered != 20 {
			t.Errorf("ledger %+v", l)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if !strings.Contains(r.log.String(), "panic in an attempt") {
			t.Error("the log does not tell of the panics")
		}
		if strings.Contains(r.log.String(), "canary-in-a-body") {
			t.Error("the log holds a body")
		}
	})
}

// What OnAttempt does changes no outcome.
func TestPanicInOnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, func(c *waybell.Config) {
			c.OnAttempt = func(a waybell.AttemptReport) { panic(a.Endpoint.URL + "?token=canary-in-a-panic") }
		})
		r.agent("standard")
		r.endpoint("a")
		for i := range 5 {
			r.publish(i)
		}
		time.Sleep(time.Hour)
		if l := r.ledger(); l.Delivered != 5 || r.receiver.Count() != 5 {
			t.Errorf("ledger %+v, %d requests; want 5 of each", l, r.receiver.Count())
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if log := r.log.String(); !strings.Contains(log, "panic in OnAttempt") || strings.Contains(log, "canary-in-a-panic") {
			t.Errorf("the log does not tell of the panic, or all it held: %.500s", log)
		}
	})
}

// crash takes the store away under the service, as a kill does: nothing is
// written any more. It returns the dead service.
func (r *rig) crash() *waybell.Service {
	r.t.Helper()
	if err := r.store.Close(); err != nil {
		r.t.Fatal(err)
	}
	dead := r.svc
	r.t.Cleanup(func() { stopDead(r.t, dead) })
	return dead
}

// A delivery during which the process dies again and again runs alone, after
// all others, at growing distances; the others arrive.
func TestPoisonRunsAloneAndLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sick, killed atomic.Bool
		var alone atomic.Int64 // others in flight when the poison was sent
		sick.Store(true)
		var r *rig
		r = newRig(t, func(_ int, req *receivertest.Recorded) receivertest.Step {
			if strings.Contains(string(req.Body), "poison") && sick.Load() {
				killed.Store(true)
				alone.Store(int64(r.receiver.Stats().InFlight))
				return receivertest.Hang() // the process dies of it
			}
			return receivertest.After(10*time.Millisecond, receivertest.Answer(200, ""))
		})
		r.agent("standard")
		r.endpoint("a")
		_, err := r.svc.Publish(r.ctx, "bot", waybell.PublishInput{Type: "message.sent", Data: []byte(`{"text":"poison"}`)})
		if err != nil {
			t.Fatal(err)
		}
		r.endpoint("b")
		// The first two deaths count one, the next two one each.
		var waits []time.Duration
		for death := range 6 {
			killed.Store(false)
			for i := range 30 {
				r.publish(i)
			}
			began := time.Now()
			for !killed.Load() {
				time.Sleep(100 * time.Millisecond)
				if time.Since(began) > time.Hour {
					t.Fatalf("the poison was not sent again after death %d", death)
				}
			}
			if death >= 4 {
				waits = append(waits, time.Since(began).Round(10*time.Second))
				if n := alone.Load(); n > 1 {
					t.Errorf("%d requests in flight beside the suspect", n)
				}
				if l := r.ledger(); l.Pending > 1 {
					t.Errorf("ledger %+v when the suspect ran, want nothing else waiting", l)
				}
			}
			r.crash()
			r.receiver.CutConnections()
			r.start()
		}
		if len(waits) != 2 || waits[0] < time.Minute || waits[1] < 2*time.Minute || waits[1] > 3*time.Minute {
			t.Errorf("the suspect came after %v, want 1 and 2 minutes", waits)
		}
		sick.Store(false)
		time.Sleep(30 * time.Minute)
		if l := r.ledger(); l.Delivered != l.Accepted || l.Accepted != 361 {
			t.Errorf("ledger %+v, want all delivered", l)
		}
	})
}

// A suspect of a paused endpoint is held like any other, costs nothing
// meanwhile, and does not keep the node for itself.
func TestSuspectOfAPausedEndpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultStore{}
		r := newRig(t, receivertest.Always(receivertest.Answer(500, "")), withFaults(f))
		r.agent("standard")
		e := r.endpoint("a")
		r.publish(1)
		time.Sleep(time.Second)
		if _, err := r.svc.PauseEndpoint(r.ctx, "bot", e.ID, 0); err != nil {
			t.Fatal(err)
		}
		r.damage("UPDATE waiting SET deaths = 3, adopted = 1")
		r.receiver.Handle("/a", receivertest.Always(receivertest.Answer(200, "")))
		before := f.count("ClaimSuspect")
		time.Sleep(10 * time.Minute)
		if n := f.count("ClaimSuspect") - before; n > 100 {
			t.Errorf("%d claims of a held suspect in ten minutes", n)
		}
		if l := r.ledger(); l.Held != 1 || r.receiver.Count() != 1 {
			t.Errorf("ledger %+v, %d requests", l, r.receiver.Count())
		}
		if _, err := r.svc.ResumeEndpoint(r.ctx, "bot", e.ID, waybell.HeldSend, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if l := r.ledger(); l.Delivered != 1 {
			t.Errorf("ledger %+v after the resume", l)
		}
	})
}

// A suspect waits for silence, but not for a receiver that hangs, and the
// others wait a few seconds for it at most.
func TestSuspectBesideAHangingReceiver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Sequence(receivertest.Answer(500, ""), receivertest.Hang()))
		r.receiver.Handle("/hangs", receivertest.Always(receivertest.Hang()))
		r.receiver.Handle("/fine", receivertest.Always(receivertest.Answer(200, "")))
		r.agent("standard")
		r.endpoint("suspect", func(in *waybell.EndpointInput) { in.TimeoutSeconds = waybell.Some(120) })
		r.publish(1)
		time.Sleep(time.Second)
		r.damage("UPDATE waiting SET deaths = 3, adopted = 1")
		r.endpoint("hangs", func(in *waybell.EndpointInput) { in.TimeoutSeconds = waybell.Some(120) })
		r.endpoint("fine")
		for i := range 60 {
			began := time.Now()
			id := r.publish(i)
			var arrived time.Time
			for arrived.IsZero() && time.Since(began) < 15*time.Second {
				time.Sleep(time.Second)
				for _, req := range r.receiver.RequestsFor("/fine") {
					if req.Get("webhook-id") == id {
						arrived = req.Arrived
					}
				}
			}
			if late := arrived.Sub(began); arrived.IsZero() || late > 11*time.Second {
				t.Fatalf("a healthy endpoint waited %v for the suspect", late)
			}
		}
		if n := r.receiver.StatsFor("/suspect").Requests; n < 2 {
			t.Errorf("the suspect was sent %d times", n)
		}
	})
}

// A process that is killed again and again for reasons of its own, with a backlog in
// memory: from the third death on only what was being sent counts one, and nothing
// becomes a suspect.
func TestDeathsOfWhatWasBeingSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const backlog, atOnce, kills = 400, 16, 6
		var up atomic.Bool
		r := newRig(t, func(int, *receivertest.Recorded) receivertest.Step {
			if up.Load() {
				return receivertest.Answer(200, "")
			}
			return receivertest.Hang()
		})
		r.agent("standard")
		r.endpoint("a", func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(atOnce) })
		r.publishBatches(backlog)
		for kill := range kills {
			time.Sleep(5 * time.Second)
			begun, deaths := 0, 0
			if kill > 1 { // all has one of the first two
				begun, deaths = atOnce, backlog+atOnce*(kill-2)
			}
			if n := r.countRows("SELECT count(*) FROM waiting WHERE begun = 1"); n != begun {
				t.Errorf("%d deliveries are marked as begun before kill %d, want %d", n, kill+1, begun)
			}
			if n := r.countRows("SELECT sum(deaths) FROM waiting"); n != deaths {
				t.Errorf("%d deaths before kill %d, want %d", n, kill+1, deaths)
			}
			r.crash()
			r.receiver.CutConnections()
			r.start()
		}
		if n := r.countRows("SELECT max(deaths) FROM waiting"); n != 2 {
			t.Errorf("a delivery counts %d deaths; the others were to go first", n)
		}
		r.receiver.CutConnections()
		up.Store(true)
		time.Sleep(time.Minute)
		if l := r.ledger(); l.Delivered != backlog {
			t.Errorf("ledger %+v, want all delivered", l)
		}
	})
}

// The death of a suspect, which runs alone, counts for nothing that waited in memory,
// though an owner of that had died before.
func TestDeathOfASuspectIsItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.Hang()))
		r.agent("standard")
		e := r.endpoint("a", func(in *waybell.EndpointInput) { in.RateLimit = waybell.Some(0.001) })
		if _, err := r.svc.PauseEndpoint(r.ctx, "bot", e.ID, 0); err != nil {
			t.Fatal(err)
		}
		r.publishBatches(500)
		r.damage("UPDATE waiting SET adopted = 1, deaths = iif(event = (SELECT min(event) FROM waiting), 3, 0)")
		if _, err := r.svc.ResumeEndpoint(r.ctx, "bot", e.ID, waybell.HeldSend, 0); err != nil {
			t.Fatal(err)
		}
		for n := 0; n == 0; n = r.countRows("SELECT count(*) FROM waiting WHERE deaths = 3 AND begun = 1") {
			time.Sleep(time.Second)
		}
		r.crash()
		r.receiver.CutConnections()
		r.start()
		time.Sleep(time.Second)
		if n := r.countRows("SELECT count(*) FROM waiting WHERE deaths > 0"); n != 1 {
			t.Errorf("%d deliveries have deaths, want the suspect alone", n)
		}
		if n := r.countRows("SELECT deaths FROM waiting WHERE deaths > 0"); n != 4 {
			t.Errorf("the suspect has %d deaths, want 4", n)
		}
	})
}

// Where a receiver answers soon, one mark serves many deliveries of a backlog.
func TestMarksAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const backlog = 1000
		f := &faultStore{}
		r := newRig(t, receivertest.Always(receivertest.After(time.Millisecond, receivertest.Answer(200, ""))), withFaults(f))
		r.agent("standard")
		e := r.endpoint("a")
		if _, err := r.svc.PauseEndpoint(r.ctx, "bot", e.ID, 0); err != nil {
			t.Fatal(err)
		}
		r.publishBatches(backlog)
		r.damage("UPDATE waiting SET adopted = 1, deaths = 1")
		if _, err := r.svc.ResumeEndpoint(r.ctx, "bot", e.ID, waybell.HeldSend, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if l, n := r.ledger(), f.count("Begin"); l.Delivered != backlog || n == 0 || n > backlog/10 {
			t.Errorf("ledger %+v after %d marks", l, n)
		}
	})
}

// What cannot be marked as begun is not sent, but later; nothing is lost, and nothing
// spins meanwhile.
func TestBeginFails(t *testing.T) {
	t.Parallel()
	fail := map[string]func(*faultStore, error){
		"not marked":    func(f *faultStore, err error) { f.failBefore(err, "Begin") },
		"marked anyhow": func(f *faultStore, err error) { f.failAfter(err, "Begin") },
	}
	for name, set := range fail {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &faultStore{}
				r := newRig(t, receivertest.Always(receivertest.Answer(200, "")), withFaults(f))
				r.agent("standard")
				e := r.endpoint("a")
				if _, err := r.svc.PauseEndpoint(r.ctx, "bot", e.ID, 0); err != nil {
					t.Fatal(err)
				}
				r.publishBatches(50)
				r.damage("UPDATE waiting SET adopted = 1, deaths = 1")
				set(f, waybell.ErrCommitUnknown)
				if _, err := r.svc.ResumeEndpoint(r.ctx, "bot", e.ID, waybell.HeldSend, 0); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				if n := r.receiver.Count(); n != 0 {
					t.Errorf("%d requests without a mark", n)
				}
				if n := f.count("Begin"); n == 0 || n > 3000 {
					t.Errorf("%d calls in a minute", n)
				}
				set(f, nil)
				time.Sleep(time.Minute)
				if l := r.ledger(); l.Delivered != 50 || r.receiver.Count() != 50 {
					t.Errorf("ledger %+v after %d requests", l, r.receiver.Count())
				}
				if got := r.svc.Load(); got != (waybell.Load{}) {
					t.Errorf("load %+v at rest, want nothing", got)
				}
			})
		})
	}
}

// A suspect whose claim ended with an unknown outcome is read back, and runs alone
// all the same.
func TestSuspectReadBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultStore{}
		r := newRig(t, receivertest.Always(receivertest.Answer(500, "")), withFaults(f))
		r.agent("standard")
		r.endpoint("a")
		r.publish(1)
		time.Sleep(time.Second)
		r.stop()
		r.damage("UPDATE waiting SET deaths = 3, adopted = 1")
		r.receiver.Handle("/a", receivertest.Always(receivertest.Answer(200, "")))
		r.start()
		f.failAfter(waybell.ErrCommitUnknown, "ClaimSuspect")
		time.Sleep(10 * time.Minute)
		if n := r.receiver.Count(); n != 1 || f.count("ClaimSuspect") == 0 {
			t.Errorf("%d requests after %d claims, want only the first", n, f.count("ClaimSuspect"))
		}
		f.failAfter(nil, "ClaimSuspect")
		time.Sleep(5 * time.Minute)
		if l := r.ledger(); l.Delivered != 1 {
			t.Errorf("ledger %+v after the store was well again", l)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if !strings.Contains(r.log.String(), "runs alone") {
			t.Error("the log does not tell that it ran alone")
		}
	})
}
