package format

import "strings"

// Problem says what is wrong with one field of a configuration or an event.
type Problem struct {
	Location string // e.g. "formats[0].body[2].key"
	Message  string // what to do about it
}

// Error is a configuration that cannot be used, with a problem for each field.
type Error struct{ Problems []Problem }

// Error joins the problems.
func (e *Error) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.Location + " " + p.Message
	}
	return strings.Join(texts, "; ")
}

func invalid(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &Error{problems}
}
