package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// stored is S7: what a log of many attempts costs lists, publishers and
// retention.
func stored(ctx context.Context, o *Options) (*Result, error) {
	res := &Result{Scenario: "S7", What: fmt.Sprintf("%d stored attempts of %d agents over %d days", o.Stored, seedAgents, seedDays),
		Lists: map[string]Percentiles{}, Figures: map[string]float64{}}
	_, err := withReceiver(func(r *receiver) (*Result, error) {
		st, err := o.newStore(ctx)
		if err != nil {
			return nil, err
		}
		t := &storedTest{o: o, res: res, r: r, store: st, seed: newSeed(o.Stored)}
		defer func() {
			if err := st.discard(ctx); err != nil {
				o.progress("the store is left: %v", err)
			}
		}()
		for _, step := range []func(context.Context) error{t.fill, t.lists, t.publish, t.drop} {
			if err := step(ctx); err != nil {
				return nil, err
			}
		}
		return res, nil
	})
	f := res.Figures
	res.Bars = []Bar{
		atMost("slowest list p99 ms", f["slowest_list_p99_ms"], 20), atLeast("publish, times that of an empty store", f["publish_ratio_to_empty"], 0.9),
		atLeast("events removed, times those published meanwhile", f["removed_to_published"], 1),
	}
	return res, err
}

// storedTest is one run of S7.
type storedTest struct {
	o     *Options
	res   *Result
	r     *receiver
	store store
	seed  seed
}

// keepAll is a retention that keeps what the seed wrote.
const keepAll = "--retention=1000d"

// fill makes the agents and one delivery through the API, and the rest out of
// them.
func (t *storedTest) fill(ctx context.Context) error {
	s, err := t.o.on(ctx, t.store, keepAll)
	if err != nil {
		return err
	}
	defer s.end()
	if _, err := s.agent(t.r, 1); err != nil { // who publishes later
		return err
	}
	for n := range seedAgents {
		id := agentID(n)
		if err := s.call("POST", "/v1/agents", map[string]any{"id": id, "name": "Agent"}, nil); err != nil {
			return err
		}
		err := s.call("POST", "/v1/agents/"+id+"/endpoints", map[string]any{
			"url": fmt.Sprintf("http://%s/hooks/%d", t.r.addr, n), "events": []string{"*"}, "generate_secret": true}, nil)
		if err != nil {
			return err
		}
	}
	event := map[string]any{"event": "message.received", "data": map[string]any{"conversation_id": "conv_0123456789",
		"message_id": "msg_0123456789", "channel": "website", "text": "Can I move my appointment to Thursday afternoon?"}}
	if err := s.call("POST", "/v1/agents/"+agentID(0)+"/events", event, nil); err != nil {
		return err
	}
	t.r.wait(1, 10*time.Second)
	if err := s.settled(agentID(0), 10*time.Second); err != nil {
		return err
	}
	s.stop()
	began := time.Now()
	if err := t.seed.fill(ctx, t.store); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	u, err := t.store.usage(ctx)
	if err != nil {
		return err
	}
	t.res.Figures["stored_mib"] = mib(u.size)
	t.o.progress("S7: %d attempts written in %.0f s, %.0f MiB", t.o.Stored, time.Since(began).Seconds(), mib(u.size))
	return t.store.settle(ctx)
}

// list is a kind of page that people and programs ask for.
type list struct {
	name string
	path func(n int) (string, error) // of the n-th agent
}

// Each kind is asked for listRounds times after as many that warm it up, of one
// agent after the other.
const listRounds = 200

// lists measures every kind of list.
func (t *storedTest) lists(ctx context.Context) error {
	s, err := t.o.on(ctx, t.store, keepAll)
	if err != nil {
		return err
	}
	defer s.end()
	for _, l := range t.kinds(s) {
		samples := make([]time.Duration, 0, listRounds)
		for i := range 2 * listRounds {
			path, err := l.path(i % listRounds * (seedAgents / listRounds))
			if err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			began := time.Now()
			if err := s.call("GET", path, nil, nil); err != nil {
				return err
			}
			if i >= listRounds {
				samples = append(samples, time.Since(began))
			}
		}
		p := Summarise(samples)
		t.res.Lists[l.name] = p
		t.res.Figures["slowest_list_p99_ms"] = max(t.res.Figures["slowest_list_p99_ms"], p.P99)
		t.res.Figures["slowest_list_max_ms"] = max(t.res.Figures["slowest_list_max_ms"], p.Max)
		t.o.progress("S7: %s: %v", l.name, p)
	}
	return nil
}

