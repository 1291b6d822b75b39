package egress

import (
	"context"
	"net"
	"net/http"
	"slices"
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

// watch bounds what happens on a connection by the deadline and the caller's
// context, until the returned function is called. That returns false where the
// context ended first.
func (cl *call) watch(c net.Conn) (release func() bool) {
	_ = c.SetDeadline(cl.deadline) // fails only where reading and writing fail too
	if cl.caller.Done() == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(cl.caller, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
}

// appendRequest appends the request as it goes out. What frames it is ours;
// the rest is in the order of the names.
func appendRequest(b []byte, r *Request) []byte {
	b = append(b, orDefault(r.Method, http.MethodPost)...)
	b = append(b, ' ')
	b = append(b, r.Target.path...)
	if r.Target.hasQuery {
		b = append(append(b, '?'), r.Target.query...)
	}
	b = append(append(b, " HTTP/1.1\r\nHost: "...), r.Target.authority...)
	for _, value := range r.Header["User-Agent"] {
		b = append(append(b, "\r\nUser-Agent: "...), value...)
	}
	b = strconv.AppendInt(append(b, "\r\nContent-Length: "...), int64(len(r.Body)), 10)
	var space [24]string
	names := space[:0]
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if frames(name) {
			continue
		}
		for _, value := range r.Header[name] {
			b = append(append(b, "\r\n"...), name...)
			b = append(append(b, ": "...), value...)
		}
	}
	b = append(b, "\r\n\r\n"...)
	return append(b, r.Body...)
}

// frames tells whether a header is ours alone: it frames the request, or has its
// own place.
func frames(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Trailer", "Connection":
		return true
	}
	return false
}
