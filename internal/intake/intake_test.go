package intake

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/jsjson"
)

func parse(t *testing.T, text string) jsjson.Value {
	t.Helper()
	v, err := jsjson.Parse([]byte(text), jsjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func locations(problems []format.Problem) string {
	var list []string
	for _, p := range problems {
		list = append(list, p.Location)
	}
	return strings.Join(list, " ")
}

func TestRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		body  string
		batch bool
		want  string // where something is wrong
	}{
		{`{"event":"lead.submit"}`, false, ""},
		{`{"event":"lead.submit","agent_id":"bot"}`, true, ""},
		{`{"event":"lead.submit","agent_id":"bot"}`, false, "at.agent_id"},
		{`{"event":"lead.submit"}`, true, "at.agent_id"},
		{`{"event":"lead.submit","agent_id":""}`, true, "at.agent_id"},
		{`{"event":"lead.submit","agent_id":7}`, true, "at.agent_id"},
		{`{}`, false, "at.event"},
		{`[]`, false, "at"},
		{`{"event":7,"id":"a b","timestamp":"yesterday","data":[],"messages":{},"summary":1,"conversation_id":null,"more":1}`, false,
			"at.event at.id at.timestamp at.data at.messages at.summary at.conversation_id at.more"},
		{`{"event":"e","messages":[{},1,{},"x"]}`, false, "at.messages[1] at.messages[3]"},
		{`{"event":"e","timestamp":"1969-12-31T23:59:59Z"}`, false, "at.timestamp"},
		{`{"event":"e","timestamp":"2026-04-26T10:30:14.5+02:00","id":"a-Z_9"}`, false, ""},
		{`{"event":"e","id":""}`, false, "at.id"},
		{`{"event":"e","id":"` + strings.Repeat("x", 129) + `"}`, false, "at.id"},
	} {
		if got := locations(Read(parse(t, test.body), "at", test.batch).Problems); got != test.want {
			t.Errorf("%.80s: wrong at %q, want %q", test.body, got, test.want)
		}
	}
	many := `{"event":"e"`
	for i := range 2 * MaxProblems {
		many += fmt.Sprintf(`,"x%d":1`, i)
	}
	if n := len(Read(parse(t, many+"}"), "at", false).Problems); n != MaxProblems {
		t.Errorf("%d problems are told, want %d", n, MaxProblems)
	}
}

// The hash is stored with each Idempotency-Key for a day: what another version
// made of a request must be what this one makes of it.
func TestHash(t *testing.T) {
	t.Parallel()
	const text = `{"event":"lead.submit","id":"own-1","timestamp":"2026-04-26T10:30:14.5+02:00",` +
		`"data":{"b":1,"a":[2]},"messages":[{"role":"user"}],"conversation_id":"c"}`
	e := Read(parse(t, text), "at", false)
	sum := e.Hash("lead.submit")
	if got := hex.EncodeToString(sum[:]); got != "767c2c0d3a732b668df73fed717a631182e86c6a3ecfc54819b6f05a1747e5e7" {
		t.Errorf("hash %s", got)
	}
	e.ID = "own-2"
	if e.Hash("lead.submit") == sum {
		t.Error("another id has the same hash")
	}
}

func TestBatches(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"events":[1,2]}`: "", `{}`: "body.events", `[]`: "body.events", `{"events":{}}`: "body.events",
		`{"events":[],"a":1,"b":2}`: "body.a body.b",
	} {
		list, problems := Events(parse(t, body))
		if got := locations(problems); got != want || want == "" && len(list) != 2 {
			t.Errorf("%s: wrong at %q, want %q; %d events", body, got, want, len(list))
		}
	}
	var lines []string
	for line := range Lines([]byte("\r\n a \n\n{}\r\nlast")) {
		lines = append(lines, string(line))
	}
	if !slices.Equal(lines, []string{"a", "{}", "last"}) {
		t.Errorf("lines %q", lines)
	}
}
