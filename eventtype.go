package waybell

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/waybell/waybell/internal/catalogue"
	"github.com/waybell/waybell/internal/jsjson"
	"github.com/waybell/waybell/internal/schema"
)

// EventType describes a kind of event.
type EventType struct {
	Name        string          // canonical: dotted [a-z0-9_] segments
	Alias       string          // another name that is accepted; only built-in types have one
	Description string          // one sentence
	Schema      json.RawMessage // JSON Schema 2020-12 of the data object; nil = any object
	Example     json.RawMessage // a realistic data object, or nil
	BuiltIn     bool            // read-only, not stored
	Version     int64
	CreatedAt   time.Time
	UpdatedAt   time.Time
	DeletedAt   time.Time
}

// maxDescription is the length of an event type's description, in characters.
const maxDescription = 500

// maxExample is the size of an event type's example, in bytes.
const maxExample = 64 << 10

// builtInEventTypes reads the catalogue; the caller keeps the result.
func builtInEventTypes() []EventType {
	var list []EventType
	for _, t := range catalogue.All() {
		list = append(list, EventType{
			Name: t.Name, Alias: t.Alias, Description: t.Description, Schema: t.Schema, Example: t.Example, BuiltIn: true,
		})
	}
	return list
}

// prepare checks an event type, brings its schema and example into canonical
// form and compiles the schema, nil where there is none. Where the type is not
// built in, its name must be free. The error is an *[Error] with fields located
// as in the body of a PUT.
func (t *EventType) prepare() (*schema.Schema, error) {
	var list problems
	if !t.BuiltIn {
		if err := catalogue.CheckName(t.Name); err != nil {
			list.add("path.name", "%v", err)
		}
	}
	if utf8.RuneCountInString(t.Description) > maxDescription {
		list.add("body.description", "must have at most %d characters", maxDescription)
	}
	compiled := t.prepareSchema(&list)
	t.prepareExample(&list, compiled)
	return compiled, list.err("the event type")
}

func (t *EventType) prepareSchema(list *problems) *schema.Schema {
	if t.Schema == nil {
		return nil
	}
	doc, err := jsjson.Parse(t.Schema, jsjson.Limits{})
	if err != nil {
		list.add("body.schema", "is no JSON value")
		return nil
	}
	compiled, err := schema.Compile(doc)
	if err != nil {
		if refused, ok := errors.AsType[*schema.Error](err); ok {
			list.schema("body.schema", refused.Problems)
		} else {
			list.add("body.schema", "%v", err)
		}
		return nil
	}
	t.Schema = doc.Append(nil)
	return compiled
}

func (t *EventType) prepareExample(list *problems, compiled *schema.Schema) {
	if t.Example == nil {
		return
	}
	doc, err := jsjson.Parse(t.Example, jsjson.Limits{})
	switch {
	case err != nil:
		list.add("body.example", "is no JSON value")
	case doc.Kind() != jsjson.KindObject:
		list.add("body.example", "must be an object")
	case len(t.Example) > maxExample:
		list.add("body.example", "must have at most %d bytes", maxExample)
	default:
		if compiled != nil {
			list.schema("body.example", compiled.Validate(doc))
		}
		t.Example = doc.Append(nil)
	}
}

// schema takes the problems of a document at a location as fields.
func (p *problems) schema(at string, found []schema.Problem) {
	for _, f := range found {
		p.add(at+fieldPath(f.Path), "%s", f.Message)
	}
}

// fieldPath writes a JSON pointer as field errors are written: /a/0/b is
// .a[0].b.
func fieldPath(pointer string) string {
	if pointer == "" {
		return ""
	}
	var b strings.Builder
	for step := range strings.SplitSeq(pointer[1:], "/") {
		if _, err := strconv.ParseUint(step, 10, 32); err == nil {
			b.WriteString("[" + step + "]")
			continue
		}
		b.WriteString("." + strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~"))
	}
	return b.String()
}
