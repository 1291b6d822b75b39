package api

import (
	"context"
	"maps"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/waybell/waybell"
)

// Metrics counts what happens, in base units and with few labels: no agent, no
// endpoint and no URL is one, so that their number is bounded.
type Metrics struct {
	registry     *prometheus.Registry
	node         *waybell.Service
	attempts     *prometheus.CounterVec
	duration     prometheus.Histogram
	firstAttempt prometheus.Histogram
	requests     *prometheus.CounterVec
	attemptsOf   counters[attemptLabels]
	requestsOf   counters[requestLabels]
}

type attemptLabels struct {
	state  waybell.DeliveryState
	reason waybell.Reason
}

type requestLabels struct {
	route  string
	status int
}

// counters are those of a vector that were found before: looking one up by the
// texts of its labels costs as much as all else that counting does. There are
// few, as labels are closed sets.
type counters[K comparable] struct {
	found atomic.Pointer[map[K]prometheus.Counter]
}

// of is the counter of a key; find looks it up in the vector.
func (c *counters[K]) of(key K, find func(K) prometheus.Counter) prometheus.Counter {
	known := c.found.Load()
	if known != nil {
		if counter := (*known)[key]; counter != nil {
			return counter
		}
	}
	more := map[K]prometheus.Counter{key: find(key)}
	if known != nil {
		maps.Copy(more, *known)
	}
	c.found.CompareAndSwap(known, &more) // else the next one does
	return more[key]
}

// NewMetrics makes the metrics of a process of this version on a registry of
// their own. Give OnAttempt to waybell.Config and the result to Config.Metrics.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybell_attempts_total",
			Help: "Finished attempts, by what became of the delivery and why.",
		}, []string{"outcome", "reason"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "waybell_attempt_duration_seconds",
			Help:    "Duration of attempts, from name resolution to the end of the answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}),
		firstAttempt: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "waybell_publish_to_first_attempt_seconds",
			Help:    "Time from accepting an event to the start of a delivery's first attempt.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybell_http_requests_total",
			Help: "Answered API requests, by route and status.",
		}, []string{"route", "status"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "waybell_build_info", Help: "Always 1; the labels tell what runs.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.attempts, m.duration, m.firstAttempt, m.requests, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Observe shows the state of this service at each scrape. It must be called
// before the first one; without it those metrics are absent.
func (m *Metrics) Observe(svc *waybell.Service) { m.node = svc }

// OnAttempt counts an attempt. It is quick and safe for concurrent use.
func (m *Metrics) OnAttempt(a waybell.AttemptReport) {
	m.attemptsOf.of(attemptLabels{a.State, a.Reason}, func(l attemptLabels) prometheus.Counter {
		return m.attempts.WithLabelValues(l.state.String(), l.reason.String())
	}).Inc()
	m.duration.Observe(a.Duration.Seconds())
	if a.Number == 1 && !a.Test {
		m.firstAttempt.Observe(a.SincePublish.Seconds())
	}
}

// countRequest counts an answer. The route is a pattern of ours, so there are
// few.
func (m *Metrics) countRequest(route string, status int) {
	m.requestsOf.of(requestLabels{route, status}, func(l requestLabels) prometheus.Counter {
		return m.requests.WithLabelValues(l.route, strconv.Itoa(l.status))
	}).Inc()
}

// Handler serves the metrics in the Prometheus text format.
func (m *Metrics) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gather := prometheus.Gatherers{m.registry}
		if m.node != nil {
			now := prometheus.NewRegistry()
			now.MustRegister(takeSnapshot(r.Context(), m.node))
			gather = append(gather, now)
		}
		promhttp.HandlerFor(gather, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).ServeHTTP(w, r)
	})
}

// snapshot is the state of a node for one scrape.
type snapshot struct {
	load    waybell.Load
	unready int           // endpoints that are left to other nodes
	waiting time.Duration // of the delivery that is due longest; 0 = none is due
	ledger  waybell.Ledger
	store   waybell.StoreStats
	role    waybell.Role
	ready   bool
	nodes   []waybell.NodeView
	err     error // the store did not answer: what it would have told is missing
}

func takeSnapshot(ctx context.Context, svc *waybell.Service) snapshot {
	s := snapshot{load: svc.Load(), role: svc.Config().Role, ready: svc.Ready() == nil}
	s.unready, _ = svc.Unready()
	var oldest time.Time
	if oldest, s.err = svc.OldestDue(ctx); s.err != nil {
		return s
	}
	if !oldest.IsZero() {
		s.waiting = max(0, time.Since(oldest))
	}
	var counters []waybell.Counters
	if counters, s.err = svc.Counters(ctx); s.err != nil {
		return s
	}
	for _, c := range counters {
		s.ledger.Accepted += c.Accepted
		s.ledger.Pending += c.Pending
		s.ledger.Retrying += c.Retrying
		s.ledger.Delivered += c.Delivered
		s.ledger.Failed += c.Failed
		s.ledger.Canceled += c.Canceled
	}
	if s.nodes, s.err = svc.Nodes(ctx); s.err != nil {
		return s
	}
	s.store, s.err = svc.StoreStats(ctx)
	return s
}

