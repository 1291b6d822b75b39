//go:build linux

package chaos

import (
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/chaos/result"
	"github.com/waybell/waybell/internal/pgtest"
	"github.com/waybell/waybell/postgres"
)

var (
	soakTime = flag.Duration("chaos.soak", 0, "how long each soak lasts; 0 = a few seconds, which judge no slope, or half an hour with -chaos.long")
	soakRate = flag.Int("chaos.soakrate", 500, "events a second of a soak that is not a few seconds")
)

const (
	soakLong         = 30 * time.Minute
	soakShort        = 3 * time.Second
	soakShortRate    = 200
	soakShortTimeout = 2 * time.Second // of the endpoints

	// soakRetention is short enough that the sweeps, five minutes apart, remove
	// events several times in half an hour.
	soakRetention = 3 * time.Minute
	// soakJudged is the shortest soak whose slopes and disk are judged: retention
	// has come round at least twice after the first fifth.
	soakJudged = 20 * time.Minute

	// The bars. On SQLite resident memory has a bound instead of a slope: the pages of
	// its caches, 20 MiB of the writer and 4 of each of four readers, lie in slots of
	// 16 KiB, of which a page of 8 KiB touches three parts in four and what lay there
	// before or comes later the rest, in hours. Twice the caches, the heap before a
	// collection (four times what lives, 7 MiB), and the program itself make 132 MiB.
	soakSlope     = 1 << 20 // bytes an hour, of live memory; on PostgreSQL of resident memory too
	soakResident  = 132 << 20
	soakFlat      = 1.15 // the last third to the one before, at most
	soakFlatExtra = 8    // of goroutines and descriptors, besides
)

// soak is one server under a steady load for a long time.
type soak struct {
	t        *testing.T
	store    string
	server   *server
	cluster  *pgtest.Cluster // nil on SQLite
	database string          // its URL
	load     *soakLoad
	lasts    time.Duration
	rate     int
	began    time.Time
	samples  []sample
}

// TestSoak loads the embedded store for long, 1 % of the answers bad: nothing is
// lost, and memory, descriptors and, at the same pace of events, the disk do not
// grow. Without -chaos.soak or -chaos.long it is short, and judges what is lost alone.
func TestSoak(t *testing.T) {
	if soakLasts() == 0 {
		t.Parallel()
	}
	s := newSoak(t, embeddedStore)
	s.server = newServer(t, 1, "--data-dir", filepath.Join(t.TempDir(), "data"), "--retention", soakRetention.String())
	s.run()
}

// TestSoakDatabase loads a node on PostgreSQL for long, 1 % of the answers bad:
// nothing is lost, memory, descriptors and, but for the day that lasts, the disk do not
// grow, and a day goes that retention no longer keeps.
func TestSoakDatabase(t *testing.T) {
	dir := ""
	if soakLasts() == 0 {
		t.Parallel()
		dir = memory()
	}
	s := newSoak(t, sharedStore)
	s.cluster = pgtest.Start(t, pgtest.Options{Dir: dir})
	s.database = s.cluster.Database(t)
	s.server = newServer(t, 1, "--database-url", s.database, "--retention", soakRetention.String())
	s.run()
}

func newSoak(t *testing.T, store string) *soak {
	s := &soak{t: t, store: store, lasts: soakShort, rate: soakShortRate}
	if d := soakLasts(); d > 0 {
		s.lasts, s.rate = d, *soakRate
	}
	return s
}

// soakLasts is how long a soak was asked to last; 0 = a few seconds.
func soakLasts() time.Duration {
	if *soakTime == 0 && *long {
		return soakLong
	}
	return *soakTime
}

