package format

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybell/waybell/internal/jsjson"
)

// dataOf returns the data of a rendered lead.
func dataOf(t testing.TB, f *Format, e *Event) string {
	t.Helper()
	v, ok := parseJSON(t, render(t, f, e, false)).Get("data")
	if !ok {
		t.Fatalf("%s: no data", f.Name)
	}
	return string(v.Append(nil))
}

func TestLeadShapes(t *testing.T) {
	t.Parallel()
	const agent = `"bot_id":"agt_abc123","bot_name":"Agent name"`
	for _, tt := range []struct{ name, data, chatzuri, chatislav, standard string }{
		{
			"flat, as in the first reference",
			`{"name":"Sarah","email":"sarah@acme.com","phone":"+254712345678","channel":"website"}`,
			`{"name":"Sarah","email":"sarah@acme.com","phone":"+254712345678","channel":"website"}`,
			`{` + agent + `,"form_data":[{"field":"name","value":"Sarah"},{"field":"email","value":"sarah@acme.com"},{"field":"phone","value":"+254712345678"}],"collection_type":"lead_collection"}`,
			`{"name":"Sarah","email":"sarah@acme.com","phone":"+254712345678","channel":"website","form_data":[{"field":"name","value":"Sarah"},{"field":"email","value":"sarah@acme.com"},{"field":"phone","value":"+254712345678"}]}`,
		},
		{
			"form, as in the second reference",
			`{"user_id":"u","bot_id":123,"bot_name":"B","chat_id":"c","message_id":"m","form_data":[{"field":"email","value":"customer@example.com"}],"ip_address":"203.0.113.10","collection_type":"lead_collection","ai_summary":{}}`,
			`{"email":"customer@example.com","user_id":"u","bot_id":123,"bot_name":"B","chat_id":"c","message_id":"m","form_data":[{"field":"email","value":"customer@example.com"}],"ip_address":"203.0.113.10","collection_type":"lead_collection","ai_summary":{}}`,
			`{"user_id":"u","bot_id":123,"bot_name":"B","chat_id":"c","message_id":"m","form_data":[{"field":"email","value":"customer@example.com"}],"ip_address":"203.0.113.10","collection_type":"lead_collection","ai_summary":{}}`,
			`{"user_id":"u","bot_id":123,"bot_name":"B","chat_id":"c","message_id":"m","form_data":[{"field":"email","value":"customer@example.com"}],"ip_address":"203.0.113.10","collection_type":"lead_collection","ai_summary":{},"email":"customer@example.com","conversation_id":"c","contact_id":"u"}`,
		},
		{
			"further keys, ids and order",
			`{"company":"Acme","email":"a@example.com","utm":{"source":"x"},"seats":40,"newsletter":true,"phone":null,"note":"","tags":[1],"conversation_id":"007","contact_id":9,"lead_id":"l","id":"i","name":"A","ip_address":"::1","channel":"sms"}`,
			`{"name":"A","email":"a@example.com","phone":null,"channel":"sms","company":"Acme","utm":{"source":"x"},"seats":40,"newsletter":true,"note":"","tags":[1],"conversation_id":"007","contact_id":9,"lead_id":"l","id":"i","ip_address":"::1"}`,
			`{"user_id":9,` + agent + `,"chat_id":"007","form_data":[{"field":"name","value":"A"},{"field":"email","value":"a@example.com"},{"field":"company","value":"Acme"},{"field":"seats","value":40},{"field":"newsletter","value":true}],"ip_address":"::1","collection_type":"lead_collection"}`,
			`{"company":"Acme","email":"a@example.com","utm":{"source":"x"},"seats":40,"newsletter":true,"phone":null,"note":"","tags":[1],"conversation_id":"007","contact_id":9,"lead_id":"l","id":"i","name":"A","ip_address":"::1","channel":"sms","user_id":9,"chat_id":"007","form_data":[{"field":"name","value":"A"},{"field":"email","value":"a@example.com"},{"field":"company","value":"Acme"},{"field":"seats","value":40},{"field":"newsletter","value":true}]}`,
		},
		{
			"explicit values win",
			`{"name":"flat","form_data":[{"field":"name","value":"form"},{"field":"email","value":"e"}],"chat_id":"c1","conversation_id":"c2","collection_type":"popup","bot_name":"Own","bot_id":"own"}`,
			`{"name":"flat","email":"e","form_data":[{"field":"name","value":"form"},{"field":"email","value":"e"}],"chat_id":"c1","conversation_id":"c2","collection_type":"popup","bot_name":"Own","bot_id":"own"}`,
			`{"bot_id":"own","bot_name":"Own","chat_id":"c1","form_data":[{"field":"name","value":"form"},{"field":"email","value":"e"}],"collection_type":"popup"}`,
			`{"name":"flat","form_data":[{"field":"name","value":"form"},{"field":"email","value":"e"}],"chat_id":"c1","conversation_id":"c2","collection_type":"popup","bot_name":"Own","bot_id":"own","email":"e"}`,
		},
		{
			"keys without a value take the derived one",
			`{"name":"","email":"e","chat_id":null,"conversation_id":"c","form_data":[]}`,
			`{"name":"","email":"e","chat_id":null,"conversation_id":"c","form_data":[]}`,
			`{` + agent + `,"chat_id":"c","form_data":[{"field":"email","value":"e"}],"collection_type":"lead_collection"}`,
			`{"name":"","email":"e","chat_id":"c","conversation_id":"c","form_data":[{"field":"email","value":"e"}]}`,
		},
		{
			"forms as they come",
			`{"form_data":[7,{"field":"Email","value":""},{"value":1},{"field":"EMAIL","value":"e"},{"field":"email","value":"later"},{"field":"name","value":["x"]},{"field":"channel","value":"sms"},{"field":"phone","value":5}]}`,
			`{"email":"e","phone":5,"channel":"sms","form_data":[7,{"field":"Email","value":""},{"value":1},{"field":"EMAIL","value":"e"},{"field":"email","value":"later"},{"field":"name","value":["x"]},{"field":"channel","value":"sms"},{"field":"phone","value":5}]}`,
			`{` + agent + `,"form_data":[7,{"field":"Email","value":""},{"value":1},{"field":"EMAIL","value":"e"},{"field":"email","value":"later"},{"field":"name","value":["x"]},{"field":"channel","value":"sms"},{"field":"phone","value":5}],"collection_type":"lead_collection"}`,
			`{"form_data":[7,{"field":"Email","value":""},{"value":1},{"field":"EMAIL","value":"e"},{"field":"email","value":"later"},{"field":"name","value":["x"]},{"field":"channel","value":"sms"},{"field":"phone","value":5}],"email":"e","phone":5,"channel":"sms"}`,
		},
		{
			"array indices stay first",
			`{"name":"A","7":"seven","x\"y":"q"}`,
			`{"7":"seven","name":"A","x\"y":"q"}`,
			`{` + agent + `,"form_data":[{"field":"name","value":"A"},{"field":"7","value":"seven"},{"field":"x\"y","value":"q"}],"collection_type":"lead_collection"}`,
			`{"7":"seven","name":"A","x\"y":"q","form_data":[{"field":"name","value":"A"},{"field":"7","value":"seven"},{"field":"x\"y","value":"q"}]}`,
		},
		{
			"nothing to derive",
			`{"channel":"sms"}`, `{"channel":"sms"}`, `{` + agent + `,"collection_type":"lead_collection"}`, `{"channel":"sms"}`,
		},
	} {
		e := publish(t, "lead.submit", tt.data, "")
		for _, f := range builtInFormats() {
			want := map[string]string{"chatzuri": tt.chatzuri, "chatislav": tt.chatislav, "standard": tt.standard}[f.Name]
			if diff := cmp.Diff(want, dataOf(t, f, e)); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", tt.name, f.Name, diff)
			}
		}
		shown, err := e.CanonicalData()
		if err != nil || string(shown) != tt.standard {
			t.Errorf("%s: the API shows %s, %v", tt.name, shown, err)
		}
		published := Standard()
		published.Lead = LeadPublished
		if got := dataOf(t, published, e); got != string(e.Data) {
			t.Errorf("%s: as published it is %s", tt.name, got)
		}
	}
}

