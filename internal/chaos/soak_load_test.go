//go:build linux

package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/receivertest"
)

const (
	soakAgents  = 4 // with an endpoint each
	soakSingles = 6 // connections that publish one event a time, half of all
	soakBatch   = 10
	soakFaulty  = 1 // percent of answers
	soakSeed    = 1 // of the faulty answers
	soakTimeout = 5 * time.Second
	// soakCatchUp is how far a publisher may be behind its pace and still make up
	// for it; what it lost above that is not asked for again.
	soakCatchUp = time.Second
)

// soakEvent is all that is remembered of an event: a soak has a million.
type soakEvent struct {
	accepted bool
	answered uint8 // how often with a 2xx
	attempt  uint8 // the number of the last request answered so
}

// soakLoad publishes at a steady pace and receives. Events are known by their
// number, which is in their data; the log cannot be asked for them, since
// retention removes it.
type soakLoad struct {
	t         *testing.T
	server    *server
	receiver  *receivertest.Receiver
	targets   []*target // by agent
	client    *http.Client
	rate      int
	stop      context.CancelFunc
	ended     sync.WaitGroup
	published atomic.Int64 // numbers given out

	mu          sync.Mutex
	rng         *rand.Rand
	events      []soakEvent // by number
	accepted    int64
	refused     int64 // events
	broken      int64
	requests    int64 // received
	duplicates  int64
	unexplained int64
	answers     [4]int64
	problems    []string
}

// soakVerdict is what came of the load.
type soakVerdict struct {
	accepted, lost, refused, broken   int64
	requests, duplicates, unexplained int64
	answers                           [4]int64 // by kind of answer
	complaints                        []string
}

// newSoakLoad makes the agents and their endpoints.
func newSoakLoad(t *testing.T, s *server, rate int, timeout time.Duration) *soakLoad {
	t.Helper()
	l := &soakLoad{t: t, server: s, rate: rate, rng: rand.New(rand.NewPCG(soakSeed, 0))}
	l.receiver = receivertest.Start(t, receivertest.Options{Script: l.answer, Keep: 1})
	l.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		MaxIdleConnsPerHost: soakSingles + 1, DisableCompression: true,
	}}
	for a := range soakAgents {
		x := newTarget(t, []string{"standard", "chatzuri"}[a%2])
		x.path += "-" + strconv.Itoa(a)
		l.targets = append(l.targets, x)
		if err := s.call(t.Context(), http.MethodPost, "/v1/agents", map[string]any{"id": soakAgent(a), "name": "Soak"}, nil); err != nil {
			t.Fatal(err)
		}
		err := s.call(t.Context(), http.MethodPost, "/v1/agents/"+soakAgent(a)+"/endpoints", map[string]any{
			"url": l.receiver.URL(x.path), "events": []string{"*"}, "profile": x.profile, "secret": x.secret,
			"timeout_seconds": int(timeout / time.Second),
			"retry":           map[string]any{"schedule_seconds": []int{1, 1, 2, 2, 3, 3, 5, 5, 5, 5, 5, 5}},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func soakAgent(a int) string { return "soak-" + strconv.Itoa(a) }

// start begins to publish.
func (l *soakLoad) start() {
	ctx, stop := context.WithCancel(l.t.Context())
	l.stop = stop
	half := float64(l.rate) / 2
	for range soakSingles {
		l.ended.Go(func() { l.work(ctx, time.Duration(soakSingles/half*float64(time.Second)), 1) })
	}
	l.ended.Go(func() { l.work(ctx, time.Duration(soakBatch/half*float64(time.Second)), soakBatch) })
	l.t.Cleanup(l.finish)
}

// finish ends publishing. It may be called again.
func (l *soakLoad) finish() {
	l.stop()
	l.ended.Wait()
	l.client.CloseIdleConnections()
}

// work publishes n events at a time at a steady pace.
func (l *soakLoad) work(ctx context.Context, every time.Duration, n int) {
	next := time.Now().Add(rand.N(every))
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		l.publish(n)
		next = next.Add(every)
		if late := time.Now().Add(-soakCatchUp); next.Before(late) {
			next = late
		}
		timer.Reset(time.Until(next))
	}
}

// publish makes one request for n new events.
func (l *soakLoad) publish(n int) {
	first := int(l.published.Add(int64(n))) - n
	l.mu.Lock()
	for len(l.events) < first+n {
		l.events = append(l.events, soakEvent{})
	}
	l.mu.Unlock()
	path, body := "/v1/agents/"+soakAgent(first%soakAgents)+"/events", any(soakBody(first))
	if n > 1 {
		list := make([]any, n)
		for i := range list {
			e := soakBody(first + i)
			e["agent_id"] = soakAgent((first + i) % soakAgents)
			list[i] = e
		}
		path, body = "/v1/events", map[string]any{"events": list}
	}
	status, text, err := l.post(path, body)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.broken += int64(n)
		l.problem("publish of %d: %v", first, err)
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		l.refused += int64(n)
	case n == 1 && status != http.StatusAccepted:
		l.problem("publish of %d answered %d: %.200s", first, status, text)
	case n > 1:
		l.takeBatch(first, n, status, text)
	default:
		l.events[first].accepted = true
		l.accepted++
	}
}

// takeBatch takes the answer to a batch. l.mu is held.
func (l *soakLoad) takeBatch(first, n, status int, text []byte) {
	var list struct {
		Data []struct {
			Status int `json:"status"`
		} `json:"data"`
	}
	if err := json.Unmarshal(text, &list); err != nil || len(list.Data) != n {
		l.problem("publish of %d and %d more answered %d: %.200s", first, n-1, status, text)
		return
	}
	for i, it := range list.Data {
		switch it.Status {
		case http.StatusAccepted:
			l.events[first+i].accepted = true
			l.accepted++
		case http.StatusServiceUnavailable, http.StatusTooManyRequests:
			l.refused++
		default:
			l.problem("publish of %d in a batch answered %d: %.200s", first+i, it.Status, text)
		}
	}
}

// soakBody is an event as the API wants it.
func soakBody(number int) map[string]any {
	mark := soakMark + strconv.Itoa(number) + "."
	if number/soakAgents%2 == 0 {
		return map[string]any{"event": "lead.submit", "conversation_id": "conv_" + strconv.Itoa(number),
			"data": map[string]any{"mark": mark, "name": "Sarah", "email": "sarah@example.com", "note": strings.Repeat("x", 300)}}
	}
	return map[string]any{"event": "message.received", "conversation_id": "conv_" + strconv.Itoa(number),
		"data": map[string]any{"mark": mark, "text": strings.Repeat("It does not work. ", 20)}}
}

// soakMark stands before the number in an event's data; a point ends it.
const soakMark = "soak."

func (l *soakLoad) post(path string, body any) (int, []byte, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, "http://"+l.server.addr+path, bytes.NewReader(b))
	if err != nil {
		return 0, nil, err
	}
	req.GetBody = nil // the transport repeats nothing by itself
	req.Header.Set("Authorization", "Bearer "+apiKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := l.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, text, err
}

// problem remembers something that must not be. l.mu is held.
func (l *soakLoad) problem(format string, args ...any) {
	if len(l.problems) < 100 {
		l.problems = append(l.problems, fmt.Sprintf(format, args...))
	}
}

// counted is how many events were accepted so far.
func (l *soakLoad) counted() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepted
}

