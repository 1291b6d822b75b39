package format

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybell/waybell/internal/jsjson"
	"github.com/waybell/waybell/signature"
)

func builtInFormats() []*Format {
	return []*Format{Standard(), Chatzuri(), Chatislav()}
}

// publish makes the event that a publisher's data and transcript become.
func publish(t testing.TB, typ, data, messages string) *Event {
	t.Helper()
	c := Content{Data: parseJSON(t, data)}
	if messages != "" {
		c.Messages = parseJSON(t, messages)
	}
	d, m, problems := c.Normalize(typ)
	if problems != nil {
		t.Fatalf("%s: %v", data, problems)
	}
	e := &Event{
		AgentID: "agt_abc123", AgentName: "Agent name", ID: "evt_1", Type: typ, Data: d.Append(nil),
		Timestamp: time.Date(2026, 6, 23, 12, 0, 0, 0, time.UTC),
	}
	if !m.IsNull() {
		e.Messages = m.Append(nil)
	}
	return e
}

func parseJSON(t testing.TB, text string) jsjson.Value {
	t.Helper()
	v, err := jsjson.Parse([]byte(text), jsjson.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func render(t testing.TB, f *Format, e *Event, includeMessages bool) string {
	t.Helper()
	b, err := f.Render([]byte("before"), e, includeMessages)
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	return strings.TrimPrefix(string(b), "before")
}

// TestReferenceDocuments holds the bodies of the two reference documents, made
// compact, byte for byte.
func TestReferenceDocuments(t *testing.T) {
	t.Parallel()
	chatzuri := publish(t, "lead.submit",
		`{"name":"Sarah","email":"sarah@acme.com","phone":"+254712345678","channel":"website"}`, "")
	chatzuri.Timestamp = time.Date(2026, 4, 26, 10, 30, 14, 999_999_999, time.FixedZone("", 2*60*60))
	lead := publish(t, "lead.submit", `{"user_id":"user identifier","bot_id":123,"bot_name":"Agent name",
		"chat_id":"chat identifier","message_id":"message identifier",
		"form_data":[{"field":"email","value":"customer@example.com"}],"ip_address":"203.0.113.10",
		"collection_type":"lead_collection","ai_summary":{"...":"AI summary data, when available"}}`,
		`[{"...":"conversation message data, when available"}]`)
	summary := publish(t, "conversation.summary", `{"summary":{"...":"summary fields configured for your agent"}}`,
		`[{"...":"conversation message data, when available"}]`)
	for _, tt := range []struct {
		format   *Format
		event    *Event
		messages bool
		want     string
	}{
		{Chatzuri(), chatzuri, false, `{"event":"lead.submit","timestamp":"2026-04-26T08:30:14Z","agent_id":"agt_abc123",` +
			`"data":{"name":"Sarah","email":"sarah@acme.com","phone":"+254712345678","channel":"website"}}`},
		{Chatislav(), lead, true, `{"event":"lead_collection","data":{"user_id":"user identifier","bot_id":123,` +
			`"bot_name":"Agent name","chat_id":"chat identifier","message_id":"message identifier",` +
			`"form_data":[{"field":"email","value":"customer@example.com"}],"ip_address":"203.0.113.10",` +
			`"collection_type":"lead_collection","ai_summary":{"...":"AI summary data, when available"}},` +
			`"timestamp":"2026-06-23T12:00:00.000000","messages":[{"...":"conversation message data, when available"}]}`},
		{Chatislav(), summary, true, `{"event":"conversation_summary",` +
			`"summary":{"...":"summary fields configured for your agent"},"timestamp":"2026-06-23T12:00:00.000000",` +
			`"messages":[{"...":"conversation message data, when available"}]}`},
	} {
		if diff := cmp.Diff(tt.want, render(t, tt.format, tt.event, tt.messages)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.format.Name, tt.event.Type, diff)
		}
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	const transcript = `[{"role":"customer","text":"hi"}]`
	for _, tt := range []struct {
		name, format, typ, data, messages string
		include                           bool
		want                              string
	}{
		{"standard", "standard", "message.received", `{"text":"a < b & c > d \u2028"}`, "", false,
			`{"id":"evt_1","type":"message.received","timestamp":"2026-06-23T12:00:00.000Z","agent_id":"agt_abc123","data":{"text":"a < b & c > d ` + "\u2028" + `"}}`},
		{"standard with transcript", "standard", "message.received", `{"text":"x"}`, transcript, true,
			`{"id":"evt_1","type":"message.received","timestamp":"2026-06-23T12:00:00.000Z","agent_id":"agt_abc123","data":{"text":"x","messages":[{"role":"customer","text":"hi"}]}}`},
		{"standard, transcript not asked for", "standard", "message.received", `{}`, transcript, false,
			`{"id":"evt_1","type":"message.received","timestamp":"2026-06-23T12:00:00.000Z","agent_id":"agt_abc123","data":{}}`},
		{"standard, empty data with transcript", "standard", "conversation.ended", `{}`, transcript, true,
			`{"id":"evt_1","type":"conversation.ended","timestamp":"2026-06-23T12:00:00.000Z","agent_id":"agt_abc123","data":{"messages":[{"role":"customer","text":"hi"}]}}`},
		{"standard keeps all of a summary", "standard", "conversation.summary", `{"summary":{"t":1},"conversation_id":"c"}`, "", false,
			`{"id":"evt_1","type":"conversation.summary","timestamp":"2026-06-23T12:00:00.000Z","agent_id":"agt_abc123","data":{"summary":{"t":1},"conversation_id":"c"}}`},
		{"chatzuri other", "chatzuri", "feedback.submitted", `{"rating":5}`, transcript, false,
			`{"event":"feedback.submitted","timestamp":"2026-06-23T12:00:00Z","agent_id":"agt_abc123","data":{"rating":5}}`},
		{"chatzuri with transcript", "chatzuri", "lead.submit", `{"email":"a@example.com"}`, transcript, true,
			`{"event":"lead.submit","timestamp":"2026-06-23T12:00:00Z","agent_id":"agt_abc123","data":{"email":"a@example.com","messages":[{"role":"customer","text":"hi"}]}}`},
		{"chatzuri keeps all of a summary", "chatzuri", "conversation.summary", `{"conversation_id":"c","summary":{}}`, "", true,
			`{"event":"conversation.summary","timestamp":"2026-06-23T12:00:00Z","agent_id":"agt_abc123","data":{"conversation_id":"c","summary":{}}}`},
		{"chatislav other", "chatislav", "escalation.triggered", `{"reason":"angry"}`, transcript, true,
			`{"event":"escalation_triggered","data":{"reason":"angry"},"timestamp":"2026-06-23T12:00:00.000000","messages":[{"role":"customer","text":"hi"}]}`},
		{"chatislav without messages", "chatislav", "message.sent", `{}`, "[]", true,
			`{"event":"message_sent","data":{},"timestamp":"2026-06-23T12:00:00.000000"}`},
		{"chatislav, messages not asked for", "chatislav", "conversation.summary", `{"summary":{"a":"}"}}`, transcript, false,
			`{"event":"conversation_summary","summary":{"a":"}"},"timestamp":"2026-06-23T12:00:00.000000"}`},
		{"chatislav summary among others", "chatislav", "conversation.summary", `{"7":{"summary":0},"x":"\"summary\":1","summary":{"a":[{}]},"y":1}`, "", true,
			`{"event":"conversation_summary","summary":{"a":[{}]},"timestamp":"2026-06-23T12:00:00.000000"}`},
		{"chatislav, registered type", "chatislav", "order.line_item.added", `{"messages":3}`, transcript, true,
			`{"event":"order_line_item_added","data":{"messages":3},"timestamp":"2026-06-23T12:00:00.000000","messages":[{"role":"customer","text":"hi"}]}`},
		{"messages of a registered type stay", "standard", "mail.sent", `{"messages":["own"]}`, transcript, true,
			`{"id":"evt_1","type":"mail.sent","timestamp":"2026-06-23T12:00:00.000Z","agent_id":"agt_abc123","data":{"messages":["own"]}}`},
		{"messages deeper down are others", "standard", "mail.sent", `{"a":{"messages":1}}`, transcript, true,
			`{"id":"evt_1","type":"mail.sent","timestamp":"2026-06-23T12:00:00.000Z","agent_id":"agt_abc123","data":{"a":{"messages":1},"messages":[{"role":"customer","text":"hi"}]}}`},
		{"transcript published as data.messages, asked for", "chatzuri", "conversation.ended", `{"messages":[1],"a":2}`, "", true,
			`{"event":"conversation.ended","timestamp":"2026-06-23T12:00:00Z","agent_id":"agt_abc123","data":{"a":2,"messages":[1]}}`},
		{"transcript published as data.messages, not asked for", "chatzuri", "conversation.ended", `{"messages":[1],"a":2}`, "", false,
			`{"event":"conversation.ended","timestamp":"2026-06-23T12:00:00Z","agent_id":"agt_abc123","data":{"a":2}}`},
		{"array indices come first", "standard", "message.sent", `{"b":1,"10":2,"9":3,"01":4}`, transcript, true,
			`{"id":"evt_1","type":"message.sent","timestamp":"2026-06-23T12:00:00.000Z","agent_id":"agt_abc123","data":{"9":3,"10":2,"b":1,"01":4,"messages":[{"role":"customer","text":"hi"}]}}`},
	} {
		formats, err := NewSet(Config{})
		if err != nil {
			t.Fatal(err)
		}
		f, _ := formats.Format(tt.format)
		if diff := cmp.Diff(tt.want, render(t, f, publish(t, tt.typ, tt.data, tt.messages), tt.include)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestRenderRefusesDamagedData(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"", "{", "null", "[]", `{"a":1`, `{"name"}`, `{"name":}`, `{"name":1]`} {
		for _, f := range builtInFormats() {
			got, err := f.Render([]byte("x"), &Event{Type: "lead.submit", Data: []byte(data)}, true)
			if string(got) != "x" || err == nil && !strings.HasSuffix(data, "}") {
				t.Errorf("%s of %q: %q, %v", f.Name, data, got, err)
			}
		}
	}
}

// acmeFormat is how an operator writes a format.
const acmeFormat = `
name: acme
body:
  - {key: type, value: event_name}
  - {key: at, value: timestamp}
  - {key: agent, value: agent_name}
  - {key: payload, value: data}
  - {key: source, const: "acme"}
  - {key: meta, const: {b: 1.50, "7": [true, null, "ü<"]}}
event_names: {lead.submit: LEAD}
event_separator: "/"
timestamp: rfc3339
lead: published
signatures:
  - header: X-Acme-Signature
    algorithm: hmac-sha512
    key_derivation: utf8
    encoding: base64
    prefix: "sha512="
    signed_content: body
standard_headers_optional: true
`

func formatFromYAML(t testing.TB, text string) Format {
	t.Helper()
	doc, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var f Format
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFormatFromConfiguration(t *testing.T) {
	t.Parallel()
	f := formatFromYAML(t, acmeFormat)
	formats, err := NewSet(Config{Formats: []Format{f}})
	if err != nil {
		t.Fatal(err)
	}
	acme, ok := formats.Format("acme")
	if !ok {
		t.Fatal("the format is not there")
	}
	for typ, want := range map[string]string{
		"lead.submit":  `{"type":"LEAD","at":"2026-06-23T12:00:00Z","agent":"Agent name","payload":{"x":1},"source":"acme","meta":{"7":[true,null,"ü<"],"b":1.5}}`,
		"message.sent": `{"type":"message/sent","at":"2026-06-23T12:00:00Z","agent":"Agent name","payload":{"x":1},"source":"acme","meta":{"7":[true,null,"ü<"],"b":1.5}}`,
	} {
		if diff := cmp.Diff(want, render(t, acme, publish(t, typ, `{"x":1}`, ""), true)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", typ, diff)
		}
	}
	schemes := acme.Schemes(false, false)
	if len(schemes) != 1 || schemes[0].Header != "X-Acme-Signature" {
		t.Errorf("schemes: %+v", schemes)
	}
	secret, err := signature.ParseSecret("a secret of acme")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signature.NewSigner(schemes[0], secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha512.New, []byte("a secret of acme"))
	mac.Write([]byte("body"))
	if got, want := signer.Sign(signature.Message{Body: []byte("body")}), "sha512="+base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestFormatVersion(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	formats, err := NewSet(Config{Formats: []Format{formatFromYAML(t, acmeFormat)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range formats.FormatNames() {
		f, _ := formats.Format(name)
		if other, ok := seen[f.Version()]; ok || len(f.Version()) != 12 {
			t.Errorf("%s has version %q, as has %s", name, f.Version(), other)
		}
		seen[f.Version()] = name
	}
	spaced := formatFromYAML(t, strings.ReplaceAll(acmeFormat, "{b: 1.50,", "{b:   1.5,"))
	again, err := NewSet(Config{Formats: []Format{spaced}})
	if err != nil {
		t.Fatal(err)
	}
	if f, _ := again.Format("acme"); seen[f.Version()] != "acme" {
		t.Error("white space in a constant changes the version")
	}
	changed := formatFromYAML(t, strings.ReplaceAll(acmeFormat, "rfc3339", "rfc3339_milliseconds"))
	if _, ok := seen[changed.Version()]; ok {
		t.Error("another timestamp layout does not change the version")
	}
	// These change only together with formatRevision or the definitions.
	want := map[string]string{"standard": "e274c3830cfd", "chatzuri": "9bc6aa6de7c5", "chatislav": "e85b43c79178"}
	for _, f := range builtInFormats() {
		if w := want[f.Name]; w != f.Version() {
			t.Errorf("version of %s is %s, was %s: bodies differ from those that attempts recorded", f.Name, f.Version(), w)
		}
	}
}

func TestBuiltInFormatsAreValid(t *testing.T) {
	t.Parallel()
	for _, f := range builtInFormats() {
		if err := f.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestFormatValidate(t *testing.T) {
	t.Parallel()
	many := make([]Key, maxFormatKeys+1)
	for i := range many {
		many[i] = Key{Key: strings.Repeat("k", i+1), Value: ValueData}
	}
	for _, tt := range []struct {
		change   func(*Format)
		location string
	}{
		{func(f *Format) { f.Name = "" }, "name"},
		{func(f *Format) { f.Name = "Acme" }, "name"},
		{func(f *Format) { f.Name = strings.Repeat("a", maxFormatName+1) }, "name"},
		{func(f *Format) { f.Body = nil }, "body"},
		{func(f *Format) { f.Body = many }, "body"},
		{func(f *Format) { f.Body = f.Body[:2] }, "body"},
		{func(f *Format) { f.Body[0].Key = "0" }, "body[0].key"},
		{func(f *Format) { f.Body[0].Key = "a b" }, "body[0].key"},
		{func(f *Format) { f.Body[0].Key = strings.Repeat("k", maxMemberName+1) }, "body[0].key"},
		{func(f *Format) { f.Body[1].Key = f.Body[0].Key }, "body[1].key"},
		{func(f *Format) { f.Body[1].Value = "datum" }, "body[1].value"},
		{func(f *Format) { f.Body[1].Value = "" }, "body[1].value"},
		{func(f *Format) { f.Body[1].Const = json.RawMessage(`1`) }, "body[1]"},
		{func(f *Format) { f.Body[1].Value, f.Body[1].Const = "", json.RawMessage(`{`) }, "body[1].const"},
		{func(f *Format) {
			f.Body[1].Value, f.Body[1].Const = "", json.RawMessage(`"`+strings.Repeat("x", maxConst)+`"`)
		}, "body[1].const"},
		{func(f *Format) { f.LeadBody = []Key{{Key: "a", Value: ValueID}} }, "lead_body"},
		{func(f *Format) { f.SummaryBody = []Key{{Key: "a", Value: ValueID}} }, "summary_body"},
		{func(f *Format) { f.SummaryBody = []Key{} }, "summary_body"},
		{func(f *Format) { f.EventNames = map[string]string{"lead_collection": "x"} }, "event_names.lead_collection"},
		{func(f *Format) { f.EventNames = map[string]string{"No type": "x"} }, "event_names.No type"},
		{func(f *Format) { f.EventNames = map[string]string{"order.created": ""} }, "event_names.order.created"},
		{func(f *Format) {
			f.EventNames = map[string]string{"lead.submit": strings.Repeat("x", maxEventName+1)}
		}, "event_names.lead.submit"},
		{func(f *Format) { f.EventSeparator = "\"" }, "event_separator"},
		{func(f *Format) { f.EventSeparator = "-----" }, "event_separator"},
		{func(f *Format) { f.Timestamp = "unix" }, "timestamp"},
		{func(f *Format) { f.Lead = "round" }, "lead"},
		{func(f *Format) { f.Signatures = make([]signature.Scheme, maxFormatScheme+1) }, "signatures"},
		{func(f *Format) { f.Signatures[0].Header = "webhook-id" }, "signatures[0]"},
		{func(f *Format) { f.Signatures = append(f.Signatures, f.Signatures[0]) }, "signatures[1].header"},
		{func(f *Format) { f.Signatures[0].SignedContent = signature.ContentIDTimestampBody }, "standard_headers_optional"},
	} {
		f := Chatzuri()
		tt.change(f)
		invalid, ok := errors.AsType[*Error](f.Validate())
		if !ok {
			t.Errorf("%s: no error", tt.location)
			continue
		}
		found := false
		for _, field := range invalid.Problems {
			found = found || field.Location == tt.location
		}
		if !found {
			t.Errorf("%s is not among %v", tt.location, invalid.Problems)
		}
	}
}

func TestTimestamps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-1e9, 1e11).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).
			In(time.FixedZone("", rapid.IntRange(-14, 14).Draw(t, "hours")*3600))
		for layout, format := range map[TimestampLayout]string{
			TimestampSeconds:      "2006-01-02T15:04:05Z",
			TimestampMilliseconds: "2006-01-02T15:04:05.000Z",
			"":                    "2006-01-02T15:04:05.000Z",
			TimestampMicroseconds: "2006-01-02T15:04:05.000000",
		} {
			if got, want := string(layout.append(nil, at)), at.UTC().Format(format); got != want {
				t.Fatalf("%q of %v is %s, want %s", layout, at, got, want)
			}
		}
	})
}

func TestSchemes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		format               *Format
		asymmetric, standard bool
		want                 []signature.Scheme
	}{
		{Standard(), false, true, []signature.Scheme{signature.Standard()}},
		{Standard(), true, true, []signature.Scheme{signature.Ed25519()}},
		{Chatzuri(), false, true, []signature.Scheme{signature.Chatzuri(), signature.Standard()}},
		{Chatzuri(), false, false, []signature.Scheme{signature.Chatzuri()}},
		{Chatislav(), false, true, []signature.Scheme{signature.Chatislav(), signature.Standard()}},
		{Chatislav(), true, false, nil},
	} {
		if diff := cmp.Diff(tt.want, tt.format.Schemes(tt.asymmetric, tt.standard)); diff != "" {
			t.Errorf("%s, asymmetric %v, standard headers %v:\n%s", tt.format.Name, tt.asymmetric, tt.standard, diff)
		}
	}
}
