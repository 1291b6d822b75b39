// Package catalogue holds the event types that are built in: their names, what
// they mean, the JSON Schema of their data, and an example of each.
//
// The schemas are open. Known fields are typed and may be null, further fields
// pass, and nothing is required, except that a lead carries at least one value
// and a summary its summary object.
package catalogue

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
)

// The canonical names of the built-in types, in the order in which they are
// listed everywhere.
const (
	LeadSubmit          = "lead.submit"
	MessageReceived     = "message.received"
	MessageSent         = "message.sent"
	ConversationStarted = "conversation.started"
	ConversationEnded   = "conversation.ended"
	ConversationSummary = "conversation.summary"
	FeedbackSubmitted   = "feedback.submitted"
	EscalationTriggered = "escalation.triggered"

	names = 8
)

// The names that Chatislav uses for two of them.
const (
	aliasLead    = "lead_collection"
	aliasSummary = "conversation_summary"
)

// Test is reserved for test sends: it is no type of the catalogue, and none can
// be registered under it.
const Test = "webhook.test"

// MaxNameLength is the number of bytes that the name of a type may have.
const MaxNameLength = 128

//go:embed types/*.json
var files embed.FS

// Type is one built-in event type.
type Type struct {
	// Name is the canonical name.
	Name string
	// Alias is another name that is accepted wherever a type is written, or "".
	Alias string
	// Description says in one sentence when the event fires.
	Description string
	// Schema is the JSON Schema (2020-12) of the event's data, compact.
	Schema json.RawMessage
	// Example is a realistic data object that fits the schema, in the canonical
	// form in which events are stored.
	Example json.RawMessage
}

// All reads the built-in types from the program, in their fixed order. The
// caller owns the result; it is meant to be kept, not asked for again and again.
func All() []Type {
	types := make([]Type, 0, names)
	for _, name := range [names]string{
		LeadSubmit, MessageReceived, MessageSent, ConversationStarted,
		ConversationEnded, ConversationSummary, FeedbackSubmitted, EscalationTriggered,
	} {
		types = append(types, read(name))
	}
	return types
}

// Transcript is an example of the messages that a publisher sends along with an
// event: a JSON array in canonical form. The caller owns it.
func Transcript() json.RawMessage {
	return json.RawMessage(`[{"role":"customer","text":"Hi, do you ship to Norway?","timestamp":"2026-04-26T08:28:51Z"},` +
		`{"role":"agent","text":"Yes, within five working days.","timestamp":"2026-04-26T08:28:53Z"}]`)
}

// read panics where an embedded file is broken: no test of this package could
// pass then.
func read(name string) Type {
	t := Type{Name: name, Alias: alias(name)}
	var file struct {
		Description     string
		Schema, Example json.RawMessage
	}
	raw, err := files.ReadFile("types/" + name + ".json")
	if err == nil {
		err = json.Unmarshal(raw, &file)
	}
	if err != nil {
		panic(fmt.Sprintf("catalogue: %s: %v", name, err))
	}
	t.Description = file.Description
	t.Schema = compact(file.Schema)
	t.Example = compact(file.Example)
	return t
}

// compact takes white space out of well-formed JSON. The files are written in
// the order and spelling of the canonical form, so nothing else is needed; a
// test holds that.
func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		panic(fmt.Sprintf("catalogue: %v", err))
	}
	return b.Bytes()
}

func alias(name string) string {
	switch name {
	case LeadSubmit:
		return aliasLead
	case ConversationSummary:
		return aliasSummary
	default:
		return ""
	}
}

// Lookup returns the canonical name of a built-in type that is given by its
// name or alias, and whether there is one. It is cheap enough for every publish.
func Lookup(name string) (canonical string, ok bool) {
	switch name {
	case LeadSubmit, MessageReceived, MessageSent, ConversationStarted,
		ConversationEnded, ConversationSummary, FeedbackSubmitted, EscalationTriggered:
		return name, true
	case aliasLead:
		return LeadSubmit, true
	case aliasSummary:
		return ConversationSummary, true
	default:
		return "", false
	}
}

// CheckName tells whether an operator may register a type under this name: up
// to [MaxNameLength] bytes, segments of a-z, 0-9 and _ separated by dots, and
// neither built in, nor an alias, nor reserved. The error is one sentence for
// the caller.
func CheckName(name string) error {
	if name == "" || len(name) > MaxNameLength {
		return fmt.Errorf("must have 1 to %d characters", MaxNameLength)
	}
	last := byte('.')
	for _, c := range []byte(name) {
		switch {
		case c == '.' && last != '.':
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_':
		default:
			return fmt.Errorf("must be segments of a-z, 0-9 and _ separated by single dots, such as order.created")
		}
		last = c
	}
	if last == '.' {
		return fmt.Errorf("must not end with a dot")
	}
	if name == Test {
		return fmt.Errorf("%s is reserved for test sends", Test)
	}
	if canonical, ok := Lookup(name); ok {
		return fmt.Errorf("belongs to the built-in type %s", canonical)
	}
	return nil
}
