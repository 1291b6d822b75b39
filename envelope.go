package waybell

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/waybell/waybell/internal/jsjson"
)

// readEnvelope reads one event of the HTTP API. Problems are collected, each
// with its location.
func readEnvelope(v jsjson.Value, location string, batch bool) envelope {
	env := envelope{location: location}
	if v.Kind() != jsjson.KindObject {
		env.problem(location, "must be a JSON object")
		return env
	}
	for _, m := range v.Members() {
		where := location + "." + m.Name
		switch m.Name {
		case "event":
			env.event = env.text(where, m.Value)
		case "id":
			if env.id = env.text(where, m.Value); len(env.problems) == 0 || env.id != "" {
				env.checkID(where)
			}
		case "timestamp":
			env.readTimestamp(where, m.Value)
		case "data":
			env.take(where, m.Value, jsjson.KindObject, &env.Data)
		case "messages":
			env.take(where, m.Value, jsjson.KindArray, &env.Messages)
		case "summary":
			env.take(where, m.Value, jsjson.KindObject, &env.Summary)
		case "conversation_id":
			env.ConversationID = jsjson.String(env.text(where, m.Value))
		case "agent_id":
			if !batch {
				env.problem(where, "is not a field here: the agent is named by the path")
				continue
			}
			env.agentID = env.text(where, m.Value)
		default:
			env.problem(where, "is not a field of an event; put your own fields into data")
		}
	}
	if _, ok := v.Get("event"); !ok {
		env.problem(location+".event", "is required: the event's type, such as lead.submit")
	}
	if _, ok := v.Get("agent_id"); batch && !ok {
		env.problem(location+".agent_id", "is required")
	}
	return env
}

// problem notes a wrong field; those over maxFieldErrors are left out.
func (env *envelope) problem(location, format string, args ...any) {
	if len(env.problems) >= maxFieldErrors {
		return
	}
	env.problems = append(env.problems, FieldError{Location: location, Message: fmt.Sprintf(format, args...)})
}

func (env *envelope) text(location string, v jsjson.Value) string {
	if v.Kind() != jsjson.KindString {
		env.problem(location, "must be a string, not %s", v.Kind())
		return ""
	}
	return v.Str()
}

// take stores a value of the wanted kind. Messages must be objects.
func (env *envelope) take(location string, v jsjson.Value, kind jsjson.Kind, to *jsjson.Value) {
	if v.Kind() != kind {
		env.problem(location, "must be an %s, not %s", kind, v.Kind())
		return
	}
	if kind == jsjson.KindArray {
		for i, item := range v.Items() {
			if item.Kind() != jsjson.KindObject {
				env.problem(fmt.Sprintf("%s[%d]", location, i), "must be an object, not %s", item.Kind())
			}
		}
	}
	*to = v
}

func (env *envelope) checkID(location string) {
	ok := len(env.id) >= 1 && len(env.id) <= 128
	for _, c := range []byte(env.id) {
		ok = ok && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '-')
	}
	if !ok {
		env.problem(location, "must be 1 to 128 characters of A-Z a-z 0-9 _ -")
	}
}

// readTimestamp reads RFC 3339; years before 1970 or after 9999 have no place
// in every format's layout.
func (env *envelope) readTimestamp(location string, v jsjson.Value) {
	text := env.text(location, v)
	if v.Kind() != jsjson.KindString {
		return
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.UTC().Year() < 1970 || t.UTC().Year() > 9999 {
		env.problem(location, "must be an RFC 3339 time such as 2026-04-26T08:30:14Z, from the year 1970 on")
		return
	}
	env.timestamp = t
}

// checkIdempotencyKey holds the bound of the Idempotency-Key header.
func checkIdempotencyKey(key string) *Error {
	printable := strings.IndexFunc(key, func(r rune) bool { return r < 0x20 || r > 0x7e }) < 0
	if len(key) <= 255 && printable {
		return nil
	}
	return &Error{Code: CodeInvalid, Message: "the Idempotency-Key is not valid", Fields: []FieldError{
		{Location: "header.Idempotency-Key", Message: "must be 1 to 255 printable ASCII characters"}}}
}

// jsonError translates what the strict reader found: a value that no
// JavaScript engine can hold is a wrong value, all else is no JSON.
func jsonError(err error, location string) *Error {
	je, ok := errors.AsType[*jsjson.Error](err)
	if !ok {
		return errorf(CodeMalformedJSON, "%s is not JSON", location)
	}
	if je.Kind == jsjson.NonFiniteNumber {
		return &Error{Code: CodeInvalid, Message: "the event is not valid", Fields: []FieldError{
			{Location: location + fieldPath(je.Path), Message: "is a number too large for JSON receivers"}}}
	}
	if je.Kind == jsjson.TooManyValues {
		return errorf(CodeTooLarge, "%s: %s, at byte %d", location, je.Message, je.Offset)
	}
	return errorf(CodeMalformedJSON, "%s: %s, at byte %d", location, je.Message, je.Offset)
}
