package waybell_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

// What is accepted after a resume that canceled is sent, also by a node whose clock is
// behind that of the node which was asked.
func TestPublishAfterCancelElsewhere(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]time.Duration{"alike": 0, "a second apart": time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, receivertest.Sequence(receivertest.Answer(200, "")), 2)
				waybell.ClockWentBack(c.nodes[0].Service, ahead) // of a shared store: it is ahead
				c.agent("standard")
				e := c.endpoint("a")
				time.Sleep(time.Second)
				if _, err := c.nodes[0].PauseEndpoint(t.Context(), "bot", e.ID, 0); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Second)
				if _, err := c.nodes[0].ResumeEndpoint(t.Context(), "bot", e.ID, waybell.HeldCancel, 0); err != nil {
					t.Fatal(err)
				}
				c.mute = true // the other node learns of it by the store's refusal
				c.publishTo(c.nodes[1], 1)
				time.Sleep(10 * time.Second)
				if l := c.ledger(); l.Canceled != 0 || l.Delivered != 1 {
					t.Errorf("the ledger is %+v", l)
				}
			})
		})
	}
}

// The same after a restart whose clock is behind that of the process before it.
func TestPublishAfterCancelAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Sequence(receivertest.Answer(200, "")))
		r.agent("standard")
		r.endpoint("a")
		r.stop()
		r.damage("UPDATE endpoints SET cancel_up_to = ?", int64(waybell.KeyAt(time.Now().Add(time.Hour))))
		r.start()
		r.publish(1)
		time.Sleep(10 * time.Second)
		if l := r.ledger(); l.Delivered != 1 {
			t.Errorf("the ledger is %+v", l)
		}
	})
}

// lookStore does something when an event is looked for by its id.
type lookStore struct {
	waybell.Store
	look func()
}

func (s *lookStore) EventByID(ctx context.Context, a waybell.AgentNumber, id string) (waybell.Event, error) {
	if s.look != nil {
		s.look()
	}
	return s.Store.EventByID(ctx, a, id)
}

// An event whose key was made before a cancellation, and which is matched after it, is
// not canceled by it.
func TestPublishDuringCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &lookStore{}
		r := newRig(t, receivertest.Always(receivertest.Answer(200, "")), func(c *waybell.Config) { s.Store, c.Store = c.Store, s })
		r.agent("standard")
		e := r.endpoint("a")
		s.look = func() {
			if _, err := r.svc.PauseEndpoint(t.Context(), "bot", e.ID, 0); err != nil {
				t.Error(err)
			}
			if _, err := r.svc.ResumeEndpoint(t.Context(), "bot", e.ID, waybell.HeldCancel, 0); err != nil {
				t.Error(err)
			}
		}
		_, err := r.svc.PublishBatch(t.Context(), waybell.BatchRequest{NDJSON: true, Body: fmt.Appendf(nil,
			`{"event":"message.received","agent_id":"bot","data":{"text":"1"}}
{"id":%q,"event":"message.received","agent_id":"bot","data":{"text":"2"}}`, waybell.EventID(waybell.KeyAt(time.Now())))})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if l := r.ledger(); l.Delivered != 2 || l.Canceled != 0 {
			t.Errorf("the ledger is %+v", l)
		}
	})
}
