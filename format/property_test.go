package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"

	"github.com/waybell/waybell/internal/catalogue"
	"github.com/waybell/waybell/internal/jsjson"
)

// What JavaScript would write is said here once more, from ECMA-262 and without
// package jsjson, so that a mistake in one of the two shows.

// number is Number::toString (6.1.6.1.20).
func number(f float64) string {
	if f == 0 {
		return "0" // minus zero too
	}
	if f < 0 {
		return "-" + number(-f)
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	digits := strings.ReplaceAll(mantissa, ".", "")
	n, _ := strconv.Atoi(exponent)
	n++ // digits × 10^(n-k)
	switch k := len(digits); {
	case k <= n && n <= 21:
		return digits + strings.Repeat("0", n-k)
	case 0 < n && n <= 21:
		return digits[:n] + "." + digits[n:]
	case -6 < n && n <= 0:
		return "0." + strings.Repeat("0", -n) + digits
	case k == 1:
		return fmt.Sprintf("%se%+d", digits, n-1)
	default:
		return fmt.Sprintf("%s.%se%+d", digits[:1], digits[1:], n-1)
	}
}

// quoted is QuoteJSONString (25.5.2.3).
func quoted(units []uint16) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(units); i++ {
		switch u := rune(units[i]); {
		case u == '"' || u == '\\':
			b.WriteString("\\" + string(u))
		case strings.ContainsRune("\b\t\n\f\r", u):
			b.WriteString("\\" + string("btn.fr"[u-'\b']))
		case u < 0x20:
			fmt.Fprintf(&b, "\\u%04x", u)
		case utf16.IsSurrogate(u):
			if i+1 < len(units) && utf16.DecodeRune(u, rune(units[i+1])) != '\ufffd' {
				b.WriteRune(utf16.DecodeRune(u, rune(units[i+1])))
				i++
			} else {
				fmt.Fprintf(&b, "\\u%04x", u)
			}
		default:
			b.WriteRune(u)
		}
	}
	return b.String() + `"`
}

// rank is the place of a name among an object's: array indices first, by
// number, then the rest as they came (10.1.11.1).
func rank(name string) uint64 {
	n, err := strconv.ParseUint(name, 10, 64)
	if err == nil && n < 1<<32-1 && strconv.FormatUint(n, 10) == name {
		return n
	}
	return math.MaxUint64
}

// spelling is a text that a publisher may send, and what is to come of it.
type spelling struct{ sent, written string }

func drawNumber(t *rapid.T) spelling {
	f := rapid.OneOf(rapid.Float64(), rapid.Map(rapid.Int64(), func(n int64) float64 { return float64(n) / 1e7 }),
		rapid.SampledFrom([]float64{0, 1e21, 999999999999999900000, 1e-6, 9.9e-7, 5e-324, math.MaxFloat64, 0.1, 1 << 53})).Draw(t, "number")
	format := rapid.SampledFrom([]string{"%v", "%.25e", "%.17E", "%e"}).Draw(t, "layout")
	text := fmt.Sprintf(format, f)
	if read, err := strconv.ParseFloat(text, 64); err != nil || math.IsInf(read, 0) {
		return spelling{"1.0", "1"} // rounded beyond what a double holds
	} else if f = read; !strings.ContainsAny(text, ".eE") {
		text += ".0" // plain digits stay as they are
	}
	return spelling{text, number(f)}
}

func drawString(t *rapid.T) spelling {
	unit := rapid.OneOf(rapid.Uint16Range(0, 0x7f), rapid.Uint16Range(0xd7ff, 0xe000), rapid.SampledFrom([]uint16{'"', '\\', '/', '<', 0x2028, 0xfffd, 0xe9}), rapid.Uint16())
	units := rapid.SliceOfN(unit, 0, 8).Draw(t, "units")
	var b strings.Builder
	for _, u := range units {
		if plain := u >= 0x20 && u < 0x7f && u != '"' && u != '\\'; plain && rapid.Bool().Draw(t, "plain") {
			b.WriteByte(byte(u))
		} else {
			fmt.Fprintf(&b, rapid.SampledFrom([]string{`\u%04x`, `\u%04X`}).Draw(t, "escape"), u)
		}
	}
	return spelling{`"` + b.String() + `"`, quoted(units)}
}