// answer is the receiver's script: it checks the request, and one in a hundred
// gets a 500, no answer or a cut connection.
func (l *soakLoad) answer(_ int, rec *receivertest.Recorded) receivertest.Step {
	number, wrong := l.check(rec)
	attempt, _ := strconv.Atoi(rec.Get("X-Waybell-Attempt")) // 0 is refused below
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	if wrong == nil && (number >= len(l.events) || attempt < 1 || attempt > 255) {
		wrong = fmt.Errorf("event %d, attempt %d: there is none", number, attempt)
	}
	if wrong != nil {
		l.problem("%v", wrong)
		return receivertest.Answer(http.StatusNoContent, "")
	}
	if l.rng.IntN(100) < soakFaulty {
		kind := failed + answer(l.rng.IntN(3))
		l.answers[kind]++
		return map[answer]receivertest.Step{
			failed: receivertest.Answer(http.StatusInternalServerError, ""), hung: receivertest.Hang(), cut: receivertest.Reset(),
		}[kind]
	}
	l.answers[answered]++
	l.take(number, uint8(attempt))
	return receivertest.Answer(http.StatusNoContent, "")
}

// take counts a request that is answered 2xx. A second one is explained where the
// number of the attempt has risen: the sender had ended the first without an
// answer, which came too late. l.mu is held.
func (l *soakLoad) take(number int, attempt uint8) {
	e := &l.events[number]
	if e.answered > 0 {
		l.duplicates++
		if attempt <= e.attempt {
			l.unexplained++
			l.problem("event %d was delivered by attempt %d and again by %d", number, e.attempt, attempt)
		}
	}
	e.answered++
	e.attempt = attempt
}

