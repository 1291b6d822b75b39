package waybell

import "time"

// Attempt is one HTTP request made for a delivery, as it is stored: a row is
// inserted once and never changed.
type Attempt struct {
	DeliveryRef
	Agent      AgentNumber
	Number     int // from 1, goes on over re-sends
	StartedAt  time.Time
	Duration   time.Duration
	StatusCode int // 0 without an answer
	Reason     Reason
	// Detail is the encoded [AttemptDetail]: stores keep it as it is.
	Detail []byte
}

// AttemptDetail is what the log tells of an attempt beyond the columns. It
// holds no secret: the values of custom headers are masked, also where the
// receiver sent them back in its answer.
type AttemptDetail struct {
	Method string
	// URL is the endpoint's at that time, query included: who may read the log
	// of an endpoint may see the endpoint. Log lines name only its host.
	URL string
	// RequestHeaders map a name, spelled as wire.md spells it, to its value.
	RequestHeaders  map[string]string
	Format          string // name of the format
	FormatVersion   string
	IncludeMessages bool
	BodySHA256      [32]byte // of the bytes that were signed and sent; zero when nothing was
	Error           string   // fixed, safe text for a failed attempt
	// ResponseHeaders have the values of a repeated name joined by ", ". They
	// are kept up to 16 KiB in all; what does not fit is left out.
	ResponseHeaders map[string]string
	ResponseBody    []byte // at most 16 KiB, not always UTF-8
	Truncated       bool   // the answer was longer
	Timing          Timing
}

// Timing is how long the parts of an attempt took, in microseconds precisely.
type Timing struct {
	DNS, Connect, TLS, Wait, Read time.Duration
}
