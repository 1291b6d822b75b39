package statistics

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBuckets(t *testing.T) {
	t.Parallel()
	for i := range buckets {
		if i > 0 && bound(i) <= bound(i-1) {
			t.Errorf("bound %d is %v after %v", i, bound(i), bound(i-1))
		}
		if want := time.Duration(float64(time.Millisecond) * math.Pow(2, float64(i)/2)); (bound(i) - want).Abs() > 200*time.Microsecond {
			t.Errorf("bound %d is %v, want %v", i, bound(i), want)
		}
		if got := bucket(bound(i)); got != i {
			t.Errorf("%v is in bucket %d, want %d", bound(i), got, i)
		}
		if got := bucket(bound(i) + 1); got != min(i+1, buckets-1) {
			t.Errorf("just above %v is in bucket %d, want %d", bound(i), got, i+1)
		}
	}
	for d, want := range map[time.Duration]int{-time.Second: 0, 0: 0, time.Microsecond: 0, 120 * time.Second: 34, time.Hour: 34} {
		if got := bucket(d); got != want {
			t.Errorf("%v is in bucket %d, want %d", d, got, want)
		}
	}
}

func durations() *rapid.Generator[[]time.Duration] {
	one := rapid.Custom(func(t *rapid.T) time.Duration {
		// Every order of magnitude is as likely.
		return time.Duration(math.Exp(rapid.Float64Range(math.Log(1e4), math.Log(120e9)).Draw(t, "log")))
	})
	return rapid.SliceOfN(one, 1, 200)
}

// A quantile lies in the bucket of the true one, whatever was merged in which
// order.
func TestQuantileProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := durations().Draw(t, "durations")
		parts := make([]Histogram, rapid.IntRange(1, 5).Draw(t, "parts"))
		for i, d := range all {
			parts[i%len(parts)].Observe(d)
		}
		var h Histogram
		for _, i := range rapid.Permutation(indexes(len(parts))).Draw(t, "order") {
			h.Add(&parts[i])
		}
		if h.Count() != uint64(len(all)) {
			t.Fatalf("count %d, want %d", h.Count(), len(all))
		}
		q := rapid.SampledFrom([]float64{0, 0.01, 0.5, 0.95, 0.99, 1}).Draw(t, "q")
		slices.Sort(all)
		exact := all[max(int(math.Ceil(q*float64(len(all))))-1, 0)]
		got := h.Quantile(q)
		i := bucket(exact)
		low := time.Duration(0)
		if i > 0 {
			low = bound(i - 1)
		}
		if got < low || got > bound(i) {
			t.Fatalf("quantile %v is %v, want within (%v, %v] around %v", q, got, low, bound(i), exact)
		}
	})
	if got := new(Histogram).Quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing: %v", got)
	}
}

func indexes(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// counted is one attempt.
type counted struct {
	failed bool
	cause  Cause
	took   time.Duration
}

func attempts(statuses int) *rapid.Generator[[]counted] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) counted {
		return counted{
			failed: rapid.Bool().Draw(t, "failed"),
			cause: Cause{Reason: uint8(rapid.IntRange(2, 10).Draw(t, "reason")),
				Status: uint16(rapid.IntRange(0, statuses).Draw(t, "status"))},
			took: time.Duration(rapid.IntRange(0, 2e11).Draw(t, "took")),
		}
	}), 0, 120)
}

func tallyOf(list []counted) Tally {
	var t Tally
	for _, a := range list {
		if a.failed {
			t.Fail(a.cause, a.took)
		} else {
			t.Deliver(a.took)
		}
	}
	return t
}

// However attempts are spread over tallies and in whatever order these are
// added, the sum is the same: while there are few causes even in each of them.
func TestAddProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		statuses := rapid.SampledFrom([]int{2, 600}).Draw(t, "statuses")
		all := attempts(statuses).Draw(t, "attempts")
		want := tallyOf(all)
		parts := make([][]counted, rapid.IntRange(1, 5).Draw(t, "parts"))
		for i, a := range all {
			parts[i%len(parts)] = append(parts[i%len(parts)], a)
		}
		var sum Tally
		for _, i := range rapid.Permutation(indexes(len(parts))).Draw(t, "order") {
			part := tallyOf(parts[i])
			before := part.Append(nil)
			sum.Add(&part)
			if !bytes.Equal(part.Append(nil), before) {
				t.Fatal("adding changed what was added")
			}
		}
		var failed uint64
		for _, c := range sum.Causes {
			failed += c.Count
		}
		if failed != sum.Failed || len(sum.Causes) > MaxCauses+9 {
			t.Fatalf("%d failures in %d causes of %d", failed, len(sum.Causes), sum.Failed)
		}
		if statuses > 2 {
			want.Causes, sum.Causes = nil, nil
		}
		if !reflect.DeepEqual(sum, want) {
			t.Fatalf("sum %+v, want %+v", sum, want)
		}
	})
}

func TestRoundTripProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := tallyOf(attempts(600).Draw(t, "attempts"))
		b := want.Append([]byte("before"))
		got, err := Parse(b[len("before"):])
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, %v; want %+v", got, err, want)
		}
	})
}

func TestTop(t *testing.T) {
	t.Parallel()
	var tally Tally
	for cause, n := range map[Cause]int{{2, 500}: 3, {2, 404}: 7, {3, 0}: 5, {4, 0}: 3} {
		for range n {
			tally.Fail(cause, time.Second)
		}
	}
	want := []CauseCount{{Cause{2, 404}, 7}, {Cause{3, 0}, 5}, {Cause{2, 500}, 3}}
	if got := tally.Top(3); !slices.Equal(got, want) {
		t.Errorf("top %v, want %v", got, want)
	}
	if got := tally.Top(10); len(got) != 4 {
		t.Errorf("top %v", got)
	}
}

// What Parse takes, Append makes again, byte for byte; nothing panics.
func FuzzParse(f *testing.F) {
	full := tallyOf([]counted{{false, Cause{}, time.Second}, {true, Cause{2, 503}, time.Minute}, {true, Cause{3, 0}, 0}})
	f.Add(full.Append(nil))
	f.Add([]byte{1, 0, 0, 0})
	f.Add([]byte{1, 1, 0, 36, 1, 0})
	f.Add([]byte{1, 0x80, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		tally, err := Parse(b)
		if err != nil {
			return
		}
		if again := tally.Append(nil); !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

func TestParseDamaged(t *testing.T) {
	t.Parallel()
	whole := tallyOf([]counted{{false, Cause{}, time.Second}, {true, Cause{2, 503}, time.Minute}})
	for i, b := range [][]byte{
		nil, {2, 0, 0, 0}, {1}, {1, 0, 0}, {1, 1, 0, 0}, {1, 0, 1, 1, 1, 0}, {1, 1, 0, 36, 1, 0}, {1, 0, 0, 1, 0, 0},
		whole.Append(nil)[:len(whole.Append(nil))-1], append(whole.Append(nil), 2, 1, 1),
	} {
		if got, err := Parse(b); err == nil {
			t.Errorf("%d: %x is %+v", i, b, got)
		}
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 26, 8, 31, 14, 123456000, time.FixedZone("east", 5*3600+1800))
	for _, c := range []struct {
		step         time.Duration
		points       int
		since, until string
	}{
		{time.Minute, 60, "2026-04-26T02:02:00Z", "2026-04-26T03:02:00Z"},
		{15 * time.Minute, 96, "2026-04-25T03:15:00Z", "2026-04-26T03:15:00Z"},
		{time.Hour, 168, "2026-04-19T04:00:00Z", "2026-04-26T04:00:00Z"},
		{6 * time.Hour, 120, "2026-03-27T06:00:00Z", "2026-04-26T06:00:00Z"},
	} {
		s := SpanAt(now, c.step, c.points)
		if got := s.Since.Format(time.RFC3339); got != c.since {
			t.Errorf("%v: since %s, want %s", c.step, got, c.since)
		}
		if got := s.Until().Format(time.RFC3339); got != c.until {
			t.Errorf("%v: until %s, want %s", c.step, got, c.until)
		}
		for at, want := range map[time.Time]int{s.Since: 0, now: c.points - 1, s.Until().Add(-1): c.points - 1, s.At(7): 7, s.At(8).Add(-1): 7} {
			if got, ok := s.Point(at); !ok || got != want {
				t.Errorf("%v: %v is in point %d, %v; want %d", c.step, at, got, ok, want)
			}
		}
		for _, at := range []time.Time{s.Since.Add(-1), s.Until()} {
			if got, ok := s.Point(at); ok {
				t.Errorf("%v: %v is in point %d", c.step, at, got)
			}
		}
	}
	if got := Floor(time.UnixMicro(-1), time.Hour); !got.Equal(time.Unix(-3600, 0)) {
		t.Errorf("before the epoch: %v", got)
	}
}

func BenchmarkTally(b *testing.B) {
	var t Tally
	for i := range b.N {
		if i%10 == 0 {
			t.Fail(Cause{2, 500}, time.Duration(i%1000)*time.Millisecond)
		} else {
			t.Deliver(time.Duration(i%1000) * time.Millisecond)
		}
	}
}
