package waybell_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

var periods = []waybell.StatisticsPeriod{
	waybell.LastHour, waybell.LastDay, waybell.LastSevenDays, waybell.LastThirtyDays,
}

// statistics reads a period and holds what is true of every one.
func (r *rig) statistics(agentID, endpointID string, period waybell.StatisticsPeriod) waybell.Statistics {
	r.t.Helper()
	st, err := r.svc.Statistics(r.ctx, agentID, endpointID, period)
	if err != nil {
		r.t.Fatal(err)
	}
	var sum waybell.Tally
	for i, p := range st.Points {
		if want := st.Since.Add(time.Duration(i) * st.Step); !p.At.Equal(want) {
			r.t.Errorf("%s: point %d is at %v, want %v", period, i, p.At, want)
		}
		sum.Add(&p.Tally)
	}
	if fmt.Sprint(sum) != fmt.Sprint(st.Total) {
		r.t.Errorf("%s: the points add up to %+v, the total is %+v", period, sum, st.Total)
	}
	if end := st.Since.Add(time.Duration(len(st.Points)) * st.Step); !end.Equal(st.Until) || st.Until.Before(time.Now()) {
		r.t.Errorf("%s: %v to %v with %d points", period, st.Since, st.Until, len(st.Points))
	}
	return st
}

// wantCounts holds every period, for the agent, the endpoint and over all, to
// have so many attempts.
func (r *rig) wantCounts(what, endpointID string, delivered, failed uint64) {
	r.t.Helper()
	for _, period := range periods {
		for _, of := range [][2]string{{"", ""}, {"bot", ""}, {"bot", endpointID}} {
			if st := r.statistics(of[0], of[1], period); st.Total.Delivered != delivered || st.Total.Failed != failed {
				r.t.Errorf("%s: %s of %q: %d delivered, %d failed; want %d and %d",
					what, period, of, st.Total.Delivered, st.Total.Failed, delivered, failed)
			}
		}
	}
}

// tenPastSeven is how long it is to 07:10:05, which lies far from the borders of
// all points but those of a minute.
func tenPastSeven() time.Duration {
	return time.Until(time.Now().Truncate(24 * time.Hour).Add(24*time.Hour + 7*time.Hour + 10*time.Minute + 5*time.Second))
}

// Attempts are counted once each, at once and still after they were written and
// after a restart.
func TestStatisticsCountAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Sequence(
			receivertest.Answer(503, ""), receivertest.After(100*time.Millisecond, receivertest.Answer(500, "")),
			receivertest.Answer(503, ""), receivertest.After(2*time.Second, receivertest.Answer(200, ""))))
		time.Sleep(tenPastSeven())
		r.agent("standard")
		e := r.endpoint("a")
		r.wantCounts("before", e.ID, 0, 0)
		r.publish(1)
		time.Sleep(time.Second)
		r.wantCounts("not yet written", e.ID, 0, 1)
		time.Sleep(10 * time.Minute)
		r.wantCounts("written", e.ID, 1, 3)
		for range 5 {
			r.publish(2)
			time.Sleep(3 * time.Second)
		}
		r.wantCounts("both", e.ID, 6, 3)
		r.stop()
		time.Sleep(time.Minute)
		r.start()
		r.wantCounts("after a restart", e.ID, 6, 3)

		st := r.statistics("bot", e.ID, waybell.LastHour)
		if got := fmt.Sprint(st.Total.Top(10)); got != fmt.Sprintf("[{{%d 503} 2} {{%[1]d 500} 1}]", waybell.ReasonHTTPStatus) {
			t.Errorf("causes %s", got)
		}
		if p50, p95 := st.Total.Latency.Quantile(.5), st.Total.Latency.Quantile(.95); p50 < 1500*time.Millisecond || p50 > 3*time.Second || p95 < p50 {
			t.Errorf("p50 %v, p95 %v of mostly 2 s", p50, p95)
		}
		if l := r.ledger(); l.Delivered != 6 || l.Accepted != 6 {
			t.Errorf("ledger %+v", l)
		}
	})
}

