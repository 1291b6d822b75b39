package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waybell/waybell/internal/catalogue"
	"github.com/waybell/waybell/internal/jsjson"
	"github.com/waybell/waybell/internal/nodetest"
)

// drawJSON draws any value, with the names that the formats look at among the
// others, and numbers and strings that JavaScript writes in its own way.
func drawJSON(t *rapid.T, levels int) jsjson.Value {
	kind := rapid.IntRange(0, 6).Draw(t, "kind")
	if levels == 0 {
		kind = min(kind, 4)
	}
	switch kind {
	case 0:
		return jsjson.Null()
	case 1:
		return parse(t, strconv.AppendBool(nil, rapid.Bool().Draw(t, "bool")))
	case 2:
		text := rapid.OneOf(
			rapid.Map(rapid.Float64(), func(f float64) string { return fmt.Sprintf("%.20e", f) }),
			rapid.Map(rapid.Int64Range(-jsjson.MaxSafeInteger, jsjson.MaxSafeInteger), func(n int64) string { return fmt.Sprint(n) }),
			rapid.SampledFrom([]string{"-0", "-0.0", "1e21", "1e-7", "0.000001", "100e-2", "1.5e300"}),
		).Draw(t, "number")
		if v, err := jsjson.Parse([]byte(text), jsjson.Limits{}); err == nil {
			return v
		}
		return jsjson.Null() // not finite
	case 3, 4:
		return jsjson.String(drawText(t))
	case 5:
		items := make([]jsjson.Value, rapid.IntRange(0, 3).Draw(t, "length"))
		for i := range items {
			items[i] = drawJSON(t, levels-1)
		}
		return array(t, items...)
	default:
		return drawObject(t, levels)
	}
}

func drawText(t *rapid.T) string {
	return rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "\\", "\\\"", "</script>&", "\u2028\u2029", "\x00\x1f\x7f", "\xed\xa0\x80", "😀", "}", "]", ","})).Draw(t, "text")
}

func drawObject(t *rapid.T, levels int) jsjson.Value {
	names := rapid.OneOf(rapid.SampledFrom([]string{"name", "email", "phone", "channel", "form_data", "conversation_id", "chat_id",
		"contact_id", "user_id", "bot_id", "bot_name", "messages", "summary", "ai_summary", "message_id", "collection_type", "ip_address",
		"0", "1", "10", "2", "01", "-1", "4294967294", "4294967295", "__proto__", "constructor", ""}), rapid.String())
	members := make([]jsjson.Member, rapid.IntRange(0, 8).Draw(t, "length"))
	for i := range members {
		members[i].Name = names.Draw(t, "name")
		if members[i].Name == "form_data" && rapid.Bool().Draw(t, "form") {
			members[i].Value = array(t, jsjson.Object(
				jsjson.Member{Name: "field", Value: jsjson.String(rapid.SampledFrom([]string{"name", "Email", "phone", "company"}).Draw(t, "field"))},
				jsjson.Member{Name: "value", Value: drawJSON(t, 1)}))
			continue
		}
		members[i].Value = drawJSON(t, levels-1)
	}
	return jsjson.Object(members...)
}

func drawEvent(t *rapid.T) *Event {
	e := &Event{
		ID:        rapid.StringMatching(`[A-Za-z0-9_-]{1,20}`).Draw(t, "id"),
		AgentID:   rapid.OneOf(rapid.StringMatching(`[0-9]{1,17}`), rapid.StringMatching(`[A-Za-z0-9._:-]{1,12}`)).Draw(t, "agent"),
		AgentName: drawText(t),
		Type:      rapid.SampledFrom([]string{catalogue.LeadSubmit, catalogue.LeadSubmit, catalogue.ConversationSummary, catalogue.MessageSent, "order.created"}).Draw(t, "type"),
		Timestamp: time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")),
		Data:      drawObject(t, 3).Append(nil),
	}
	if rapid.Bool().Draw(t, "transcript") {
		e.Messages = array(t, drawObject(t, 2), drawJSON(t, 2)).Append(nil)
	}
	return e
}

// TestBodiesSurviveJavaScript draws thousands of events, renders each in every
// format, and lets a real JavaScript engine parse and write them again.
func TestBodiesSurviveJavaScript(t *testing.T) {
	t.Parallel()
	acme := formatFromYAML(t, acmeFormat)
	var bodies [][]byte
	for seed := range 1500 {
		e := rapid.Custom(drawEvent).Example(seed)
		for _, f := range append(builtInFormats(), &acme) {
			for _, include := range []bool{false, true} {
				b, err := f.Render(nil, e, include)
				if err != nil {
					t.Fatalf("%s of %s: %v", f.Name, e.Data, err)
				}
				bodies = append(bodies, b)
			}
		}
	}
	const program = `
		import { readFileSync } from 'node:fs';
		const lines = readFileSync(0, 'utf8').split('\n');
		let n = 0;
		for (const line of lines) {
			n++;
			if (JSON.stringify(JSON.parse(line)) !== line) console.log(line, '\n', JSON.stringify(JSON.parse(line)));
		}
		console.log(n);`
	if got, want := string(nodetest.Run(t, program, bytes.Join(bodies, []byte("\n")))), fmt.Sprintln(len(bodies)); got != want {
		t.Errorf("bodies that JavaScript writes otherwise:\n%.2000s", got)
	}
}

