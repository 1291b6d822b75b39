package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/waybell/waybell/internal/catalogue"
	"github.com/waybell/waybell/internal/jsjson"
	"github.com/waybell/waybell/internal/rawjson"
	"github.com/waybell/waybell/signature"
)

// Format says what a request looks like: its body, and how it is signed. It is
// data: the three built-in formats are values of this type, and an operator
// writes more of them in the configuration. The engine knows no format by name.
//
// A format from elsewhere must pass [Format.Validate] before it is used, and
// must not be changed afterwards.
type Format struct {
	// Name is the word by which endpoints and profiles refer to it: a-z, 0-9,
	// _ and -, at most 64 characters.
	Name string `json:"name"`
	// Body lists the keys of the body, in order.
	Body []Key `json:"body"`
	// LeadBody and SummaryBody, where given, take the place of Body for
	// lead.submit and conversation.summary.
	LeadBody    []Key `json:"lead_body,omitempty"`
	SummaryBody []Key `json:"summary_body,omitempty"`
	// EventNames maps canonical types to the names that receivers see.
	EventNames map[string]string `json:"event_names,omitempty"`
	// EventSeparator takes the place of the dots in the types that EventNames
	// does not map. Empty leaves them.
	EventSeparator string `json:"event_separator,omitempty"`
	// Timestamp is how the event's time is written; empty is
	// [TimestampMilliseconds].
	Timestamp TimestampLayout `json:"timestamp,omitempty"`
	// Lead is the shape of a lead's data; empty is [LeadCanonical].
	Lead LeadShape `json:"lead,omitempty"`
	// Signatures are the schemes of the format's own signature header. Where
	// there are several, the kind of the secret chooses: see [Format.Schemes].
	Signatures []signature.Scheme `json:"signatures,omitempty"`
	// StandardHeadersOptional lets an endpoint leave out webhook-id,
	// webhook-timestamp and webhook-signature.
	StandardHeadersOptional bool `json:"standard_headers_optional,omitempty"`

	version string // set by NewSet, so that it is computed once
}

// Key is one key of a body: its name and either where its value comes
// from, or a constant.
type Key struct {
	// Key is a name of letters, digits, _ and -, not beginning with a digit.
	Key string `json:"key"`
	// Value says where the value comes from.
	Value Value `json:"value,omitempty"`
	// Const is a JSON value that is the same in every body.
	Const json.RawMessage `json:"const,omitempty"`
}

// Value names a part of an event.
type Value string

// The values that a body can have. A key whose value is not there (a summary,
// messages, an agent's name) is left out.
const (
	ValueID        Value = "id"         // the webhook-id
	ValueEventName Value = "event_name" // the type under the name that the format gives it
	ValueEventType Value = "event_type" // the canonical type
	ValueTimestamp Value = "timestamp"
	ValueAgentID   Value = "agent_id"
	ValueAgentName Value = "agent_name"
	ValueData      Value = "data"
	ValueSummary   Value = "summary" // data.summary
	// ValueMessages is the transcript. A body that does not name it carries the
	// transcript as data.messages. Either way it is there only for endpoints
	// that ask for it.
	ValueMessages Value = "messages"
)

// TimestampLayout is how a body writes a time. Times are UTC; what is finer
// than the layout is cut off.
type TimestampLayout string

// The timestamp layouts.
const (
	TimestampSeconds      TimestampLayout = "rfc3339"              // 2026-04-26T08:30:14Z
	TimestampMilliseconds TimestampLayout = "rfc3339_milliseconds" // 2026-04-26T08:30:14.000Z
	TimestampMicroseconds TimestampLayout = "iso8601_microseconds" // 2026-06-23T12:00:00.000000, without a zone
)

// digits is how many digits of a second the layout has, and whether it ends
// with a Z; ok is false for an unknown layout.
func (l TimestampLayout) digits() (n int, zone, ok bool) {
	switch l {
	case TimestampSeconds:
		return 0, true, true
	case TimestampMilliseconds, "":
		return 3, true, true
	case TimestampMicroseconds:
		return 6, false, true
	default:
		return 0, false, false
	}
}

