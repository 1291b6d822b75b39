package catalogue

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybell/waybell/internal/jsjson"
	"github.com/waybell/waybell/internal/schema"
)

func TestNamesOfTheReferences(t *testing.T) {
	t.Parallel()
	var got []string
	for _, typ := range All() {
		got = append(got, strings.TrimSpace(typ.Name+" "+typ.Alias))
	}
	want := []string{
		"lead.submit lead_collection", "message.received", "message.sent", "conversation.started",
		"conversation.ended", "conversation.summary conversation_summary", "feedback.submitted", "escalation.triggered",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the built-in types (-want +got):\n%s", diff)
	}
	files, err := files.ReadDir("types")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(path.Base(f.Name()), ".json"); !slices.ContainsFunc(All(), func(t Type) bool { return t.Name == name }) {
			t.Errorf("%s is embedded but no type", f.Name())
		}
	}
}

func TestEveryTypeIsDescribed(t *testing.T) {
	t.Parallel()
	for _, typ := range All() {
		if d := typ.Description; len(d) < 20 || strings.Count(d, ".") != 1 || !strings.HasSuffix(d, ".") {
			t.Errorf("%s: the description is not one sentence: %q", typ.Name, d)
		}
		doc, err := jsjson.Parse(typ.Schema, jsjson.Limits{})
		if err != nil {
			t.Fatalf("%s: schema: %v", typ.Name, err)
		}
		if diff := cmp.Diff(string(doc.Append(nil)), string(typ.Schema)); diff != "" {
			t.Errorf("%s: the schema is not in canonical form:\n%s", typ.Name, diff)
		}
		s, err := schema.Compile(doc)
		if err != nil {
			t.Fatalf("%s: %v", typ.Name, err)
		}
		example, err := jsjson.Parse(typ.Example, jsjson.Limits{})
		if err != nil {
			t.Fatalf("%s: example: %v", typ.Name, err)
		}
		if diff := cmp.Diff(string(example.Append(nil)), string(typ.Example)); diff != "" {
			t.Errorf("%s: the example is not in canonical form:\n%s", typ.Name, diff)
		}
		if p := s.Validate(example); p != nil {
			t.Errorf("%s: the example does not fit: %v", typ.Name, p)
		}
		known, _ := doc.Get("properties")
		for _, m := range example.Members() {
			// A lead form has fields of its own.
			if _, ok := known.Get(m.Name); !ok && typ.Name != LeadSubmit {
				t.Errorf("%s: the schema does not describe %s of the example", typ.Name, m.Name)
			}
		}
	}
}

// TestSchemasAreOpen holds the rule of the API: nothing is required but one
// value of a lead and the summary of a summary; known fields are typed, further
// ones pass.
func TestSchemasAreOpen(t *testing.T) {
	t.Parallel()
	schemas := map[string]*schema.Schema{}
	for _, typ := range All() {
		doc, err := jsjson.Parse(typ.Schema, jsjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if schemas[typ.Name], err = schema.Compile(doc); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		typ, data string
		ok        bool
	}{
		{LeadSubmit, `{"name":"Sarah","email":"sarah@acme.com","phone":"+254712345678","channel":"website"}`, true},
		{LeadSubmit, `{"user_id":7,"bot_id":123,"form_data":[{"field":"email","value":"customer@example.com"}],"ai_summary":{}}`, true},
		{LeadSubmit, `{"anything":[1]}`, true},
		{LeadSubmit, `{"name":null,"phone":"1"}`, true},
		{LeadSubmit, `{}`, false},
		{LeadSubmit, `{"name":null,"email":"","form_data":[],"extra":{}}`, false},
		{LeadSubmit, `{"form_data":[{"field":"email","value":""}]}`, false},
		{LeadSubmit, `{"form_data":[{"field":"a"}]}`, false},
		{LeadSubmit, `{"name":"","form_data":[{"field":"a","value":null},{},{"field":"b","value":[]}]}`, false},
		{LeadSubmit, `{"name":"","form_data":[{"field":"a","value":null},{"field":"b","value":0}]}`, true},
		{LeadSubmit, `{"form_data":[{"field":"agreed","value":false}]}`, true},
		{LeadSubmit, `{"form_data":[{"label":"E-mail","answer":"e"}]}`, true}, // forms may have members of their own
		{LeadSubmit, `{"form_data":[{"field":"email","value":""}],"name":"Sarah"}`, true},
		{LeadSubmit, `{"form_data":null,"name":"Sarah"}`, true},
		{LeadSubmit, `{"name":7}`, false},
		{LeadSubmit, `{"form_data":{"email":"a@example.com"}}`, false},
		{LeadSubmit, `{"form_data":[{"field":7}]}`, false},
		{ConversationSummary, `{"summary":{}}`, true},
		{ConversationSummary, `{"summary":{"x":1},"more":1}`, true},
		{ConversationSummary, `{}`, false},
		{ConversationSummary, `{"summary":"short"}`, false},
		{MessageReceived, `{}`, true},
		{MessageReceived, `{"text":1}`, false},
		{MessageSent, `{"sender":null,"further":{"a":[]}}`, true},
		{FeedbackSubmitted, `{"rating":5}`, true},
		{FeedbackSubmitted, `{"rating":true}`, false},
		{ConversationStarted, `{}`, true},
		{ConversationEnded, `{"message_count":1.5}`, false},
		{EscalationTriggered, `{"conversation_id":12}`, true},
	} {
		v, err := jsjson.Parse([]byte(tt.data), jsjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if p := schemas[tt.typ].Validate(v); (p == nil) != tt.ok {
			t.Errorf("%s %s: %v, want accepted=%v", tt.typ, tt.data, p, tt.ok)
		}
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, typ := range All() {
		for _, name := range []string{typ.Name, typ.Alias} {
			if got, ok := Lookup(name); name != "" && (got != typ.Name || !ok) {
				t.Errorf("Lookup(%q) = %q, %v", name, got, ok)
			}
		}
	}
	for _, name := range []string{"", "lead", "Lead.submit", "message_received", Test, "lead.submit "} {
		if got, ok := Lookup(name); ok || got != "" {
			t.Errorf("Lookup(%q) = %q, %v, want none", name, got, ok)
		}
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, problem string }{
		{"order.created", ""},
		{"a", ""},
		{"call.v2.ended_early", ""},
		{strings.Repeat("a", MaxNameLength), ""},
		{strings.Repeat("a", MaxNameLength+1), "must have 1 to 128 characters"},
		{"", "must have 1 to 128 characters"},
		{"Order.created", "must be segments"},
		{"order-created", "must be segments"},
		{"*", "must be segments"},
		{".a", "must be segments"},
		{"a..b", "must be segments"},
		{"a.", "must not end with a dot"},
		{"ä.b", "must be segments"},
		{"webhook.test", "reserved"},
		{"lead.submit", "built-in type lead.submit"},
		{"lead_collection", "built-in type lead.submit"},
		{"conversation_summary", "built-in type conversation.summary"},
	} {
		err := CheckName(tt.name)
		if tt.problem == "" && err != nil || tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)) {
			t.Errorf("CheckName(%.40q) = %v, want %q", tt.name, err, tt.problem)
		}
	}
}