// kinds are all lists whose cost could grow with the log, and what a page shows
// beside them.
func (t *storedTest) kinds(s *server) []list {
	of := func(what string) func(int) (string, error) {
		return func(n int) (string, error) { return "/v1/agents/" + agentID(n) + what, nil }
	}
	q := func(d int) string { return url.QueryEscape(t.seed.day(d).Format(time.RFC3339)) }
	window := "since=" + q(10) + "&until=" + q(12)
	page := func(what string, pages int) func(int) (string, error) { return s.nextPages(of(what), pages) }
	return []list{
		{"agents", func(int) (string, error) { return "/v1/agents?limit=100", nil }},
		{"endpoints", of("/endpoints?limit=100")},
		{"failing endpoints", func(int) (string, error) { return "/v1/failing-endpoints", nil }},
		{"events", of("/events?limit=100")},
		{"events, third page", page("/events?limit=100", 2)},
		{"events of two days", of("/events?limit=100&" + window)},
		{"events of a type", of("/events?limit=100&event=message.received")},
		{"events of a type that never was", of("/events?limit=100&event=lead.submit")},
		{"event with its deliveries", s.first(of("/events?limit=1&"+window), "events")},
		{"deliveries", of("/deliveries?limit=100")},
		{"deliveries, third page", page("/deliveries?limit=100", 2)},
		{"deliveries of two days", of("/deliveries?limit=100&" + window)},
		{"deliveries of an endpoint", t.ofEndpoint(s)},
		{"deliveries that failed", of("/deliveries?limit=100&state=failed")},
		{"deliveries with status 500", of("/deliveries?limit=100&status_code=500")},
		{"deliveries that are retried", of("/deliveries?limit=100&state=retrying")},
		{"deliveries with a status that never was", of("/deliveries?limit=100&status_code=418")},
		{"delivery with its attempts", s.first(of("/deliveries?limit=1&"+window), "deliveries")},
		{"statistics", of("/statistics?period=7d")},
		{"ledger", of("/ledger")},
	}
}

// page is the part of every list that the bench reads.
type page struct {
	Data []struct{ ID string } `json:"data"`
	Next string                `json:"next_cursor"`
}

// memo remembers paths, so that finding one is not measured.
func memo(find func(n int) (string, error)) func(int) (string, error) {
	known := make(map[int]string)
	return func(n int) (string, error) {
		if path, ok := known[n]; ok {
			return path, nil
		}
		path, err := find(n)
		known[n] = path
		return path, err
	}
}

// nextPages is the path of a page so many behind the first.
func (s *server) nextPages(of func(int) (string, error), pages int) func(int) (string, error) {
	return memo(func(n int) (string, error) {
		path, err := of(n)
		first := path
		for range pages {
			var p page
			if err == nil {
				err = s.call("GET", path, nil, &p)
			}
			if err == nil && p.Next == "" {
				return path, nil // there are fewer
			}
			path = first + "&cursor=" + url.QueryEscape(p.Next)
		}
		return path, err
	})
}

// first is the path of the first thing of a list.
func (s *server) first(of func(int) (string, error), kind string) func(int) (string, error) {
	return memo(func(n int) (string, error) {
		path, err := of(n)
		var p page
		if err == nil {
			err = s.call("GET", path, nil, &p)
		}
		if err == nil && len(p.Data) == 0 {
			err = fmt.Errorf("%s is empty", path)
		}
		if err != nil {
			return "", err
		}
		return "/v1/agents/" + agentID(n) + "/" + kind + "/" + p.Data[0].ID, nil
	})
}

// ofEndpoint is the path of the deliveries of an agent's endpoint.
func (t *storedTest) ofEndpoint(s *server) func(int) (string, error) {
	return memo(func(n int) (string, error) {
		var p page
		if err := s.call("GET", "/v1/agents/"+agentID(n)+"/endpoints", nil, &p); err != nil {
			return "", err
		}
		if len(p.Data) != 1 {
			return "", fmt.Errorf("%s has %d endpoints", agentID(n), len(p.Data))
		}
		return "/v1/agents/" + agentID(n) + "/deliveries?limit=100&endpoint_id=" + p.Data[0].ID, nil
	})
}

// storedPairs are enough: both sides are a load of the same kind.
const storedPairs = 3

// publish compares the rate of S1 with that on an empty store, in turn.
func (t *storedTest) publish(ctx context.Context) error {
	s1 := throughputs()[0]
	var ratios, rates []float64
	for range min(t.o.Pairs, storedPairs) {
		empty, err := withReceiver(func(r *receiver) (*measured, error) { return s1.once(ctx, t.o, r) })
		if err != nil {
			return err
		}
		full, err := t.publishOnce(ctx, s1)
		if err != nil {
			return err
		}
		t.res.Missing, t.res.Dups = t.res.Missing+empty.missing+full.missing, t.res.Dups+empty.dups+full.dups
		rates, ratios = append(rates, full.rate), append(ratios, full.rate/empty.rate)
		t.o.progress("S7: %.0f deliveries/s, %.0f on an empty store, ratio %.3f", full.rate, empty.rate, full.rate/empty.rate)
	}
	t.res.Rate, t.res.Figures["publish_ratio_to_empty"] = median(rates), median(ratios)
	return nil
}

