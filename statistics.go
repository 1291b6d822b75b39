package waybell

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/waybell/waybell/internal/statistics"
)

// Tally is what became of some attempts: how many, how long they took, and why
// they failed. The reasons of its causes are numbers of [Reason].
type Tally = statistics.Tally

// The lengths of the rows that statistics are kept in, and how long each is
// kept: long enough for the longest period shown of it.
const (
	StatisticsMinute = time.Minute
	StatisticsHour   = time.Hour

	keepMinutes = 26 * time.Hour
	keepHours   = 31 * 24 * time.Hour
)

// StatisticsKey names a row of the statistics. Endpoint 0 is the agent as a
// whole, Agent 0 everything.
type StatisticsKey struct {
	Agent    AgentNumber
	Endpoint EndpointNumber
	Step     time.Duration // StatisticsMinute or StatisticsHour
	At       time.Time     // the start, a multiple of Step
}

func (k StatisticsKey) compare(o StatisticsKey) int {
	return cmp.Or(cmp.Compare(k.Agent, o.Agent), cmp.Compare(k.Endpoint, o.Endpoint),
		cmp.Compare(k.Step, o.Step), k.At.Compare(o.At))
}

// StatisticsRow is what was tallied of one key.
type StatisticsRow struct {
	StatisticsKey
	Tally Tally
}

// StatisticsQuery asks for the rows of one agent, or of some of its endpoints.
type StatisticsQuery struct {
	Agent     AgentNumber      // 0 = over all
	Endpoints []EndpointNumber // nil = the row of the agent as a whole
	Step      time.Duration
	Since     time.Time // inclusive
	Until     time.Time // exclusive
}

func (q *StatisticsQuery) wants(k StatisticsKey) bool {
	if k.Agent != q.Agent || k.Step != q.Step || k.At.Before(q.Since) || !k.At.Before(q.Until) {
		return false
	}
	if q.Endpoints == nil {
		return k.Endpoint == 0
	}
	return slices.Contains(q.Endpoints, k.Endpoint)
}

// StatisticsSweep says which rows are no longer kept.
type StatisticsSweep struct {
	Step   time.Duration
	Before time.Time // rows that start before it
}

// StatisticsStore keeps what nodes have counted of their attempts. Rows are
// small and there is one for each endpoint, agent and step of time with an
// attempt. They are a record of their own: retention of the log, and deleting
// endpoints and agents, leaves them alone.
type StatisticsStore interface {
	// AddStatistics adds each row to what is stored under its key, in one
	// transaction: all of them or none. Many nodes add to the same rows; they
	// come sorted by key, each key once, so that two nodes cannot wait for each
	// other. Their number is bounded by the caller (a few hundred).
	AddStatistics(ctx context.Context, lease Lease, rows []StatisticsRow) error
	// Statistics returns the rows that the query asks for, by rising Endpoint,
	// then At. Its cost is that of the rows returned.
	Statistics(ctx context.Context, q StatisticsQuery) ([]StatisticsRow, error)
	// SweepStatistics removes rows in order of At, as Sweep does with events.
	SweepStatistics(ctx context.Context, lease Lease, sweep StatisticsSweep, budget time.Duration) (n int, more bool, err error)
	// FailingCounters returns the ledger rows of living endpoints, but for
	// disabled ones, whose Health has three or more Failures, by rising
	// FailingSince, at most limit. Its cost is bounded by the number of living
	// endpoints that fail.
	FailingCounters(ctx context.Context, limit int) ([]Counters, error)
	// OpenBreakers returns Endpoint and Health, and no ledger, of the living
	// endpoints whose Health is Open, by rising Endpoint, at most limit. Where each
	// node's health is kept apart, the newest of an endpoint counts, the one with
	// the latest LastAttempt. Nodes ask every two seconds: its cost is bounded by
	// the number of rows with an open Health.
	OpenBreakers(ctx context.Context, limit int) ([]Counters, error)
	// CountersOf returns the ledger rows of these endpoints, in their order;
	// those that never had a delivery are left out.
	CountersOf(ctx context.Context, endpoints []EndpointNumber) ([]Counters, error)
}

// StatisticsPeriod is a time up to now that statistics are shown of.
type StatisticsPeriod string

// The periods and their points: 60 of a minute, 96 of 15 minutes, 168 of an
// hour, 120 of 6 hours.
const (
	LastHour       StatisticsPeriod = "1h"
	LastDay        StatisticsPeriod = "24h"
	LastSevenDays  StatisticsPeriod = "7d"
	LastThirtyDays StatisticsPeriod = "30d"
)

