package api

import (
	"strconv"
	"strings"
	"time"

	"github.com/waybell/waybell"
)

// none is no parameters, no body or no answer.
type none struct{}

// emptyBody is the body of an action that needs none: nothing, or an empty object.
type emptyBody struct{}

// answer is a 200 with a body.
type answer[T any] struct{ Body T }

// tagged is an answer with the version of what it shows.
type tagged[T any] struct {
	ETag string `header:"ETag" doc:"The version; send it back as If-Match."`
	Body T
}

// created is a 201.
type created[T any] struct {
	ETag     string `header:"ETag" doc:"The version; send it back as If-Match."`
	Location string `header:"Location" doc:"Where it is."`
	Body     T
}

// put is a 200, or a 201 for something new.
type put[T any] struct {
	Status int
	Body   T
}

// taggedPut is a put with the version of what it shows.
type taggedPut[T any] struct {
	Status int
	ETag   string `header:"ETag" doc:"The version; send it back as If-Match."`
	Body   T
}

// list is a page of a list.
type list[T any] struct {
	Data       []T     `json:"data" nullable:"false"`
	NextCursor *string `json:"next_cursor" doc:"For the rest of the list; null at its end."`
}

// ListParams ask for a page.
type ListParams struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"250" default:"50" doc:"Rows on the page, at most."`
	Cursor string `query:"cursor" maxLength:"512" doc:"next_cursor of the page before."`
}

func (p *ListParams) query(agentIDs []string) waybell.ListQuery {
	return waybell.ListQuery{Limit: p.Limit, Cursor: p.Cursor, AgentIDs: agentIDs}
}

// listed is the answer to a list.
func listed[T, V any](page waybell.Page[T], err error, view func(T) V) (*answer[list[V]], error) {
	if err != nil {
		return nil, err
	}
	out := &answer[list[V]]{Body: list[V]{Data: make([]V, len(page.Data)), NextCursor: orNull(page.Next)}}
	for i, row := range page.Data {
		out.Body.Data[i] = view(row)
	}
	return out, nil
}

func orError[T any](out *T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return out, nil
}

// orNull is a pointer for JSON: null for "" and 0.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// rfc3339 writes a time as all answers do: UTC with milliseconds.
func rfc3339(t time.Time) string { return string(appendTime(nil, t)) }

// appendTime appends a time as rfc3339 does. Package time is quick only with its
// own layout, so the milliseconds are put into that.
func appendTime(dst []byte, t time.Time) []byte {
	dst = t.UTC().AppendFormat(dst, time.RFC3339)
	ms := t.Nanosecond() / int(time.Millisecond)
	return append(dst[:len(dst)-len("Z")], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

// timeOrNull is null for the zero time.
func timeOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := rfc3339(t)
	return &s
}

// milliseconds is d in ms to the hundredth.
func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

// optionalAs converts the value of an optional field.
func optionalAs[T, V any](o waybell.Optional[T], convert func(T) V) waybell.Optional[V] {
	if !o.Set || o.Null {
		return waybell.Optional[V]{Set: o.Set, Null: o.Null}
	}
	return waybell.Some(convert(o.Value))
}

// etag is the entity tag of a version (RFC 9110, section 8.8.3).
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// maxTags is how many listed tags are tried: each is a try to write.
const maxTags = 8

// matching makes a change for the version that If-Match names (RFC 9110,
// section 13.1.1). Of several listed ones, the first that is the present one
// counts. Weak and foreign tags match nothing; "*" matches every version of what is
// there, and an absent header all, which the service takes as 0.
func matching[T any](ifMatch string, change func(version int64) (T, error)) (out T, err error) {
	switch strings.TrimSpace(ifMatch) {
	case "":
		return change(0)
	case "*":
		return change(waybell.AnyVersion)
	}
	for i, tag := range strings.Split(ifMatch, ",") {
		if i == maxTags {
			break
		}
		tag = strings.TrimSpace(tag)
		digits, quoted := strings.CutPrefix(tag, `"`)
		version, err := strconv.ParseInt(strings.TrimSuffix(digits, `"`), 10, 64)
		if err != nil || !quoted || version <= 0 || etag(version) != tag {
			continue
		}
		if out, err = change(version); waybell.ErrorCode(err) != waybell.CodePreconditionFailed {
			return out, err
		}
	}
	return out, &waybell.Error{Code: waybell.CodePreconditionFailed, Message: "If-Match names another version"}
}
