package schema

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybell/waybell/internal/catalogue"
	"github.com/waybell/waybell/internal/jsjson"
)

func parse(t testing.TB, text string) jsjson.Value {
	t.Helper()
	v, err := jsjson.Parse([]byte(text), jsjson.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func compile(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Compile(parse(t, text))
	if err != nil {
		t.Fatalf("%.200s: %v", text, err)
	}
	return s
}

func TestProblemsInPlainWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ schema, doc, want string }{
		{`true`, `{"a":1}`, ""},
		{`false`, `{}`, ` is not allowed`},
		{`{"type":"object"}`, `[]`, ` must be an object, is an array`},
		{`{"type":["string","null"]}`, `4`, ` must be a string or null, is a number`},
		{`{"type":["integer"]}`, `4.5`, ` must be an integer, is a number`},
		{`{"type":"integer"}`, `1e300`, ``},
		{`{"type":"integer"}`, `1e-300`, ` must be an integer, is a number`},
		{`{"required":["a","b/c"]}`, `{}`, `/a is required|/b~1c is required`},
		{`{"properties":{"a":{"items":{"type":"string"}}}}`, `{"a":["x",1,null]}`, `/a/1 must be a string, is a number|/a/2 must be a string, is null`},
		{`{"properties":{"a":false},"additionalProperties":false}`, `{"a":1,"z":2}`, `/a is not allowed|/z is not allowed`},
		{`{"minProperties":1}`, `{}`, ` must have at least 1 members, has 0`},
		{`{"enum":["a",null]}`, `"secret"`, ` must be one of "a", null`},
		{`{"not":{"description":"a duck","enum":["duck"]}}`, `"duck"`, ` must not be a duck`},
		{`{"not":{"enum":["duck"]}}`, `"duck"`, ` has a form that is not allowed`},
		{`{"const":"x"}`, `"y"`, ` must be "x"`},
		{`{"minLength":3}`, `"ab"`, ` must have at least 3 characters, has 2`},
		{`{"maxLength":1}`, `"ab"`, ` must have at most 1 characters, has 2`},
		{`{"minimum":2.5}`, `2`, ` must be at least 2.5`},
		{`{"maximum":1}`, `2`, ` must be at most 1`},
		{`{"exclusiveMinimum":2}`, `2`, ` must be more than 2`},
		{`{"exclusiveMaximum":2}`, `2`, ` must be less than 2`},
		{`{"multipleOf":2}`, `3`, ` must be a multiple of 2`},
		{`{"pattern":"^a+$"}`, `"b"`, ` must match the pattern ^a+$`},
		{`{"minItems":1}`, `[]`, ` must have at least 1 items, has 0`},
		{`{"maxItems":0}`, `[1]`, ` must have at most 0 items, has 1`},
		{`{"maxProperties":0}`, `{"a":1}`, ` must have at most 0 members, has 1`},
		{`{"uniqueItems":true}`, `[1,2,1]`, ` must not have equal items, has some at 0 and 2`},
		{`{"contains":{"type":"null"}}`, `[1]`, ` must have an item of a certain form`},
		{`{"contains":{"type":"null"},"minContains":2}`, `[null]`, ` must have at least 2 items of a certain form`},
		{`{"contains":{"type":"null"},"maxContains":1}`, `[null,null]`, ` must have at most 1 items of a certain form`},
		{`{"propertyNames":{"maxLength":1}}`, `{"ab":1}`, `/ab has a name that is not allowed`},
		{`{"dependentRequired":{"a":["b"]}}`, `{"a":1}`, `/b is required beside a`},
		{`{"anyOf":[{"type":"string"},{"type":"null"}]}`, `1`, ` must be a string or null, is a number`},
		{`{"anyOf":[{"type":"string"},{"minimum":3}]}`, `1`, ` fits none of the allowed forms`},
		{`{"oneOf":[{"type":"number"},{"minimum":0}]}`, `1`, ` fits more than one of the forms of which exactly one is allowed`},
		{`{"oneOf":[{"type":"null"},{"type":"object"}]}`, `1`, ` must be an object or null, is a number`},
		{`{"allOf":[{"type":"string"},{"minimum":3}]}`, `1`, ` must be a string, is a number| must be at least 3`},
		{`{"$defs":{"id":{"type":"string"}},"properties":{"a":{"$ref":"#/$defs/id"}}}`, `{"a":1}`, `/a must be a string, is a number`},
		{`{"properties":{"a":{"type":"string","format":"email"}}}`, `{"a":"no address"}`, ``},
		{`{"$id":"https://example.com/order","$schema":"https://json-schema.org/draft/2020-12/schema"}`, `1`, ``},
	} {
		var got []string
		for _, p := range compile(t, tt.schema).Validate(parse(t, tt.doc)) {
			got = append(got, p.Path+" "+p.Message)
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, "|")); diff != "" {
			t.Errorf("%s of %s:\n%s", tt.schema, tt.doc, diff)
		}
	}
}