// Each attempt counts in the point of its end; points without one are zero.
func TestStatisticsPoints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		time.Sleep(tenPastSeven())
		r.agent("standard")
		r.endpoint("a")
		for range 3 {
			r.publish(1)
			time.Sleep(20 * time.Minute)
		}
		// 07:10, 07:30 and 07:50; it is 08:10 now.
		for _, c := range []struct {
			period waybell.StatisticsPeriod
			points int
			want   map[int]uint64
		}{
			{waybell.LastHour, 60, map[int]uint64{19: 1, 39: 1}}, // 07:11 to 08:10
			{waybell.LastDay, 96, map[int]uint64{91: 1, 93: 1, 94: 1}},
			{waybell.LastSevenDays, 168, map[int]uint64{166: 3}},
			{waybell.LastThirtyDays, 120, map[int]uint64{119: 3}},
		} {
			st := r.statistics("", "", c.period)
			if len(st.Points) != c.points {
				t.Errorf("%s has %d points", c.period, len(st.Points))
			}
			for i, want := range c.want {
				if got := st.Points[i].Delivered; got != want {
					t.Errorf("%s: point %d has %d, want %d", c.period, i, got, want)
				}
			}
		}
	})
}

// Attempts that ended in a panic are counted as the log has them.
func TestStatisticsCountPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.Answer(500, "")))
		r.agent("standard")
		e := r.endpoint("a")
		r.publish(0)
		time.Sleep(100 * time.Millisecond)
		r.damage("UPDATE events SET data = ?", []byte(`{"text":`))
		time.Sleep(20 * time.Hour)
		if n := len(r.only().Attempts); n != 6 {
			t.Fatalf("%d attempts, want 6", n)
		}
		st := r.statistics("bot", e.ID, waybell.LastDay)
		want := fmt.Sprintf("[{{%d 0} 5} {{%d 500} 1}]", waybell.ReasonBadResponse, waybell.ReasonHTTPStatus)
		if got := fmt.Sprint(st.Total.Top(10)); got != want || st.Total.Failed != 6 {
			t.Errorf("%d failed, causes %s; want %s", st.Total.Failed, got, want)
		}
	})
}

// The store is written to at most every ten seconds, and not at all at rest.
func TestStatisticsAreWrittenSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultStore{}
		r := newRig(t, nil, withFaults(f))
		r.agent("standard")
		r.endpoint("a")
		time.Sleep(time.Hour)
		if n := f.count("AddStatistics"); n != 0 {
			t.Errorf("%d writes without an attempt", n)
		}
		for i := range 300 {
			r.publish(i)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Hour)
		if n := f.count("AddStatistics"); n < 3 || n > 4 {
			t.Errorf("%d writes in half a minute of attempts, want 3 or 4", n)
		}
		r.publish(1)
		r.stop()
		if n := f.count("AddStatistics"); n != 4 && n != 5 {
			t.Errorf("%d writes after the stop, which writes once", n)
		}
	})
}

// A process that dies loses ten seconds of statistics at most, and nothing else.
func TestCrashLosesTenSecondsOfStatistics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.agent("standard")
		e := r.endpoint("a")
		for i := range 20 {
			r.publish(i)
		}
		time.Sleep(10*time.Second + 100*time.Millisecond)
		for i := range 7 {
			r.publish(i)
		}
		time.Sleep(time.Second) // the outcomes are durable
		r.wantCounts("before", e.ID, 27, 0)
		r.crash()
		r.start()
		r.wantCounts("after", e.ID, 20, 0)
		if l := r.ledger(); l.Delivered != 27 || len(r.deliveries()) != 27 {
			t.Errorf("ledger %+v after the crash", l)
		}
	})
}

// What the store cannot take is kept and added later; what it may have taken is
// not added twice.
func TestStatisticsOfAStoreInTrouble(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		before, after error
		want          uint64
	}{
		{"away", waybell.ErrUnavailable, nil, 2},
		{"lease lost", waybell.ErrFenced, nil, 2},
		{"unknown, written", nil, waybell.ErrCommitUnknown, 2},
		{"unknown, not written", waybell.ErrCommitUnknown, nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &faultStore{}
				r := newRig(t, nil, withFaults(f))
				r.agent("standard")
				e := r.endpoint("a")
				r.publish(1)
				time.Sleep(time.Second)
				if c.before != nil {
					f.failBefore(c.before, "AddStatistics")
				} else {
					f.failAfter(c.after, "AddStatistics")
				}
				time.Sleep(time.Minute)
				f.failBefore(nil, "AddStatistics")
				f.failAfter(nil, "AddStatistics")
				r.publish(2)
				time.Sleep(time.Minute)
				r.wantCounts(c.name, e.ID, c.want, 0)
				r.stop()
				r.start()
				r.wantCounts("after a restart", e.ID, c.want, 0)
				r.mu.Lock()
				defer r.mu.Unlock()
				if !strings.Contains(r.log.String(), "statistics") {
					t.Error("the log does not tell of it")
				}
			})
		})
	}
}