func drawSpelling(t *rapid.T, levels int) spelling {
	switch kind := rapid.IntRange(0, 4).Draw(t, "kind"); {
	case kind == 0:
		return drawNumber(t)
	case kind == 1 || levels == 0:
		return drawString(t)
	case kind == 2:
		var sent, written []string
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			s := drawSpelling(t, levels-1)
			sent, written = append(sent, s.sent), append(written, s.written)
		}
		return spelling{"[" + strings.Join(sent, " ,\t") + " ]", "[" + strings.Join(written, ",") + "]"}
	default:
		return drawMembers(t, levels)
	}
}

func drawMembers(t *rapid.T, levels int) spelling {
	type member struct {
		rank          uint64
		sent, written string
	}
	names := rapid.SliceOfNDistinct(rapid.OneOf(
		rapid.SampledFrom([]string{"0", "1", "2", "9", "10", "01", "-1", "1.5", "4294967294", "4294967295", "99999999999", "b", "a", "__proto__", "length", ""}),
		rapid.StringMatching(`[a-z0-9]{1,3}`)), 0, 7, rapid.ID[string]).Draw(t, "names")
	var list []member
	for _, name := range names {
		v := drawSpelling(t, levels-1)
		list = append(list, member{rank(name), fmt.Sprintf("%q :\n%s", name, v.sent), fmt.Sprintf("%q:%s", name, v.written)})
	}
	var sent, written []string
	for _, m := range list {
		sent = append(sent, m.sent)
	}
	slices.SortStableFunc(list, func(a, b member) int {
		if a.rank < b.rank {
			return -1
		}
		return min(1, int(min(a.rank-b.rank, 1)))
	})
	for _, m := range list {
		written = append(written, m.written)
	}
	return spelling{"{" + strings.Join(sent, " , ") + "}", "{" + strings.Join(written, ",") + "}"}
}

// TestDataAsJavaScriptWouldWriteIt: whatever way numbers, strings and the order
// of keys are spelt in, the body has them as JSON.stringify writes them.
func TestDataAsJavaScriptWouldWriteIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		data := drawMembers(t, 3)
		v, err := jsjson.Parse([]byte(data.sent), jsjson.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", data.sent, err)
		}
		d, _, problems := Content{Data: v}.Normalize("order.created")
		if problems != nil {
			t.Fatal(problems)
		}
		e := &Event{Type: "order.created", Data: d.Append(nil)}
		for _, f := range builtInFormats() {
			body, err := f.Render(nil, e, false)
			if err != nil || !bytes.Contains(body, []byte(`"data":`+data.written)) {
				t.Fatalf("%s: sent %s\ngot  %s\nwant %s, %v", f.Name, data.sent, body, data.written, err)
			}
		}
	})
}

// TestNormalizeOnceIsEnough: what was stored, published again, is stored alike.
func TestNormalizeOnceIsEnough(t *testing.T) {
	t.Parallel()
	types := []string{catalogue.LeadSubmit, catalogue.ConversationSummary, catalogue.MessageSent, "order.created"}
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom(types).Draw(t, "type")
		c := Content{Data: drawObject(t, 2)}
		if rapid.Bool().Draw(t, "transcript") {
			c.Messages = array(t, drawObject(t, 1))
		}
		if rapid.Bool().Draw(t, "conversation") {
			c.ConversationID = jsjson.String(drawText(t))
		}
		if typ == catalogue.ConversationSummary && rapid.Bool().Draw(t, "summary") {
			c.Summary = drawObject(t, 1)
		}
		data, messages, problems := c.Normalize(typ)
		if problems != nil {
			return
		}
		again, transcript, problems := Content{Data: data, Messages: messages}.Normalize(typ)
		if problems != nil || !bytes.Equal(again.Append(nil), data.Append(nil)) || !bytes.Equal(transcript.Append(nil), messages.Append(nil)) {
			t.Fatalf("%s, %s became %s, %s: %v", data.Append(nil), messages.Append(nil), again.Append(nil), transcript.Append(nil), problems)
		}
		for _, m := range c.Data.Members() { // nothing that was published is lost
			got, ok := data.Get(m.Name)
			if m.Name != "messages" && m.Name != "summary" && m.Name != "conversation_id" && (!ok || !bytes.Equal(got.Append(nil), m.Value.Append(nil))) {
				t.Fatalf("%q is missing in %s", m.Name, data.Append(nil))
			}
		}
	})
}

