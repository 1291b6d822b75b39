package waybell_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

// requeueCounter counts the transactions of re-sends.
type requeueCounter struct {
	waybell.Store
	calls, rows atomic.Int64
}

func (s *requeueCounter) Requeue(ctx context.Context, l waybell.Lease, list []waybell.Requeue) ([]waybell.Requeued, error) {
	s.calls.Add(1)
	s.rows.Add(int64(len(list)))
	return s.Store.Requeue(ctx, l, list)
}

// publishMany publishes n events in batches and waits until nothing moves.
func (r *rig) publishMany(n int) {
	r.t.Helper()
	for n > 0 {
		body := []byte(`{"events":[`)
		piece := min(n, 500)
		for i := range piece {
			if i > 0 {
				body = append(body, ',')
			}
			body = append(body, `{"agent_id":"bot","event":"message.received","data":{}}`...)
		}
		if _, err := r.svc.PublishBatch(r.ctx, waybell.BatchRequest{Body: append(body, "]}"...)}); err != nil {
			r.t.Fatal(err)
		}
		n -= piece
	}
}

func (r *rig) retryMany(in waybell.BulkRetry) waybell.BulkResult {
	r.t.Helper()
	got, err := r.svc.RetryMany(r.ctx, "bot", in)
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

// oneAttempt is an endpoint's schedule without a retry.
func oneAttempt(in *waybell.EndpointInput) {
	in.Retry = waybell.Some(waybell.RetryInput{ScheduleSeconds: waybell.Some([]int{})})
}

// A thousand at a time go out again, in few transactions; the cursor goes on,
// and everything is sent exactly once more.
func TestRetryMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		counter := &requeueCounter{}
		r := newRig(t, upDown(&up, receivertest.Answer(400, "")), func(c *waybell.Config) { counter.Store, c.Store = c.Store, counter })
		r.agent("standard")
		r.endpoint("a", oneAttempt)
		const n = 1300
		r.publishMany(n)
		time.Sleep(time.Second)
		failed := waybell.LogFilter{State: "failed", StatusClass: "4xx"}
		count := r.retryMany(waybell.BulkRetry{Filter: failed, DryRun: true})
		if count.Matched != n || count.Retried != 0 || count.SkippedCount != 0 || count.Next != "" {
			t.Fatalf("counted %+v", count)
		}
		if counter.calls.Load() != 0 {
			t.Error("a dry run writes")
		}
		up.Store(true)
		first := r.retryMany(waybell.BulkRetry{Filter: failed})
		if first.Matched != 1000 || first.Retried != 1000 || first.Next == "" {
			t.Fatalf("the first call: %+v", first)
		}
		if calls := counter.calls.Load(); calls != 4 || counter.rows.Load() != 1000 {
			t.Errorf("%d transactions for %d deliveries", calls, counter.rows.Load())
		}
		time.Sleep(time.Second) // delivered: later pages must not see them again
		second := r.retryMany(waybell.BulkRetry{Filter: failed, Cursor: first.Next})
		if second.Matched != n-1000 || second.Retried != n-1000 || second.Next != "" {
			t.Errorf("the second call: %+v", second)
		}
		time.Sleep(time.Second)
		if sent := r.receiver.Count(); sent != 2*n {
			t.Errorf("%d requests, want %d", sent, 2*n)
		}
		if l := r.ledger(); l.Delivered != n {
			t.Errorf("ledger %+v", l)
		}
		if again := r.retryMany(waybell.BulkRetry{Filter: failed}); again.Matched != 0 {
			t.Errorf("the same again: %+v", again)
		}
	})
}

// Each delivery that cannot be sent again says why; the others go.
func TestRetryManySkips(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.Answer(500, "")))
		r.receiver.Handle("/slow", receivertest.Always(receivertest.After(10*time.Second, receivertest.Answer(500, ""))))
		r.agent("standard")
		r.endpoint("waits")
		paused := r.endpoint("paused")
		disabled, deleted := r.endpoint("disabled", oneAttempt), r.endpoint("deleted", oneAttempt)
		r.publishMany(60)
		time.Sleep(time.Second)
		slow := r.endpoint("slow")
		r.publishMany(2)
		time.Sleep(time.Second)
		for _, err := range []error{
			func() error { _, err := r.svc.PauseEndpoint(r.ctx, "bot", paused.ID, 0); return err }(),
			func() error {
				_, err := r.svc.UpdateEndpoint(r.ctx, "bot", disabled.ID, waybell.EndpointInput{Enabled: waybell.Some(false)}, 0)
				return err
			}(),
			r.svc.DeleteEndpoint(r.ctx, "bot", deleted.ID, 0),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		// One of the two under way is canceled: its attempt goes on.
		var canceled string
		for _, d := range r.deliveries() {
			if d.EndpointID == slow.ID {
				canceled = d.ID()
			}
		}
		if _, err := r.svc.Cancel(r.ctx, "bot", canceled); err != nil {
			t.Fatal(err)
		}
		for _, dry := range []bool{true, false} {
			all := r.retryMany(waybell.BulkRetry{Filter: waybell.LogFilter{Type: "message.received"}, DryRun: dry})
			retried := 62 + 1 // those that wait, and the one whose attempt is under way
			if dry {
				retried = 0
			}
			if all.Matched != 4*62+2 || all.Retried != retried || all.SkippedCount != 3*62+1 || len(all.Skipped) != 100 {
				t.Errorf("dry run %v: matched %d, retried %d, skipped %d, shown %d", dry, all.Matched, all.Retried, all.SkippedCount, len(all.Skipped))
			}
		}
		for endpoint, want := range map[string]waybell.Code{
			paused.ID: waybell.CodeDeliveryHeld, disabled.ID: waybell.CodeEndpointDisabled, deleted.ID: waybell.CodeEndpointNotFound,
		} {
			got := r.retryMany(waybell.BulkRetry{Filter: waybell.LogFilter{EndpointID: endpoint}, DryRun: true})
			if got.SkippedCount != 62 || got.Skipped[0].Code != want || got.Skipped[0].Detail == "" {
				t.Errorf("%s: %+v", want, got)
			}
		}
		got := r.retryMany(waybell.BulkRetry{DeliveryIDs: []string{canceled, "dlv_x", canceled}})
		if fmt.Sprint(got.Matched, got.Retried, got.SkippedCount) != "2 0 2" || got.Skipped[0].Code != waybell.CodeDeliveryNotFound || got.Skipped[1].Code != waybell.CodeBusy {
			t.Errorf("by id: %+v", got)
		}
		time.Sleep(20 * time.Second)
		if got := r.retryMany(waybell.BulkRetry{DeliveryIDs: []string{canceled}}); got.Retried != 1 {
			t.Errorf("after its attempt: %+v", got)
		}
	})
}