// span is the period at now, and the length of the rows it is made from.
func (p StatisticsPeriod) span(now time.Time) (span statistics.Span, rows time.Duration, ok bool) {
	switch p {
	case LastHour:
		return statistics.SpanAt(now, time.Minute, 60), StatisticsMinute, true
	case LastDay:
		return statistics.SpanAt(now, 15*time.Minute, 96), StatisticsMinute, true
	case LastSevenDays:
		return statistics.SpanAt(now, time.Hour, 168), StatisticsHour, true
	case LastThirtyDays:
		return statistics.SpanAt(now, 6*time.Hour, 120), StatisticsHour, true
	}
	return statistics.Span{}, 0, false
}

// Statistics are the attempts of a period. Each point is there, also those
// without an attempt; the last one, which holds the present, still fills.
type Statistics = statistics.Chart

// StatisticsPoint is one step of a chart.
type StatisticsPoint = statistics.Point

// Statistics returns the attempts of an agent, of one of its endpoints, or with
// agentID "" of all. They are counted by the time they ended; tests count too. A
// crash may lose what a node counted in its last ten seconds, never the log. The
// work is bounded by the rows of the period: 1,440 at most. Errors:
// CodeAgentNotFound, CodeInvalid, CodeUnavailable.
func (s *Service) Statistics(ctx context.Context, agentID, endpointID string, period StatisticsPeriod) (Statistics, error) {
	var p problems
	span, step, ok := period.span(s.clock.now())
	if !ok {
		p.addValue("query.period", string(period), "must be one of 1h, 24h, 7d and 30d")
	}
	q := StatisticsQuery{Step: step, Since: span.Since, Until: span.Until()}
	if agentID != "" {
		agent, e := s.findAgent(ctx, agentID)
		if e != nil {
			return Statistics{}, e
		}
		q.Agent = agent.Number
		if endpointID != "" {
			switch e, err := s.loggedEndpoint(ctx, agent, endpointID); {
			case err != nil:
				return Statistics{}, err
			case e == nil:
				p.addValue("query.endpoint_id", endpointID, "names no endpoint of this agent")
			default:
				q.Endpoints = []EndpointNumber{e.Number}
			}
		}
	}
	if err := p.err("the query"); err != nil {
		return Statistics{}, err
	}
	rows, err := s.tallies.read(ctx, q)
	if err != nil {
		return Statistics{}, storeMissing("statistics", err, CodeAgentNotFound)
	}
	st := span.Chart()
	for i := range rows {
		st.Add(rows[i].At, &rows[i].Tally)
	}
	return st, nil
}

// EndpointHealth is an endpoint's health in a word.
type EndpointHealth uint8

// The closed set of healths.
const (
	HealthIdle    EndpointHealth = iota // never attempted
	HealthOK                            // neither of the others
	HealthFailing                       // three failures in a row or more, or the breaker is open
)

// String is the word used in the API and the screens.
func (h EndpointHealth) String() string { return [...]string{"idle", "ok", "failing"}[h] }

// Word is what the figures mean. Failing tests are not in them: they say nothing
// of deliveries.
func (h *Health) Word() EndpointHealth {
	switch {
	case h.Failures >= failingAfter || h.Open:
		return HealthFailing
	case h.LastAttempt().IsZero():
		return HealthIdle
	}
	return HealthOK
}

// LastAttempt is when the last attempt ended; zero without any.
func (h *Health) LastAttempt() time.Time {
	if h.LastFailure.After(h.LastSuccess) {
		return h.LastFailure
	}
	return h.LastSuccess
}

// healthOf is the newest known of an endpoint: what this node saw, which is
// written with failures and now and then, or what was stored by any.
func (s *Service) healthOf(e *Endpoint, stored Health) Health {
	if seen, ok := s.dispatcher.health(e.Number); ok && !seen.LastAttempt().Before(stored.LastAttempt()) {
		return seen
	}
	if stored.Failures > 0 && !e.IsHeld() && e.StateSince.After(stored.LastFailure) {
		stored.begin() // resumed since
	}
	return stored
}

// EndpointStatistics are the last 24 hours of an endpoint, by the hour.
type EndpointStatistics struct {
	Statistics
	Endpoint Endpoint
	Health   Health
}