// What is not in the log, because another node has the delivery by now, is not
// counted either.
func TestStatisticsCountWhatIsInTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultStore{}
		r := newRig(t, nil, withFaults(f))
		r.agent("standard")
		e := r.endpoint("a")
		f.failBefore(waybell.ErrFenced, "Settle")
		r.publish(1)
		time.Sleep(time.Second)
		r.wantCounts("the outcome is lost", e.ID, 0, 0)
		f.failBefore(nil, "Settle")
		r.stop()
		r.start()
		time.Sleep(time.Second)
		r.wantCounts("attempted again", e.ID, 1, 0)
		if n := r.receiver.Count(); n != 2 || len(r.only().Attempts) != 1 {
			t.Errorf("%d requests, %d attempts in the log", n, len(r.only().Attempts))
		}
	})
}

// Old rows go: minutes after 26 hours, hours after 31 days, both with a shorter
// retention. The newer ones stay, also of endpoints that are gone.
func TestStatisticsRetention(t *testing.T) {
	t.Parallel()
	const kept = 33 * 24 // hours that have rows
	for _, c := range []struct {
		name           string
		retention      time.Duration
		minutes, hours int
	}{
		{"default", 0, 26, 30 * 24},
		{"for ever", -1, 26, 31 * 24},
		{"long", 365 * 24 * time.Hour, 26, 31 * 24},
		{"two days", 48 * time.Hour, 26, 48},
		{"three hours", 3 * time.Hour, 3, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, func(cfg *waybell.Config) { cfg.Retention = c.retention })
				time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)))
				r.stop()
				empty := new(waybell.Tally).Append(nil)
				for _, step := range []int{60, 3600} {
					r.damage(`WITH RECURSIVE past (h) AS (SELECT 1 UNION ALL SELECT h + 1 FROM past WHERE h < ?)
						INSERT INTO statistics SELECT 1, e, ?, ? - h * 3600000000, ? FROM past, (SELECT 0 AS e UNION SELECT 99)`,
						kept, step, time.Now().UnixMicro(), empty)
				}
				r.start()
				time.Sleep(6 * time.Minute) // a row that ends now has gone with the next sweep
				for step, want := range map[int]int{60: c.minutes, 3600: c.hours} {
					if got := r.countRows("SELECT count(*) FROM statistics WHERE step = ?", step); got != 2*(want-1) {
						t.Errorf("%d rows of %d s, want %d", got, step, 2*(want-1))
					}
				}
			})
		})
	}
}

// The figures of each endpoint, and the list of those in trouble.
func TestEndpointsInTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mended atomic.Bool
		r := newRig(t, func(_ int, req *receivertest.Recorded) receivertest.Step {
			switch {
			case strings.HasSuffix(req.Path, "/gone"):
				return receivertest.Answer(410, "")
			case strings.HasSuffix(req.Path, "/bad") && !mended.Load():
				return receivertest.Answer(502, "")
			}
			return receivertest.Answer(200, "")
		})
		time.Sleep(tenPastSeven())
		r.agent("standard")
		idle := r.endpoint("idle", func(in *waybell.EndpointInput) { in.Events = waybell.Some([]string{"lead.submit"}) })
		ok, bad := r.endpoint("ok"), r.endpoint("bad")
		began := time.Now()
		r.publish(0)
		time.Sleep(10 * time.Second)
		r.wantHealth(map[string]string{idle.ID: "idle 0 0", ok.ID: "ok 1 0", bad.ID: "ok 0 2"}) // 2 failures in a row
		r.wantFailing()
		time.Sleep(time.Minute)
		gone := r.endpoint("gone")
		suspended := time.Now()
		r.publish(1)
		time.Sleep(20 * time.Second)
		r.publish(2)
		time.Sleep(time.Second)
		for range 2 { // also after a restart
			r.wantHealth(map[string]string{idle.ID: "idle 0 0", ok.ID: "ok 3 0", bad.ID: "failing 0 6", gone.ID: "ok 0 1"})
			list := r.wantFailing(bad.ID, gone.ID)
			if f := list[0]; f.AgentName != "Support bot" || f.Health.Failures != 6 || f.Waiting != 3 ||
				f.Health.LastReason != waybell.ReasonHTTPStatus || f.Health.LastStatus != 502 || f.Since.Sub(began).Abs() > time.Second {
				t.Errorf("bad: %+v", f)
			}
			if f := list[1]; f.Endpoint.State != waybell.EndpointSuspended || f.Waiting != 1 || f.Since.Sub(suspended).Abs() > time.Second ||
				f.Health.LastReason != waybell.ReasonGone || f.Health.LastStatus != 410 {
				t.Errorf("gone: %+v", f)
			}
			r.stop()
			r.start()
			time.Sleep(time.Second)
		}
		if _, err := r.svc.ResumeEndpoint(r.ctx, "bot", gone.ID, waybell.HeldCancel, 0); err != nil {
			t.Fatal(err)
		}
		r.wantFailing(bad.ID)
		if _, err := r.svc.PauseEndpoint(r.ctx, "bot", bad.ID, 0); err != nil {
			t.Fatal(err)
		}
		r.wantFailing(bad.ID)
		mended.Store(true)
		if _, err := r.svc.ResumeEndpoint(r.ctx, "bot", bad.ID, waybell.HeldSend, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		r.wantFailing()
		r.wantHealth(map[string]string{idle.ID: "idle 0 0", ok.ID: "ok 3 0", bad.ID: "ok 3 6", gone.ID: "ok 0 1"})
		if err := r.svc.DeleteEndpoint(r.ctx, "bot", ok.ID, 0); err != nil {
			t.Fatal(err)
		}
		r.wantHealth(map[string]string{idle.ID: "idle 0 0", bad.ID: "ok 3 6", gone.ID: "ok 0 1"})
		if st := r.statistics("bot", ok.ID, waybell.LastDay); st.Total.Delivered != 3 {
			t.Errorf("the deleted endpoint has %+v", st.Total)
		}
		if st := r.statistics("bot", "", waybell.LastDay); st.Total.Delivered != 6 || st.Total.Failed != 7 {
			t.Errorf("the agent has %+v", st.Total)
		}
	})
}

