// Package intake reads events as publishers write them.
package intake

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/jsjson"
	"github.com/waybell/waybell/internal/timestamp"
)

// MaxProblems is how many wrong fields of one event are told: a request must not
// be answered with many times its own size.
const MaxProblems = 100

// Event is an event as it was published, read but not yet checked against its
// agent and type.
type Event struct {
	format.Content
	AgentID   string
	Type      string // canonical name or alias
	ID        string // the publisher's own, or ""
	Timestamp time.Time
	Location  string // of the event in the request
	Problems  []format.Problem
}

// Read reads one event of the HTTP API, in a batch with its agent. Problems are
// collected, each with its location.
func Read(v jsjson.Value, location string, batch bool) Event {
	e := Event{Location: location}
	if v.Kind() != jsjson.KindObject {
		e.problem("", "must be a JSON object")
		return e
	}
	for _, m := range v.Members() {
		switch m.Name {
		case "event":
			e.Type = e.text(m.Name, m.Value)
		case "id":
			if e.ID = e.text(m.Name, m.Value); len(e.Problems) == 0 || e.ID != "" {
				e.CheckID(m.Name)
			}
		case "timestamp":
			e.readTimestamp(m.Name, m.Value)
		case "data":
			e.Take(m.Name, m.Value, jsjson.KindObject, &e.Data)
		case "messages":
			e.Take(m.Name, m.Value, jsjson.KindArray, &e.Messages)
		case "summary":
			e.Take(m.Name, m.Value, jsjson.KindObject, &e.Summary)
		case "conversation_id":
			e.ConversationID = jsjson.String(e.text(m.Name, m.Value))
		case "agent_id":
			if !batch {
				e.problem(m.Name, "is not a field here: the agent is named by the path")
				continue
			}
			e.AgentID = e.text(m.Name, m.Value)
		default:
			e.problem(m.Name, "is not a field of an event; put your own fields into data")
		}
	}
	if _, ok := v.Get("event"); !ok {
		e.problem("event", "is required: the event's type, such as lead.submit")
	}
	if id, ok := v.Get("agent_id"); batch && (!ok || id.Kind() == jsjson.KindString && id.Str() == "") {
		e.problem("agent_id", "is required")
	}
	return e
}

// problem notes a wrong field of the event, or with no name the event itself. Only
// here its location is put together: nearly all events have none.
func (e *Event) problem(name, message string, args ...any) {
	if len(e.Problems) >= MaxProblems {
		return
	}
	location := e.Location
	if name != "" {
		location += "." + name
	}
	e.Problems = append(e.Problems, format.Problem{Location: location, Message: fmt.Sprintf(message, args...)})
}

func (e *Event) text(name string, v jsjson.Value) string {
	if v.Kind() != jsjson.KindString {
		e.problem(name, "must be a string, not %s", v.Kind())
		return ""
	}
	return v.Str()
}

// Take stores the value of a field, of the wanted kind. Messages must be objects.
func (e *Event) Take(name string, v jsjson.Value, kind jsjson.Kind, to *jsjson.Value) {
	if v.Kind() != kind {
		e.problem(name, "must be an %s, not %s", kind, v.Kind())
		return
	}
	if kind == jsjson.KindArray {
		for i, item := range v.Items() {
			if item.Kind() != jsjson.KindObject {
				e.problem(fmt.Sprintf("%s[%d]", name, i), "must be an object, not %s", item.Kind())
			}
		}
	}
	*to = v
}

// CheckID holds the rule for ids that a publisher chooses, in a field.
func (e *Event) CheckID(name string) {
	ok := len(e.ID) >= 1 && len(e.ID) <= 128
	for _, c := range []byte(e.ID) {
		ok = ok && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '-')
	}
	if !ok {
		e.problem(name, "must be 1 to 128 characters of A-Z a-z 0-9 _ -")
	}
}

// readTimestamp reads RFC 3339; years before 1970 or after 9999 have no place
// in every format's layout.
func (e *Event) readTimestamp(name string, v jsjson.Value) {
	text := e.text(name, v)
	if v.Kind() != jsjson.KindString {
		return
	}
	t, err := timestamp.Parse(text)
	if err != nil || t.UTC().Year() < 1970 || t.UTC().Year() > 9999 {
		e.problem(name, "must be an RFC 3339 time such as 2026-04-26T08:30:14Z, from the year 1970 on")
		return
	}
	e.Timestamp = t
}

// Hash identifies a request for idempotency: what the caller gave, without
// defaults. It is stored, so it must not change.
func (e *Event) Hash(canonicalType string) [32]byte {
	b := make([]byte, 0, 1024)
	b = append(strconv.AppendQuote(b, canonicalType), '\n')
	b = append(strconv.AppendQuote(b, e.ID), '\n')
	if !e.Timestamp.IsZero() {
		b = e.Timestamp.UTC().AppendFormat(b, time.RFC3339Nano)
	}
	for _, v := range []jsjson.Value{e.ConversationID, e.Data, e.Messages, e.Summary} {
		b = v.Append(append(b, '\n'))
	}
	return sha256.Sum256(b)
}

// Lines goes through the lines of a text that are not blank.
func Lines(text []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			if line = bytes.TrimSpace(line); len(line) > 0 && !yield(line) {
				return
			}
		}
	}
}

// Events takes the list out of {"events":[…]}.
func Events(v jsjson.Value) ([]jsjson.Value, []format.Problem) {
	list, ok := v.Get("events")
	if v.Kind() != jsjson.KindObject || !ok || list.Kind() != jsjson.KindArray {
		return nil, []format.Problem{{Location: "body.events", Message: "must be an array of events"}}
	}
	var problems []format.Problem
	for _, m := range v.Members() {
		if m.Name != "events" && len(problems) < MaxProblems {
			problems = append(problems, format.Problem{Location: "body." + m.Name, Message: "is not a field of a batch"})
		}
	}
	return list.Items(), problems
}
