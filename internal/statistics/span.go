package statistics

import "time"

// Span is the time that a chart shows: Points steps of equal length, the last of
// which holds the present moment. Its borders lie at multiples of Step since the
// Unix epoch, so that the points of two charts agree.
type Span struct {
	Since  time.Time
	Step   time.Duration
	Points int
}

// SpanAt is the span of so many steps that ends with the step around now.
func SpanAt(now time.Time, step time.Duration, points int) Span {
	return Span{Since: Floor(now, step).Add(-time.Duration(points-1) * step), Step: step, Points: points}
}

// Floor is the start of the step that t lies in, in UTC. It differs from
// [time.Time.Truncate], which counts from the year 1, only in what it promises.
func Floor(t time.Time, step time.Duration) time.Time {
	us, s := t.UnixMicro(), step.Microseconds()
	rest := us % s
	if rest < 0 {
		rest += s
	}
	return time.UnixMicro(us - rest).UTC()
}

// Until is the end of the last step, which lies ahead of now.
func (s Span) Until() time.Time { return s.At(s.Points) }

// At is the start of a point.
func (s Span) At(point int) time.Time { return s.Since.Add(time.Duration(point) * s.Step) }

// Point is the index of the step that t lies in, or false outside of the span.
func (s Span) Point(t time.Time) (int, bool) {
	if t.Before(s.Since) || !t.Before(s.Until()) {
		return 0, false
	}
	return int(t.Sub(s.Since) / s.Step), true
}