// append appends a time. Package time is quick only with its own RFC 3339
// layout, so the rest is put behind that.
func (l TimestampLayout) append(dst []byte, t time.Time) []byte {
	digits, zone, _ := l.digits()
	dst = t.UTC().AppendFormat(dst, time.RFC3339)
	dst = dst[:len(dst)-1] // the Z
	if digits > 0 {
		dst = append(dst, '.')
		nanoseconds := t.Nanosecond()
		for unit := 100_000_000; digits > 0; digits-- {
			dst = append(dst, byte('0'+nanoseconds/unit%10))
			unit /= 10
		}
	}
	if zone {
		dst = append(dst, 'Z')
	}
	return dst
}

// Standard is the format of the standard profile: {"id", "type",
// "timestamp", "agent_id", "data"} with the signatures of Standard Webhooks.
func Standard() *Format {
	return &Format{
		Name: "standard",
		Body: []Key{
			{Key: "id", Value: ValueID},
			{Key: "type", Value: ValueEventType},
			{Key: "timestamp", Value: ValueTimestamp},
			{Key: "agent_id", Value: ValueAgentID},
			{Key: "data", Value: ValueData},
		},
		Timestamp:  TimestampMilliseconds,
		Lead:       LeadCanonical,
		Signatures: []signature.Scheme{signature.Standard(), signature.Ed25519()},
	}
}

// Chatzuri is the format that Chatzuri documents: {"event", "timestamp",
// "agent_id", "data"}.
func Chatzuri() *Format {
	return &Format{
		Name: "chatzuri",
		Body: []Key{
			{Key: "event", Value: ValueEventName},
			{Key: "timestamp", Value: ValueTimestamp},
			{Key: "agent_id", Value: ValueAgentID},
			{Key: "data", Value: ValueData},
		},
		Timestamp:               TimestampSeconds,
		Lead:                    LeadFlat,
		Signatures:              []signature.Scheme{signature.Chatzuri()},
		StandardHeadersOptional: true,
	}
}

// Chatislav is the format that Chatislav documents: {"event", "data",
// "timestamp", "messages"}, and for a summary {"event", "summary", "timestamp",
// "messages"}, which leaves out what else was published with the summary. Types
// that Chatislav does not know follow its way of naming.
func Chatislav() *Format {
	return &Format{
		Name: "chatislav",
		Body: []Key{
			{Key: "event", Value: ValueEventName},
			{Key: "data", Value: ValueData},
			{Key: "timestamp", Value: ValueTimestamp},
			{Key: "messages", Value: ValueMessages},
		},
		SummaryBody: []Key{
			{Key: "event", Value: ValueEventName},
			{Key: "summary", Value: ValueSummary},
			{Key: "timestamp", Value: ValueTimestamp},
			{Key: "messages", Value: ValueMessages},
		},
		EventNames:              map[string]string{catalogue.LeadSubmit: "lead_collection"},
		EventSeparator:          "_",
		Timestamp:               TimestampMicroseconds,
		Lead:                    LeadForm,
		Signatures:              []signature.Scheme{signature.Chatislav()},
		StandardHeadersOptional: true,
	}
}

// formatRevision changes when Render comes to write other bytes for the same
// definition.
const formatRevision = "1\n"

// Version is a short hash of the definition. Attempts record it: two bodies of
// one event under one version are the same bytes, messages asked for alike.
func (f *Format) Version() string {
	if f.version != "" {
		return f.version
	}
	definition, err := json.Marshal(f) // in a fixed order; maps are sorted
	if err != nil {
		// Only a constant that is no JSON, which Validate refuses.
		return ""
	}
	sum := sha256.Sum256(append([]byte(formatRevision), definition...))
	return hex.EncodeToString(sum[:6])
}