// run loads the server, looks at it again and again, lets it drain and judges.
func (s *soak) run() {
	t := s.t
	s.server.start()
	timeout := soakTimeout
	if soakLasts() == 0 {
		timeout = soakShortTimeout
	}
	s.load = newSoakLoad(t, s.server, s.rate, timeout)
	s.began = time.Now()
	if s.cluster != nil {
		s.plantDay()
	}
	s.load.start()
	var filling sync.WaitGroup
	filling.Go(s.fillCaches)
	s.watch()
	filling.Wait()
	s.load.finish()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := s.load.drained(ctx); err != nil {
		t.Fatal(err)
	}
	v := s.load.judge(ctx)
	for i, c := range v.complaints {
		if i == 20 {
			t.Errorf("… and %d more", len(v.complaints)-i)
			break
		}
		t.Error(c)
	}
	r := s.result(v)
	s.judgeGrowth(&r)
	t.Logf("%s: %v %v\n%s", r.Store, r.Counts, r.Times, r.Note)
	if s.lasts < soakJudged {
		return // a few seconds are no result
	}
	record(t, s.began, r)
	if err := s.writeSamples(); err != nil {
		t.Error(err)
	}
}

// fillCaches reads the log over and over for the second quarter of the warm-up, by more
// callers at once than the store has readers. Each of these keeps some MiB of pages,
// which fill up in hours where only samples are taken, and look like a leak.
func (s *soak) fillCaches() {
	const callers = 8
	ctx, cancel := context.WithTimeout(s.t.Context(), s.lasts/warmUp/2)
	defer cancel()
	select {
	case <-time.After(s.lasts / warmUp / 4):
	case <-ctx.Done():
	}
	var reading sync.WaitGroup
	for caller := range callers {
		reading.Go(func() {
			for ctx.Err() == nil {
				err := pagesOf(ctx, s.server, soakAgent(caller%soakAgents), "deliveries", func(logged) {})
				if err != nil && ctx.Err() == nil {
					s.t.Errorf("the log cannot be read: %v", err)
					return
				}
			}
		})
	}
	reading.Wait()
}

// warmUp is the part of a soak, one in so many, whose samples say nothing of growth.
const warmUp = 5

// leastSamples after the warm-up are enough for a line, whatever it says.
const leastSamples = 2

// watch takes a sample at a steady pace, as many of them however long the soak
// lasts, and logs some. Where a busy machine gives fewer in a short one, it goes on.
func (s *soak) watch() {
	s.t.Helper()
	every := max(s.lasts/360, 250*time.Millisecond)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 1; time.Since(s.began) < s.lasts || len(s.after(s.lasts/warmUp)) < leastSamples; n++ {
		<-tick.C
		if !s.server.running() {
			s.t.Fatalf("the server ended by itself: %v", s.server.cmd.ProcessState)
		}
		x, err := s.sample()
		if err != nil {
			s.t.Fatal(err)
		}
		s.samples = append(s.samples, x)
		if n%30 == 0 {
			s.t.Logf("%v: %s", x.at.Round(time.Second), x)
		}
	}
}

// planted is how many events of a past day there are, for retention to remove.
const planted = 1000

// plantDay stores events of a day that retention no longer keeps. PostgreSQL keeps
// whole days, and no soak is as long as one: that the day goes, under load, shows
// what bounds the disk.
func (s *soak) plantDay() {
	t := s.t
	t.Helper()
	ctx := t.Context()
	store, err := postgres.Open(ctx, postgres.Config{URL: s.database})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	lease, err := store.Join(ctx, waybell.NodeInfo{Name: "past"})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-48 * time.Hour)
	agent, err := store.CreateAgent(ctx, waybell.Agent{ID: "past", Name: "Past", CreatedAt: at})
	if err != nil {
		t.Fatal(err)
	}
	version, err := store.ConfigVersion(ctx)
	if err != nil {
		t.Fatal(err)
	}
	data := fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("x", 1000))
	const batch = 250
	for n := 0; n < planted; n += batch {
		list := make([]*waybell.NewEvent, batch)
		for i := range list {
			key := waybell.KeyAt(at) + waybell.Key(n+i)
			list[i] = &waybell.NewEvent{Event: waybell.Event{
				Key: key, ID: waybell.EventID(key), Agent: agent.Number, Type: "message.received", Timestamp: at, Data: data,
			}}
		}
		if _, err := store.Accept(ctx, lease, version, list); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Leave(ctx, lease); err != nil {
		t.Fatal(err)
	}
}

