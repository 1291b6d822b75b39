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

// AttemptDetail is what the log tells of an attempt beyond the columns. Custom
// header values are masked in it.
type AttemptDetail struct {
	Method          string
	URL             string
	RequestHeaders  map[string]string
	Format          string // name of the format
	FormatVersion   string
	IncludeMessages bool
	BodySHA256      [32]byte // of the bytes that were signed and sent
	Error           string   // fixed, safe text for a failed attempt
	ResponseHeaders map[string]string
	ResponseBody    []byte // at most 16 KiB
	Truncated       bool   // the answer was longer
	Timing          Timing
}

// Timing is how long the parts of an attempt took.
type Timing struct {
	DNS, Connect, TLS, Wait, Read time.Duration
}
