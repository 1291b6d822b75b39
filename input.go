package waybell

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
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

// into changes dst where the field was given; null makes it the default.
func (o Optional[T]) into(dst *T, byDefault T) {
	switch {
	case o.Null:
		*dst = byDefault
	case o.Set:
		*dst = o.Value
	}
}

// problems gathers everything that is wrong with an input, so that a caller
// is told all of it at once; fields over maxFieldErrors are left out.
type problems struct {
	fields []FieldError
	codes  []Code
}

// add notes a field that has a wrong value, which is not repeated.
func (p *problems) add(location, format string, args ...any) {
	p.addCode(CodeInvalid, location, nil, fmt.Sprintf(format, args...))
}

// addValue is add for a value that is no secret and may be shown again.
func (p *problems) addValue(location string, value any, format string, args ...any) {
	p.addCode(CodeInvalid, location, value, fmt.Sprintf(format, args...))
}

func (p *problems) addCode(code Code, location string, value any, message string) {
	if len(p.fields) >= maxFieldErrors {
		return
	}
	if text, ok := value.(string); ok && len(text) > maxShownValue {
		value = strings.ToValidUTF8(text[:maxShownValue], "") + "…"
	}
	p.fields = append(p.fields, FieldError{Location: location, Message: message, Value: value})
	p.codes = append(p.codes, code)
}

const maxShownValue = 200

// err is nil without problems. Where all have the same code the error has it
// too, otherwise it is CodeInvalid.
func (p *problems) err(what string) error {
	if len(p.fields) == 0 {
		return nil
	}
	code := p.codes[0]
	for _, c := range p.codes {
		if c != code {
			code = CodeInvalid
		}
	}
	e := errorf(code, "%s is not valid", what)
	if len(p.fields) == 1 {
		e.Message = p.fields[0].Message
	}
	e.Fields = p.fields
	return e
}

// name checks the name in a body: least to most characters on one line, none of
// them a control character.
func (p *problems) name(text string, least, most int) {
	p.text("body.name", text, span{least, most}, unicode.IsControl)
}

// description is name for a text that may be empty or have several lines.
func (p *problems) description(text string, most int) {
	p.text("body.description", text, span{0, most}, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t'
	})
}

// span is how many characters a text may have.
type span struct{ least, most int }

func (p *problems) text(location, text string, length span, refused func(rune) bool) {
	switch n := utf8.RuneCountInString(text); {
	case !utf8.ValidString(text):
		p.add(location, "must be UTF-8")
	case n < length.least && n == 0:
		p.add(location, "is required")
	case n < length.least || n > length.most:
		p.addValue(location, text, "must have %d to %d characters, has %d", length.least, length.most, n)
	case strings.ContainsFunc(text, refused):
		p.add(location, "must not hold control characters")
	case length.least > 0 && strings.TrimSpace(text) == "":
		p.add(location, "must not be blank")
	}
}

// ListQuery asks for a page of a list of configuration, newest first.
type ListQuery struct {
	Limit  int    // 1–250, 0 = 50
	Cursor string // Next of the page before
	// Search is a part of the id or name, in any case, of the agents shown by
	// [Service.Agents]; "" = all.
	Search string
	// AgentIDs are the only agents shown by [Service.Agents]; nil = all.
	AgentIDs []string
}

const (
	defaultListLimit = 50
	maxListLimit     = 250
	maxCursorBytes   = 512
)

// check returns the limit and what follows the kind in the cursor, "" for the
// first page. A cursor of another list is refused.
func (q ListQuery) check(kind string) (limit int, after string, err error) {
	var p problems
	limit = q.Limit
	if limit == 0 {
		limit = defaultListLimit
	}
	if limit < 1 || limit > maxListLimit {
		p.addValue("query.limit", limit, "must be 1 to %d", maxListLimit)
	}
	if q.Cursor != "" {
		raw, decodeErr := base64.RawURLEncoding.DecodeString(q.Cursor)
		rest, ok := strings.CutPrefix(string(raw), kind+":")
		if decodeErr != nil || !ok || rest == "" || len(raw) > maxCursorBytes {
			p.add("query.cursor", "is not the next_cursor of this list")
		}
		after = rest
	}
	return limit, after, p.err("the query")
}

// numbers is check for a list that goes by falling numbers.
func (q ListQuery) numbers(kind string) (limit int, after int64, err error) {
	limit, text, err := q.check(kind)
	if err != nil || text == "" {
		return limit, 0, err
	}
	if after, err = strconv.ParseInt(text, 10, 64); err != nil || after < 1 {
		return 0, 0, badCursor()
	}
	return limit, after, nil
}

func badCursor() error {
	var p problems
	p.add("query.cursor", "is not the next_cursor of this list")
	return p.err("the query")
}

func listCursor(kind, after string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(kind + ":" + after))
}

// cutPage makes a page of limit rows out of limit+1.
func cutPage[T any](rows []T, limit int, cursor func(*T) string) Page[T] {
	if len(rows) <= limit {
		return Page[T]{Data: rows}
	}
	rows = rows[:limit]
	return Page[T]{Data: rows, Next: cursor(&rows[limit-1])}
}

// configTries bounds how often a change without If-Match is repeated because
// another one came between reading and writing.
const configTries = 16

// storeFailed turns an error of the store into one for the caller.
func storeFailed(op string, err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	e := errorf(CodeInternal, "something went wrong here")
	e.Err = fmt.Errorf("%s: %w", op, err)
	switch {
	case errors.Is(err, ErrConflict):
		e.Code, e.Message, e.RetryAfter = CodeUnavailable, "others changed it again and again; try again", time.Second
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrCommitUnknown), errors.Is(err, ErrFenced),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Code, e.Message, e.RetryAfter = CodeUnavailable, "the store cannot answer now; try again", 5*time.Second
	}
	return e
}

// storeMissing is storeFailed, but what the store does not have gets the noun's own
// code.
func storeMissing(op string, err error, notFound Code) error {
	if !errors.Is(err, ErrNotFound) {
		return storeFailed(op, err)
	}
	noun := strings.ReplaceAll(strings.TrimSuffix(string(notFound), "_not_found"), "_", " ")
	return &Error{Code: notFound, Message: "there is no such " + noun, Err: err}
}

// changed brings the directory up to a change that is durable by now. When
// that fails the answer stays the change's own: nothing is published by the
// older configuration, as the store refuses it, and the node's own check of
// the version tries again.
func (s *Service) changed(ctx context.Context) {
	wait := refreshTimeout
	if s.shared() { // it is looked for anyway, and the answer is due
		wait = refreshShared
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
	defer cancel()
	if err := s.refresh(ctx); err != nil {
		s.log.Error("configuration is stale", "error", err)
	}
}

const (
	refreshTimeout = 5 * time.Second
	refreshShared  = time.Second
)

// clock is the time as it is stored: UTC, in microseconds.
func clock() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