// past counts what is left of the planted day.
func (s *soak) past(ctx context.Context) (n int, err error) {
	conn, err := pgx.Connect(ctx, s.database)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, "SELECT count(*) FROM events e JOIN agents a ON a.number = e.agent WHERE a.id = 'past'").Scan(&n)
	return n, err
}

// result is what was measured, without the slopes.
func (s *soak) result(v soakVerdict) result.Result {
	r := result.Result{
		Programme: "soak", Store: s.store, Seed: soakSeed, Cycles: 1, Seconds: s.lasts.Seconds(),
		Counts: map[string]int64{
			"events": v.accepted, "requests": v.requests, "lost": v.lost, "duplicates": v.duplicates, "unexplained": v.unexplained,
			"late": v.duplicates - v.unexplained, "refused": v.refused, "broken": v.broken, "samples": int64(len(s.samples)),
			"answers_500": v.answers[failed], "answers_none": v.answers[hung], "answers_reset": v.answers[cut],
			"rate_asked": int64(s.rate), "rate": int64(float64(v.accepted) / s.lasts.Seconds()),
		},
		Times: map[string]float64{"retention": soakRetention.Seconds()},
	}
	return r
}

// judgeGrowth adds what the samples say to the result, and holds it against the
// bars where the soak was long enough to tell.
func (s *soak) judgeGrowth(r *result.Result) {
	t := s.t
	t.Helper()
	warm := s.after(s.lasts / warmUp)
	judged := s.lasts >= soakJudged
	complain := t.Errorf
	if !judged {
		complain = t.Logf
	}
	heap := fit(warm, func(x sample) float64 { return x.live })
	rss := fit(warm, func(x sample) float64 { return x.rss })
	const kib = 1 << 10
	for name, l := range map[string]line{"heap": heap, "rss": rss} {
		r.Counts[name+"_slope_kib_per_hour"] = int64(math.Round(l.slope / kib))
		if !math.IsInf(l.margin, 1) {
			r.Counts[name+"_slope_margin_kib"] = int64(math.Round(l.margin / kib))
		}
	}
	most := greatest(warm, func(x sample) float64 { return x.rss })
	r.Counts["rss_warm_bytes"] = int64(most)
	r.Counts["rss_most_bytes"] = int64(greatest(s.samples, func(x sample) float64 { return x.rss }))
	r.Counts["live_mean_bytes"] = int64(heap.mean)
	if heap.slope >= soakSlope {
		complain("live memory grows by %s", heap)
	}
	switch {
	case s.cluster != nil && rss.slope-rss.margin >= soakSlope:
		complain("resident memory grows by %s", rss)
	case s.cluster == nil && most > soakResident:
		complain("resident memory is %.0f bytes", most)
	}
	third := len(s.samples) / 3
	middle, last := s.samples[third:2*third], s.samples[2*third:]
	for name, of := range map[string]func(sample) float64{
		"goroutines": func(x sample) float64 { return x.goroutines },
		"fds":        func(x sample) float64 { return x.fds },
	} {
		a, b := median(middle, of), median(last, of)
		r.Counts[name+"_middle"], r.Counts[name+"_last"] = int64(a), int64(b)
		if b > a*soakFlat+soakFlatExtra {
			complain("%s: %.0f in the middle third, %.0f in the last", name, a, b)
		}
	}
	disk := func(x sample) float64 { return x.disk + x.log }
	if s.cluster != nil { // a day's partitions grow until it is over
		disk = func(x sample) float64 { return x.disk - x.days }
		s.judgeDays(r, judged)
	}
	a, b := greatest(middle, disk), greatest(last, disk)
	r.Counts["disk_middle_bytes"], r.Counts["disk_last_bytes"] = int64(a), int64(b)
	// A busy machine slows the load down: what is kept goes with its pace.
	pace := max(1, span(last, func(x sample) float64 { return x.events })/span(middle, func(x sample) float64 { return x.events }))
	if b > a*soakFlat*pace {
		complain("disk: at most %.0f bytes in the middle third, %.0f in the last, at %.2f times the pace", a, b, pace)
	}
	r.Note = fmt.Sprintf("Slope of live memory: %s, of resident memory: %s.", heap, rss)
	if !judged {
		r.Note += fmt.Sprintf(" A soak of %v tells nothing about growth: slopes and disk are judged from %v on.", s.lasts, soakJudged)
	}
}