// Outcomes that are stored, but not known to be yet, are waited for, a second in all.
func TestRetryManyOfLateOutcomes(t *testing.T) {
	t.Parallel()
	for late, want := range map[time.Duration]int{500 * time.Millisecond: 3, 5 * time.Second: 0} {
		t.Run(late.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &lateStore{late: late}
				r := newRig(t, receivertest.Always(receivertest.Answer(500, "")), func(c *waybell.Config) { store.Store, c.Store = c.Store, store })
				r.agent("standard")
				r.endpoint("a", oneAttempt)
				r.publishMany(3)
				time.Sleep(100 * time.Millisecond)
				began := time.Now()
				got := r.retryMany(waybell.BulkRetry{Filter: waybell.LogFilter{State: "failed"}})
				if took := time.Since(began); got.Matched != 3 || got.Retried != want || took > time.Second {
					t.Errorf("after %v: %+v, want %d sent again", took, got, want)
				}
			})
		})
	}
}

// lateStore takes its time to tell that outcomes are stored.
type lateStore struct {
	waybell.Store
	late time.Duration
}

func (s *lateStore) Settle(ctx context.Context, l waybell.Lease, o []waybell.Settlement) error {
	err := s.Store.Settle(ctx, l, o)
	<-time.After(s.late)
	return err
}

// A dry run counts ten thousand at a time.
func TestRetryManyCountsInPieces(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	e := b.endpoint()
	for range 11 {
		b.acceptMany("message.received", e, 1000)
	}
	in := waybell.BulkRetry{Filter: waybell.LogFilter{EndpointID: e.ID}, DryRun: true}
	total := 0
	for _, want := range []int{10_000, 1000} {
		got, err := b.svc.RetryMany(t.Context(), b.agent.ID, in)
		if err != nil || got.Matched != want || (got.Next == "") != (total > 0) {
			t.Fatalf("%v: matched %d, next %q", err, got.Matched, got.Next)
		}
		total += got.Matched
		in.Cursor = got.Next
	}
}

// BenchmarkRetryMany sends 1,000 delivered ones again, while the engine sends
// them: in bulk, and one by one as a client would without it.
func BenchmarkRetryMany(b *testing.B) {
	for _, bulk := range []bool{true, false} {
		b.Run(fmt.Sprintf("bulk=%v", bulk), func(b *testing.B) { benchRetries(b, bulk) })
	}
}

func benchRetries(b *testing.B, bulk bool) {
	svc, receiver := benchService(b)
	_, err := svc.CreateEndpoint(b.Context(), "bot", waybell.EndpointInput{
		URL: waybell.Some(receiver.URL("/hooks")), Events: waybell.Some([]string{"*"}),
	})
	if err != nil {
		b.Fatal(err)
	}
	const n = 1000
	var ids []string
	for range n {
		e, err := svc.Publish(b.Context(), "bot", waybell.PublishInput{Type: "message.received", Data: []byte(`{}`)})
		if err != nil {
			b.Fatal(err)
		}
		shown, err := svc.Event(b.Context(), "bot", e.ID)
		if err != nil {
			b.Fatal(err)
		}
		ids = append(ids, shown.Deliveries[0].ID())
	}
	for range b.N {
		b.StopTimer()
		for delivered := int64(0); delivered < n; {
			l, err := svc.Ledger(b.Context(), "bot", "")
			if err != nil {
				b.Fatal(err)
			}
			delivered = l.Delivered
		}
		b.StartTimer()
		if bulk {
			got, err := svc.RetryMany(b.Context(), "bot", waybell.BulkRetry{Filter: waybell.LogFilter{State: "delivered"}})
			if err != nil || got.Retried != n {
				b.Fatal(got, err)
			}
			continue
		}
		for _, id := range ids {
			if _, err := svc.Retry(b.Context(), "bot", id); err != nil {
				b.Fatal(err)
			}
		}
	}
}
