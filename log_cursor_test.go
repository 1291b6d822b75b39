package waybell

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCursorRoundTrip(t *testing.T) {
	t.Parallel()
	for _, ref := range []DeliveryRef{{1, 1}, {1, 0}, {1 << 60, 7}, {math.MaxInt64, math.MaxUint32}} {
		if got, ok := parseDeliveryCursor(deliveryCursor(ref)); !ok || got != ref {
			t.Errorf("%v came back as %v, %v", ref, got, ok)
		}
		if got, ok := parseEventCursor(eventCursor(ref.Event)); !ok || got != ref.Event {
			t.Errorf("%v came back as %v, %v", ref.Event, got, ok)
		}
	}
}

// TestIDsAndCursorsRoundTrip: whatever the key, ids and cursors come back as
// what they were made of, each in its own kind only, and ids are in the order of
// their keys.
func TestIDsAndCursorsRoundTrip(t *testing.T) {
	t.Parallel()
	refs := rapid.Custom(func(t *rapid.T) DeliveryRef {
		return DeliveryRef{Key(rapid.Int64Range(1, math.MaxInt64).Draw(t, "key")), EndpointNumber(rapid.Uint32().Draw(t, "endpoint"))}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := refs.Draw(t, "a"), refs.Draw(t, "b")
		if got, ok := parseDeliveryCursor(deliveryCursor(a)); !ok || got != a {
			t.Fatalf("%v came back as %v, %v", a, got, ok)
		}
		if got, ok := parseEventCursor(eventCursor(a.Event)); !ok || got != a.Event {
			t.Fatalf("%v came back as %v, %v", a.Event, got, ok)
		}
		if got, ok := ParseEventID(EventID(a.Event)); !ok || got != a.Event {
			t.Fatalf("%v came back as %v, %v", a.Event, got, ok)
		}
		if got, err := ParseDeliveryID(a.ID()); err != nil || got != a {
			t.Fatalf("%v came back as %v, %v", a, got, err)
		}
		_, foreign := parseEventCursor(deliveryCursor(a))
		_, alien := parseDeliveryCursor(eventCursor(a.Event))
		if _, err := ParseDeliveryID(EventID(a.Event)); foreign || alien || err == nil {
			t.Fatalf("%v was read as of another kind", a)
		}
		if (EventID(a.Event) < EventID(b.Event)) != (a.Event < b.Event) || a.Event != b.Event && (a.ID() < b.ID()) != (a.Event < b.Event) {
			t.Fatalf("%v and %v have ids in another order", a, b)
		}
		// A text that differs in one character is another cursor, or none.
		text := []byte(deliveryCursor(a))
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		text[at] = rapid.SampledFrom([]byte("0189azv\n\r=-_AZ \x00")).Draw(t, "character")
		if got, ok := parseDeliveryCursor(string(text)); ok && (got == a) != (string(text) == deliveryCursor(a)) {
			t.Fatalf("%q is a second spelling of %v", text, a)
		}
	})
}

func TestLogBounds(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 4, 26, 8, 30, 14, 0, time.UTC)
	for _, test := range []struct {
		t            time.Time
		since, until Key
	}{
		{time.Time{}, 0, 0},
		{at, KeyAt(at), KeyAt(at)},
		{at.Add(1), KeyAt(at) + 1<<keyNodeBits, KeyAt(at) + 1<<keyNodeBits},
		{time.Unix(0, 0), 0, 1},
		{time.Date(-50, 1, 1, 0, 0, 0, 0, time.UTC), 0, 1},
		{time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), math.MaxInt64, math.MaxInt64},
	} {
		f := LogFilter{Since: test.t, Until: test.t}
		if since, until := f.bounds(); since != test.since || until != test.until {
			t.Errorf("%v: %d and %d, want %d and %d", test.t, since, until, test.since, test.until)
		}
	}
}
