package jsjson

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// write parses in without limits of its own and writes it again.
func write(t testing.TB, in string) string {
	t.Helper()
	v, err := Parse([]byte(in), Limits{})
	if err != nil {
		t.Fatalf("Parse(%q): %v", in, err)
	}
	return string(v.Append(nil))
}

func TestParseAndAppend(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{` null `, `null`},
		{"\t[ true ,\r\n false ] ", `[true,false]`},
		{`{}`, `{}`},
		{`[ ]`, `[]`},
		{`{"a":[],"b":{}}`, `{"a":[],"b":{}}`},

		// Names: array indices first, ascending; "" and __proto__ are names like others.
		{`{"b":1,"10":2,"a":3,"9":4,"0":5}`, `{"0":5,"9":4,"10":2,"b":1,"a":3}`},
		{`{"01":1,"4294967295":2,"-1":3,"1.0":4,"4294967294":5,"00":6}`,
			`{"4294967294":5,"01":1,"4294967295":2,"-1":3,"1.0":4,"00":6}`},
		{`{"b":1,"\u0031":2}`, `{"1":2,"b":1}`},
		{`{"":1,"__proto__":{"x":1},"constructor":2}`, `{"":1,"__proto__":{"x":1},"constructor":2}`},

		// Numbers.
		{`[0,-0,-0.0,0.0,0e5,-0E-5,1.0,100,-100,1.50]`, `[0,0,0,0,0,0,1,100,-100,1.5]`},
		{`[1e2,1E+2,1e-2,12.5e1,1e20,1e21,1.5e300]`, `[100,100,0.01,125,100000000000000000000,1e+21,1.5e+300]`},
		{`[0.000001,0.0000001,0.00000123,1e-6,1e-7,1e-10,1e-100,1e100]`,
			`[0.000001,1e-7,0.00000123,0.000001,1e-7,1e-10,1e-100,1e+100]`},
		{`[0.1,0.30000000000000004,0.3000000000000000000001,123456789012.345]`,
			`[0.1,0.30000000000000004,0.3,123456789012.345]`},
		{`[5e-324,1e-400,1.7976931348623157e308,2.2250738585072014E-308]`,
			`[5e-324,0,1.7976931348623157e+308,2.2250738585072014e-308]`},
		{`9007199254740993.0`, `9007199254740992`},

		// Strings.
		{`"\"\\\/\b\f\n\r\t"`, `"\"\\/\b\f\n\r\t"`},
		{`"\u0000\u001F\u007f\u0022\u005C"`, "\"\\u0000\\u001f\x7f\\\"\\\\\""},
		{`"<a href='x'>&</a>"`, `"<a href='x'>&</a>"`},
		{`"\u003c\u2028\u2029"`, "\"<\u2028\u2029\""},
		{"\"\u2028\u00e9\U0001F600\ufeff\ufffd\"", "\"\u2028\u00e9\U0001F600\ufeff\ufffd\""},
		{`"\uD83D\uDE00"`, "\"\U0001F600\""},
		{`"\uD800"`, `"\ud800"`},
		{`"\uDBFFx\uDFFF"`, `"\udbffx\udfff"`},
		{`"\uDE00\uD83D"`, `"\ude00\ud83d"`},
		{`"\uD83D\uD83D\uDE00\uDE00"`, "\"\\ud83d\U0001F600\\ude00\""},
		{`"\uD83D\n"`, `"\ud83d\n"`},
		{`"\uD7FF\uE000"`, "\"\ud7ff\ue000\""},
		{`{"\uD800\n":1}`, `{"\ud800\n":1}`},
		{`"` + strings.Repeat(`x\n`, 400) + `"`, `"` + strings.Repeat(`x\n`, 400) + `"`},
	}
	for _, test := range tests {
		got := write(t, test.in)
		if got != test.want {
			t.Errorf("Parse(%q) writes\n%q, want\n%q", test.in, got, test.want)
		}
		if again := write(t, got); again != got {
			t.Errorf("Parse(%q) writes\n%q", got, again)
		}
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	many := "{"
	for i := range 100 {
		many += fmt.Sprintf(`"n%d":0,`, i)
	}
	tests := []struct {
		in     string
		kind   ErrorKind
		offset int
		path   string
	}{
		{``, Malformed, 0, ``},
		{` `, Malformed, 1, ``},
		{"\ufeff{}", Malformed, 0, ``},
		{"\v1", Malformed, 0, ``},
		{"\u00a01", Malformed, 0, ``},
		{`nul`, Malformed, 3, ``},
		{`nulL`, Malformed, 3, ``},
		{`NaN`, Malformed, 0, ``},
		{`+1`, Malformed, 0, ``},
		{`.5`, Malformed, 0, ``},
		{`-`, Malformed, 1, ``},
		{`-x`, Malformed, 1, ``},
		{`01`, Malformed, 1, ``},
		{`-012`, Malformed, 2, ``},
		{`1.`, Malformed, 2, ``},
		{`1.e5`, Malformed, 2, ``},
		{`1e`, Malformed, 2, ``},
		{`1e+`, Malformed, 3, ``},
		{`{"a":[1,{"b":tru}]}`, Malformed, 16, `/a/1/b`},
		{`{"a":1,}`, Malformed, 7, ``},
		{`{"a" 1}`, Malformed, 5, ``},
		{`{a:1}`, Malformed, 1, ``},
		{`{"a":1 "b":2}`, Malformed, 7, ``},
		{`{"a":1`, Malformed, 6, ``},
		{`{`, Malformed, 1, ``},
		{`{"a":`, Malformed, 5, `/a`},
		{`[1,]`, Malformed, 3, `/1`},
		{`[1 2]`, Malformed, 3, ``},
		{`[`, Malformed, 1, `/0`},
		{`[1}`, Malformed, 2, ``},
		{`'a'`, Malformed, 0, ``},
		{`"a`, Malformed, 2, ``},
		{`"a\`, Malformed, 3, ``},
		{`"a\"`, Malformed, 4, ``},
		{`"\x"`, Malformed, 1, ``},
		{`"\u12G4"`, Malformed, 1, ``},
		{`"\u12`, Malformed, 1, ``},
		{`"\ud800\u12"`, Malformed, 7, ``},
		{"\"a\nb\"", Malformed, 2, ``},
		{"\"12345678\x00\"", Malformed, 9, ``},
		{`/**/1`, Malformed, 0, ``},

		{`{"a":1,"a":2}`, DuplicateKey, 7, `/a`},
		{`{"x":[{"a":1,"\u0061":2}]}`, DuplicateKey, 13, `/x/0/a`},
		{`{"":1,"":2}`, DuplicateKey, 6, `/`},
		{`{"a/~":1,"a\/~":2}`, DuplicateKey, 9, `/a~1~0`},
		{`{"\ud800":1,"\uD800":2}`, DuplicateKey, 12, "/\ufffd"},
		{"{\"\U0001F600\":1,\"\\ud83d\\ude00\":2}", DuplicateKey, 10, "/\U0001F600"},
		{many + `"n7":1}`, DuplicateKey, len(many), `/n7`},
		{many + `"n99":1}`, DuplicateKey, len(many), `/n99`},
		{`{"` + strings.Repeat("é", 100) + `":x}`, Malformed, 204, `/` + strings.Repeat("é", 64) + `…`},

		{"{\"a\":\"x\xff\"}", InvalidUTF8, 7, `/a`},
		{"{\"a\":\"\\n\xff\"}", InvalidUTF8, 8, `/a`},
		{"{\"a\xff\":1}", InvalidUTF8, 3, ``},
		{"[\xff]", InvalidUTF8, 1, `/0`},
		{"\"\xed\xa0\x80\"", InvalidUTF8, 1, ``},
		{"\"\xc0\x80\"", InvalidUTF8, 1, ``},
		{"\"\xf4\x90\x80\x80\"", InvalidUTF8, 1, ``},
		{"\"é\xc3", InvalidUTF8, 3, ``},
		{"1\xff", InvalidUTF8, 1, ``},

		{`1 2`, TrailingData, 2, ``},
		{`{}]`, TrailingData, 2, ``},
		{"{}\x00", TrailingData, 2, ``},

		{`{"data":{"x":1e999}}`, NonFiniteNumber, 13, `/data/x`},
		{`[-1e309]`, NonFiniteNumber, 1, `/0`},
		{`1.7976931348623159e308`, NonFiniteNumber, 0, ``},
		{`1` + strings.Repeat("0", 309), NonFiniteNumber, 0, ``},
		{`-2` + strings.Repeat("0", 308), NonFiniteNumber, 0, ``},
		{`1e99999999999999999999`, NonFiniteNumber, 0, ``},
		{`{"a":1e999,"b":[-1e999]}`, NonFiniteNumber, 5, `/a`},
		{`{"a":{"n":1e999`, Malformed, 15, `/a`},
		{`{"a":1e999,"b":[1,"c":2]}`, Malformed, 21, `/b`},
		{`{"a":1e999,"a":2}`, DuplicateKey, 11, `/a`},
		{"[1e999,\"\xff\"]", InvalidUTF8, 8, `/1`},
		{`1e999 1`, TrailingData, 6, ``},
	}
	for _, test := range tests {
		_, err := Parse([]byte(test.in), Limits{})
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%.60q): error %v, want an *Error", test.in, err)
			continue
		}
		if e.Kind != test.kind || e.Offset != test.offset || e.Path != test.path {
			t.Errorf("Parse(%.60q): %v at %d, path %q; want %v at %d, path %q",
				test.in, e.Kind, e.Offset, e.Path, test.kind, test.offset, test.path)
		}
		if e.Message == "" || !strings.Contains(e.Error(), e.Message) {
			t.Errorf("Parse(%.60q): message %q, error %q", test.in, e.Message, e.Error())
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	nested := func(n int) string {
		return strings.Repeat(`[{"a":`, n/2) + strings.Repeat(`[`, n%2) +
			strings.Repeat(`]`, n%2) + strings.Repeat(`}]`, n/2)
	}
	deep := func(n int) string { return strings.Repeat(`[`, n) + strings.Repeat(`]`, n) }
	items := func(n int) string { return `[` + strings.Repeat(`0,`, n-1) + `0]` }
	tests := []struct {
		name string
		in   string
		opt  Limits
		want ErrorKind
	}{
		{"default depth", deep(64), Limits{}, 0},
		{"below default depth", deep(65), Limits{}, TooDeep},
		{"depth of objects", nested(65), Limits{}, TooDeep},
		{"siblings do not add up", `[` + strings.Repeat(deep(63)+`,`, 99) + `{}]`, Limits{}, 0},
		{"own depth", deep(2), Limits{MaxDepth: 2}, 0},
		{"below own depth", deep(3), Limits{MaxDepth: 2}, TooDeep},
		{"far below", strings.Repeat(`[`, 1<<20), Limits{}, TooDeep},
		{"own number of values", items(9), Limits{MaxValues: 10}, 0},
		{"more values", items(10), Limits{MaxValues: 10}, TooManyValues},
		{"more values than one too large", `[1e999,0,0]`, Limits{MaxValues: 3}, TooManyValues},
		{"as many values, one too large", `[1e999,0,0]`, Limits{MaxValues: 4}, NonFiniteNumber},
		{"default number of values", items(DefaultMaxValues - 1), Limits{}, 0},
		{"more than default", items(DefaultMaxValues), Limits{}, TooManyValues},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v, err := Parse([]byte(test.in), test.opt)
			if test.want == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if got := string(v.Append(nil)); got != test.in {
					t.Errorf("wrote %.80q, want %.80q", got, test.in)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Kind != test.want {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

// A double cannot hold these; they are ids more often than quantities.
func TestPlainIntegersStay(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993",
		"9223372036854775807", "18446744073709551615", "123456789012345678901234567890",
		"1" + strings.Repeat("0", 308), "-1" + strings.Repeat("7", 308),
	} {
		if got := write(t, in); got != in {
			t.Errorf("%s became %s", in, got)
		}
	}
}

// Values stay as they are when the caller uses the buffer for something else.
func TestParseCopies(t *testing.T) {
	t.Parallel()
	buf := []byte(typicalEvent)
	v, err := Parse(buf, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	clear(buf)
	if got := string(v.Append(nil)); got != typicalEvent {
		t.Errorf("wrote %q", got)
	}
}

// Containers share slabs; growing one must not reach into the next.
func TestContainersAreApart(t *testing.T) {
	t.Parallel()
	v, err := Parse([]byte(`{"a":{"x":1},"b":{"y":2},"c":[1],"d":[2]}`), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := v.Get("a")
	c, _ := v.Get("c")
	if got := len(append(a.Members(), Member{Name: "z"})) + len(append(c.Items(), Null())); got != 4 {
		t.Errorf("%d elements, want 4", got)
	}
	if got, want := string(v.Append(nil)), `{"a":{"x":1},"b":{"y":2},"c":[1],"d":[2]}`; got != want {
		t.Errorf("wrote %s", got)
	}
}

func TestParseAllocations(t *testing.T) {
	in := []byte(typicalEvent)
	buf := make([]byte, 0, 2*len(in))
	if got := testing.AllocsPerRun(100, func() {
		v, err := Parse(in, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		buf = v.Append(buf[:0])
	}); got > 10 {
		t.Errorf("%v allocations to read and write a typical event, want at most 10", got)
	}
}
