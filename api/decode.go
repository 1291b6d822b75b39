package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/jsjson"
	"github.com/waybell/waybell/internal/timestamp"
)

// decode reads a JSON object strictly into the struct that into points to:
// member names are case-sensitive, unknown ones and wrong types are errors, all
// of them told at once, up to maxWrong. What values are in range is the
// service's to say. No value is echoed: it may be a secret under a misspelt
// name.
func decode(body []byte, into any) error {
	v, err := jsjson.Parse(body, jsjson.Limits{})
	if err != nil {
		return malformed(err)
	}
	var d decoder
	d.value("body", v, reflect.ValueOf(into).Elem())
	if len(d.wrong) == 0 {
		return nil
	}
	p := newProblem(waybell.CodeInvalid, summary(d.wrong))
	p.Errors = d.wrong
	return p
}

// malformed is the answer to a document that Parse refused.
func malformed(err error) error {
	e, ok := errors.AsType[*jsjson.Error](err)
	if !ok {
		return err
	}
	code := waybell.CodeMalformedJSON
	switch e.Kind {
	case jsjson.NonFiniteNumber:
		code = waybell.CodeInvalid // well-formed, but out of range
	case jsjson.TooManyValues:
		code = waybell.CodeTooLarge
	}
	p := newProblem(code, fmt.Sprintf("%s, at byte %d of the body", e.Message, e.Offset))
	p.Errors = []fieldProblemView{{Location: bodyLocation(e.Path), Message: e.Message}}
	return p
}

// bodyLocation writes a JSON pointer as the locations of errors are written.
func bodyLocation(pointer string) string {
	var b strings.Builder
	b.WriteString("body")
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if _, err := strconv.ParseUint(step, 10, 32); err == nil {
			b.WriteString("[" + step + "]")
		} else if step != "" {
			b.WriteString("." + unescape.Replace(step))
		}
	}
	return b.String()
}

// maxWrong is how many wrong fields are told: a request must not be answered
// with many times its own size.
const maxWrong = 100

type decoder struct{ wrong []fieldProblemView }

func (d *decoder) fail(location, message string) {
	if len(d.wrong) < maxWrong {
		d.wrong = append(d.wrong, fieldProblemView{Location: location, Message: message})
	}
}

// value decodes v into to. The types that request bodies are made of are few;
// any other is a mistake of ours and panics.
func (d *decoder) value(location string, v jsjson.Value, to reflect.Value) {
	if own, ok := to.Addr().Interface().(fromJSON); ok {
		if message := own.fromJSON(v); message != "" {
			d.fail(location, message)
		}
		return
	}
	if isOptional(to.Type()) {
		to.FieldByName("Set").SetBool(true)
		if v.IsNull() {
			to.FieldByName("Null").SetBool(true)
			return
		}
		to = to.FieldByName("Value")
		if _, ok := to.Addr().Interface().(fromJSON); ok {
			d.value(location, v, to)
			return
		}
	}
	switch to.Kind() {
	case reflect.String:
		if d.expect(location, v, jsjson.KindString, "expected a string") {
			to.SetString(v.Str())
		}
	case reflect.Bool:
		if d.expect(location, v, jsjson.KindBool, "expected true or false") {
			to.SetBool(v.Bool())
		}
	case reflect.Int:
		if n, ok := v.Int64(); ok && v.Kind() == jsjson.KindNumber {
			to.SetInt(n)
		} else {
			d.fail(location, "expected a whole number")
		}
	case reflect.Float64:
		if f, ok := v.Float64(); ok && v.Kind() == jsjson.KindNumber {
			to.SetFloat(f)
		} else {
			d.fail(location, "expected a number")
		}
	case reflect.Slice:
		if d.expect(location, v, jsjson.KindArray, "expected an array") {
			d.items(location, v.Items(), to)
		}
	case reflect.Struct:
		if d.expect(location, v, jsjson.KindObject, "expected an object") {
			d.members(location, v.Members(), to)
		}
	default:
		panic("api: a body has a field of type " + to.Type().String())
	}
}

func (d *decoder) expect(location string, v jsjson.Value, k jsjson.Kind, message string) bool {
	if v.Kind() == k {
		return true
	}
	d.fail(location, message)
	return false
}

func (d *decoder) items(location string, items []jsjson.Value, to reflect.Value) {
	to.Set(reflect.MakeSlice(to.Type(), len(items), len(items)))
	for i, item := range items {
		d.value(location+"["+strconv.Itoa(i)+"]", item, to.Index(i))
	}
}

func (d *decoder) members(location string, members []jsjson.Member, to reflect.Value) {
	fields := map[string]int{}
	for i := range to.NumField() {
		name, _, _ := strings.Cut(to.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = i
	}
	for _, m := range members {
		at := location + "." + strings.ToValidUTF8(m.Name, "\ufffd")
		if i, ok := fields[m.Name]; ok && m.Name != "" {
			d.value(at, m.Value, to.Field(i))
		} else {
			d.fail(at, "unknown field")
		}
	}
}

func isOptional(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && strings.HasPrefix(t.Name(), "Optional[") &&
		t.PkgPath() == reflect.TypeFor[waybell.Service]().PkgPath()
}

// fromJSON is a type of a body that decodes itself; it returns what is wrong,
// or nothing.
type fromJSON interface{ fromJSON(v jsjson.Value) string }

// object is a JSON object of the caller's own making, kept as bytes.
type object json.RawMessage

func (o *object) fromJSON(v jsjson.Value) string {
	if v.Kind() != jsjson.KindObject {
		return "expected an object"
	}
	*o = v.Append(nil)
	return ""
}

// MarshalJSON writes the bytes, or {} for none.
func (o object) MarshalJSON() ([]byte, error) {
	if len(o) == 0 {
		return []byte("{}"), nil
	}
	return o, nil
}

// Schema says that it is any object.
func (object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// givenText is a text that is left out, and not empty, where there is none.
type givenText string

func (g *givenText) fromJSON(v jsjson.Value) string {
	switch {
	case v.Kind() != jsjson.KindString:
		return "expected a string"
	case v.Str() == "":
		return "must not be empty"
	}
	*g = givenText(v.Str())
	return ""
}

// TimeBody is an RFC 3339 time, of a body or a query.
type TimeBody struct{ time.Time }

func (t *TimeBody) fromJSON(v jsjson.Value) string {
	if v.Kind() != jsjson.KindString || t.UnmarshalText([]byte(v.Str())) != nil {
		return wrongTime
	}
	return ""
}

// UnmarshalText reads a parameter.
func (t *TimeBody) UnmarshalText(text []byte) (err error) {
	if t.Time, err = timestamp.Parse(string(text)); err != nil {
		return errors.New(wrongTime)
	}
	return nil
}

// Schema says that it is a time.
func (TimeBody) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time"}
}

// schemaJSON is a JSON Schema: an object, or true or false.
type schemaJSON json.RawMessage

func (o *schemaJSON) fromJSON(v jsjson.Value) string {
	switch v.Kind() {
	case jsjson.KindNull:
		*o = nil
	case jsjson.KindObject, jsjson.KindBool:
		*o = v.Append(nil)
	default:
		return "expected a JSON Schema: an object, or true or false"
	}
	return ""
}

// MarshalJSON writes the bytes, or null for none.
func (o schemaJSON) MarshalJSON() ([]byte, error) { return json.RawMessage(o).MarshalJSON() }

// Schema says that it is a schema of its own; null for none.
func (schemaJSON) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeObject, AdditionalProperties: true}, {Type: huma.TypeBoolean}, {Type: "null"},
	}}
}
