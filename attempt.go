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
