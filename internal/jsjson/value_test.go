package jsjson

import (
	"encoding/json"
	"reflect"
	"strconv"
	"testing"
	"unicode/utf8"
)

func parse(t testing.TB, in string) Value {
	t.Helper()
	v, err := Parse([]byte(in), Limits{})
	if err != nil {
		t.Fatalf("Parse(%q): %v", in, err)
	}
	return v
}

func integer(n int) Value { return Value{kind: KindNumber, text: strconv.Itoa(n)} }

func array(items ...Value) Value { return Value{kind: KindArray, list: &container{items: items}} }

func TestKinds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		kind Kind
		name string
	}{
		{`null`, KindNull, "null"},
		{`false`, KindBool, "boolean"},
		{`-1.5`, KindNumber, "number"},
		{`"x"`, KindString, "string"},
		{`[0]`, KindArray, "array"},
		{`{"a":0}`, KindObject, "object"},
	}
	for _, test := range tests {
		for _, v := range []Value{parse(t, test.in), Raw([]byte(test.in))} {
			if v.Kind() != test.kind || v.Kind().String() != test.name {
				t.Errorf("%s: kind %v", test.in, v.Kind())
			}
			if v.IsNull() != (test.kind == KindNull) {
				t.Errorf("%s: IsNull %v", test.in, v.IsNull())
			}
			if got := v.Str() != ""; got != (test.kind == KindString) {
				t.Errorf("%s: Str %q", test.in, v.Str())
			}
			if got := v.Number() != ""; got != (test.kind == KindNumber) {
				t.Errorf("%s: Number %q", test.in, v.Number())
			}
			if _, ok := v.Float64(); ok != (test.kind == KindNumber) {
				t.Errorf("%s: Float64 %v", test.in, ok)
			}
			if _, ok := v.Int64(); v.Bool() || ok {
				t.Errorf("%s: Bool %v, Int64 %v", test.in, v.Bool(), ok)
			}
			if len(v.Items()) > 0 != (test.kind == KindArray) || len(v.Members()) > 0 != (test.kind == KindObject) {
				t.Errorf("%s: items %v, members %v", test.in, v.Items(), v.Members())
			}
		}
	}
	if got := (Value{}).Append(nil); string(got) != "null" {
		t.Errorf("the zero value is %s", got)
	}
	if !parse(t, "true").Bool() || !Raw([]byte("true")).Bool() {
		t.Error("true is not true")
	}
}

func TestInt64(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		want int64
		ok   bool
	}{
		{"0", 0, true},
		{"-0", 0, true},
		{"1.0", 1, true},
		{"1e3", 1000, true},
		{"-12.5e1", -125, true},
		{"9007199254740991", MaxSafeInteger, true},
		{"-9007199254740991", -MaxSafeInteger, true},
		{"9007199254740992", 0, false},
		{"-9007199254740992", 0, false},
		{"9223372036854775808", 0, false},
		{"1e21", 0, false},
		{"0.5", 0, false},
		{`"1"`, 0, false},
		{"null", 0, false},
	}
	for _, test := range tests {
		v := parse(t, test.in)
		if got, ok := v.Int64(); got != test.want || ok != test.ok {
			t.Errorf("%s: %d %v, want %d %v", test.in, got, ok, test.want, test.ok)
		}
	}
	if f, ok := parse(t, "18446744073709551615").Float64(); !ok || f != 1<<64 {
		t.Errorf("Float64 %v %v", f, ok)
	}
}

func TestConstructors(t *testing.T) {
	t.Parallel()
	inner := parse(t, `{"x":[1,2]}`)
	tests := []struct {
		v    Value
		want string
	}{
		{Null(), `null`},
		{String(""), `""`},
		{String("a\"\\\b\t\n\f\r\x01\x7f<>&\u2028é\U0001F600"), "\"a\\\"\\\\\\b\\t\\n\\f\\r\\u0001\x7f<>&\u2028é\U0001F600\""},
		{String("a\xffb\xc3"), "\"a\ufffdb\ufffd\""},
		{String("\xed\xa0\xbd"), `"\ud83d"`},
		{String("\xed\xa0\xbd\xed\xb8\x80"), "\"\U0001F600\""},
		{String("\xed\xb8\x80\xed\xa0\xbd"), `"\ude00\ud83d"`},
		{String("\xed\xb8\x80\xed\xb8\x80\xed\xa0\xbd\xed\xa0\xbd"), `"\ude00\ude00\ud83d\ud83d"`},
		{String("\xed\xa0"), "\"\ufffd\ufffd\""},
		{String("\ud7ff\ue000"), "\"\ud7ff\ue000\""},
		{Object(), `{}`},
		{Object(Member{"b", integer(1)}, Member{"7", integer(2)}, Member{"b", integer(3)}, Member{"", Null()}, Member{"0", inner}),
			`{"0":{"x":[1,2]},"7":2,"b":3,"":null}`},
		{Object(Member{"\xff", integer(1)}, Member{"\ufffd", integer(2)}), "{\"\ufffd\":2}"},
		{Object(Member{"id", String("evt_1")}, Member{"data", Raw([]byte(`{"a":[1]}`))}), `{"id":"evt_1","data":{"a":[1]}}`},
	}
	for _, test := range tests {
		got := string(test.v.Append([]byte("> ")))
		if got != "> "+test.want {
			t.Errorf("wrote %q, want %q", got, test.want)
			continue
		}
		if again := write(t, test.want); again != test.want {
			t.Errorf("%q reads back as %q", test.want, again)
		}
	}
}

