package schema

import (
	"net/url"
	"regexp/syntax"
	"strconv"
	"strings"

	"github.com/waybell/waybell/internal/jsjson"
)

// shape says where under a keyword further schemas are.
type shape uint8

const (
	none  shape = iota // the keyword holds no schema
	one                // its value is a schema
	list               // its value is an array of schemas
	named              // its value is an object of schemas
	alien              // the keyword is refused
)

func shapeOf(keyword string) shape {
	switch keyword {
	case "items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else",
		"unevaluatedItems", "unevaluatedProperties", "contentSchema":
		return one
	case "allOf", "anyOf", "oneOf", "prefixItems":
		return list
	case "properties", "patternProperties", "dependentSchemas", "$defs", "definitions":
		return named
	case "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "$vocabulary", "dependencies":
		return alien
	default:
		return none
	}
}

// bound refuses schemas over the bounds of the package. What it counts is the
// number of schemas after every reference is replaced by what it refers to: one
// validation visits each value of a document at most that often, so the cost is
// bounded by the product. A reference that leads back to itself has no such
// number and is refused.
func bound(doc jsjson.Value) error {
	if d := depth(doc); d > MaxDepth {
		return refuse("", "has %d levels, at most %d are allowed", d, MaxDepth)
	}
	if n := len(doc.Append(nil)); n > MaxSize {
		return refuse("", "has %d bytes, at most %d are allowed", n, MaxSize)
	}
	if v, ok := doc.Get("$schema"); ok && strings.TrimSuffix(v.Str(), "#") != draft {
		return refuse("/$schema", "must be %s", draft)
	}
	c := counter{root: doc, known: map[string]int{}}
	n, err := c.count(doc, "")
	if err != nil {
		return err
	}
	if n > MaxSchemas {
		return refuse("", "has more than %d schemas when its references are resolved", MaxSchemas)
	}
	return nil
}

func depth(v jsjson.Value) int {
	deepest := 0
	for _, item := range v.Items() {
		deepest = max(deepest, depth(item))
	}
	for _, m := range v.Members() {
		deepest = max(deepest, depth(m.Value))
	}
	if k := v.Kind(); k == jsjson.KindArray || k == jsjson.KindObject {
		deepest++
	}
	return deepest
}

type counter struct {
	root jsjson.Value
	// known holds the count of schemas by path, or open for those being counted.
	known map[string]int
	// steps is the size of all patterns so far.
	steps int
}

const open = -1

// count returns the number of schemas in v, which lies at path, no more than
// MaxSchemas+1.
func (c *counter) count(v jsjson.Value, path string) (int, error) {
	if n, ok := c.known[path]; ok {
		if n == open {
			return 0, refuse(path, "refers to itself, which is not supported")
		}
		return n, nil
	}
	c.known[path] = open
	n := 1
	for _, m := range v.Members() {
		k, err := c.keyword(m, path)
		if err != nil {
			return 0, err
		}
		n = min(n+k, MaxSchemas+1)
	}
	c.known[path] = n
	return n, nil
}

func (c *counter) keyword(m jsjson.Member, path string) (int, error) {
	at := path + "/" + escape(m.Name)
	if m.Name == "$ref" {
		target, to, err := c.resolve(m.Value.Str(), at)
		if err != nil {
			return 0, err
		}
		return c.count(target, to)
	}
	if path != "" && (m.Name == "$id" || m.Name == "$schema") {
		return 0, refuse(at, "is only supported at the top")
	}
	if err := c.patterns(m, at); err != nil {
		return 0, err
	}
	switch shapeOf(m.Name) {
	case alien:
		return 0, refuse(at, "is not supported")
	case one:
		return c.count(m.Value, at)
	case list:
		n := 0
		for i, item := range m.Value.Items() {
			k, err := c.count(item, at+"/"+index(i))
			if err != nil {
				return 0, err
			}
			n = min(n+k, MaxSchemas+1)
		}
		return n, nil
	case named:
		n := 0
		for _, item := range m.Value.Members() {
			k, err := c.count(item.Value, at+"/"+escape(item.Name))
			if err != nil {
				return 0, err
			}
			n = min(n+k, MaxSchemas+1)
		}
		return n, nil
	default:
		return 0, nil
	}
}

// patterns bounds what regular expressions cost. Go's take time in proportion
// to the text, but also to their own size, and ".{0,1000}" stands for two
// thousand steps. One that is none is refused later, with the reason.
func (c *counter) patterns(m jsjson.Member, at string) error {
	var texts []string
	switch {
	case m.Name == "pattern" && m.Value.Kind() == jsjson.KindString:
		texts = append(texts, m.Value.Str())
	case m.Name == "patternProperties":
		for _, p := range m.Value.Members() {
			texts = append(texts, p.Name)
		}
	}
	for _, text := range texts {
		if len(text) > MaxPattern {
			return refuse(at, "has a pattern of %d bytes, at most %d are allowed", len(text), MaxPattern)
		}
		parsed, err := syntax.Parse(text, syntax.Perl)
		if err != nil {
			continue
		}
		program, err := syntax.Compile(parsed.Simplify())
		if err != nil {
			continue
		}
		if c.steps += len(program.Inst); c.steps > MaxPatternSteps {
			return refuse(at, "makes the patterns of the schema too large: repetitions count as often as they repeat, at most %d steps are allowed", MaxPatternSteps)
		}
	}
	return nil
}

// resolve finds what a reference at a path refers to, and the path of that.
func (c *counter) resolve(ref, at string) (jsjson.Value, string, error) {
	if ref != "#" && !strings.HasPrefix(ref, "#/") {
		return jsjson.Value{}, "", refuse(at, `must be a pointer within the schema, such as "#/$defs/name"`)
	}
	fragment, err := url.PathUnescape(ref[1:])
	if err != nil {
		return jsjson.Value{}, "", refuse(at, "is no JSON pointer")
	}
	v, to := c.root, ""
	for step := range strings.SplitSeq(strings.TrimPrefix(fragment, "/"), "/") {
		if fragment == "" {
			break
		}
		name := strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		next, ok := v.Get(name)
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(v.Items()) && index(i) == name {
			next, ok = v.Items()[i], true
		}
		if !ok {
			return jsjson.Value{}, "", refuse(at, "refers to nothing")
		}
		v, to = next, to+"/"+escape(name)
	}
	return v, to, nil
}