func TestCanonicalDataOfOtherTypes(t *testing.T) {
	t.Parallel()
	e := publish(t, "feedback.submitted", `{"name":"A","conversation_id":"c"}`, "")
	if got, err := e.CanonicalData(); err != nil || string(got) != `{"name":"A","conversation_id":"c"}` {
		t.Errorf("%s, %v", got, err)
	}
	e = &Event{Type: "lead.submit", Data: []byte(`{"a"`)}
	if got, err := e.CanonicalData(); err == nil {
		t.Errorf("damaged data is shown as %s", got)
	}
}

func TestBotID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"123":                          `123`,
		"0":                            `0`,
		"9007199254740991":             `9007199254740991`,
		"9007199254740992":             `"9007199254740992"`,
		"00":                           `"00"`,
		"0123":                         `"0123"`,
		"12a":                          `"12a"`,
		"-5":                           `"-5"`,
		"1.0":                          `"1.0"`,
		"agt_abc123":                   `"agt_abc123"`,
		"99999999999999999":            `"99999999999999999"`,
		"1" + strings.Repeat("0", 127): `"1` + strings.Repeat("0", 127) + `"`,
	} {
		e := publish(t, "lead.submit", `{"email":"e"}`, "")
		e.AgentID, e.AgentName = id, ""
		got := dataOf(t, Chatislav(), e)
		if want := `{"bot_id":` + want + `,"form_data":[{"field":"email","value":"e"}],"collection_type":"lead_collection"}`; got != want {
			t.Errorf("agent %q: %s, want %s", id, got, want)
		}
		// Other types have neither bot_id nor bot_name.
		e.Type = "message.sent"
		if got := dataOf(t, Chatislav(), e); got != `{"email":"e"}` {
			t.Errorf("another type: %s", got)
		}
	}
}