// checkBody holds what is true of every body.
func checkBody(t testing.TB, f *Format, e *Event, include bool) {
	t.Helper()
	body, err := f.Render(nil, e, include)
	if err != nil {
		t.Fatalf("%s of %s: %v", f.Name, e.Data, err)
	}
	v, err := jsjson.Parse(body, jsjson.Limits{MaxDepth: 100})
	if err != nil {
		t.Fatalf("%s of %s: %v in %s", f.Name, e.Data, err, body)
	}
	if again := v.Append(nil); !bytes.Equal(again, body) {
		t.Fatalf("%s of %s is not canonical:\n%s\n%s", f.Name, e.Data, body, again)
	}
	if !json.Valid(body) {
		t.Fatalf("%s of %s is not JSON: %s", f.Name, e.Data, body)
	}
	again, err := f.Render(nil, e, include)
	if err != nil || !bytes.Equal(again, body) {
		t.Fatalf("%s of %s differs the second time:\n%s\n%s", f.Name, e.Data, body, again)
	}
}

// FuzzRender: whatever is published, every body is valid and canonical JSON;
// and whatever was stored, nothing panics.
func FuzzRender(f *testing.F) {
	for _, typ := range catalogue.All() {
		f.Add(typ.Name, string(typ.Example), `[{"role":"customer","text":"hi"}]`, "agt_1", "Pip")
	}
	f.Add("lead.submit", `{"form_data":[{"field":"EMAIL","value":"a\"b"},{"field":"name"}],"chat_id":7,"0":1}`, "", "0123", "")
	f.Add("lead.submit", `{"messages":[1],"x_id":"1","\u0000":true}`, "[]", "123", "\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, typ, data, messages, agentID, agentName string) {
		e := &Event{Type: typ, AgentID: agentID, AgentName: agentName, Data: []byte(data), Messages: []byte(messages)}
		for _, format := range builtInFormats() {
			_, _ = format.Render(nil, e, true)
		}
		var c Content
		var err error
		if c.Data, err = jsjson.Parse([]byte(data), jsjson.Limits{}); err != nil {
			return
		}
		if c.Messages, err = jsjson.Parse([]byte(messages), jsjson.Limits{}); err != nil {
			c.Messages = jsjson.Null()
		}
		d, m, _ := c.Normalize(typ)
		e.Data, e.Messages = d.Append(nil), nil
		if !m.IsNull() {
			e.Messages = m.Append(nil)
		}
		for _, format := range builtInFormats() {
			checkBody(t, format, e, false)
			checkBody(t, format, e, true)
		}
	})
}

func TestRenderKeepsRoom(t *testing.T) {
	t.Parallel()
	e := publish(t, "message.sent", `{"a":1}`, "")
	buf := make([]byte, 3, 4096)
	copy(buf, "abc")
	got, err := Chatzuri().Render(buf, e, false)
	if err != nil || &got[0] != &buf[0] || !strings.HasPrefix(string(got), `abc{"event"`) {
		t.Errorf("Render did not append to its buffer: %s, %v", got, err)
	}
}

func BenchmarkRender(b *testing.B) {
	text := strings.Repeat("It is a long way to Tipperary. ", 26)
	transcript := `[{"role":"customer","text":"hi"},{"role":"agent","text":"hello"}]`
	for _, bench := range []struct{ name, typ, data string }{
		{"message", "message.received", `{"message_id":"msg_1","conversation_id":"conv_1","contact_id":"cus_1","channel":"website","text":"` + text + `"}`},
		{"summary", "conversation.summary", `{"conversation_id":"conv_1","summary":{"title":"t","text":"` + text + `","topics":["a","b"]}}`},
		{"lead", "lead.submit", `{"name":"Sarah","email":"sarah@acme.com","phone":"+254712345678","channel":"website","company":"Acme","conversation_id":"conv_7","notes":"` + text + `"}`},
		{"form", "lead.submit", `{"user_id":"u","bot_id":123,"chat_id":"c","form_data":[{"field":"name","value":"Sarah"},{"field":"email","value":"sarah@acme.com"},{"field":"notes","value":"` + text + `"}]}`},
	} {
		e := publish(b, bench.typ, bench.data, transcript)
		for _, f := range builtInFormats() {
			b.Run(bench.name+"/"+f.Name, func(b *testing.B) {
				buf := make([]byte, 0, 8192)
				b.ReportAllocs()
				for b.Loop() {
					var err error
					if buf, err = f.Render(buf[:0], e, true); err != nil {
						b.Fatal(err)
					}
				}
				b.SetBytes(int64(len(buf)))
			})
		}
	}
}