// TestRenderingIsPure: the bytes depend on the event, the definition and the
// flag; not on the buffer, on other renderings, or on a transcript that is not
// asked for. Nothing of the event is written to.
func TestRenderingIsPure(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		before := *e
		before.Data, before.Messages = bytes.Clone(e.Data), bytes.Clone(e.Messages)
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "before")
		for i, f := range builtInFormats() {
			for _, include := range []bool{false, true} {
				first, err := f.Render(nil, e, include)
				if err != nil {
					t.Fatal(err)
				}
				second, err := builtInFormats()[i].Render(slices.Clone(prefix), e, include)
				if err != nil || !bytes.HasPrefix(second, prefix) || !bytes.Equal(second[len(prefix):], first) {
					t.Fatalf("%s: %s\nthen %s, %v", f.Name, first, second, err)
				}
				if !include {
					other := *e
					other.Messages = []byte(`[{"another":1}]`)
					if got, err := f.Render(nil, &other, false); err != nil || !bytes.Equal(got, first) {
						t.Fatalf("%s: with another transcript, not asked for: %s, %v", f.Name, got, err)
					}
				}
			}
		}
		if !bytes.Equal(e.Data, before.Data) || !bytes.Equal(e.Messages, before.Messages) || e.ID != before.ID {
			t.Fatalf("the event was changed: %+v", e)
		}
	})
}

// drawLead draws the data of a lead in one of the two documented shapes, with
// values for all that the document shows.
func drawLead(t *rapid.T, form bool) jsjson.Value {
	text := func(name string) jsjson.Member {
		return jsjson.Member{Name: name, Value: jsjson.String(leadText().Draw(t, name))}
	}
	if !form {
		list := []jsjson.Member{text("name"), text("email"), text("phone"), text("channel")}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"company", "notes", "utm", "lead_id"}), 0, 3, rapid.ID[string]).Draw(t, "more") {
			list = append(list, jsjson.Member{Name: name, Value: drawJSON(t, 1)})
		}
		return jsjson.Object(list...)
	}
	var fields []jsjson.Value
	for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"email", "name", "Phone", "company"}), 1, 4).Draw(t, "fields") {
		fields = append(fields, jsjson.Object(jsjson.Member{Name: "field", Value: jsjson.String(name)}, text("value")))
	}
	return jsjson.Object(text("user_id"), jsjson.Member{Name: "bot_id", Value: parse(t, strconv.AppendInt(nil, rapid.Int64Range(1, 1e9).Draw(t, "bot"), 10))},
		text("bot_name"), text("chat_id"), text("message_id"), jsjson.Member{Name: "form_data", Value: array(t, fields...)},
		text("ip_address"), text("collection_type"),
		jsjson.Member{Name: "ai_summary", Value: jsjson.Object(jsjson.Member{Name: "...", Value: drawJSON(t, 1)})})
}

// TestReferenceShapesReachTheirReceivers: a lead in the shape that a platform's
// document shows reaches that platform's receivers byte for byte, in whatever
// order its keys were published, and so does what they received when it is
// published again; what the API shows of it is complete in the same sense.
func TestReferenceShapesReachTheirReceivers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		form := rapid.Bool().Draw(t, "form")
		shape := map[bool]LeadShape{false: LeadFlat, true: LeadForm}[form]
		lead := drawLead(t, form)
		want := string(lead.Append(nil))
		shaped := func(data []byte, s LeadShape) []byte {
			out, err := appendLead(nil, &Event{Type: catalogue.LeadSubmit, AgentID: "7", Data: data}, s)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		received := shaped(lead.Append(nil), shape)
		if string(received) != want {
			t.Fatalf("published %s\nreceived  %s", want, received)
		}
		shuffled := jsjson.Object(rapid.Permutation(lead.Members()).Draw(t, "order")...).Append(nil)
		if got := shaped(shuffled, shape); form && string(got) != want || len(got) != len(want) {
			t.Fatalf("published %s\nreceived  %s", shuffled, got)
		}
		shown := shaped(lead.Append(nil), LeadCanonical)
		if again := shaped(shown, LeadCanonical); string(again) != string(shown) {
			t.Fatalf("shown %s\nthen  %s", shown, again)
		}
		// What is shown can be published: the same form comes of it.
		if got := shaped(shown, LeadForm); string(got) != string(shaped(lead.Append(nil), LeadForm)) {
			t.Fatalf("shown %s\nmakes %s", shown, got)
		}
	})
}

// TestCanonicalDataIsItsOwn: of any lead, however odd.
func TestCanonicalDataIsItsOwn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		e.Type = catalogue.LeadSubmit
		shown, err := e.CanonicalData()
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(shown) {
			t.Fatalf("%s is shown as %s", e.Data, shown)
		}
		again := *e
		again.Data = shown
		if twice, err := again.CanonicalData(); err != nil || !bytes.Equal(twice, shown) {
			t.Fatalf("%s is shown as %s, and that as %s, %v", e.Data, shown, twice, err)
		}
	})
}
