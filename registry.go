package waybell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/waybell/waybell/internal/catalogue"
	"github.com/waybell/waybell/internal/jsjson"
	"github.com/waybell/waybell/internal/schema"
)

// EventTypeInput is what an operator says about an event type.
type EventTypeInput struct {
	Description string          // at most 500 characters
	Schema      json.RawMessage // JSON Schema 2020-12 of the data object; nil = any object
	Example     json.RawMessage // a data object that the schema accepts; nil = none
}

const (
	maxEventTypes = 1000 // registered ones
	// maxSchemaText bounds what is parsed: white space does not count for
	// schema.MaxSize.
	maxSchemaText = 2 * schema.MaxSize
)

// typeEntry is an event type with its compiled schema.
type typeEntry struct {
	*EventType
	schema *schema.Schema // nil: any object
	// order sorts the built-in types before the registered ones, in the
	// catalogue's order; those by name.
	order string
}

func newTypeEntry(t *EventType) (*typeEntry, error) {
	entry := &typeEntry{EventType: t, order: "b" + t.Name}
	if len(t.Schema) == 0 || !t.DeletedAt.IsZero() {
		return entry, nil
	}
	doc, err := jsjson.Parse(t.Schema, jsjson.Limits{})
	if err == nil {
		entry.schema, err = schema.Compile(doc)
	}
	return entry, err
}

// builtInTypes are the types of the catalogue by name, compiled once in a process.
// What they return is shared: it must not be changed.
var builtInTypes = sync.OnceValues(func() (map[string]*typeEntry, error) {
	types := map[string]*typeEntry{}
	for i, t := range builtInEventTypes() {
		entry, err := newTypeEntry(&t)
		if err != nil {
			return nil, fmt.Errorf("event type %s: %w", t.Name, err)
		}
		entry.order = fmt.Sprintf("a%02d", i)
		types[t.Name] = entry
	}
	return types, nil
})

// canonicalType is the canonical name of a type given by name or alias, and
// whether there is such a type.
func (s *Service) canonicalType(name string) (string, bool) {
	if canonical, ok := catalogue.Lookup(name); ok {
		return canonical, true
	}
	return name, s.dir.eventType(name) != nil
}

// eventList is a list of event types that a caller gave.
type eventList struct {
	location string
	names    []string
	keep     []string // stored before: allowed although the type is gone or not available
	agent    *Agent   // where set, its plan has to produce the types
	all      bool     // "*" alone is allowed
}

// eventNames brings a list into canonical names, each once, in the order given.
// It never returns nil.
func (s *Service) eventNames(p *problems, l eventList) []string {
	canonical := []string{}
	if len(l.names) > maxListedTypes {
		p.add(l.location, "has %d types; at most %d are allowed", len(l.names), maxListedTypes)
		return canonical
	}
	for i, name := range l.names {
		location := fmt.Sprintf("%s[%d]", l.location, i)
		if l.all && name == allEvents {
			if len(l.names) > 1 {
				p.addValue(location, name, "must stand alone")
			}
			canonical = append(canonical, name)
			continue
		}
		full, known := s.canonicalType(name)
		switch {
		case slices.Contains(l.keep, full):
		case !known:
			p.addCode(CodeUnknownEventType, location, name, "is no event type")
		case l.agent != nil && !l.agent.Produces(full):
			p.addCode(CodeEventNotAvailable, location, name, "is not available: the agent's plan does not produce it")
		}
		if !slices.Contains(canonical, full) {
			canonical = append(canonical, full)
		}
	}
	return canonical
}

// EventTypes lists the built-in types, then the registered ones by name.
// CodeInvalid for a bad limit or cursor.
func (s *Service) EventTypes(_ context.Context, q ListQuery) (Page[EventType], error) {
	limit, after, err := q.check("types")
	if err != nil {
		return Page[EventType]{}, err
	}
	list := s.dir.typesAfter(after)
	var next string
	if len(list) > limit {
		list = list[:limit]
		next = listCursor("types", list[limit-1].order)
	}
	page := Page[EventType]{Next: next}
	for _, t := range list {
		page.Data = append(page.Data, t.clone())
	}
	return page, nil
}

func (d *directory) typesAfter(order string) []*typeEntry {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var list []*typeEntry
	for _, t := range d.types {
		if t.order > order {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b *typeEntry) int { return strings.Compare(a.order, b.order) })
	return list
}

func (t *EventType) clone() EventType {
	c := *t
	c.Schema, c.Example = slices.Clone(t.Schema), slices.Clone(t.Example)
	return c
}

