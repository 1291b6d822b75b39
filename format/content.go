package format

import (
	"bytes"

	"github.com/waybell/waybell/internal/catalogue"
	"github.com/waybell/waybell/internal/jsjson"
)

// Content is what a publisher gives of an event beside its type and time. What
// was not given is null.
type Content struct {
	Data           jsjson.Value // an object
	Messages       jsjson.Value // the transcript: an array
	Summary        jsjson.Value // for conversation.summary: another place for data.summary
	ConversationID jsjson.Value // a shorthand for data.conversation_id
}

// Normalize brings content into the form in which events are stored: data is an
// object without the transcript, messages an array with something in it, or
// null. Explicit values win: the two shorthands are used only where data has no
// such value itself.
//
// The transcript of a built-in type may also be published where the formats put
// it, as data.messages; it is taken out there, so that only endpoints that ask
// for a transcript get one. In registered types data.messages is theirs and
// stays, but for a null, which would keep a transcript from its place.
//
// The problems are about form; whether data fits the type's schema is another
// question, asked of the result.
func (c Content) Normalize(typ string) (data, messages jsjson.Value, problems []Problem) {
	refuse := func(location, message string) {
		problems = append(problems, Problem{Location: location, Message: message})
	}
	data = c.Data
	switch data.Kind() {
	case jsjson.KindObject:
	case jsjson.KindNull:
		data = jsjson.Object()
	default:
		refuse("body.data", "must be an object")
		data = jsjson.Object()
	}
	switch messages = c.Messages; messages.Kind() {
	case jsjson.KindArray, jsjson.KindNull:
	default:
		refuse("body.messages", "must be an array")
		messages = jsjson.Null()
	}
	if !c.ConversationID.IsNull() && isEmpty(data, "conversation_id") {
		data = data.Set("conversation_id", c.ConversationID)
	}
	if !c.Summary.IsNull() {
		switch {
		case typ != catalogue.ConversationSummary:
			refuse("body.summary", "belongs to "+catalogue.ConversationSummary)
		case isEmpty(data, "summary"):
			data = data.Set("summary", c.Summary)
		}
	}
	_, builtIn := catalogue.Lookup(typ)
	own, ok := data.Get("messages")
	if ok && (builtIn && own.Kind() == jsjson.KindArray || own.IsNull() && (builtIn || len(messages.Items()) > 0)) {
		data = data.Without("messages")
		switch {
		case len(messages.Items()) == 0:
			messages = own
		case len(own.Items()) > 0 && !bytes.Equal(own.Append(nil), messages.Append(nil)):
			refuse("body.data.messages", "differs from the transcript in messages; give it once")
		}
	}
	if len(messages.Items()) == 0 {
		messages = jsjson.Null()
	}
	return data, messages, problems
}

// isEmpty tells whether a member of data is missing, null or an empty string.
func isEmpty(data jsjson.Value, name string) bool {
	v, _ := data.Get(name)
	return v.IsNull() || v.Kind() == jsjson.KindString && v.Str() == ""
}
