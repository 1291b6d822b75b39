package rawjson

import (
	"bytes"
	"testing"

	"github.com/waybell/waybell/internal/jsjson"
)

func TestAgainstParser(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `{"a":1}`, `{"a":"x\\","b":"\\\"","c":{"d":"}]"},"e":[1,[2,"]"],{}],"":null}`,
		`{"0":true,"10":-1.5e-7,"x":""}`, `{"a":[],"b":{},"c":"\\\\\\"}`,
	} {
		compare(t, text)
	}
}

// compare holds what is found in canonical JSON to what a parser finds.
func compare(t *testing.T, text string) {
	t.Helper()
	v, err := jsjson.Parse([]byte(text), jsjson.Limits{})
	if err != nil {
		return
	}
	raw := v.Append(nil)
	if v.Kind() == jsjson.KindArray {
		var items [][]byte
		for item := range Items(raw) {
			items = append(items, item)
		}
		if len(items) != len(v.Items()) {
			t.Fatalf("%s: %d items, want %d", raw, len(items), len(v.Items()))
		}
		for i, want := range v.Items() {
			if !bytes.Equal(items[i], want.Append(nil)) {
				t.Fatalf("%s: item %d is %s", raw, i, items[i])
			}
			compare(t, string(items[i]))
		}
		return
	}
	if v.Kind() != jsjson.KindObject {
		return
	}
	members, err := AppendMembers(nil, raw)
	if err != nil || len(members) != len(v.Members()) {
		t.Fatalf("%s: %d members, want %d; %v", raw, len(members), len(v.Members()), err)
	}
	for i, want := range v.Members() {
		m := members[i]
		if !bytes.Equal(m.Name, jsjson.AppendString(nil, want.Name)) || !bytes.Equal(m.Value, want.Value.Append(nil)) {
			t.Fatalf("%s: member %d is %s: %s", raw, i, m.Name, m.Value)
		}
		// A name without escapes is found by its text.
		if string(m.Name) == `"`+want.Name+`"` {
			if got := Find(raw, want.Name); !m.Is(want.Name) || !bytes.Equal(got, m.Value) {
				t.Fatalf("%s: %s is found as %s", raw, m.Name, got)
			}
		}
		compare(t, string(m.Value))
	}
}

func TestIsIndex(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"0": true, "7": true, "10": true, "4294967294": true, "": false, "00": false, "01": false, "-1": false, "1.0": false,
		"4294967295": false, "9999999999": false, "10000000000": false, "a": false, "1a": false,
	} {
		m := Member{Name: []byte(`"` + name + `"`)}
		if m.IsIndex() != want {
			t.Errorf("IsIndex of %q is %v", name, !want)
		}
	}
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `{`, `}`, `[]`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":"}`, `{"a":[}`, `{"a\":1}`, `{,}`, `{"a":1]`,
	} {
		if members, err := AppendMembers(nil, []byte(text)); err == nil {
			t.Errorf("%s: found %v", text, members)
		}
		if got := Find([]byte(text), "a"); got != nil {
			t.Errorf("%s: found a: %s", text, got)
		}
	}
	for _, text := range []string{``, `[`, `{}`, `]`, `["]`, `[[]`} {
		for item := range Items([]byte(text)) {
			t.Errorf("%s: found %s", text, item)
		}
	}
}

func TestItemsCanStop(t *testing.T) {
	t.Parallel()
	n := 0
	for range Items([]byte(`[1,2,3]`)) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("stopped after %d", n)
	}
}

func FuzzFind(f *testing.F) {
	f.Add(`{"a":"x\\","b":["\"",{}]}`)
	f.Add(`[{"field":"email","value":"a@example.com"},7]`)
	f.Add(`{"a\`)
	f.Fuzz(func(t *testing.T, text string) {
		raw := []byte(text)
		_, _ = AppendMembers(nil, raw)
		for range Items(raw) {
		}
		compare(t, text)
	})
}
