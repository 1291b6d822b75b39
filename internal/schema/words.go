package schema

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/waybell/waybell/internal/jsjson"
)

// The phrases that both validators use.
const (
	msgNever         = "is not allowed"
	msgType          = "must be %s, is %s"
	msgEnum          = "must be one of %s"
	msgRequired      = "is required"
	msgMinProperties = "must have at least %d members, has %d"
)

func article(typ string) string {
	switch typ {
	case "null":
		return typ
	case "array", "object", "integer":
		return "an " + typ
	default:
		return "a " + typ
	}
}

func typeWord(v jsjson.Value) string { return article(v.Kind().String()) }

func notText(description string) string {
	if description == "" {
		return "has a form that is not allowed"
	}
	return "must not be " + description
}

// maxEnumText is how much of a list of allowed values is quoted, in bytes.
const maxEnumText = 200

func enumWords(values []jsjson.Value) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v.Append(nil))
	}
	return joinTexts(texts)
}

func joinTexts(texts []string) string {
	text := strings.Join(texts, ", ")
	if len(text) > maxEnumText {
		text = strings.ToValidUTF8(text[:maxEnumText], "") + "…"
	}
	return text
}

func anyWords(values []any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		text, err := json.Marshal(v)
		if err != nil {
			text = []byte("?")
		}
		texts[i] = string(text)
	}
	return joinTexts(texts)
}

// problems turns the library's tree of errors into a list.
func problems(err *jsonschema.ValidationError) []Problem {
	var list []Problem
	collect(&list, err)
	if len(list) == 0 {
		list = []Problem{{pointer(err.InstanceLocation), "does not fit its schema"}}
	}
	return sorted(list)
}

// collect descends to the errors that name a cause. Where several alternatives
// or items failed, their causes would contradict each other: the alternatives'
// own types are told, or that none fits.
func collect(list *[]Problem, err *jsonschema.ValidationError) {
	at := pointer(err.InstanceLocation)
	switch k := err.ErrorKind.(type) {
	case *kind.AnyOf:
		*list = append(*list, Problem{at, alternatives(err)})
		return
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			*list = append(*list, Problem{at, "fits more than one of the forms of which exactly one is allowed"})
			return
		}
		*list = append(*list, Problem{at, alternatives(err)})
		return
	case *kind.Contains:
		*list = append(*list, Problem{at, "must have an item of a certain form"})
		return
	case *kind.PropertyNames:
		*list = append(*list, Problem{at + "/" + escape(k.Property), "has a name that is not allowed"})
		return
	}
	if len(err.Causes) > 0 {
		for _, cause := range err.Causes {
			collect(list, cause)
		}
		return
	}
	switch k := err.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			*list = append(*list, Problem{at + "/" + escape(name), msgRequired})
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			*list = append(*list, Problem{at + "/" + escape(name), msgNever})
		}
	case *kind.DependentRequired:
		for _, name := range k.Missing {
			*list = append(*list, Problem{at + "/" + escape(name), fmt.Sprintf("is required beside %s", escape(k.Prop))})
		}
	default:
		*list = append(*list, Problem{at, phrase(err.ErrorKind)})
	}
}

// alternatives names the types that would fit where all alternatives failed by
// their type.
func alternatives(err *jsonschema.ValidationError) string {
	var want typeSet
	got := ""
	for _, cause := range err.Causes {
		k, ok := cause.ErrorKind.(*kind.Type)
		if !ok || len(cause.InstanceLocation) != len(err.InstanceLocation) {
			return "fits none of the allowed forms"
		}
		for _, t := range k.Want {
			want |= typeBit(t)
		}
		got = k.Got
	}
	return fmt.Sprintf(msgType, want.words(), article(got))
}

// phrase says one kind of error in plain words, without the document's value.
func phrase(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		var want typeSet
		for _, t := range k.Want {
			want |= typeBit(t)
		}
		return fmt.Sprintf(msgType, want.words(), article(k.Got))
	case *kind.Enum:
		return fmt.Sprintf(msgEnum, anyWords(k.Want))
	case *kind.Const:
		return "must be " + anyWords([]any{k.Want})
	case *kind.FalseSchema:
		return msgNever
	case *kind.Not:
		return notText("")
	case *kind.MinProperties:
		return fmt.Sprintf(msgMinProperties, k.Want, k.Got)
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %d members, has %d", k.Want, k.Got)
	case *kind.Pattern:
		return "must match the pattern " + joinTexts([]string{k.Want})
	default:
		return sizePhrase(k)
	}
}

func sizePhrase(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %d items, has %d", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %d items, has %d", k.Want, k.Got)
	case *kind.UniqueItems:
		return fmt.Sprintf("must not have equal items, has some at %d and %d", k.Duplicates[0], k.Duplicates[1])
	case *kind.MinContains:
		return fmt.Sprintf("must have at least %d items of a certain form", k.Want)
	case *kind.MaxContains:
		return fmt.Sprintf("must have at most %d items of a certain form", k.Want)
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %d characters, has %d", k.Want, k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters, has %d", k.Want, k.Got)
	case *kind.Minimum:
		return "must be at least " + number(k.Want)
	case *kind.Maximum:
		return "must be at most " + number(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + number(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + number(k.Want)
	case *kind.Format:
		// Only met in schemas themselves: a pattern that is no regular expression.
		return "is no valid " + k.Want
	default:
		return "does not fit its schema"
	}
}

// number writes a bound as it would stand in a document.
func number(r *big.Rat) string {
	f, _ := r.Float64()
	text, err := json.Marshal(f)
	if err != nil { // beyond all doubles
		return r.RatString()
	}
	return string(text)
}