// Schemes are the signature schemes of a request to an endpoint whose secret is
// asymmetric (whsk_…) or not: the format's own, and that of Standard Webhooks
// where the standard headers are sent besides. No two have the same header.
// None of the format's own means that such a secret does not fit the format.
func (f *Format) Schemes(asymmetric, standardHeaders bool) []signature.Scheme {
	var list []signature.Scheme
	for _, s := range f.Signatures {
		if (s.Algorithm == signature.PureEd25519) == asymmetric {
			list = append(list, s)
		}
	}
	if !standardHeaders {
		return list
	}
	standard := signature.Standard()
	if asymmetric {
		standard = signature.Ed25519()
	}
	if !slices.ContainsFunc(list, func(s signature.Scheme) bool { return strings.EqualFold(s.Header, standard.Header) }) {
		list = append(list, standard)
	}
	return list
}

// HeaderName is a header's name as it is documented: package net/http knows only
// its own capitals.
func (f *Format) HeaderName(canonical string) string {
	switch canonical {
	case "Webhook-Id":
		return signature.HeaderID
	case "Webhook-Timestamp":
		return signature.HeaderTimestamp
	case "Webhook-Signature":
		return signature.HeaderSignature
	}
	for i := range f.Signatures {
		if own := f.Signatures[i].Header; strings.EqualFold(own, canonical) {
			return own
		}
	}
	return canonical
}

// Render appends the body of an event. The bytes are a pure function of the
// event, the format's version and includeMessages; JSON.stringify(JSON.parse())
// in a JavaScript engine gives them back, integers beyond 2^53 excepted. The
// error means that the event's stored bytes are damaged; dst is then returned
// as it was.
func (f *Format) Render(dst []byte, e *Event, includeMessages bool) ([]byte, error) {
	if len(e.Data) < 2 || e.Data[0] != '{' || e.Data[len(e.Data)-1] != '}' {
		return dst, rawjson.ErrDamaged
	}
	keys := f.keys(e.Type)
	body := rendering{format: f, event: e}
	if includeMessages && hasValue(e.Messages) {
		body.messages = e.Messages
		body.messagesInData = !slices.ContainsFunc(keys, func(k Key) bool { return k.Value == ValueMessages })
	}
	start := len(dst)
	dst = slices.Grow(dst, len(e.Data)+len(body.messages)+256)
	dst = append(dst, '{')
	for i := range keys {
		before := len(dst)
		if i > 0 && dst[before-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, keys[i].Key...)
		dst = append(dst, '"', ':')
		named := len(dst)
		var err error
		if dst, err = body.appendValue(dst, &keys[i]); err != nil {
			return dst[:start], err
		}
		if len(dst) == named { // there is no such value
			dst = dst[:before]
		}
	}
	return append(dst, '}'), nil
}

func (f *Format) keys(typ string) []Key {
	switch {
	case typ == catalogue.LeadSubmit && f.LeadBody != nil:
		return f.LeadBody
	case typ == catalogue.ConversationSummary && f.SummaryBody != nil:
		return f.SummaryBody
	default:
		return f.Body
	}
}

// rendering is one body in the making.
type rendering struct {
	format         *Format
	event          *Event
	messages       []byte // nil = none, or not asked for
	messagesInData bool
}

// appendValue appends the value of a key, or nothing where there is none.
func (r *rendering) appendValue(dst []byte, k *Key) ([]byte, error) {
	e := r.event
	switch k.Value {
	case ValueID:
		return jsjson.AppendString(dst, e.ID), nil
	case ValueEventName:
		return r.format.appendEventName(dst, e.Type), nil
	case ValueEventType:
		return jsjson.AppendString(dst, e.Type), nil
	case ValueTimestamp:
		dst = r.format.Timestamp.append(append(dst, '"'), e.Timestamp)
		return append(dst, '"'), nil
	case ValueAgentID:
		return jsjson.AppendString(dst, e.AgentID), nil
	case ValueAgentName:
		if e.AgentName == "" {
			return dst, nil
		}
		return jsjson.AppendString(dst, e.AgentName), nil
	case ValueData:
		return r.appendData(dst)
	case ValueSummary:
		return append(dst, rawjson.Find(e.Data, "summary")...), nil
	case ValueMessages:
		return append(dst, r.messages...), nil
	default:
		v, err := jsjson.Parse(k.Const, jsjson.Limits{})
		if err != nil {
			return dst, err
		}
		return v.Append(dst), nil
	}
}

