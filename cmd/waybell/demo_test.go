package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/catalogue"
)

// The same seed tells the same story, every type comes within the first
// conversation, and stories differ.
func TestStory(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 26, 8, 30, 14, 0, time.UTC)
	tell := func(seed uint64, n int) []storyEvent {
		s := newStory(seed)
		events := make([]storyEvent, n)
		for i := range events {
			events[i] = s.next(now.Add(time.Duration(i) * time.Second))
		}
		return events
	}
	for seed := range uint64(50) {
		events := tell(seed, 200)
		again, err := json.Marshal(tell(seed, 200))
		if err != nil {
			t.Fatal(err)
		}
		once, err := json.Marshal(events)
		if err != nil {
			t.Fatal(err)
		}
		if string(once) != string(again) {
			t.Fatalf("seed %d told two stories", seed)
		}
		var types []string
		texts := map[string]bool{}
		for i, e := range events {
			if i < 14 {
				types = append(types, e.Event)
			}
			texts[string(e.Data)] = true
			if e.gist == "" || e.pause < 400*time.Millisecond || !utf8.Valid(e.Data) {
				t.Errorf("seed %d, event %d: %+v", seed, i, e)
			}
		}
		for _, typ := range catalogue.All() {
			if !slices.Contains(types, typ.Name) {
				t.Errorf("seed %d: no %s among the first events: %v", seed, typ.Name, types)
			}
		}
		if len(texts) < 190 {
			t.Errorf("seed %d: only %d of 200 events differ", seed, len(texts))
		}
	}
	a, b := tell(1, 30), tell(2, 30)
	if slices.EqualFunc(a, b, func(x, y storyEvent) bool { return string(x.Data) == string(y.Data) }) {
		t.Error("two seeds told the same story")
	}
}

func TestOrdered(t *testing.T) {
	t.Parallel()
	if got := string(ordered("b", 1, "a", "<é>")); got != `{"b":1,"a":"<é>"}` {
		t.Error(got)
	}
}

func TestDemoLines(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 4, 26, 8, 30, 14, 0, time.UTC)
	report := func(state waybell.DeliveryState, reason waybell.Reason, status int) waybell.AttemptReport {
		return waybell.AttemptReport{
			Type: "lead.submit", Endpoint: &waybell.Endpoint{Profile: "chatzuri"}, Number: 1, State: state,
			Reason: reason, Status: status, Duration: 12 * time.Millisecond, NextAt: at.Add(2100 * time.Millisecond),
		}
	}
	for _, c := range []struct {
		line  demoLine
		color bool
		want  string
	}{
		{
			demoLine{at, "Ada\x1b[2J wants tea", report(waybell.DeliveryDelivered, waybell.ReasonDelivered, 200), verified}, false,
			"08:30:14  lead.submit           chatzuri   #1  200   ✓ verified    12 ms  Ada\ufffd[2J wants tea",
		},
		{
			demoLine{at, "x", report(waybell.DeliveryRetrying, waybell.ReasonHTTPStatus, 503), verified}, false,
			"08:30:14  lead.submit           chatzuri   #1  503   ✓ verified    12 ms  retry in 2.1 s",
		},
		{
			demoLine{at, "x", report(waybell.DeliveryFailed, waybell.ReasonConnect, 0), notReceived}, true,
			"08:30:14  lead.submit           chatzuri   #1  \x1b[31mconnect  -         \x1b[0m    12 ms  \x1b[2mx\x1b[0m",
		},
		{
			demoLine{at, strings.Repeat("long ", 40), report(waybell.DeliveryDelivered, waybell.ReasonDelivered, 200), notVerified}, false,
			"08:30:14  lead.submit           chatzuri   #1  200   ✗ WRONG       12 ms  long long long long…",
		},
	} {
		p := &demoPrinter{width: 95, color: c.color}
		if got := p.format(c.line); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}