// EndpointStatistics returns the figures of each of an agent's living endpoints,
// newest first. The work is bounded by 24 rows for each. Errors:
// CodeAgentNotFound, CodeUnavailable.
func (s *Service) EndpointStatistics(ctx context.Context, agentID string) ([]EndpointStatistics, error) {
	agent, e := s.findAgent(ctx, agentID)
	if e != nil {
		return nil, e
	}
	span := statistics.SpanAt(s.clock.now(), time.Hour, 24)
	list := make([]EndpointStatistics, len(agent.endpoints))
	byNumber := make(map[EndpointNumber]*EndpointStatistics, len(list))
	numbers := make([]EndpointNumber, len(list))
	for i, e := range agent.endpoints {
		one := &list[len(list)-1-i]
		*one = EndpointStatistics{Statistics: span.Chart(), Endpoint: e.clone()}
		numbers[i], byNumber[e.Number] = e.Number, one
	}
	rows, err := s.tallies.read(ctx, StatisticsQuery{
		Agent: agent.Number, Endpoints: numbers, Step: StatisticsHour, Since: span.Since, Until: span.Until(),
	})
	if err != nil {
		return nil, storeMissing("statistics", err, CodeAgentNotFound)
	}
	for i := range rows {
		byNumber[rows[i].Endpoint].Add(rows[i].At, &rows[i].Tally)
	}
	counters, err := s.store.CountersOf(ctx, numbers)
	if err != nil {
		return nil, storeMissing("statistics", err, CodeAgentNotFound)
	}
	for _, c := range counters {
		byNumber[c.Endpoint].Health = c.Health
	}
	for i := range list {
		list[i].Health = s.healthOf(&list[i].Endpoint, list[i].Health)
	}
	return list, nil
}

// FailingEndpoint is an endpoint in trouble.
type FailingEndpoint struct {
	Endpoint  Endpoint
	AgentName string
	Health    Health
	// Since is when the trouble began: with the first failure after the last
	// success, or with the suspension.
	Since   time.Time
	Waiting int64 // deliveries that wait for it
}

// maxFailing bounds the list of failing endpoints.
const maxFailing = 100

// FailingEndpoints returns the endpoints that fail and those that the system
// suspended, in trouble for longest first, at most 100. Disabled ones are left
// out. Errors: CodeUnavailable.
func (s *Service) FailingEndpoints(ctx context.Context) ([]FailingEndpoint, error) {
	// Some of what the store finds was resumed since: see healthOf.
	counters, err := s.store.FailingCounters(ctx, 4*maxFailing)
	if err != nil {
		return nil, storeMissing("statistics", err, CodeEndpointNotFound)
	}
	suspended := s.dir.suspended(4 * maxFailing)
	more, err := s.store.CountersOf(ctx, suspended)
	if err != nil {
		return nil, storeMissing("statistics", err, CodeEndpointNotFound)
	}
	var list []FailingEndpoint
	seen := map[EndpointNumber]bool{}
	for _, c := range slices.Concat(counters, more) {
		if f, ok := s.failing(c); ok && !seen[c.Endpoint] {
			seen[c.Endpoint] = true
			list = append(list, f)
		}
	}
	slices.SortStableFunc(list, func(a, b FailingEndpoint) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Endpoint.Number, b.Endpoint.Number))
	})
	return list[:min(len(list), maxFailing)], nil
}

// failing describes an endpoint in trouble, or tells that it is in none.
func (s *Service) failing(c Counters) (FailingEndpoint, bool) {
	e := s.dir.endpoint(c.Endpoint)
	if e == nil || e.cancelsAll() {
		return FailingEndpoint{}, false
	}
	f := FailingEndpoint{Endpoint: e.clone(), Health: s.healthOf(e, c.Health), Waiting: c.Pending + c.Retrying}
	if f.Since = f.Health.FailingSince; f.Since.IsZero() {
		f.Since = e.StateSince
	}
	if agent := s.dir.agentByNumber(e.Agent); agent != nil {
		f.AgentName = agent.Name
	}
	return f, e.State == EndpointSuspended || f.Health.Word() == HealthFailing
}

// suspended are the suspended endpoints, for longest first, at most limit: one
// pass over the endpoints in memory.
func (d *directory) suspended(limit int) []EndpointNumber {
	var list []*Endpoint
	d.mu.RLock()
	for _, e := range d.endpoints {
		if e.State == EndpointSuspended {
			list = append(list, e.Endpoint)
		}
	}
	d.mu.RUnlock()
	slices.SortFunc(list, func(a, b *Endpoint) int {
		return cmp.Or(a.StateSince.Compare(b.StateSince), cmp.Compare(a.Number, b.Number))
	})
	numbers := make([]EndpointNumber, min(len(list), limit))
	for i := range numbers {
		numbers[i] = list[i].Number
	}
	return numbers
}