func TestAppendString(t *testing.T) {
	t.Parallel()
	if got, want := string(AppendString([]byte("x"), "a\n\xff\xed\xa0\xbd")), "x\"a\\n\ufffd\\ud83d\""; got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

func TestEditing(t *testing.T) {
	t.Parallel()
	const before = `{"5":0,"name":"Sarah","email":null}`
	v := parse(t, before)
	tests := []struct {
		name string
		got  Value
		want string
	}{
		{"replace in place", v.Set("name", String("Kim")), `{"5":0,"name":"Kim","email":null}`},
		{"add at the end", v.Set("phone", integer(1)), `{"5":0,"name":"Sarah","email":null,"phone":1}`},
		{"add an index", v.Set("3", integer(1)), `{"3":1,"5":0,"name":"Sarah","email":null}`},
		{"set several", v.With(Member{"z", integer(1)}, Member{"email", integer(2)}, Member{"z", integer(3)}), `{"5":0,"name":"Sarah","email":2,"z":3}`},
		{"set nothing", v.With(), before},
		{"remove", v.Without("name", "other", "5"), `{"email":null}`},
		{"remove all", v.Without("name", "email", "5"), `{}`},
		{"remove nothing", v.Without(), before},
		{"of a raw value", Raw([]byte(before)).Set("name", Null()), `{"5":0,"name":null,"email":null}`},
		{"of null", Null().Set("a", integer(1)), `{"a":1}`},
		{"of an array", array(integer(1)).Without("a"), `{}`},
	}
	for _, test := range tests {
		if got := string(test.got.Append(nil)); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
		if got := string(v.Append(nil)); got != before {
			t.Fatalf("%s: the value changed to %s", test.name, got)
		}
	}
	big := Object()
	for i := range 100 {
		big = big.Set("n"+strconv.Itoa(i%50), integer(i))
	}
	if got, ok := big.Get("n7"); len(big.Members()) != 50 || !ok || got.Number() != "57" {
		t.Errorf("%d members, n7 is %s", len(big.Members()), got.Number())
	}
}

func TestArgumentsAreCopied(t *testing.T) {
	t.Parallel()
	members, raw := []Member{{"a", integer(1)}}, []byte(`1`)
	v := array(Object(members...), Raw(raw))
	members[0], raw[0] = Member{}, '2'
	if got := string(v.Append(nil)); got != `[{"a":1},1]` {
		t.Errorf("wrote %s", got)
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	v := parse(t, `{"__proto__":1,"":2,"\u0061":3,"\ud800":4}`)
	for name, want := range map[string]string{"__proto__": "1", "": "2", "a": "3", "\xed\xa0\x80": "4"} {
		if got, ok := v.Get(name); !ok || got.Number() != want {
			t.Errorf("Get(%q): %v %v", name, got.Number(), ok)
		}
	}
	if _, ok := v.Get("toString"); ok {
		t.Error("found an inherited name")
	}
	if _, ok := integer(1).Get("a"); ok {
		t.Error("found a member of a number")
	}
}

func TestRawThatIsNoJSON(t *testing.T) {
	t.Parallel()
	v := Raw([]byte(`{"a":`))
	if got := string(v.Append(nil)); got != `{"a":` {
		t.Errorf("wrote %s", got)
	}
	if v.Members() != nil || v.Any() != nil {
		t.Error("found something inside")
	}
	if v := Raw(nil); !v.IsNull() || string(v.Append(nil)) != "null" {
		t.Error("no bytes are not null")
	}
}

func TestAny(t *testing.T) {
	t.Parallel()
	v := parse(t, `{"a":[1.0,18446744073709551615,1e-400000000000],"s":"\ud800x😀","n":null,"t":true,"f":false,"e":[],"o":{},"\ud800":1,"\ud801":2}`)
	want := map[string]any{
		"a": []any{json.Number("1"), json.Number("18446744073709551615"), json.Number("0")},
		"s": "\ufffdx😀", "n": nil, "t": true, "f": false, "e": []any{}, "o": map[string]any{},
		"\xed\xa0\x80": json.Number("1"), "\xed\xa0\x81": json.Number("2"),
	}
	if got := v.Any(); !reflect.DeepEqual(got, want) {
		t.Errorf("%#v", got)
	}
	if got := Raw(v.Append(nil)).Any(); !reflect.DeepEqual(got, want) {
		t.Errorf("raw: %#v", got)
	}
}

func TestIsIndex(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"0": true, "7": true, "10": true, "4294967294": true, "999999999": true,
		"": false, "00": false, "01": false, "4294967295": false, "9999999999": false, "42949672940": false,
		"-1": false, "1a": false, "a": false, "1.0": false, "１": false, " 1": false,
	} {
		if got := isIndex(name); got != want {
			t.Errorf("isIndex(%q) = %v", name, got)
		}
	}
}

func TestStrIsValidWithoutLoneSurrogates(t *testing.T) {
	t.Parallel()
	if s := parse(t, `"\ud83d\ude00é\u00e9"`).Str(); s != "😀éé" || !utf8.ValidString(s) {
		t.Errorf("%q", s)
	}
	if s := parse(t, `"\ud83d"`).Str(); s != "\xed\xa0\xbd" || utf8.ValidString(s) {
		t.Errorf("%q", s)
	}
}
