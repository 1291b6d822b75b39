package waybell

import (
	"bytes"
	"encoding/json"
)

// Optional is a field of an input that may be absent. Absent leaves a value as
// it is (updates) or gives the default (new things); Null gives the default in
// both, as a JSON merge patch (RFC 7396) means it.
type Optional[T any] struct {
	Value T
	Set   bool // given, as a value or as null
	Null  bool // given as null; Value is zero
}

// Some is an Optional that is given.
func Some[T any](v T) Optional[T] { return Optional[T]{Value: v, Set: true} }

// Null is an Optional that is given as null: back to the default.
func Null[T any]() Optional[T] { return Optional[T]{Set: true, Null: true} }

// UnmarshalJSON takes a JSON value or null; an absent field is not called and
// stays absent.
func (o *Optional[T]) UnmarshalJSON(b []byte) error {
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		*o = Null[T]()
		return nil
	}
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*o = Some(v)
	return nil
}

// given tells whether there is a value, not null.
func (o Optional[T]) given() bool { return o.Set && !o.Null }

// or is the value, or d when it is absent or null.
func (o Optional[T]) or(d T) T {
	if o.given() {
		return o.Value
	}
	return d
}

// ListQuery asks for a page of a list of configuration, newest first.
type ListQuery struct {
	Limit  int    // 1–250, 0 = 50
	Cursor string // Next of the page before
	// AgentIDs are the only agents shown by [Service.Agents]; nil = all.
	AgentIDs []string
}