// judgeDays holds that retention removed the planted day, and tells what an event
// of today takes.
func (s *soak) judgeDays(r *result.Result, judged bool) {
	t := s.t
	t.Helper()
	left, err := s.past(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.Counts["planted"], r.Counts["planted_left"] = planted, int64(left)
	if left > 0 && judged {
		t.Errorf("%d of %d events of a past day are still there", left, planted)
	}
	first, last := s.samples[len(s.samples)/5], s.samples[len(s.samples)-1]
	if n := last.events - first.events; n > 0 {
		r.Counts["day_bytes_per_event"] = int64((last.days - first.days) / n)
	}
}

// writeSamples puts the samples beside the result.
func (s *soak) writeSamples() error {
	if *results == "" {
		return nil
	}
	f, err := os.Create(filepath.Join(*results, "soak-"+s.store+".csv"))
	if err != nil {
		return err
	}
	defer f.Close()
	w := csv.NewWriter(f)
	if err := w.Write(sampleColumns()); err != nil {
		return err
	}
	for _, x := range s.samples {
		if err := w.Write(x.row()); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// after are the samples from a moment of the soak on.
func (s *soak) after(d time.Duration) []sample {
	for i, x := range s.samples {
		if x.at >= d {
			return s.samples[i:]
		}
	}
	return nil
}

// sample asks the server, through its metrics as anybody may, and its database.
func (s *soak) sample() (x sample, err error) {
	x.at = time.Since(s.began)
	text, err := s.scrape()
	if err != nil {
		return x, err
	}
	gogc := 0.0
	for name, to := range map[string]*float64{
		"go_gc_gogc_percent": &gogc, "go_goroutines": &x.goroutines, "process_open_fds": &x.fds, "process_resident_memory_bytes": &x.rss,
		"go_memstats_next_gc_bytes": &x.live, "go_memstats_heap_inuse_bytes": &x.heap, "process_cpu_seconds_total": &x.cpu,
		"waybell_store_size_bytes": &x.disk, "waybell_store_log_bytes": &x.log,
		"waybell_queue_deliveries": &x.queued, "waybell_attempts_in_flight": &x.inFlight,
	} {
		if *to, err = metric(text, name); err != nil {
			return x, err
		}
	}
	// The next collection comes when what the last one left has grown by GOGC: the only
	// figure of the live heap that does not go up and down with each collection.
	x.live /= 1 + gogc/100
	x.events = float64(s.load.counted())
	if s.cluster != nil {
		x.days, err = s.dayBytes()
	}
	return x, err
}

// dayBytes is the size of all partitions.
func (s *soak) dayBytes() (bytes float64, err error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.database)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 FROM pg_class c
		WHERE c.relkind = 'r' AND c.relname ~ '^(events|deliveries|attempts)_[0-9]{8}$'`).Scan(&bytes)
	return bytes, err
}

func (s *soak) scrape() (string, error) {
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.server.addr+"/metrics", nil)
	if err != nil {
		return "", err
	}
	res, err := s.server.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	return readText(res)
}

// row is the sample as a line of the log of samples.
func (x sample) row() []string {
	row := []string{strconv.FormatFloat(x.at.Seconds(), 'f', 1, 64)}
	for _, v := range []float64{x.events, x.rss, x.live, x.heap, x.goroutines, x.fds, x.disk, x.log, x.days, x.queued, x.inFlight, x.cpu} {
		row = append(row, strconv.FormatFloat(v, 'f', 0, 64))
	}
	return row
}

func sampleColumns() []string {
	return []string{"seconds", "events", "rss", "live", "heap_in_use", "goroutines", "fds", "store", "log", "days", "queued", "in_flight", "cpu_seconds"}
}
