package waybell

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybell/waybell/internal/jsjson"
)

func TestBuiltInEventTypesCanBePrepared(t *testing.T) {
	t.Parallel()
	types := builtInEventTypes()
	if len(types) != 8 || types[0].Alias != "lead_collection" {
		t.Errorf("%d types, the first is %+v", len(types), types[0])
	}
	for _, typ := range types {
		before := typ
		compiled, err := typ.prepare()
		if err != nil || compiled == nil {
			t.Errorf("%s: %v", typ.Name, err)
		}
		if diff := cmp.Diff(before, typ); diff != "" {
			t.Errorf("%s is changed by preparing it:\n%s", typ.Name, diff)
		}
	}
}

func TestPrepareEventType(t *testing.T) {
	t.Parallel()
	typ := EventType{
		Name: "order.created", Description: "An order was placed.",
		Schema:  json.RawMessage(`{ "properties": {"total": {"type": "number", "minimum": 0}, "items": {"items": {"required": ["sku"]}}} }`),
		Example: json.RawMessage(`{"total": 1.50, "7": 1}`),
	}
	compiled, err := typ.prepare()
	if err != nil {
		t.Fatal(err)
	}
	if string(typ.Example) != `{"7":1,"total":1.5}` || strings.Contains(string(typ.Schema), " ") {
		t.Errorf("not in canonical form: %s %s", typ.Schema, typ.Example)
	}
	got := schemaProblems("body.data", compiled.Validate(jsjson.Raw([]byte(`{"items":[{"sku":1},{}],"total":-1}`))))
	want := []FieldError{
		{Location: "body.data.items[1].sku", Message: "is required"},
		{Location: "body.data.total", Message: "must be at least 0"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	bare := EventType{Name: "ping"}
	if compiled, err := bare.prepare(); err != nil || compiled != nil {
		t.Errorf("a type without a schema: %v, %v", compiled, err)
	}
}

func TestEventTypeProblems(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		typ      EventType
		location string
	}{
		{EventType{Name: "lead.submit"}, "path.name"},
		{EventType{Name: "webhook.test"}, "path.name"},
		{EventType{Name: "a", Description: strings.Repeat("ü", maxDescription+1)}, "body.description"},
		{EventType{Name: "a", Schema: json.RawMessage(`{`)}, "body.schema"},
		{EventType{Name: "a", Schema: json.RawMessage(`null`)}, "body.schema"},
		{EventType{Name: "a", Schema: json.RawMessage(`{"allOf":[{"type":"text"}]}`)}, "body.schema.allOf[0].type"},
		{EventType{Name: "a", Schema: json.RawMessage(`{"$ref":"file:///etc/hostname"}`)}, "body.schema.$ref"},
		{EventType{Name: "a", Example: json.RawMessage(`[]`)}, "body.example"},
		{EventType{Name: "a", Example: json.RawMessage(`{"a":1,"a":2}`)}, "body.example"},
		{EventType{Name: "a", Example: json.RawMessage(`{"a":"` + strings.Repeat("x", maxExample) + `"}`)}, "body.example"},
		{EventType{Name: "a", Schema: json.RawMessage(`{"required":["b/c"]}`), Example: json.RawMessage(`{}`)}, "body.example.b/c"},
	} {
		_, err := tt.typ.prepare()
		invalid, ok := errors.AsType[*Error](err)
		if !ok || len(invalid.Fields) != 1 || invalid.Fields[0].Location != tt.location {
			t.Errorf("got %v, want a problem at %s", err, tt.location)
		}
	}
	longest := EventType{Name: "a", Description: strings.Repeat("ü", maxDescription)}
	if _, err := longest.prepare(); err != nil {
		t.Error(err)
	}
}
