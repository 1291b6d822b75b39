package jsjson

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

// FuzzMergePatch holds patches to the algorithm of RFC 7396, section 2, written
// down as it stands there, over the values of encoding/json.
func FuzzMergePatch(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"a":"b"}`, `{"a":"c"}`}, {`{"a":"b","b":"c"}`, `{"a":null}`}, {`{"a":["b"]}`, `{"a":"c"}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`}, {`["a","b"]`, `["c","d"]`}, {`{"a":"foo"}`, `null`},
		{`{"e":null}`, `{"a":1}`}, {`[1,2]`, `{"a":"b","c":null}`}, {`{}`, `{"a":{"bb":{"ccc":null}}}`},
		{`{"10":1,"a":{"2":{}}}`, `{"9":{"x":null},"a":{"1":0,"2":null}}`}, {`{"\ud800":1}`, `{"\ud800":null,"\ufffd":2}`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, target, patch string) {
		tv, err := Parse([]byte(target), Limits{})
		if err != nil {
			return
		}
		pv, err := Parse([]byte(patch), Limits{})
		if err != nil {
			return
		}
		before := string(tv.Append(nil))
		merged := MergePatch(tv, pv)
		out := merged.Append(nil)
		if again, err := Parse(out, Limits{}); err != nil || string(again.Append(nil)) != string(out) {
			t.Fatalf("%s with %s became %s, which is not canonical: %v", target, patch, out, err)
		}
		if twice := MergePatch(merged, pv).Append(nil); string(twice) != string(out) {
			t.Fatalf("%s with %s became %s, patched once more %s", target, patch, out, twice)
		}
		if string(tv.Append(nil)) != before {
			t.Fatalf("%s was changed by %s", target, patch)
		}
		if hasLoneSurrogate(tv) || hasLoneSurrogate(pv) {
			return // names that differ here are one for encoding/json
		}
		if got, want := decoded(t, out), mergePatch(decoded(t, []byte(target)), decoded(t, []byte(patch))); !reflect.DeepEqual(got, want) {
			t.Fatalf("%s with %s became %s, want %v", target, patch, out, want)
		}
	})
}

// mergePatch is the pseudocode of RFC 7396.
func mergePatch(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for name, value := range changes {
		if value == nil {
			delete(object, name)
		} else {
			object[name] = mergePatch(object[name], value)
		}
	}
	return object
}

func decoded(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// hasLoneSurrogate tells whether a name or a string has one.
func hasLoneSurrogate(v Value) bool {
	if v.Kind() == KindString && !utf8.ValidString(v.Str()) {
		return true
	}
	for _, item := range v.Items() {
		if hasLoneSurrogate(item) {
			return true
		}
	}
	for _, m := range v.Members() {
		if !utf8.ValidString(m.Name) || hasLoneSurrogate(m.Value) {
			return true
		}
	}
	return false
}