// wantHealth holds each living endpoint to its word, delivered and failed.
func (r *rig) wantHealth(want map[string]string) {
	r.t.Helper()
	list, err := r.svc.EndpointStatistics(r.ctx, "bot")
	if err != nil {
		r.t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range list {
		got[e.Endpoint.ID] = fmt.Sprint(e.Health.Word(), e.Total.Delivered, e.Total.Failed)
		if len(e.Points) != 24 || e.Step != time.Hour {
			r.t.Errorf("%d points of %v", len(e.Points), e.Step)
		}
	}
	for id, want := range want {
		if want = strings.ReplaceAll(want, " ", ""); strings.ReplaceAll(got[id], " ", "") != want {
			r.t.Errorf("%s is %q, want %q", id, got[id], want)
		}
	}
	if len(got) != len(want) {
		r.t.Errorf("%d endpoints, want %d", len(got), len(want))
	}
}

func (r *rig) wantFailing(ids ...string) []waybell.FailingEndpoint {
	r.t.Helper()
	list, err := r.svc.FailingEndpoints(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	var got []string
	for _, f := range list {
		got = append(got, f.Endpoint.ID)
	}
	if fmt.Sprint(got) != fmt.Sprint(ids) {
		r.t.Fatalf("failing %v, want %v", got, ids)
	}
	return list
}

// Tests are attempts; failing ones say nothing of the endpoint's health.
func TestStatisticsOfTests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		r := newRig(t, upDown(&up, receivertest.Answer(500, "")))
		r.agent("standard")
		e := r.endpoint("a")
		test := func() {
			t.Helper()
			if _, err := r.svc.Test(r.ctx, "bot", e.ID, waybell.TestInput{}); err != nil {
				t.Fatal(err)
			}
		}
		for range 4 {
			test()
		}
		r.wantHealth(map[string]string{e.ID: "idle 0 4"})
		up.Store(true)
		test()
		r.wantHealth(map[string]string{e.ID: "ok 1 4"})
		r.wantFailing()
	})
}

func TestStatisticsErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.agent("standard")
		for _, c := range []struct {
			agent, endpoint string
			period          waybell.StatisticsPeriod
			code            waybell.Code
		}{
			{"nobody", "", waybell.LastDay, waybell.CodeAgentNotFound},
			{"bot", "ep_none", waybell.LastDay, waybell.CodeInvalid},
			{"bot", "", "2h", waybell.CodeInvalid},
			{"", "", "", waybell.CodeInvalid},
		} {
			if _, err := r.svc.Statistics(r.ctx, c.agent, c.endpoint, c.period); waybell.ErrorCode(err) != c.code {
				t.Errorf("%+v: %v", c, err)
			}
		}
		if _, err := r.svc.EndpointStatistics(r.ctx, "nobody"); waybell.ErrorCode(err) != waybell.CodeAgentNotFound {
			t.Error(err)
		}
		r.crash()
		for _, period := range periods {
			if _, err := r.svc.Statistics(r.ctx, "bot", "", period); waybell.ErrorCode(err) != waybell.CodeUnavailable {
				t.Error(err)
			}
		}
		if _, err := r.svc.FailingEndpoints(r.ctx); waybell.ErrorCode(err) != waybell.CodeUnavailable {
			t.Error(err)
		}
		r.start()
	})
}
