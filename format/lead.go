package format

import (
	"bytes"
	"strconv"

	"github.com/waybell/waybell/internal/catalogue"
	"github.com/waybell/waybell/internal/jsjson"
	"github.com/waybell/waybell/internal/rawjson"
)

// Leads come in two shapes. Flat: name, email, phone, channel and further keys,
// with conversation_id and contact_id. Form: form_data, a list of field and
// value, with chat_id and user_id. A lead is published in either, or a mixture,
// and is stored as it was published. What one shape has and the other lacks is
// derived when a body is rendered or the event is shown, never stored: so each
// format knows which keys were published, and a lead published in a platform's
// shape reaches that platform's receivers unchanged.
//
// The rules: an explicit value wins over a derived one; a published key stays,
// and where it has no value (null, "", [] or {}) it takes the derived one; a
// derived key is added only when there is a value.

// LeadShape says how a format writes the data of a lead.
type LeadShape string

// The lead shapes.
const (
	// LeadCanonical is what was published, in its order, followed by all that
	// can be derived: both shapes at once.
	LeadCanonical LeadShape = "canonical"
	// LeadFlat is name, email, phone and channel, published or derived, then
	// what else was published.
	LeadFlat LeadShape = "flat"
	// LeadForm is user_id, bot_id, bot_name, chat_id, message_id, form_data,
	// ip_address, collection_type and ai_summary, published or derived, and
	// nothing else.
	LeadForm LeadShape = "form"
	// LeadPublished is what was published, as it was published.
	LeadPublished LeadShape = "published"
)

// leadCollection is the collection_type of a lead that names none.
const leadCollection = `"lead_collection"`

// CanonicalData is the event's data in canonical form: a lead carries both
// shapes, see [LeadCanonical]; all other events are as published. The error
// means that the stored bytes are damaged.
func (e *Event) CanonicalData() ([]byte, error) {
	if e.Type != catalogue.LeadSubmit {
		return e.Data, nil
	}
	return appendLead(make([]byte, 0, 2*len(e.Data)), e, LeadCanonical)
}

// lead is a stored lead under the hands of a format.
type lead struct {
	event   *Event
	members []rawjson.Member
}

// appendLead appends the event's data in a shape.
func appendLead(dst []byte, e *Event, shape LeadShape) ([]byte, error) {
	var room [32]rawjson.Member
	members, err := rawjson.AppendMembers(room[:0], e.Data)
	if err != nil {
		return dst, err
	}
	l := lead{e, members}
	dst = append(dst, '{')
	switch shape {
	case LeadFlat:
		dst = l.appendFlat(dst)
	case LeadForm:
		for _, name := range [...]string{"user_id", "bot_id", "bot_name", "chat_id", "message_id", "form_data",
			"ip_address", "collection_type", "ai_summary"} {
			dst = l.appendMember(dst, name)
		}
	case LeadPublished:
		for i := range l.members {
			dst = appendRaw(dst, &l.members[i])
		}
	default:
		dst = l.appendCanonical(dst)
	}
	return append(dst, '}'), nil
}

func (l *lead) appendFlat(dst []byte) []byte {
	rest := l.members
	for len(rest) > 0 && rest[0].IsIndex() {
		dst = appendRaw(dst, &rest[0])
		rest = rest[1:]
	}
	for _, name := range [...]string{"name", "email", "phone", "channel"} {
		dst = l.appendMember(dst, name)
	}
	for i := range rest {
		if !isFlatKey(rest[i].Name) {
			dst = appendRaw(dst, &rest[i])
		}
	}
	return dst
}

func (l *lead) appendCanonical(dst []byte) []byte {
	derivable := [...]string{"name", "email", "phone", "channel", "conversation_id", "contact_id",
		"user_id", "chat_id", "form_data"}
	for i := range l.members {
		m := &l.members[i]
		if hasValue(m.Value) {
			dst = appendRaw(dst, m)
			continue
		}
		known := false
		for _, name := range derivable {
			if m.Is(name) {
				dst, known = l.appendMember(dst, name), true
			}
		}
		if !known {
			dst = appendRaw(dst, m)
		}
	}
	for _, name := range derivable {
		if rawjson.FindIn(l.members, name) == nil {
			dst = l.appendMember(dst, name)
		}
	}
	return dst
}

// appendMember appends a member with its published value, or the derived one
// where that has none, or not at all.
func (l *lead) appendMember(dst []byte, name string) []byte {
	start := len(dst)
	dst = appendComma(dst)
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	published := rawjson.FindIn(l.members, name)
	if hasValue(published) {
		return append(dst, published...)
	}
	before := len(dst)
	if dst = l.appendDerived(dst, name); len(dst) > before {
		return dst
	}
	if published != nil {
		return append(dst, published...)
	}
	return dst[:start]
}

