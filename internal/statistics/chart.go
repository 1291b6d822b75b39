package statistics

import "time"

// Chart is what was counted in a span of time. Each point is there, also those
// that count none.
type Chart struct {
	Since, Until time.Time // the start of the first point, the end of the last
	Step         time.Duration
	Total        Tally
	Points       []Point
}

// Point is one step of a chart.
type Point struct {
	At time.Time
	Tally
}

// Chart is an empty chart of the span.
func (s Span) Chart() Chart {
	c := Chart{Since: s.Since, Until: s.Until(), Step: s.Step, Points: make([]Point, s.Points)}
	for i := range c.Points {
		c.Points[i].At = s.At(i)
	}
	return c
}

// Add counts what was tallied from a time on, for less than a step; nothing
// outside of the chart.
func (c *Chart) Add(at time.Time, t *Tally) {
	if i, ok := (Span{c.Since, c.Step, len(c.Points)}).Point(at); ok {
		c.Points[i].Add(t)
		c.Total.Add(t)
	}
}