func TestRefusedSchemas(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside.json")
	if err := os.WriteFile(outside, []byte(`{"type":"string"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ schema, path, message string }{
		{`1`, "", "must be an object, or true or false"},
		{`[]`, "", "must be an object, or true or false"},
		{`{"type":"text"}`, "/type", ""},
		{`{"properties":{"a":{"minLength":-1}}}`, "/properties/a/minLength", "must be at least 0"},
		{`{"properties":{"a":{"pattern":"("}}}`, "/properties/a/pattern", "is no valid regex"},
		{`{"$schema":"http://json-schema.org/draft-07/schema#"}`, "/$schema", "must be " + draft},
		{`{"properties":{"a":{"$schema":"` + draft + `"}}}`, "/properties/a/$schema", "is only supported at the top"},
		{`{"properties":{"a":{"$id":"b"}}}`, "/properties/a/$id", "is only supported at the top"},
		{`{"$ref":"file://` + outside + `"}`, "/$ref", "must be a pointer within the schema"},
		{`{"$ref":"` + outside + `"}`, "/$ref", "must be a pointer within the schema"},
		{`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, "/$ref", "must be a pointer within the schema"},
		{`{"$ref":"#name"}`, "/$ref", "must be a pointer within the schema"},
		{`{"$ref":7}`, "/$ref", "must be a pointer within the schema"},
		{`{"$ref":"#/$defs/a"}`, "/$ref", "refers to nothing"},
		{`{"allOf":[{}],"$ref":"#/allOf/01"}`, "/$ref", "refers to nothing"},
		{`{"$ref":"#/%zz"}`, "/$ref", "is no JSON pointer"},
		{`{"$dynamicRef":"#a"}`, "/$dynamicRef", "is not supported"},
		{`{"not":{"$anchor":"a"}}`, "/not/$anchor", "is not supported"},
		{`{"$ref":"#"}`, "", "refers to itself"},
		{`{"properties":{"child":{"$ref":"#"}}}`, "", "refers to itself"},
		{`{"$defs":{"a":{"items":{"$ref":"#/$defs/b"}},"b":{"not":{"$ref":"#/$defs/a"}}}}`, "/$defs/a", "refers to itself"},
		// A reference may lead under a keyword that holds no schema.
		{`{"$ref":"#/default","default":{"$ref":"` + outside + `"}}`, "/default/$ref", "must be a pointer within the schema"},
	} {
		_, err := Compile(parse(t, tt.schema))
		refused, ok := errors.AsType[*Error](err)
		if !ok {
			t.Errorf("%s: got %v, want an *Error", tt.schema, err)
			continue
		}
		if p := refused.Problems[0]; p.Path != tt.path || !strings.Contains(p.Message, tt.message) {
			t.Errorf("%s: got %q %q, want %q %q", tt.schema, p.Path, p.Message, tt.path, tt.message)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	nested := func(levels int) string {
		return strings.Repeat(`{"not":`, levels-1) + `{}` + strings.Repeat(`}`, levels-1)
	}
	sized := func(bytes int) string {
		return `{"title":"` + strings.Repeat("x", bytes-len(`{"title":""}`)) + `"}`
	}
	// Each of n definitions refers twice to the next.
	doubling := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"$defs":{`)
		for i := range n {
			fmt.Fprintf(&b, `"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
		}
		fmt.Fprintf(&b, `"d%d":{}},"$ref":"#/$defs/d0"}`, n)
		return b.String()
	}
	wide := func(n int) string {
		return `{"properties":{"first":{"enum":[1]}` + manyMembers(n-2) + `}}`
	}
	for _, tt := range []struct {
		name, schema string
		ok           bool
	}{
		{"deepest", nested(MaxDepth), true},
		{"too deep", nested(MaxDepth + 1), false},
		{"largest", sized(MaxSize), true},
		{"too large", sized(MaxSize + 1), false},
		{"widest", wide(MaxSchemas), true},
		{"too wide", wide(MaxSchemas + 1), false},
		{"doubling 7 times", doubling(7), true},
		{"doubling 40 times", doubling(40), false},
		{"longest pattern", `{"pattern":"` + strings.Repeat("x", MaxPattern) + `"}`, true},
		{"pattern too long", `{"pattern":"` + strings.Repeat("x", MaxPattern+1) + `"}`, false},
		// A literal that is repeated is as many steps, and two around them.
		{"most steps", `{"pattern":"a{1000}","patternProperties":{"a{1000}":{"pattern":"a{42}"}}}`, true},
		{"too many steps", `{"pattern":"a{1000}","patternProperties":{"a{1000}":{"pattern":"a{43}"}}}`, false},
		{"too many steps in one", `{"items":{"pattern":"` + strings.Repeat(`.{0,999}`, 100) + `"}}`, false},
		{"too many steps in names", `{"patternProperties":{"` + strings.Repeat(`.{0,999}`, 100) + `":{}}}`, false},
		{"a property of that name", `{"properties":{"pattern":{"description":"` + strings.Repeat("x", MaxPattern+1) + `"}}}`, true},
	} {
		if _, err := Compile(parse(t, tt.schema)); (err == nil) != tt.ok {
			t.Errorf("%s: got %v, want accepted=%v", tt.name, err, tt.ok)
		}
	}
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"%x":{}`, i)
	}
	return b.String()
}

func TestProblemsAreBounded(t *testing.T) {
	t.Parallel()
	doc := parse(t, `[`+strings.Repeat(`1,`, 999)+`1]`)
	for _, text := range []string{`{"items":{"type":"string"}}`, `{"items":{"type":"string","minLength":0}}`} {
		if n := len(compile(t, text).Validate(doc)); n != MaxProblems {
			t.Errorf("%s: %d problems, want %d", text, n, MaxProblems)
		}
	}
	name := strings.Repeat("ü/", 200)
	got := compile(t, `{"additionalProperties":false}`).Validate(jsjson.Object(jsjson.Member{Name: name}))
	if len(got) != 1 || len(got[0].Path) > 2*maxStep || !strings.HasSuffix(got[0].Path, "…") {
		t.Errorf("a long name is shown as %q", got)
	}
}

func TestBuiltInTypesAreSimple(t *testing.T) {
	t.Parallel()
	for _, typ := range catalogue.All() {
		if compile(t, string(typ.Schema)).simple == nil {
			t.Errorf("%s: validating needs the slow way", typ.Name)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	typ := catalogue.All()[0]
	s := compile(b, string(typ.Schema))
	lead := parse(b, string(typ.Example)).Set("notes", jsjson.String(strings.Repeat("long ", 140)))
	b.Logf("%s, %d bytes", typ.Name, len(lead.Append(nil)))
	b.Run("simple", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if s.Validate(lead) != nil {
				b.Fatal("refused")
			}
		}
	})
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if s.validateFull(lead) != nil {
				b.Fatal("refused")
			}
		}
	})
}