// check holds a request against its signature, and finds the number of its event.
func (l *soakLoad) check(rec *receivertest.Recorded) (number int, err error) {
	_, rest, ok := bytes.Cut(rec.Body, []byte(soakMark))
	digits, _, ok2 := bytes.Cut(rest, []byte("."))
	number, err = strconv.Atoi(string(digits))
	if !ok || !ok2 || err != nil {
		return 0, fmt.Errorf("a request without a mark came in: %.200s", rec.Body)
	}
	x := l.targets[number%soakAgents]
	if rec.Path != x.path {
		return 0, fmt.Errorf("event %d came to %s instead of %s", number, rec.Path, x.path)
	}
	if err := x.verifier.Load().Verify(rec.Headers(), rec.Body, time.Now()); err != nil {
		return 0, fmt.Errorf("event %d: signature: %w", number, err)
	}
	return number, nil
}

// ledger is the sum over the agents.
func (l *soakLoad) ledger(ctx context.Context) (sum ledger, err error) {
	for a := range soakAgents {
		var one ledger
		if err := l.server.read(ctx, "/v1/agents/"+soakAgent(a)+"/ledger", &one); err != nil {
			return sum, err
		}
		sum.Accepted += one.Accepted
		sum.Pending += one.Pending
		sum.Retrying += one.Retrying
		sum.Delivered += one.Delivered
		sum.Failed += one.Failed
		sum.Held += one.Held
		sum.Canceled += one.Canceled
	}
	return sum, nil
}

// drained waits until nothing waits any more.
func (l *soakLoad) drained(ctx context.Context) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		sum, err := l.ledger(ctx)
		if err != nil || sum.Pending+sum.Retrying+sum.Held == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("not drained: %+v", sum), context.Cause(ctx))
		}
	}
}

// judge compares what was accepted with what was received and with the ledger.
func (l *soakLoad) judge(ctx context.Context) (v soakVerdict) {
	sum, err := l.ledger(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	v = soakVerdict{accepted: l.accepted, refused: l.refused, broken: l.broken, requests: l.requests,
		duplicates: l.duplicates, unexplained: l.unexplained, answers: l.answers, complaints: l.problems}
	complain := func(format string, args ...any) { v.complaints = append(v.complaints, fmt.Sprintf(format, args...)) }
	var delivered int64
	for n, e := range l.events {
		if e.answered > 0 {
			delivered++
			continue
		}
		if e.accepted {
			v.lost++
			complain("event %d was accepted and never answered 2xx: lost", n)
		}
	}
	if err != nil {
		complain("the ledger: %v", err)
	} else if want := (ledger{Accepted: delivered, Delivered: delivered}); sum != want {
		complain("the ledger is %+v, the receiver's count %+v", sum, want)
	}
	if v.accepted == 0 || v.requests < v.accepted {
		complain("the load did not happen: %d events accepted, %d requests", v.accepted, v.requests)
	}
	return v
}

// The judge of a soak must find a loss, a duplicate and a ledger that is wrong.
func TestSoakJudge(t *testing.T) {
	t.Parallel()
	l := &soakLoad{events: make([]soakEvent, 3), accepted: 2, requests: 3}
	l.events[0].accepted, l.events[1].accepted = true, true
	l.take(0, 1)
	l.take(0, 2) // after an answer that came too late
	if l.duplicates != 1 || l.unexplained != 0 {
		t.Errorf("explained: %d duplicates, %d unexplained", l.duplicates, l.unexplained)
	}
	l.take(0, 2)
	if l.duplicates != 2 || l.unexplained != 1 {
		t.Errorf("unexplained: %d duplicates, %d unexplained", l.duplicates, l.unexplained)
	}
	sums := map[string]ledger{"0": {Accepted: 1, Delivered: 1}, "1": {Accepted: 1, Delivered: 1}}
	l.server = ledgers(t, sums)
	if v := l.judge(t.Context()); v.lost != 1 || len(v.complaints) != 3 { // the duplicate, the loss, the ledger
		t.Errorf("one lost: %+v", v)
	}
	l.problems = nil
	l.take(1, 1)
	if v := l.judge(t.Context()); v.lost != 0 || len(v.complaints) != 0 {
		t.Errorf("all is well: %+v", v)
	}
	sums["1"] = ledger{Accepted: 1, Failed: 1}
	if v := l.judge(t.Context()); len(v.complaints) != 1 {
		t.Errorf("a ledger that is wrong: %+v", v)
	}
}

// ledgers is a server that answers nothing but ledgers, by the number of the agent.
func ledgers(t *testing.T, sums map[string]ledger) *server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v1/agents/soak-"), "/ledger")
		if err := json.NewEncoder(w).Encode(sums[name]); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return &server{t: t, addr: s.Listener.Addr().String(), client: s.Client()}
}
