package schema

import (
	"slices"
	"strings"

	"github.com/waybell/waybell/internal/jsjson"
)

// simple is a schema of plain keywords: type, enum, required, minProperties,
// properties, additionalProperties, items and not. It validates a document
// where it stands, in a fraction of the time that it takes to turn it into maps.
type simple struct {
	types    typeSet // 0 = any
	enum     []jsjson.Value
	required []string
	minProps int64
	members  map[string]*simple
	others   *simple // members that are not in members
	items    *simple
	not      *simple
	notText  string // what a document is that not matches
	never    bool   // the schema false
}

// typeSet is a set of kinds, the place of each its bit; integer is extra.
type typeSet uint16

const integerType typeSet = 1 << 15

func typeBit(name string) typeSet {
	if name == "integer" {
		return integerType
	}
	for k := jsjson.KindNull; k <= jsjson.KindObject; k++ {
		if k.String() == name {
			return 1 << k
		}
	}
	return 0
}

// words lists the types with articles, in a fixed order.
func (t typeSet) words() string {
	var list []string
	for k := jsjson.KindObject; k > jsjson.KindNull; k-- {
		if t&(1<<k) != 0 {
			list = append(list, article(k.String()))
		}
	}
	if t&integerType != 0 {
		list = append(list, article("integer"))
	}
	if t&1 != 0 {
		list = append(list, "null")
	}
	return strings.Join(list, " or ")
}

// compileSimple returns nil where the schema, which is valid, has a keyword
// that is not simple.
func compileSimple(doc jsjson.Value) *simple {
	if doc.Kind() == jsjson.KindBool {
		return &simple{never: !doc.Bool()}
	}
	s := &simple{}
	for _, m := range doc.Members() {
		if !s.keyword(m) {
			return nil
		}
	}
	return s
}

// keyword takes one keyword in and tells whether it could.
func (s *simple) keyword(m jsjson.Member) (ok bool) {
	v := m.Value
	switch m.Name {
	case "$schema", "$comment", "title", "description", "examples", "default", "deprecated", "format",
		"readOnly", "writeOnly":
		// Annotations, format too (2020-12 §7.2.1): what a customer typed into
		// a form is delivered even where it is no address.
		return true
	case "type":
		s.types = typeBit(v.Str())
		for _, item := range v.Items() {
			s.types |= typeBit(item.Str())
		}
		return true
	case "enum":
		s.enum = v.Items()
		return !slices.ContainsFunc(s.enum, func(e jsjson.Value) bool { return !plain(e) })
	case "required":
		for _, item := range v.Items() {
			s.required = append(s.required, item.Str())
		}
		return true
	case "minProperties":
		s.minProps, ok = v.Int64()
		return ok
	case "properties":
		s.members = make(map[string]*simple, len(v.Members()))
		for _, p := range v.Members() {
			sub := compileSimple(p.Value)
			if sub == nil {
				return false
			}
			s.members[p.Name] = sub
		}
		return true
	case "additionalProperties":
		s.others = compileSimple(v)
		return s.others != nil
	case "items":
		s.items = compileSimple(v)
		return s.items != nil
	case "not":
		s.not = compileSimple(v)
		description, _ := v.Get("description")
		s.notText = description.Str()
		return s.not != nil
	default:
		return false
	}
}

// plain tells values that are equal exactly when they are written alike:
// neither numbers, nor containers with something in them, nor strings in which
// U+FFFD may stand for a lone surrogate.
func plain(v jsjson.Value) bool {
	switch v.Kind() {
	case jsjson.KindNumber:
		return false
	case jsjson.KindString:
		return !strings.ContainsRune(v.Str(), '\uFFFD')
	default:
		return len(v.Items()) == 0 && len(v.Members()) == 0
	}
}

func same(plain, v jsjson.Value) bool {
	return plain.Kind() == v.Kind() && plain.Str() == v.Str() && plain.Bool() == v.Bool() &&
		len(v.Items()) == 0 && len(v.Members()) == 0
}

func (s *simple) typeFits(v jsjson.Value) bool {
	return s.types == 0 || s.types&(1<<v.Kind()) != 0 ||
		s.types&integerType != 0 && v.Kind() == jsjson.KindNumber && isInteger(v.Number())
}

// isInteger reads the final form of a number: a double in its shortest form has
// no fraction exactly if it has neither point nor exponent, or is at least 1e21.
func isInteger(number string) bool {
	return strings.Contains(number, "e+") || !strings.ContainsAny(number, ".e")
}

func (s *simple) enumFits(v jsjson.Value) bool {
	return s.enum == nil || slices.ContainsFunc(s.enum, func(e jsjson.Value) bool { return same(e, v) })
}

// member returns the schema of a member, nil where there is none.
func (s *simple) member(name string) *simple {
	if sub, ok := s.members[name]; ok {
		return sub
	}
	return s.others
}

// accepts tells whether the document fits.
func (s *simple) accepts(v jsjson.Value) bool {
	if s.never || !s.typeFits(v) || !s.enumFits(v) || s.not != nil && s.not.accepts(v) {
		return false
	}
	switch v.Kind() {
	case jsjson.KindObject:
		members := v.Members()
		if int64(len(members)) < s.minProps {
			return false
		}
		for i := range members {
			if sub := s.member(members[i].Name); sub != nil && !sub.accepts(members[i].Value) {
				return false
			}
		}
		for _, name := range s.required {
			if _, ok := v.Get(name); !ok {
				return false
			}
		}
	case jsjson.KindArray:
		if s.items == nil {
			return true
		}
		items := v.Items()
		for i := range items {
			if !s.items.accepts(items[i]) {
				return false
			}
		}
	}
	return true
}

// explain says why a document does not fit. As in the library, a value of the
// wrong type or outside its enum has no further problems.
func (s *simple) explain(r *report, v jsjson.Value) {
	switch {
	case s.never:
		r.add(msgNever)
		return
	case !s.typeFits(v):
		r.add(msgType, s.types.words(), typeWord(v))
		return
	case !s.enumFits(v):
		r.add(msgEnum, enumWords(s.enum))
		return
	}
	switch v.Kind() {
	case jsjson.KindObject:
		s.explainObject(r, v)
	case jsjson.KindArray:
		for i, item := range v.Items() {
			if s.items != nil && !s.items.accepts(item) {
				r.at(index(i), func() { s.items.explain(r, item) })
			}
		}
	}
	if s.not != nil && s.not.accepts(v) {
		r.add("%s", notText(s.notText))
	}
}

func (s *simple) explainObject(r *report, v jsjson.Value) {
	if n := len(v.Members()); int64(n) < s.minProps {
		r.add(msgMinProperties, s.minProps, n)
	}
	for _, name := range s.required {
		if _, ok := v.Get(name); !ok {
			r.at(name, func() { r.add(msgRequired) })
		}
	}
	for _, m := range v.Members() {
		sub := s.member(m.Name)
		if sub == nil || sub.accepts(m.Value) {
			continue
		}
		r.at(m.Name, func() { sub.explain(r, m.Value) })
	}
}
