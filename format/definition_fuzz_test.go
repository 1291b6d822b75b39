package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/jsjson"
)

// FuzzDefinition takes anything for a format of the configuration. What is
// refused is refused with a place and a reason; what is accepted renders every
// event that can be published into valid, canonical JSON with the keys in the
// order of the definition.
func FuzzDefinition(f *testing.F) {
	acme := formatFromYAML(f, acmeFormat)
	for _, d := range append(builtInFormats(), &acme) {
		definition, err := json.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(definition), "lead.submit", `{"name":"a","form_data":[],"7":1}`, `[{"role":"x"}]`, int64(1_777_192_214_123_456_789))
		f.Add(string(definition), "conversation.summary", `{"summary":{"a":1},"messages":null}`, ``, int64(-1))
	}
	f.Add(`{"name":"x","body":[{"key":"d","value":"data"},{"key":"c","const":{"b":1e2,"1":[-0]}}],"event_separator":"//"}`,
		"order.line.added", `{"messages":[]}`, `[{}]`, int64(0))
	f.Add(`{"name":"x","body":[{"key":"d","value":"data"},{"key":"m","value":"messages"},{"key":"s","value":"summary"}],"lead":"flat","timestamp":"rfc3339"}`,
		"lead.submit", `{"email":null,"form_data":[{"field":"EMAIL","value":1}]}`, `[{"messages":[]}]`, int64(1))
	f.Fuzz(func(t *testing.T, definition, typ, data, messages string, nanoseconds int64) {
		var d Format
		decoder := json.NewDecoder(strings.NewReader(definition))
		decoder.DisallowUnknownFields()
		if decoder.Decode(&d) != nil {
			return
		}
		set, err := NewSet(Config{Formats: []Format{d}})
		if err != nil {
			checkRefusal(t, err)
			return
		}
		if err := d.Validate(); err != nil {
			t.Fatalf("%s: taken, but not valid: %v", definition, err)
		}
		format, ok := set.Format(d.Name)
		if !ok {
			t.Fatalf("%s: there is no format of this name", definition)
		}
		checkVersion(t, format)
		e := fuzzedEvent(typ, data, messages)
		if e == nil {
			return
		}
		e.Timestamp = time.Unix(0, nanoseconds)
		for _, include := range []bool{false, true} {
			checkBody(t, format, e, include)
			checkKeyOrder(t, format, e, include)
		}
	})
}

// checkVersion holds that a format, written down and read again, is the same
// one: a restart must not make another version of it.
func checkVersion(t *testing.T, f *Format) {
	t.Helper()
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var d Format
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	set, err := NewSet(Config{Formats: []Format{d}})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if again, _ := set.Format(f.Name); again.Version() != f.Version() || len(f.Version()) != 12 {
		t.Fatalf("%s: version %q became %q", text, f.Version(), again.Version())
	}
}

func checkRefusal(t *testing.T, err error) {
	t.Helper()
	refused, ok := errors.AsType[*Error](err)
	if !ok || len(refused.Problems) == 0 {
		t.Fatalf("not an error with problems: %v", err)
	}
	for _, p := range refused.Problems {
		if p.Location == "" || p.Message == "" {
			t.Fatalf("a problem without a place or a reason: %+v", p)
		}
	}
}

// fuzzedEvent is what publishing makes of a type, data and a transcript; nil
// where it would refuse them.
func fuzzedEvent(typ, data, messages string) *Event {
	var c Content
	var err error
	if c.Data, err = jsjson.Parse([]byte(data), jsjson.Limits{}); err != nil {
		return nil
	}
	if c.Messages, err = jsjson.Parse([]byte(messages), jsjson.Limits{}); err != nil {
		c.Messages = jsjson.Null()
	}
	d, m, problems := c.Normalize(typ)
	if len(problems) > 0 {
		return nil
	}
	e := &Event{Type: typ, ID: "evt_1", AgentID: "0123", Data: d.Append(nil)}
	if !m.IsNull() {
		e.Messages = m.Append(nil)
	}
	return e
}

// checkKeyOrder holds that a body has the keys of its definition in their
// order, none twice and none besides, and those that always have a value.
func checkKeyOrder(t *testing.T, f *Format, e *Event, include bool) {
	t.Helper()
	body, err := f.Render(nil, e, include)
	if err != nil {
		t.Fatal(err)
	}
	keys := f.keys(e.Type)
	at := 0
	v := parseJSON(t, string(body))
	for _, m := range v.Members() {
		i := slices.IndexFunc(keys[at:], func(k Key) bool { return k.Key == m.Name })
		if i < 0 {
			t.Fatalf("%s: %q is not where the definition has it", body, m.Name)
		}
		at += i + 1
	}
	for _, k := range keys {
		got, ok := v.Get(k.Key)
		switch {
		case k.Const != nil:
			if want := parseJSON(t, string(k.Const)).Append(nil); !ok || !bytes.Equal(got.Append(nil), want) {
				t.Fatalf("%s: %q should be %s", body, k.Key, want)
			}
		case k.Value == ValueAgentName, k.Value == ValueSummary, k.Value == ValueMessages:
		case !ok:
			t.Fatalf("%s: there is no %q", body, k.Key)
		case k.Value == ValueEventName && got.Str() != parseJSON(t, string(jsjson.AppendString(nil, f.EventName(e.Type)))).Str():
			t.Fatalf("%s: %q should be %q", body, k.Key, f.EventName(e.Type))
		case k.Value == ValueTimestamp:
			checkTimestamp(t, got.Str(), f.Timestamp, e.Timestamp)
		}
	}
}

// checkTimestamp reads a time back: no more is lost than the layout says.
func checkTimestamp(t *testing.T, text string, layout TimestampLayout, at time.Time) {
	t.Helper()
	digits, zone, _ := layout.digits()
	if !zone {
		text += "Z"
	}
	got, err := time.Parse(time.RFC3339Nano, text)
	unit := time.Second
	for range digits {
		unit /= 10
	}
	// Truncate goes by the time since year 1, as the digits of a text do.
	if err != nil || !got.Equal(at.Truncate(unit)) {
		t.Fatalf("%v was written as %q: %v", at.UTC(), text, err)
	}
}