func (t *storedTest) publishOnce(ctx context.Context, load throughput) (*measured, error) {
	if err := t.store.settle(ctx); err != nil {
		return nil, err
	}
	s, err := t.o.on(ctx, t.store, keepAll)
	if err != nil {
		return nil, err
	}
	defer s.end()
	t.r.reset()
	return load.load(ctx, s, t.r, t.o.Duration)
}

// drop has retention remove the oldest day beside publishers: on PostgreSQL by
// a second node that starts, in an embedded store by the one that publishers use.
func (t *storedTest) drop(ctx context.Context) error {
	keep := time.Since(t.seed.day(1)).Truncate(time.Second) - time.Minute
	retention := "--retention=" + keep.String()
	flag := keepAll
	if _, embedded := t.store.(*embedded); embedded {
		flag = retention
	}
	s, err := t.o.on(ctx, t.store, flag)
	if err != nil {
		return err
	}
	defer s.end()
	var stop atomic.Bool
	loaded := make(chan error, 1)
	var l load
	publishing := time.Now()
	go func() {
		var err error
		l, err = s.closedLoop(16, oneEvent(), func(int64) bool { return stop.Load() })
		loaded <- err
	}()
	var took time.Duration
	switch st := t.store.(type) {
	case *schema:
		took, err = t.dropDay(ctx, st, retention)
	default:
		began := time.Now()
		err = t.untilGone(s)
		took = time.Since(began)
	}
	stop.Store(true)
	if loadErr := <-loaded; err == nil {
		err = loadErr
	}
	if err != nil {
		return err
	}
	published := float64(l.requests) / time.Since(publishing).Seconds()
	t.res.Figures["removed_to_published"] = float64(t.seed.perDay()) / max(took.Seconds(), 0.001) / published
	t.res.Publish = &l.latency
	t.res.Figures["drop_day_s"], t.res.Figures["publish_max_beside_drop_ms"] = took.Seconds(), l.latency.Max
	t.res.Figures["publish_p99_beside_drop_ms"] = l.latency.P99
	t.o.progress("S7: the oldest day of %d events went in %.2f s, publishing beside it %v", t.seed.perDay(), took.Seconds(), l.latency)
	return nil
}

// dropDay starts a node that keeps a day less, and returns how long the removal
// took, seen from outside.
func (t *storedTest) dropDay(ctx context.Context, st *schema, retention string) (time.Duration, error) {
	time.Sleep(time.Second) // publishing goes on by itself first
	began := make(chan time.Time, 1)
	ended := make(chan error, 1)
	watching, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	go func() { ended <- t.watch(watching, st, began) }()
	s, err := t.o.on(ctx, st, retention)
	if err != nil {
		return 0, err
	}
	defer s.end()
	if err := <-ended; err != nil {
		return 0, err
	}
	took := time.Since(<-began)
	time.Sleep(time.Second)
	s.stop()
	return took, nil
}

// watch returns when the oldest day is gone, and tells when that began.
func (t *storedTest) watch(ctx context.Context, st *schema, began chan<- time.Time) error {
	suffix := t.seed.first.Format("_20060102")
	told := false
	for {
		var left, busy int
		err := st.d.pool.QueryRow(ctx, `SELECT
			(SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind = 'r' AND relname = ANY($2)),
			(SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%DETACH PARTITION%' || $3 || ' %' AND pid <> pg_backend_pid())`,
			st.name, []string{"events" + suffix, "deliveries" + suffix, "attempts" + suffix}, suffix).Scan(&left, &busy)
		if err != nil {
			return fmt.Errorf("the oldest day was not removed: %w", err)
		}
		if !told && (busy > 0 || left < 3) {
			began <- time.Now()
			told = true
		}
		if left == 0 {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

// untilGone asks for the last event of the oldest day until it is gone.
func (t *storedTest) untilGone(s *server) error {
	p, err := dialPublisher(s.addr, s.key)
	if err != nil {
		return err
	}
	defer p.close()
	path := "/v1/agents/" + agentID((t.seed.perDay()-1)%seedAgents) + "/events?limit=1&until=" +
		url.QueryEscape(t.seed.day(1).Format(time.RFC3339))
	for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		status, answer, err := p.request("GET", path, nil)
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("%s: %d %w", path, status, err)
		}
		var list page
		if err := json.Unmarshal(answer, &list); err != nil {
			return err
		}
		if len(list.Data) == 0 {
			return nil
		}
	}
	return fmt.Errorf("the oldest day is still there")
}
