package waybell

import (
	"fmt"
	"time"
)

// DeliveryState is where a delivery stands.
type DeliveryState uint8

// The states of a delivery. Pending, retrying and held ones wait; the others
// are settled.
const (
	DeliveryPending   DeliveryState = iota // the first attempt is not finished
	DeliveryRetrying                       // at least one attempt failed, another is planned
	DeliveryHeld                           // waits while its endpoint is paused or suspended
	DeliveryDelivered                      // a 2xx answer came
	DeliveryFailed                         // given up; the reason says why
	DeliveryCanceled                       // by the owner, or its endpoint was disabled or deleted
)

var deliveryStates = [...]string{"pending", "retrying", "held", "delivered", "failed", "canceled"}

// String is the word used in the API, the log, metrics and screens.
func (s DeliveryState) String() string { return deliveryStates[s] }

// ParseDeliveryState is the inverse of String.
func ParseDeliveryState(s string) (DeliveryState, error) {
	for i, name := range deliveryStates {
		if s == name {
			return DeliveryState(i), nil
		}
	}
	return 0, fmt.Errorf("state %.40q is none of %v", s, deliveryStates)
}

// Settled tells whether nothing more happens by itself.
func (s DeliveryState) Settled() bool { return s >= DeliveryDelivered }

// Reason says why an attempt ended as it did, or why a delivery was settled.
type Reason uint8

// The closed set of reasons; the same words in log, metric and screen.
const (
	ReasonNone           Reason = iota // nothing happened yet
	ReasonDelivered                    // 2xx
	ReasonHTTPStatus                   // any other status
	ReasonTimeout                      // no answer within the endpoint's timeout
	ReasonDNS                          // the name did not resolve
	ReasonConnect                      // no connection
	ReasonTLS                          // no TLS session
	ReasonConnectionLost               // the connection broke before the headers were in
	ReasonBadResponse                  // no HTTP answer, headers over the cap, or our own recovered panic
	ReasonBlocked                      // the address is not allowed
	ReasonGone                         // 410 under a policy that suspends
	ReasonExpired                      // schedule or window used up
	ReasonCanceled                     // by the owner
)

var reasons = [...]string{"", "delivered", "http_status", "timeout", "dns", "connect", "tls",
	"connection_lost", "bad_response", "blocked", "gone", "expired", "canceled"}

// String is the word used in the API, the log, metrics and screens.
func (r Reason) String() string { return reasons[r] }

// Delivery is one event to one endpoint, as the log shows it.
type Delivery struct {
	DeliveryRef
	Agent      AgentNumber
	EventID    string
	Type       string
	State      DeliveryState // the store gives pending or retrying for held ones
	Reason     Reason
	Attempts   int       // finished attempts
	StatusCode int       // of the last answer, 0 without one
	NextAt     time.Time // zero when settled
	CreatedAt  time.Time
	FinishedAt time.Time // zero while it waits
	// Entered is when it last began to wait, see [Waiting]; zero when settled.
	Entered Key
}