// appendDerived appends what a key can be derived from, or nothing.
func (l *lead) appendDerived(dst []byte, name string) []byte {
	switch name {
	case "name", "email", "phone", "channel":
		return append(dst, l.formField(name)...)
	case "conversation_id":
		return l.appendFrom(dst, "chat_id")
	case "chat_id":
		return l.appendFrom(dst, "conversation_id")
	case "contact_id":
		return l.appendFrom(dst, "user_id")
	case "user_id":
		return l.appendFrom(dst, "contact_id")
	case "form_data":
		return l.appendForm(dst)
	case "bot_id":
		return appendBotID(dst, l.event.AgentID)
	case "bot_name":
		if l.event.AgentName == "" {
			return dst
		}
		return jsjson.AppendString(dst, l.event.AgentName)
	case "collection_type":
		return append(dst, leadCollection...)
	default:
		return dst
	}
}

func (l *lead) appendFrom(dst []byte, other string) []byte {
	if v := rawjson.FindIn(l.members, other); hasValue(v) {
		return append(dst, v...)
	}
	return dst
}

// formField returns the first scalar value of the published form's field of
// this name, in any case, or nil.
func (l *lead) formField(name string) []byte {
	var room [4]rawjson.Member
	for item := range rawjson.Items(rawjson.FindIn(l.members, "form_data")) {
		entry, err := rawjson.AppendMembers(room[:0], item)
		if err != nil {
			continue
		}
		field, value := rawjson.FindIn(entry, "field"), rawjson.FindIn(entry, "value")
		if len(field) == len(name)+2 && bytes.EqualFold(field[1:len(field)-1], []byte(name)) &&
			hasValue(value) && isScalar(value) {
			return value
		}
	}
	return nil
}

// appendForm appends the form of a flat lead: name, email and phone, then the
// further scalar keys in order; or nothing where there is no value.
func (l *lead) appendForm(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, '[')
	for _, name := range [...]string{"name", "email", "phone"} {
		for i := range l.members {
			if m := &l.members[i]; m.Is(name) {
				dst = appendField(dst, m)
			}
		}
	}
	for i := range l.members {
		if m := &l.members[i]; !isFlatKey(m.Name) && !isDetail(m.Name) {
			dst = appendField(dst, m)
		}
	}
	if len(dst) == start+1 {
		return dst[:start]
	}
	return append(dst, ']')
}

func appendField(dst []byte, m *rawjson.Member) []byte {
	if !isScalar(m.Value) || !hasValue(m.Value) {
		return dst
	}
	if dst[len(dst)-1] != '[' {
		dst = append(dst, ',')
	}
	dst = append(dst, `{"field":`...)
	dst = append(dst, m.Name...)
	dst = append(dst, `,"value":`...)
	dst = append(dst, m.Value...)
	return append(dst, '}')
}

// isFlatKey takes a name with its quotation marks.
func isFlatKey(name []byte) bool {
	switch string(name) {
	case `"name"`, `"email"`, `"phone"`, `"channel"`:
		return true
	default:
		return false
	}
}

// isDetail tells the keys of a flat lead that the customer did not enter: ids,
// which are "id" and what ends in "_id", and what describes the agent or the
// collection.
func isDetail(name []byte) bool {
	switch string(name) {
	case `"id"`, `"ip_address"`, `"ai_summary"`, `"collection_type"`, `"bot_name"`:
		return true
	default:
		return bytes.HasSuffix(name, []byte(`_id"`))
	}
}

// appendBotID appends an agent's id as a number where it is one that survives
// as a number: digits only, no leading zero, a safe integer. Any other is a
// string.
func appendBotID(dst []byte, agentID string) []byte {
	n, err := strconv.ParseInt(agentID, 10, 64)
	if err == nil && n >= 0 && n <= jsjson.MaxSafeInteger && strconv.FormatInt(n, 10) == agentID {
		return append(dst, agentID...)
	}
	return jsjson.AppendString(dst, agentID)
}

func appendComma(dst []byte) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return dst
}

func appendRaw(dst []byte, m *rawjson.Member) []byte {
	dst = appendComma(dst)
	dst = append(dst, m.Name...)
	dst = append(dst, ':')
	return append(dst, m.Value...)
}

// hasValue tells whether a value says anything: null, "", [] and {} do not, nor
// does one that is not there.
func hasValue(raw []byte) bool {
	switch string(raw) {
	case "", "null", `""`, "[]", "{}":
		return false
	default:
		return true
	}
}

func isScalar(raw []byte) bool { return len(raw) > 0 && raw[0] != '{' && raw[0] != '[' }
