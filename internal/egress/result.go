package egress

import (
	"net/http"
	"time"
)

// Class is what kind of failure ended an attempt before response headers were
// in. The words are those of the log, the metrics and the screens.
type Class uint8

// The closed set of classes.
const (
	// ClassNone: response headers arrived; the status decides.
	ClassNone Class = iota
	// ClassTimeout: the time limit passed, in whatever phase.
	ClassTimeout
	// ClassDNS: the name has no address, or the resolver failed.
	ClassDNS
	// ClassConnect: no address accepted a TCP connection.
	ClassConnect
	// ClassTLS: the handshake or the verification of the certificate failed.
	ClassTLS
	// ClassConnectionLost: the connection ended before the headers were in.
	ClassConnectionLost
	// ClassBadResponse: what came is not an HTTP/1.x answer within the limits.
	ClassBadResponse
	// ClassBlocked: the address, or the request itself, may not be sent.
	ClassBlocked
	// ClassCanceled: the caller's context ended first, e.g. at shutdown.
	ClassCanceled
)

// String returns the class's word.
func (c Class) String() string {
	switch c {
	case ClassNone:
		return "none"
	case ClassTimeout:
		return "timeout"
	case ClassDNS:
		return "dns"
	case ClassConnect:
		return "connect"
	case ClassTLS:
		return "tls"
	case ClassConnectionLost:
		return "connection_lost"
	case ClassBadResponse:
		return "bad_response"
	case ClassBlocked:
		return "blocked"
	case ClassCanceled:
		return "canceled"
	}
	return "unknown"
}

// Error is a failed attempt. Text comes from a closed set of sentences that
// hold no address, name, port, header, query or byte of the answer, so that
// the log can show it to the customer and is no port scanner.
type Error struct {
	Class Class
	Text  string
}

// Error returns the class and the text.
func (e *Error) Error() string { return e.Class.String() + ": " + e.Text }

func failure(class Class, text string) *Error { return &Error{class, text} }

// blocked is the one answer for every address that may not be reached.
func blocked() *Error {
	return failure(ClassBlocked, "the target's address is not allowed")
}

// Timing is where the time of an attempt went. DNS, Connect and TLS are zero
// on a kept-alive connection.
type Timing struct {
	DNS, Connect, TLS time.Duration
	// Wait is the rest up to the end of the response headers: sending the
	// request and waiting for the answer.
	Wait time.Duration
	// Read is the time spent on the response's body.
	Read time.Duration
	// Total is the whole attempt.
	Total time.Duration
}

// Result is the outcome of [Client.Do]: either Status is set (100 < Status <
// 600) and Err is nil, or Status is 0 and Err says why.
type Result struct {
	Status int
	// Header may be that of other results too: it must not be changed.
	Header http.Header
	// Body is the beginning of the response's body as it was sent, never
	// decompressed, at most 16 KiB.
	Body []byte
	// Truncated says that Body is not the whole body: it was longer, broke
	// off, or the time was up.
	Truncated bool
	Timing    Timing
	Err       *Error
}
