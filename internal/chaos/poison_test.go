//go:build linux

package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/receivertest"
)

// poison is a publish that a careless server would choke on.
type poison struct {
	name   string
	body   string
	header map[string]string
	status int
}

// eventLimit is the size of the largest event that is taken.
const eventLimit = 1 << 20

// poisons are publishes that must be answered so, whatever their bytes do to what
// reads, stores, renders, signs and shows them.
func poisons() []poison {
	data := func(s string) string { return `{"event":"message.received","data":{"text":"x","evil":` + s + `}}` }
	sized := func(n int) string {
		head, tail := `{"event":"message.received","data":{"text":"`, `"}}`
		return head + strings.Repeat("x", n-len(head)-len(tail)) + tail
	}
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	id := func(s string) string { return `{"event":"message.received","id":` + s + `,"data":{}}` }
	var keys strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&keys, `,"k%d":%d`, i, i)
	}
	return []poison{
		{"as deep as is taken", data(deep(60)), nil, 202},
		{"too deep", data(deep(65)), nil, 400},
		{"a hundred thousand deep", data(deep(100_000)), nil, 400},
		{"never closed", data(strings.Repeat(`{"a":`, 50_000)), nil, 400},
		{"a number of a thousand digits", data(strings.Repeat("9", 1000)), nil, 422},
		{"a number past what fits", data("1e999999999"), nil, 422},
		{"a number near nothing", data("-1e-999999999"), nil, 202},
		{"not a number", data("NaN"), nil, 400},
		{"invalid UTF-8", data("\"\xff\xfe\xc3\x28\""), nil, 400},
		{"half a character", data(`"\ud800"`), nil, 202},
		{"halves the wrong way round", data(`"\udc00\ud800 \ud83d\ude00"`), nil, 202},
		{"a zero byte", data(`"a\u0000b"`), nil, 202},
		{"a bare zero byte", data("\"a\x00b\""), nil, 400},
		{"keys like statements", `{"event":"message.received","data":{"'; DROP TABLE waiting; --":"\"); DELETE FROM events; --","$1":"%s%n","__proto__":{"constructor":1},"":""}}`, nil, 202},
		{"a key twice", `{"event":"message.received","data":{"text":"a","text":"b"}}`, nil, 400},
		{"twenty thousand keys", `{"event":"message.received","data":{"text":"x"` + keys.String() + `}}`, nil, 202},
		{"lines and separators", data(`"\r\nX-Evil: 1\r\n\r\n\u2028\u2029\u0085"`), nil, 202},
		{"an id of statements", id(`"a'; DROP TABLE events; --"`), nil, 422},
		{"an id too long", id(`"` + strings.Repeat("a", 129) + `"`), nil, 422},
		{"an id that is none", id(`{"a":1}`), nil, 422},
		{"a type too long", `{"event":"` + strings.Repeat("a", 5000) + `","data":{}}`, nil, 422},
		{"as large as is taken", sized(eventLimit), nil, 202},
		{"too large", sized(eventLimit + 1), nil, 413},
		{"another document behind", data("1") + data("2"), nil, 400},
		{"nothing", "", nil, 400},
		{"a time far off", `{"event":"message.received","timestamp":"999999999-01-01T00:00:00Z","data":{}}`, nil, 422},
		{"a header past what is read", data("1"), map[string]string{"X-Evil": strings.Repeat("x", 24<<10)}, 431},
		{"an Idempotency-Key too long", data("1"), map[string]string{"Idempotency-Key": strings.Repeat("k", 10_000)}, 422},
		{"an Idempotency-Key of statements", data("1"), map[string]string{"Idempotency-Key": `'; DROP TABLE idempotency; --`}, 202},
	}
}

// swallowPoison publishes one and holds the answer: clear, and refused only by the
// publisher's own fault.
func (tr *trial) swallowPoison(p poison) (accepted bool) {
	t := tr.t
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+tr.server.addr+"/v1/agents/"+besideID+"/events", strings.NewReader(p.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+apiKey)
	req.Header.Set("Content-Type", "application/json")
	for name, value := range p.header {
		req.Header.Set(name, value)
	}
	res, err := tr.server.client.Do(req)
	if p.status == http.StatusRequestEntityTooLarge && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
		return false // the answer came while the body was still being sent, and was lost with the connection
	}
	if err != nil {
		t.Errorf("%s: %v", p.name, err)
		return false
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("%s: %v", p.name, err)
	}
	var answer struct {
		Code, Detail string
		Duplicate    bool
	}
	if res.StatusCode != p.status {
		t.Errorf("%s: %d, want %d: %.300s", p.name, res.StatusCode, p.status, text)
	}
	if p.status == http.StatusRequestHeaderFieldsTooLarge {
		return false // before anything reads it as an API call
	}
	if err := json.Unmarshal(text, &answer); err != nil || p.status != 202 && (answer.Code == "" || answer.Detail == "") {
		t.Errorf("%s: %d without saying why: %.300s", p.name, res.StatusCode, text)
	}
	return res.StatusCode == 202 && !answer.Duplicate
}

// killer is a receiver of the events whose sending kills the process.
type killer struct {
	*receivertest.Receiver
	came chan string // the deliveries that came
}

