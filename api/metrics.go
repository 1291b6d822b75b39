package api

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/waybell/waybell"
)

// Snapshot is the state of a node that is asked for at each scrape.
type Snapshot struct {
	Queued        int           // deliveries in this node's queues
	InFlight      int           // attempts under way on this node
	OldestWaiting time.Duration // how long the oldest due delivery is due; 0 = none is
	Ledger        waybell.Ledger
	Store         waybell.StoreStats
}

// Metrics counts what happens, in base units and with few labels: no agent, no
// endpoint and no URL is one, so that their number is bounded.
type Metrics struct {
	registry     *prometheus.Registry
	snapshot     func(context.Context) (Snapshot, error)
	attempts     *prometheus.CounterVec
	duration     prometheus.Histogram
	firstAttempt prometheus.Histogram
	requests     *prometheus.CounterVec
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

// Observe sets where each scrape gets the state of the node from. It must be
// called before the first scrape; without it those metrics are absent.
func (m *Metrics) Observe(snapshot func(context.Context) (Snapshot, error)) { m.snapshot = snapshot }

// OnAttempt counts an attempt. It is quick and safe for concurrent use.
func (m *Metrics) OnAttempt(a waybell.AttemptReport) {
	m.attempts.WithLabelValues(a.State.String(), a.Reason.String()).Inc()
	m.duration.Observe(a.Duration.Seconds())
	if a.Number == 1 && !a.Test {
		m.firstAttempt.Observe(a.SincePublish.Seconds())
	}
}

// countRequest counts an answer. The route is a pattern of ours, so there are
// few.
func (m *Metrics) countRequest(route string, status int) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
}

// Handler serves the metrics in the Prometheus text format.
func (m *Metrics) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gather := prometheus.Gatherers{m.registry}
		if m.snapshot != nil {
			snap, err := m.snapshot(r.Context())
			now := prometheus.NewRegistry()
			now.MustRegister(snapshotCollector{snap, err})
			gather = append(gather, now)
		}
		promhttp.HandlerFor(gather, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).ServeHTTP(w, r)
	})
}

// snapshotCollector shows one snapshot. Where there is none, because the store
// is down, only waybell_snapshot_up is left, as 0.
type snapshotCollector struct {
	snap Snapshot
	err  error
}

// Describe sends nothing: the collector is unchecked, since it lives for one
// scrape.
func (snapshotCollector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the snapshot.
func (c snapshotCollector) Collect(ch chan<- prometheus.Metric) {
	send := func(t prometheus.ValueType, name, help string, v float64, labels ...string) {
		var names, values []string
		for i := 0; i < len(labels); i += 2 {
			names, values = append(names, labels[i]), append(values, labels[i+1])
		}
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), t, v, values...)
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	if c.err != nil {
		send(gauge, "waybell_snapshot_up", "Whether the state of the node could be read for this scrape.", 0)
		return
	}
	send(gauge, "waybell_snapshot_up", "Whether the state of the node could be read for this scrape.", 1)
	send(gauge, "waybell_queue_deliveries", "Deliveries in this node's queues.", float64(c.snap.Queued))
	send(gauge, "waybell_attempts_in_flight", "Attempts under way on this node.", float64(c.snap.InFlight))
	send(gauge, "waybell_oldest_waiting_seconds", "How long the oldest due delivery is due.", c.snap.OldestWaiting.Seconds())
	l := c.snap.Ledger
	const ledger, help = "waybell_ledger_deliveries", "The conservation ledger: accepted is the sum of the other states."
	for state, n := range map[string]int64{
		"accepted": l.Accepted, "pending": l.Pending, "retrying": l.Retrying, "delivered": l.Delivered,
		"failed": l.Failed, "held": l.Held, "canceled": l.Canceled,
	} {
		send(gauge, ledger, help, float64(n), "state", state)
	}
	st := c.snap.Store
	ch <- prometheus.MustNewConstSummary(prometheus.NewDesc("waybell_store_commit_seconds",
		"Durable commits of the store and their duration.", nil, nil), uint64(st.Commits), st.CommitTime.Seconds(), nil)
	send(counter, "waybell_store_rows_total", "Rows written by durable commits.", float64(st.CommitRows))
	send(gauge, "waybell_store_size_bytes", "Size of the store.", float64(st.SizeBytes))
	send(gauge, "waybell_store_log_bytes", "Size of the store's write-ahead log.", float64(st.LogBytes))
	send(gauge, "waybell_store_events", "Events that are kept, an estimate.", float64(st.EventsKept))
	send(gauge, "waybell_store_info", "Always 1; the label tells which store.", 1, "driver", st.Driver)
}
