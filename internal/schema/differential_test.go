package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybell/waybell/internal/jsjson"
)

// Few names and values, so that schemas and documents meet.
var (
	someNames   = rapid.SampledFrom([]string{"a", "b", "7", "ü"})
	someTypes   = rapid.SampledFrom([]string{"null", "boolean", "number", "integer", "string", "array", "object"})
	someScalars = rapid.SampledFrom([]string{`null`, `true`, `false`, `0`, `-1`, `1.5`, `1e21`, `1e-9`,
		`9007199254740993`, `""`, `"a"`, `"\ud800"`, `"\ufffd"`, `[]`, `{}`})
	someConstants = rapid.SampledFrom([]string{`null`, `true`, `false`, `""`, `"a"`, `[]`, `{}`})
)

func read(t *rapid.T, text string) jsjson.Value {
	v, err := jsjson.Parse([]byte(text), jsjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// array is an array of the items, as it is read.
func array(t *rapid.T, items ...jsjson.Value) jsjson.Value {
	text := []byte{'['}
	for i, item := range items {
		if i > 0 {
			text = append(text, ',')
		}
		text = item.Append(text)
	}
	return read(t, string(text)+"]")
}

func drawDoc(t *rapid.T, levels int) jsjson.Value {
	kind := rapid.IntRange(0, 4).Draw(t, "kind")
	if levels == 0 || kind < 2 {
		return read(t, someScalars.Draw(t, "scalar"))
	}
	n := rapid.IntRange(0, 3).Draw(t, "length")
	if kind == 2 {
		items := make([]jsjson.Value, n)
		for i := range items {
			items[i] = drawDoc(t, levels-1)
		}
		return array(t, items...)
	}
	members := make([]jsjson.Member, n)
	for i := range members {
		members[i] = jsjson.Member{Name: someNames.Draw(t, "name"), Value: drawDoc(t, levels-1)}
	}
	return jsjson.Object(members...)
}

func drawSchema(t *rapid.T, levels int) jsjson.Value {
	if levels == 0 || rapid.IntRange(0, 9).Draw(t, "boolean") == 0 {
		return read(t, rapid.SampledFrom([]string{"true", "false"}).Draw(t, "always"))
	}
	s := jsjson.Object()
	has := func(keyword string, percent int) bool {
		return rapid.IntRange(1, 100).Draw(t, keyword) <= percent
	}
	if has("type", 50) {
		var types []jsjson.Value
		for _, name := range rapid.SliceOfNDistinct(someTypes, 1, 4, rapid.ID[string]).Draw(t, "types") {
			types = append(types, jsjson.String(name))
		}
		s = s.Set("type", array(t, types...))
	}
	if has("enum", 15) {
		var values []jsjson.Value
		for _, text := range rapid.SliceOfNDistinct(someConstants, 1, 5, rapid.ID[string]).Draw(t, "values") {
			values = append(values, read(t, text))
		}
		s = s.Set("enum", array(t, values...))
	}
	if has("required", 20) {
		s = s.Set("required", array(t, jsjson.String(someNames.Draw(t, "name"))))
	}
	if has("minProperties", 15) {
		s = s.Set("minProperties", read(t, rapid.SampledFrom([]string{"0", "1", "2"}).Draw(t, "least")))
	}
	if has("properties", 50) {
		var members []jsjson.Member
		for _, name := range rapid.SliceOfN(someNames, 1, 3).Draw(t, "names") {
			members = append(members, jsjson.Member{Name: name, Value: drawSchema(t, levels-1)})
		}
		s = s.Set("properties", jsjson.Object(members...))
	}
	for _, keyword := range []string{"additionalProperties", "items", "not"} {
		if has(keyword, 25) {
			s = s.Set(keyword, drawSchema(t, levels-1))
		}
	}
	return s
}

// TestSimpleEqualsLibrary holds the two validators to each other: the same
// documents pass, and the same problems are told.
func TestSimpleEqualsLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		doc := drawSchema(t, 3)
		if doc.Kind() != jsjson.KindObject {
			doc = jsjson.Object()
		}
		s, err := Compile(doc)
		if err != nil {
			t.Fatalf("%s: %v", doc.Append(nil), err)
		}
		if s.simple == nil {
			t.Fatalf("%s is not simple", doc.Append(nil))
		}
		for range 8 {
			value := drawDoc(t, 3)
			want := s.validateFull(value)
			if s.simple.accepts(value) != (want == nil) {
				t.Fatalf("%s: accepts %s: %v, the library says %v", doc.Append(nil), value.Append(nil), want != nil, want)
			}
			if diff := cmp.Diff(want, s.Validate(value)); diff != "" {
				t.Fatalf("%s of %s:\n%s", doc.Append(nil), value.Append(nil), diff)
			}
		}
	})
}

// FuzzCompile: no schema and no document makes the compiler or a validator
// panic, and a schema that is accepted can be used.
func FuzzCompile(f *testing.F) {
	f.Add(`{"properties":{"a":{"$ref":"#/$defs/b"}},"$defs":{"b":{"type":"string"}}}`, `{"a":1}`)
	f.Add(`{"anyOf":[{"type":"string"},{"not":{"required":["a"]}}],"unevaluatedProperties":false}`, `{}`)
	f.Add(`{"items":{"multipleOf":1e-300},"prefixItems":[true,false]}`, `[1e300,2]`)
	f.Fuzz(func(t *testing.T, schema, doc string) {
		sv, err := jsjson.Parse([]byte(schema), jsjson.Limits{})
		if err != nil {
			return
		}
		dv, err := jsjson.Parse([]byte(doc), jsjson.Limits{})
		if err != nil {
			return
		}
		s, err := Compile(sv)
		if err != nil {
			return
		}
		problems := s.Validate(dv)
		if (problems == nil) != (s.validateFull(dv) == nil) {
			t.Fatalf("the validators differ: %v", problems)
		}
	})
}
