package waybell_test

import (
	"strings"
	"testing"

	"github.com/waybell/waybell"
)

// TestDeliveryShowsSoMuch: however often an event was sent, an answer has the newest
// attempts, and of a large one few bodies.
func TestDeliveryShowsSoMuch(t *testing.T) {
	t.Parallel()
	const attempts, most, room = 130, 100, 2 << 20
	for _, size := range []int{10, 60 << 10, 3 << 20} {
		b := newLogbook(t)
		e := b.endpoint()
		event := b.event("message.sent", e)
		event.Data = []byte(`{"text":"` + strings.Repeat("x", size) + `"}`)
		b.write([]*waybell.NewEvent{event})
		ref := waybell.DeliveryRef{Event: event.Key, Endpoint: e.Number}
		detail, err := b.svc.SentDetail(e.Number, event.Event)
		b.must(nil, err)
		for n := 1; n <= attempts; n++ {
			b.must(nil, b.store.Settle(t.Context(), b.lease, []waybell.Settlement{{
				DeliveryRef: ref, Agent: event.Agent, Kind: waybell.SettleRetry, Reason: waybell.ReasonTimeout, NextAt: b.now,
				Attempt: &waybell.Attempt{DeliveryRef: ref, Agent: event.Agent, Number: n, StartedAt: b.now, Reason: waybell.ReasonTimeout, Detail: detail},
			}}))
			_, err := b.store.Claim(t.Context(), b.lease, b.now, []waybell.ClaimWant{{Endpoint: e.Number, Max: 1}})
			b.must(nil, err)
		}
		d, err := b.svc.Delivery(t.Context(), b.agent.ID, ref.ID())
		if err != nil || d.Delivery.Attempts != attempts || len(d.Attempts) != most || d.Attempts[0].Number != attempts-most+1 {
			t.Fatalf("%d attempts of %d, %v", len(d.Attempts), d.Delivery.Attempts, err)
		}
		body := d.Attempts[most-1].Body
		if len(body) < size {
			t.Fatalf("of the newest attempt %d bytes are shown", len(body))
		}
		for i, a := range d.Attempts {
			if want := i >= most-min(most, max(1, room/len(body))); (a.Body != nil) != want {
				t.Errorf("attempt %d of %d bytes shows its body: %v", a.Number, len(body), a.Body != nil)
			}
		}
	}
}
