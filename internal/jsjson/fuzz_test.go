package jsjson

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// checkAgainstStandardLibrary compares the verdict on in, and what is written,
// with encoding/json. The standard library accepts repeated names (the last
// wins), bytes that are not UTF-8 (as U+FFFD), numbers beyond a double (until
// they are stored) and 10,000 levels; everything else must agree.
func checkAgainstStandardLibrary(t *testing.T, in []byte) {
	t.Helper()
	v, err := Parse(in, Limits{})
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("%q: error %v is no *Error", in, err)
		}
		if e.Offset < 0 || e.Offset > len(in) || !utf8.ValidString(e.Path) || e.Message == "" {
			t.Fatalf("%q: error %+v", in, e)
		}
		switch e.Kind {
		case Malformed, TrailingData:
			if json.Valid(in) {
				t.Fatalf("%q: refused as %v", in, e)
			}
		case InvalidUTF8:
			if utf8.Valid(in) {
				t.Fatalf("%q: refused as %v", in, e)
			}
		case NonFiniteNumber:
			if !json.Valid(in) || !utf8.Valid(in) {
				t.Fatalf("%q: refused as %v", in, e)
			}
		case DuplicateKey, TooDeep, TooManyValues:
		default:
			t.Fatalf("%q: kind %v", in, e.Kind)
		}
		return
	}
	if !json.Valid(in) || !utf8.Valid(in) {
		t.Fatalf("%q: accepted", in)
	}
	out := v.Append(nil)
	if !utf8.Valid(out) {
		t.Fatalf("%q: wrote %q, which is not UTF-8", in, out)
	}
	again, err := Parse(out, Limits{})
	if err != nil {
		t.Fatalf("%q: wrote %q: %v", in, out, err)
	}
	if twice := again.Append(nil); string(twice) != string(out) {
		t.Fatalf("%q: wrote %q, then %q", in, out, twice)
	}
	if !reflect.DeepEqual(v.Any(), again.Any()) {
		t.Fatalf("%q: wrote %q, which is another value", in, out)
	}
	var a, b any
	if err := json.Unmarshal(in, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("%q: wrote %q, which is another value to encoding/json", in, out)
	}
}

func TestAgainstStandardLibrary(t *testing.T) {
	t.Parallel()
	g := generator{rand.New(rand.NewPCG(5, 6))}
	for range 2000 {
		var b strings.Builder
		g.value(&b, 3)
		checkAgainstStandardLibrary(t, []byte(b.String()))
		checkAgainstStandardLibrary(t, []byte(g.damage(b.String())))
		bytes := []byte(b.String())
		bytes[g.IntN(len(bytes))] ^= 1 << g.IntN(8)
		checkAgainstStandardLibrary(t, bytes)
	}
}

func FuzzParse(f *testing.F) {
	g := generator{rand.New(rand.NewPCG(7, 8))}
	for range 50 {
		var b strings.Builder
		g.value(&b, 1)
		f.Add([]byte(b.String()))
	}
	for _, seed := range []string{
		typicalEvent, "", "\ufeff1", `{"a":1,"\u0061":2}`, `"\ud800\udc00\ud800"`, "\"\xed\xa0\x80\"",
		`[1e999,1e-999,-0,0.1e1,123456789012345678901]`, `{"1":0,"0":{"__proto__":[]}}`,
		strings.Repeat("[", 70), `{"b":0,"10":1,"9":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) { checkAgainstStandardLibrary(t, in) })
}

func FuzzString(f *testing.F) {
	for _, seed := range []string{"", "a\"\\\n", "\xff", "\xed\xa0\x80", "\xed\xa0\xbd\xed\xb8\x80", "\xed", "\ud7ff\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v := String(s)
		out := v.Append(nil)
		back, err := Parse(out, Limits{})
		if err != nil {
			t.Fatalf("%q: wrote %q: %v", s, out, err)
		}
		if back.Str() != v.Str() || string(back.Append(nil)) != string(out) || !utf8.Valid(out) {
			t.Fatalf("%q: wrote %q, read %q", s, out, back.Str())
		}
		if utf8.ValidString(s) && v.Str() != s {
			t.Fatalf("%q became %q", s, v.Str())
		}
		if got := Object(Member{Name: s, Value: v}).Append(nil); string(got) != "{"+string(out)+":"+string(out)+"}" {
			t.Fatalf("%q: as a name %q", s, got)
		}
	})
}
