package format

import (
	"testing"

	"github.com/waybell/waybell/internal/jsjson"
)

func TestNormalize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, typ              string
		data, messages         string // published
		summary, conversation  string
		wantData, wantMessages string
		wantProblem            string
	}{
		{name: "nothing", typ: "message.sent", wantData: `{}`},
		{name: "null is nothing", typ: "message.sent", data: `null`, messages: `null`, wantData: `{}`},
		{name: "as it is", typ: "message.sent", data: `{"b":1,"a":2}`, messages: `[{}]`, wantData: `{"b":1,"a":2}`, wantMessages: `[{}]`},
		{name: "no messages", typ: "message.sent", data: `{}`, messages: `[]`, wantData: `{}`},
		{name: "data of another kind", typ: "message.sent", data: `[]`, wantData: `{}`, wantProblem: "body.data"},
		{name: "messages of another kind", typ: "message.sent", messages: `{}`, wantData: `{}`, wantProblem: "body.messages"},
		{name: "shorthand", typ: "message.sent", data: `{"a":1}`, conversation: `"c"`, wantData: `{"a":1,"conversation_id":"c"}`},
		{name: "shorthand without data", typ: "message.sent", conversation: `7`, wantData: `{"conversation_id":7}`},
		{name: "shorthand beside an empty value", typ: "message.sent", data: `{"conversation_id":null,"a":1}`, conversation: `"c"`, wantData: `{"conversation_id":"c","a":1}`},
		{name: "shorthand beside a value", typ: "message.sent", data: `{"conversation_id":"own"}`, conversation: `"c"`, wantData: `{"conversation_id":"own"}`},
		{name: "summary at the top", typ: "conversation.summary", summary: `{"t":1}`, wantData: `{"summary":{"t":1}}`},
		{name: "summary twice", typ: "conversation.summary", data: `{"summary":{"own":1}}`, summary: `{"t":1}`, wantData: `{"summary":{"own":1}}`},
		{name: "summary of another type", typ: "message.sent", summary: `{}`, wantData: `{}`, wantProblem: "body.summary"},
		{name: "transcript in data", typ: "lead.submit", data: `{"messages":[1],"a":1}`, wantData: `{"a":1}`, wantMessages: `[1]`},
		{name: "transcript in data, empty list beside", typ: "lead.submit", data: `{"messages":[1]}`, messages: `[]`, wantData: `{}`, wantMessages: `[1]`},
		{name: "the same transcript twice", typ: "lead.submit", data: `{"messages":[1]}`, messages: `[1]`, wantData: `{}`, wantMessages: `[1]`},
		{name: "two transcripts", typ: "lead.submit", data: `{"messages":[1]}`, messages: `[2]`, wantData: `{}`, wantMessages: `[2]`, wantProblem: "body.data.messages"},
		{name: "empty transcript in data", typ: "lead.submit", data: `{"messages":null}`, messages: `[2]`, wantData: `{}`, wantMessages: `[2]`},
		{name: "no transcript in data", typ: "lead.submit", data: `{"messages":"none"}`, wantData: `{"messages":"none"}`},
		{name: "messages of a registered type", typ: "mail.sent", data: `{"messages":[1]}`, messages: `[2]`, wantData: `{"messages":[1]}`, wantMessages: `[2]`},
		{name: "no messages of a registered type", typ: "mail.sent", data: `{"messages":null,"a":1}`, messages: `[2]`, wantData: `{"a":1}`, wantMessages: `[2]`},
		{name: "no messages of a registered type, no transcript", typ: "mail.sent", data: `{"messages":null}`, messages: `[]`, wantData: `{"messages":null}`},
	} {
		c := Content{}
		for text, v := range map[*string]*jsjson.Value{&tt.data: &c.Data, &tt.messages: &c.Messages, &tt.summary: &c.Summary, &tt.conversation: &c.ConversationID} {
			if *text != "" {
				*v = parseJSON(t, *text)
			}
		}
		data, messages, problems := c.Normalize(tt.typ)
		if got := string(data.Append(nil)); got != tt.wantData {
			t.Errorf("%s: data %s, want %s", tt.name, got, tt.wantData)
		}
		got := ""
		if !messages.IsNull() {
			got = string(messages.Append(nil))
		}
		if got != tt.wantMessages {
			t.Errorf("%s: messages %s, want %s", tt.name, got, tt.wantMessages)
		}
		if len(problems) > 1 || len(problems) == 1 != (tt.wantProblem != "") || len(problems) == 1 && problems[0].Location != tt.wantProblem {
			t.Errorf("%s: problems %v, want %q", tt.name, problems, tt.wantProblem)
		}
	}
}
