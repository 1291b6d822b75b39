package egress

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"time"
)

// phase is what a call is doing; it is known so that a timeout can say where
// the time went.
type phase uint8

const (
	phaseDNS phase = iota + 1
	phaseConnect
	phaseTLS
	phaseExchange
)

// call is the state of one Do.
type call struct {
	caller   context.Context
	deadline time.Time
	start    time.Time
	phase    phase
	since    time.Time
	timing   Timing
}

// enter ends the running phase and begins the next.
func (cl *call) enter(next phase) {
	now := time.Now()
	spent := now.Sub(cl.since)
	switch cl.phase {
	case phaseDNS:
		cl.timing.DNS += spent
	case phaseConnect:
		cl.timing.Connect += spent
	case phaseTLS:
		cl.timing.TLS += spent
	}
	cl.phase, cl.since = next, now
}

// headersIn ends the running phase: what was no part of making the connection
// is waiting.
func (cl *call) headersIn() Timing {
	at := cl.phase
	cl.enter(phaseExchange)
	cl.phase = at
	t := cl.timing
	t.Total = cl.since.Sub(cl.start)
	t.Wait = t.Total - t.DNS - t.Connect - t.TLS
	return t
}

// appendRequest appends the request as it goes out. What frames it is ours.
func appendRequest(b []byte, r *Request) []byte {
	b = append(b, cmp.Or(r.Method, http.MethodPost)...)
	b = append(b, ' ')
	b = append(b, r.Target.path...)
	if r.Target.hasQuery {
		b = append(append(b, '?'), r.Target.query...)
	}
	b = append(append(b, " HTTP/1.1\r\nHost: "...), r.Target.authority...)
	b = strconv.AppendInt(append(b, "\r\nContent-Length: "...), int64(len(r.Body)), 10)
	for i := range r.Header {
		f := &r.Header[i]
		if frames(f.Name) {
			continue
		}
		b = append(append(b, "\r\n"...), f.Name...)
		b = append(append(b, ": "...), f.Value...)
	}
	b = append(b, "\r\n\r\n"...)
	return append(b, r.Body...)
}