// EventName is the name that the format gives to a canonical type.
func (f *Format) EventName(typ string) string {
	if name, ok := f.EventNames[typ]; ok {
		return name
	}
	if f.EventSeparator == "" {
		return typ
	}
	return strings.ReplaceAll(typ, ".", f.EventSeparator)
}

func (f *Format) appendEventName(dst []byte, typ string) []byte {
	return jsjson.AppendString(dst, f.EventName(typ))
}

// appendData appends the event's data, with the transcript at the end where it
// belongs there. Where data of a registered type has messages of its own, those
// stay: a published key is never replaced.
func (r *rendering) appendData(dst []byte) ([]byte, error) {
	var err error
	e := r.event
	if e.Type == catalogue.LeadSubmit && r.format.Lead != LeadPublished {
		if dst, err = appendLead(dst, e, r.format.Lead); err != nil {
			return dst, err
		}
	} else {
		dst = append(dst, e.Data...)
	}
	if !r.messagesInData || bytes.Contains(e.Data, []byte(`"messages":`)) && rawjson.Find(e.Data, "messages") != nil {
		return dst, nil
	}
	dst = appendComma(dst[:len(dst)-1])
	dst = append(dst, `"messages":`...)
	dst = append(dst, r.messages...)
	return append(dst, '}'), nil
}

// The bounds of a format.
const (
	maxFormatName   = 64      // characters of the name of a format, policy or profile
	maxFormatKeys   = 32      // keys of a body
	maxMemberName   = 64      // characters of a key
	maxConst        = 4 << 10 // bytes of a constant
	maxEventNames   = 256     // types that a format maps
	maxEventName    = 128     // characters of a name that receivers see
	maxSeparator    = 4       // characters of a separator
	maxFormatScheme = 4       // signature schemes of a format
)

// Validate tells what is wrong with a format, as an *[Error] with one
// [Problem] for each field, located by the names of the configuration, such
// as "body[2].key"; nil where nothing is.
func (f *Format) Validate() error { return invalid(f.problems()) }

// problemList collects what is wrong with a value's fields.
type problemList []Problem

func (l *problemList) add(location, format string, args ...any) {
	*l = append(*l, Problem{Location: location, Message: fmt.Sprintf(format, args...)})
}

func (f *Format) problems() []Problem {
	var list problemList
	if !isWord(f.Name) {
		list.add("name", "must be 1 to %d of a-z, 0-9, _ and -", maxFormatName)
	}
	checkKeys(&list, "body", f.Body)
	if !hasKey(f.Body, ValueData) {
		list.add("body", "must have a key with the value data")
	}
	if f.LeadBody != nil {
		checkKeys(&list, "lead_body", f.LeadBody)
		if !hasKey(f.LeadBody, ValueData) {
			list.add("lead_body", "must have a key with the value data")
		}
	}
	if f.SummaryBody != nil {
		checkKeys(&list, "summary_body", f.SummaryBody)
		if !hasKey(f.SummaryBody, ValueData) && !hasKey(f.SummaryBody, ValueSummary) {
			list.add("summary_body", "must have a key with the value summary or data")
		}
	}
	f.checkNames(&list)
	if _, _, ok := f.Timestamp.digits(); !ok {
		list.add("timestamp", "must be one of %s, %s, %s", TimestampSeconds, TimestampMilliseconds, TimestampMicroseconds)
	}
	switch f.Lead {
	case "", LeadCanonical, LeadFlat, LeadForm, LeadPublished:
	default:
		list.add("lead", "must be one of %s, %s, %s, %s", LeadCanonical, LeadFlat, LeadForm, LeadPublished)
	}
	f.checkSignatures(&list)
	return list
}

