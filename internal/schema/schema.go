// Package schema compiles the JSON Schemas (2020-12) of event types and
// validates the data of events against them.
//
// A schema comes from an operator and data from a publisher, so both are
// bounded: [Compile] refuses schemas that are too large or could make one
// validation costly, and nothing outside the document is ever loaded.
//
// Schemas made of plain keywords only, as those of the built-in types are, are
// validated right on the parsed document; all others go through
// github.com/santhosh-tekuri/jsonschema, which also checks every schema when it
// is compiled. A test holds that both say the same.
package schema

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/waybell/waybell/internal/jsjson"
)

// The bounds of a schema and of what is told about a document.
const (
	MaxSize     = 64 << 10 // bytes of a schema, compact
	MaxDepth    = 32       // arrays and objects of a schema within each other
	MaxSchemas  = 4096     // schemas in a schema, each counted as often as it is referred to
	MaxProblems = 20       // problems told of one document

	MaxPattern      = 1024 // bytes of a regular expression
	MaxPatternSteps = 2048 // steps that all regular expressions of a schema compile to
)

// draft is the only dialect.
const draft = "https://json-schema.org/draft/2020-12/schema"

// Problem is one thing that is wrong with a document or a schema.
type Problem struct {
	// Path is a JSON pointer (RFC 6901) into the document, "" for all of it.
	Path string
	// Message is a phrase to follow the path, such as "must be a string, is a
	// number". It quotes the schema, never the document.
	Message string
}

// Error says why a schema was refused.
type Error struct {
	Problems []Problem // at least one, at most MaxProblems
}

// Error joins the problems.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("schema: ")
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString("; ")
		}
		if p.Path != "" {
			b.WriteString(p.Path + " ")
		}
		b.WriteString(p.Message)
	}
	return b.String()
}

// Schema is a compiled schema. It is safe for concurrent use.
type Schema struct {
	simple *simple            // nil where a keyword is not simple
	full   *jsonschema.Schema // always there
}

// Compile checks a schema, an object or true or false, and prepares it. Beyond what
// JSON Schema itself asks for, a schema may be no larger than the bounds of
// this package, $ref must be a pointer within the document ("#/$defs/…") and
// may not lead back to itself, and anchors, embedded $id and dynamic references
// are not supported. The error is an *Error.
func Compile(doc jsjson.Value) (*Schema, error) {
	if k := doc.Kind(); k != jsjson.KindObject && k != jsjson.KindBool {
		return nil, refuse("", "must be an object, or true or false")
	}
	if err := bound(doc); err != nil {
		return nil, err
	}
	if doc.Kind() == jsjson.KindObject { // its $id names the schema and nothing else
		doc = doc.Without("$id")
	}
	const location = "urn:waybell:event-type"
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(nothing{})
	if err := c.AddResource(location, doc.Any()); err != nil {
		return nil, refuse("", "cannot be read")
	}
	full, err := c.Compile(location)
	if err != nil {
		if invalid, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
			if inner, ok := errors.AsType[*jsonschema.ValidationError](invalid.Err); ok {
				return nil, &Error{problems(inner)}
			}
		}
		return nil, refuse("", "is no valid JSON Schema: %s", strings.ReplaceAll(err.Error(), location, ""))
	}
	return &Schema{simple: compileSimple(doc), full: full}, nil
}

func refuse(path, format string, args ...any) *Error {
	return &Error{[]Problem{{path, fmt.Sprintf(format, args...)}}}
}

// nothing is the loader for references outside the document: the default one
// reads files.
type nothing struct{}

func (nothing) Load(string) (any, error) {
	return nil, errors.New("references outside the schema are not allowed")
}

// Validate returns what is wrong with a document, sorted by path, or nil.
func (s *Schema) Validate(doc jsjson.Value) []Problem {
	if s.simple != nil {
		if s.simple.accepts(doc) {
			return nil
		}
		var r report
		s.simple.explain(&r, doc)
		return sorted(r.problems)
	}
	return s.validateFull(doc)
}

func (s *Schema) validateFull(doc jsjson.Value) []Problem {
	err := s.full.Validate(doc.Any())
	if err == nil {
		return nil
	}
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return problems(invalid)
	}
	return []Problem{{"", "does not fit its schema"}}
}

// report collects problems up to the bound.
type report struct {
	path     []string
	problems []Problem
}

func (r *report) add(format string, args ...any) {
	if !r.full() {
		r.problems = append(r.problems, Problem{pointer(r.path), fmt.Sprintf(format, args...)})
	}
}

func (r *report) full() bool { return len(r.problems) >= MaxProblems }

// at runs f one step deeper.
func (r *report) at(step string, f func()) {
	if r.full() {
		return
	}
	r.path = append(r.path, step)
	f()
	r.path = r.path[:len(r.path)-1]
}

func sorted(list []Problem) []Problem {
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Message, b.Message))
	})
	list = slices.Compact(list)
	return list[:min(len(list), MaxProblems)]
}

// maxStep is how much of a member's name a path shows, in bytes.
const maxStep = 128

// pointer joins steps to a JSON pointer.
func pointer(steps []string) string {
	var b strings.Builder
	for _, step := range steps {
		b.WriteByte('/')
		b.WriteString(escape(step))
	}
	return b.String()
}

func escape(step string) string {
	if len(step) > maxStep {
		step = step[:maxStep] + "…"
	}
	step = strings.ToValidUTF8(step, "\uFFFD")
	step = strings.ReplaceAll(step, "~", "~0")
	return strings.ReplaceAll(step, "/", "~1")
}

func index(i int) string { return strconv.Itoa(i) }