// newKiller answers nothing: the process dies of it.
func newKiller(t *testing.T) *killer {
	k := &killer{came: make(chan string, 100)}
	k.Receiver = receivertest.Start(t, receivertest.Options{Keep: 1, Script: func(_ int, rec *receivertest.Recorded) receivertest.Step {
		k.came <- rec.Get("X-Waybell-Delivery")
		return receivertest.Hang()
	}})
	return k
}

const (
	// killedBy is how often a delivery kills the process until it is a suspect: the
	// first time it was not adopted yet, so that its death may have been another's.
	killedBy = 4
	// diesAfter is how long the process lives with the request under way. What it
	// sent before has been answered then.
	diesAfter = 700 * time.Millisecond
	// aloneAfter is how long a suspect waits at first, see docs/delivery.md.
	aloneAfter = time.Minute
)

// die publishes an event whose sending kills the process each time, until the
// server sends it no more beside others. It returns the id of the delivery.
func (tr *trial) die(k *killer) string {
	t := tr.t
	t.Helper()
	endpoint := tr.endpointBeside(k.URL("/killer"), "standard", 2*time.Minute, 0) // it dies of it, and not of old age
	path := "/v1/agents/" + besideID + "/events"
	if err := tr.server.call(t.Context(), http.MethodPost, path, map[string]any{"event": "message.received", "data": map[string]any{"text": "die"}}, nil); err != nil {
		t.Fatal(err)
	}
	var id string
	for n := range killedBy {
		select {
		case came := <-k.came:
			if id != "" && came != id {
				t.Fatalf("delivery %s came instead of %s", came, id)
			}
			id = came
		case <-time.After(time.Minute):
			t.Fatalf("the delivery that kills has not come after %d deaths", n)
		}
		tr.pauseUntil(time.Now().Add(diesAfter))
		tr.during(killed, tr.server.kill)
		tr.server.start()
	}
	// The others go on.
	tr.awaitService(tr.server)
	tr.pauseUntil(time.Now().Add(2 * time.Second))
	select {
	case <-k.came:
		t.Errorf("a delivery that killed the process %d times comes again beside the others", killedBy)
	default:
	}
	if *long { // and comes again alone
		select {
		case <-k.came:
		case <-time.After(2*aloneAfter + busyMachine):
			t.Errorf("a suspect was not tried again")
		}
	}
	one := "/v1/agents/" + besideID + "/deliveries/" + id
	if err := tr.server.call(t.Context(), http.MethodPost, one+"/cancel", nil, nil); err != nil {
		t.Error(err)
	}
	if err := tr.server.call(t.Context(), http.MethodDelete, "/v1/agents/"+besideID+"/endpoints/"+endpoint, nil, nil); err != nil {
		t.Error(err)
	}
	return id
}

// TestPoison publishes what a careless server would choke on, in every format, and
// an event whose sending kills the process again and again. What is refused is
// refused clearly, what is taken is delivered, the process does not die of any
// payload, the delivery that kills it is set apart, and nothing of the others is
// lost or comes twice but what a kill explains.
func TestPoison(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, options{timeout: 5 * time.Second, temper: temper{fail: 4}})
	tr.addBeside()
	open := receivertest.Start(t, receivertest.Options{Keep: 1, MaxBody: 1 << 10, Script: func(_ int, rec *receivertest.Recorded) receivertest.Step {
		if rec.Get("X-Evil") != "" || bytes.Contains(rec.Body, []byte("\r\nX-Evil")) {
			t.Error("a payload became a header")
		}
		return receivertest.Answer(204, "")
	}})
	k := newKiller(t)
	cycles := repeat(1)
	taken, refused, deliveries := 0, 0, 0
	for range cycles {
		var endpoints []string
		for _, profile := range []string{"standard", "chatzuri", "chatislav"} {
			endpoints = append(endpoints, tr.endpointBeside(open.URL("/"+profile), profile, 20*time.Second, 0))
		}
		pid := tr.server.cmd.Process.Pid
		for _, p := range poisons() {
			if tr.swallowPoison(p) {
				taken++
				deliveries += len(endpoints)
			} else if p.status >= 400 {
				refused++
			}
		}
		tr.awaitBeside("poison is delivered", func(l ledger) bool { return l.Pending+l.Retrying == 0 })
		if !tr.server.running() || tr.server.cmd.Process.Pid != pid {
			t.Fatal("the process died of a payload")
		}
		for _, id := range endpoints {
			if err := tr.server.call(t.Context(), http.MethodDelete, "/v1/agents/"+besideID+"/endpoints/"+id, nil, nil); err != nil {
				t.Error(err)
			}
		}
		tr.die(k)
	}
	var l ledger
	if err := tr.server.read(t.Context(), "/v1/agents/"+besideID+"/ledger", &l); err != nil {
		t.Fatal(err)
	}
	if l.Delivered != int64(deliveries) || l.Canceled != int64(cycles) || l.Failed != 0 {
		t.Errorf("the ledger of poison is %+v, want %d delivered and %d canceled", l, deliveries, cycles)
	}
	v := tr.end()
	tr.record("poison", cycles, v, nil, map[string]int64{"poison_taken": int64(taken), "poison_refused": int64(refused), "deaths": int64(cycles * killedBy)})
}
