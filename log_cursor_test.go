package waybell

import (
	"math"
	"testing"
	"time"
)

// FuzzCursor holds that a text is a cursor of one list at most, and only the
// text that this list itself would write.
func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add(deliveryCursor(DeliveryRef{1 << 60, 7}))
	f.Add(eventCursor(1 << 60))
	f.Add(deliveryCursor(DeliveryRef{-1, 0}))
	f.Add(EventID(1 << 60))
	f.Fuzz(func(t *testing.T, text string) {
		ref, delivery := parseDeliveryCursor(text)
		key, event := parseEventCursor(text)
		if delivery && event {
			t.Errorf("%q is a cursor of two lists", text)
		}
		if delivery && (ref.Event <= 0 || deliveryCursor(ref) != text) {
			t.Errorf("%q was read as %v", text, ref)
		}
		if event && (key <= 0 || eventCursor(key) != text) {
			t.Errorf("%q was read as %v", text, key)
		}
	})
}

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