func leadText() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"Ann", "ann@example.com", "+1 555 0100", "0", "007", "“ü”\n", "\"", "<&>", "\u2028"})
}

// TestLeadRoundTrip: a lead published in one shape, received in the other
// platform's format and published again from there, reaches the first
// platform's receivers as it was.
func TestLeadRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var flat, form []jsjson.Member
		for _, name := range []string{"name", "email", "phone"} {
			if rapid.Bool().Draw(t, name) {
				flat = append(flat, jsjson.Member{Name: name, Value: jsjson.String(leadText().Draw(t, name+" value"))})
			}
		}
		if len(flat) == 0 {
			flat = append(flat, jsjson.Member{Name: "email", Value: jsjson.String("e")})
		}
		var fields []jsjson.Value
		for _, m := range flat {
			fields = append(fields, jsjson.Object(jsjson.Member{Name: "field", Value: jsjson.String(m.Name)}, jsjson.Member{Name: "value", Value: m.Value}))
		}
		form = append(form, jsjson.Member{Name: "form_data", Value: array(t, fields...)})

		fromFlat := &Event{Type: "lead.submit", AgentID: "7", Data: jsjson.Object(flat...).Append(nil)}
		fromForm := &Event{Type: "lead.submit", AgentID: "7", Data: jsjson.Object(form...).Append(nil)}
		shape := func(e *Event, s LeadShape) *Event {
			data, err := appendLead(nil, e, s)
			if err != nil {
				t.Fatal(err)
			}
			return &Event{Type: e.Type, AgentID: e.AgentID, Data: data}
		}
		same := func(what string, a, b *Event) {
			if string(a.Data) != string(b.Data) {
				t.Fatalf("%s:\n%s\n%s", what, a.Data, b.Data)
			}
		}
		same("both shapes say the same in form shape", shape(fromFlat, LeadForm), shape(fromForm, LeadForm))
		viaForm := shape(shape(fromFlat, LeadForm), LeadFlat)
		for _, m := range flat {
			got, ok := parse(t, viaForm.Data).Get(m.Name)
			if !ok || got.Str() != m.Value.Str() {
				t.Fatalf("%s is %q after the round trip, was %q", m.Name, got.Str(), m.Value.Str())
			}
		}
		same("flat stays as it is", shape(fromFlat, LeadFlat), fromFlat)
		same("form, flat, form", shape(shape(fromForm, LeadFlat), LeadForm), shape(fromForm, LeadForm))
		for _, e := range []*Event{fromFlat, fromForm} {
			canonical := shape(e, LeadCanonical)
			same("the canonical form is its own", shape(canonical, LeadCanonical), canonical)
			same("the canonical form makes the same form", shape(canonical, LeadForm), shape(e, LeadForm))
		}
	})
}

// array is an array of the items, as it is read.
func array(t *rapid.T, items ...jsjson.Value) jsjson.Value {
	text := []byte{'['}
	for i, item := range items {
		if i > 0 {
			text = append(text, ',')
		}
		text = item.Append(text)
	}
	return parse(t, append(text, ']'))
}

func parse(t *rapid.T, b []byte) jsjson.Value {
	v, err := jsjson.Parse(b, jsjson.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}
