package jsjson

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// typicalEvent is a publish request of about 1 KB.
const typicalEvent = `{"event":"lead.submit","timestamp":"2026-04-26T08:30:14Z","id":"evt_01J9ZK3M4Q7W8E9R0T1Y2U3I4O",` +
	`"data":{"name":"Sarah Connor","email":"sarah@acme.example","phone":"+1 555 010 4477","channel":"website",` +
	`"company":"Acme GmbH & Co. KG","budget":12500.5,"seats":40,"newsletter":true,"referrer":null,` +
	`"page":"https://www.acme.example/pricing?utm_source=mail&utm_campaign=spring",` +
	`"location":{"city":"Köln","country":"DE","lat":50.9375,"lng":6.9603},` +
	`"tags":["pricing","enterprise","follow-up"],"conversation_id":"conv_01J9ZK3M4Q7W8E9R0T1Y2U3I4P"},` +
	`"messages":[{"role":"customer","text":"Hi, what does the enterprise plan cost for 40 seats?","at":"2026-04-26T08:28:02Z"},` +
	`{"role":"agent","text":"Thanks for asking! For 40 seats we offer a custom plan.\nMay I have your e-mail address?","at":"2026-04-26T08:28:05Z"},` +
	`{"role":"customer","text":"Sure, it is sarah@acme.example","at":"2026-04-26T08:29:47Z"}]}`

func BenchmarkParse(b *testing.B) {
	in := []byte(typicalEvent)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(in, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	v, err := Parse([]byte(typicalEvent), Limits{})
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 2048)
	b.SetBytes(int64(len(typicalEvent)))
	b.ReportAllocs()
	for b.Loop() {
		buf = v.Append(buf[:0])
	}
}

func BenchmarkParseAppend(b *testing.B) {
	in := []byte(typicalEvent)
	buf := make([]byte, 0, 2048)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		v, err := Parse(in, Limits{})
		if err != nil {
			b.Fatal(err)
		}
		buf = v.Append(buf[:0])
	}
}

// BenchmarkStandardLibrary is the yardstick: decode into any and encode again.
func BenchmarkStandardLibrary(b *testing.B) {
	in := []byte(typicalEvent)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		var v any
		if err := json.Unmarshal(in, &v); err != nil {
			b.Fatal(err)
		}
		if _, err := json.Marshal(v); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkManyNames must cost per name the same as a small object.
func BenchmarkManyNames(b *testing.B) {
	var doc strings.Builder
	doc.WriteString(`{"a":0`)
	for i := range 100_000 {
		doc.WriteString(`,"n`)
		doc.WriteString(strconv.Itoa(i))
		doc.WriteString(`":0`)
	}
	doc.WriteString(`}`)
	in := []byte(doc.String())
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(in, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDoubles(b *testing.B) {
	in := []byte(`[` + strings.Repeat(`0.1234567890123456789,`, 99) + `1e-7]`)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(in, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