// Describe sends nothing: the collector is unchecked, since it lives for one
// scrape.
func (snapshot) Describe(chan<- *prometheus.Desc) {}

// Collect sends the snapshot.
func (s snapshot) Collect(ch chan<- prometheus.Metric) {
	send := func(t prometheus.ValueType, name, help string, v float64, labels ...string) {
		var names, values []string
		for i := 0; i < len(labels); i += 2 {
			names, values = append(names, labels[i]), append(values, labels[i+1])
		}
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), t, v, values...)
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	send(gauge, "waybell_queue_deliveries", "Deliveries in this node's queues.", float64(s.load.Queued))
	send(gauge, "waybell_queue_bytes", "Bodies kept with queued deliveries.", float64(s.load.BodyBytes))
	send(gauge, "waybell_publish_bytes", "Bodies of events that wait to be durable.", float64(s.load.PublishBytes))
	send(gauge, "waybell_attempts_in_flight", "Attempts under way on this node.", float64(s.load.InFlight))
	send(gauge, "waybell_outcomes_waiting", "Outcomes that wait to be durable.", float64(s.load.Outcomes))
	send(gauge, "waybell_breakers_open", "Endpoints that only probes go to.", float64(s.load.BreakersOpen))
	send(gauge, "waybell_endpoints_unready", "Endpoints that this node leaves to others: it lacks their format, retry policy or key.", float64(s.unready))
	send(gauge, "waybell_node_info", "Always 1; the label tells the part of the work this node does.", 1, "role", s.role.String())
	send(gauge, "waybell_ready", "Whether publishing works on this node, as /readyz says.", oneIf(s.ready))
	send(gauge, "waybell_store_up", "Whether the store answered this scrape.", oneIf(s.err == nil))
	if s.err != nil {
		return
	}
	send(gauge, "waybell_oldest_waiting_seconds", "How long the oldest due delivery is due; what is held is not.", s.waiting.Seconds())
	const ledger = "waybell_ledger_deliveries"
	const help = "The conservation ledger: accepted is the sum of the others. Held ones count as pending or retrying."
	for state, n := range map[string]int64{
		"accepted": s.ledger.Accepted, "pending": s.ledger.Pending, "retrying": s.ledger.Retrying,
		"delivered": s.ledger.Delivered, "failed": s.ledger.Failed, "canceled": s.ledger.Canceled,
	} {
		send(gauge, ledger, help, float64(n), "state", state)
	}
	ch <- prometheus.MustNewConstSummary(prometheus.NewDesc("waybell_store_commit_seconds",
		"Durable commits of the store and their duration.", nil, nil), uint64(s.store.Commits), s.store.CommitTime.Seconds(), nil)
	send(counter, "waybell_store_rows_total", "Rows written by durable commits.", float64(s.store.CommitRows))
	send(gauge, "waybell_store_size_bytes", "Size of the store.", float64(s.store.SizeBytes))
	send(gauge, "waybell_store_log_bytes", "Size of the store's write-ahead log.", float64(s.store.LogBytes))
	send(gauge, "waybell_store_events", "Events that are kept, an estimate.", float64(s.store.EventsKept))
	for group, n := range countNodes(s.nodes) {
		send(gauge, "waybell_nodes", "Nodes that use the store. Dead ones are those whose deliveries are still being taken over.",
			float64(n), "role", group.role.String(), "state", nodeState(group.dead))
	}
	send(gauge, "waybell_store_info", "Always 1; the label tells which store.", 1, "driver", s.store.Driver)
}

// nodeGroup is what nodes are counted by.
type nodeGroup struct {
	role waybell.Role
	dead bool
}

// countNodes has each group, empty ones too: a series that comes and goes is
// hard to alert on.
func countNodes(nodes []waybell.NodeView) map[nodeGroup]int {
	groups := map[nodeGroup]int{}
	for _, role := range []waybell.Role{waybell.RoleAll, waybell.RoleAPI, waybell.RoleWorker} {
		groups[nodeGroup{role, false}], groups[nodeGroup{role, true}] = 0, 0
	}
	for _, n := range nodes {
		groups[nodeGroup{n.Role, n.Dead}]++
	}
	return groups
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