func checkKeys(list *problemList, at string, keys []Key) {
	if len(keys) == 0 || len(keys) > maxFormatKeys {
		list.add(at, "must have 1 to %d keys", maxFormatKeys)
		return
	}
	seen := make(map[string]bool, len(keys))
	for i, k := range keys {
		at := fmt.Sprintf("%s[%d]", at, i)
		if !isKeyName(k.Key) {
			list.add(at+".key", "must be 1 to %d letters, digits, _ and -, not beginning with a digit", maxMemberName)
		} else if seen[k.Key] {
			list.add(at+".key", "is there twice")
		}
		seen[k.Key] = true
		switch {
		case k.Value != "" && k.Const != nil:
			list.add(at, "must have value or const, not both")
		case k.Const != nil:
			if len(k.Const) > maxConst {
				list.add(at+".const", "must have at most %d bytes", maxConst)
			} else if _, err := jsjson.Parse(k.Const, jsjson.Limits{}); err != nil {
				list.add(at+".const", "is no JSON value")
			}
		case !slices.Contains(formatValues(), k.Value):
			list.add(at+".value", "must be one of %s", joinWords(formatValues()))
		}
	}
}

func formatValues() []Value {
	return []Value{ValueID, ValueEventName, ValueEventType, ValueTimestamp, ValueAgentID,
		ValueAgentName, ValueData, ValueSummary, ValueMessages}
}

func joinWords[T ~string](words []T) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return strings.Join(list, ", ")
}

func hasKey(keys []Key, v Value) bool {
	return slices.ContainsFunc(keys, func(k Key) bool { return k.Value == v })
}

func (f *Format) checkNames(list *problemList) {
	if len(f.EventNames) > maxEventNames {
		list.add("event_names", "must be at most %d", maxEventNames)
		return
	}
	for _, typ := range slices.Sorted(maps.Keys(f.EventNames)) {
		at := "event_names." + typ
		if canonical, ok := catalogue.Lookup(typ); ok && canonical != typ {
			list.add(at, "must be given by its canonical name %s", canonical)
		} else if err := catalogue.CheckName(typ); !ok && err != nil {
			list.add(at, "is no event type: %v", err)
		}
		if name := f.EventNames[typ]; name == "" || len(name) > maxEventName || !utf8.ValidString(name) {
			list.add(at, "must be a name of 1 to %d bytes", maxEventName)
		}
	}
	if len(f.EventSeparator) > maxSeparator || strings.Trim(f.EventSeparator, "._-:/") != "" {
		list.add("event_separator", "must be at most %d of . _ - : /", maxSeparator)
	}
}

func (f *Format) checkSignatures(list *problemList) {
	if len(f.Signatures) > maxFormatScheme {
		list.add("signatures", "must be at most %d", maxFormatScheme)
		return
	}
	type header struct {
		name       string
		asymmetric bool
	}
	seen := map[header]bool{}
	for i, s := range f.Signatures {
		at := fmt.Sprintf("signatures[%d]", i)
		if err := s.Validate(); err != nil {
			list.add(at, "%v", err)
		}
		h := header{strings.ToLower(s.Header), s.Algorithm == signature.PureEd25519}
		if seen[h] {
			list.add(at+".header", "is there twice for one kind of secret")
		}
		seen[h] = true
		if f.StandardHeadersOptional && s.SignedContent == signature.ContentIDTimestampBody {
			list.add("standard_headers_optional", "must be false: %s signs webhook-id and webhook-timestamp", at)
		}
	}
}

// isWord tells names of formats, policies and profiles.
func isWord(s string) bool {
	return s != "" && len(s) <= maxFormatName &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '_' || r == '-')
		})
}

// isKeyName tells names that need no escapes and that JavaScript keeps in their
// place.
func isKeyName(s string) bool {
	return s != "" && len(s) <= maxMemberName && (s[0] < '0' || s[0] > '9') &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-')
		})
}