// EventType finds a type by its name or alias; CodeEventTypeNotFound.
func (s *Service) EventType(_ context.Context, name string) (EventType, error) {
	canonical, _ := s.canonicalType(name)
	t := s.dir.eventType(canonical)
	if t == nil {
		return EventType{}, noType(name)
	}
	return t.clone(), nil
}

// PutEventType registers a type or replaces it, and tells whether it is new.
// Errors: CodeInvalid, CodeEventTypeReadOnly.
func (s *Service) PutEventType(ctx context.Context, name string, in EventTypeInput) (t EventType, created bool, err error) {
	var p problems
	if t, err = in.prepare(name, &p); err != nil {
		return EventType{}, false, err
	}
	t.CreatedAt = clock()
	t.UpdatedAt = t.CreatedAt
	if have := s.dir.eventType(name); have != nil {
		t.CreatedAt = have.CreatedAt
	} else if s.dir.registered() >= maxEventTypes {
		p.add("path.name", "is one too many: %d types are registered", maxEventTypes)
	}
	if err := p.err("the event type"); err != nil {
		return EventType{}, false, err
	}
	t, created, err = s.store.PutEventType(ctx, t)
	if err != nil {
		return EventType{}, false, storeFailed("put event type", err)
	}
	s.changed(ctx)
	return t.clone(), created, nil
}

// Validate tells what is wrong with registering the type under a name, without
// doing it: what [Service.PutEventType] would say of these values. Errors:
// CodeInvalid, CodeEventTypeReadOnly.
func (in EventTypeInput) Validate(name string) error {
	var p problems
	if _, err := in.prepare(name, &p); err != nil {
		return err
	}
	return p.err("the event type")
}

// prepare is the type that the input makes under a name, in canonical form;
// what is wrong with it is noted in p. The error is CodeEventTypeReadOnly.
func (in EventTypeInput) prepare(name string, p *problems) (EventType, error) {
	if _, builtIn := catalogue.Lookup(name); builtIn || name == catalogue.Test {
		return EventType{}, readOnlyType(name)
	}
	t := EventType{Name: name, Description: in.Description}
	p.bounded("body.schema", unlessNull(in.Schema), maxSchemaText, &t.Schema)
	p.bounded("body.example", unlessNull(in.Example), maxExample, &t.Example)
	if utf8.RuneCountInString(t.Description) <= maxDescription { // else prepare says it
		p.description(t.Description, maxDescription)
	}
	_, err := t.prepare()
	if invalid, ok := errors.AsType[*Error](err); ok {
		for _, f := range invalid.Fields {
			p.addCode(CodeInvalid, f.Location, f.Value, f.Message)
		}
	}
	return t, nil
}

// bounded sets dst to a JSON text unless that is too long to be parsed at all.
func (p *problems) bounded(location string, raw json.RawMessage, most int, dst *json.RawMessage) {
	if len(raw) > most {
		p.add(location, "has %d bytes; at most %d are allowed", len(raw), most)
		return
	}
	*dst = raw
}

// unlessNull is an optional JSON value, nil where it is null.
func unlessNull(raw json.RawMessage) json.RawMessage {
	if text := strings.TrimSpace(string(raw)); text == "" || text == "null" {
		return nil
	}
	return raw
}

// registered is how many types are not built in.
func (d *directory) registered() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n := 0
	for _, t := range d.types {
		if !t.BuiltIn {
			n++
		}
	}
	return n
}

// DeleteEventType removes a registered type. Errors: CodeEventTypeNotFound,
// CodeEventTypeReadOnly, CodeEventTypeInUse.
func (s *Service) DeleteEventType(ctx context.Context, name string) error {
	if _, builtIn := catalogue.Lookup(name); builtIn || name == catalogue.Test {
		return readOnlyType(name)
	}
	if n := s.dir.subscriptions(name); n > 0 {
		return errorf(CodeEventTypeInUse, "endpoints subscribe to %q by name: %d of them", name, n)
	}
	err := s.store.DeleteEventType(ctx, name, clock())
	switch {
	case errors.Is(err, ErrNotFound):
		return noType(name)
	case err != nil:
		return storeFailed("delete event type", err)
	}
	s.changed(ctx)
	return nil
}

// subscriptions counts the living endpoints that name a type.
func (d *directory) subscriptions(name string) int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n := 0
	for _, a := range d.numbers {
		for _, e := range a.endpoints {
			if slices.Contains(e.Events, name) {
				n++
			}
		}
	}
	return n
}

func noType(name string) error {
	return errorf(CodeEventTypeNotFound, "there is no event type %.140q", name)
}

func readOnlyType(name string) error {
	return errorf(CodeEventTypeReadOnly, "%q is built in or reserved: it cannot be changed", name)
}
