// Package retry decides what an answer means for a delivery and when the next
// attempt is due.
//
// Everything here is a pure function of its arguments: no clock, no random
// source and no goroutine of its own, so that a day of retries can be played
// through in microseconds. A policy is data, not code: the three built-in ones
// are values, and an operator's own is one more.
package retry

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Bounds that [Policy.Validate] holds. They are the bounds of an endpoint's
// schedule_seconds and window_seconds in the HTTP API.
const (
	MaxWaits  = 50                        // waits in a schedule, so 51 attempts
	MinWait   = time.Second               // shortest wait of a schedule
	MaxWait   = 24 * time.Hour            // longest wait of a schedule
	MinWindow = time.Second               // shortest window
	MaxWindow = 7 * 24 * time.Hour        // longest window
	MaxRules  = maxStatus - minStatus + 1 // one rule for each status
	MaxName   = 64                        // bytes in a policy's name
)

// The statuses that an HTTP answer can carry (RFC 9110 §15).
const (
	minStatus = 100
	maxStatus = 599
)

// Verdict says what the outcome of an attempt means for its delivery.
// The zero value is no verdict; it is refused by [Policy.Validate].
type Verdict uint8

// The closed set of verdicts.
const (
	// Success: the delivery is delivered.
	Success Verdict = iota + 1
	// Retry: the delivery is tried again on schedule.
	Retry
	// Fail: the delivery has failed for good.
	Fail
	// FailSuspend: the delivery has failed for good and its endpoint is gone;
	// it is suspended so that nothing more is sent to it.
	FailSuspend
)

// verdictWord returns the word of v, "" where v is none of the set. These
// words are what a policy in the configuration is written with.
func verdictWord(v Verdict) string {
	switch v {
	case Success:
		return "success"
	case Retry:
		return "retry"
	case Fail:
		return "fail"
	case FailSuspend:
		return "fail_suspend"
	}
	return ""
}

// String returns the word for v: "success", "retry", "fail" or "fail_suspend".
func (v Verdict) String() string {
	if w := verdictWord(v); w != "" {
		return w
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

// MarshalText implements [encoding.TextMarshaler] with the word of
// [Verdict.String]. A value outside the set is an error.
func (v Verdict) MarshalText() ([]byte, error) {
	if w := verdictWord(v); w != "" {
		return []byte(w), nil
	}
	return nil, fmt.Errorf("retry: no such verdict: %d", uint8(v))
}

// UnmarshalText implements [encoding.TextUnmarshaler]; it accepts exactly the
// words of [Verdict.String].
func (v *Verdict) UnmarshalText(text []byte) error {
	for w := Success; w <= FailSuspend; w++ {
		if verdictWord(w) == string(text) {
			*v = w
			return nil
		}
	}
	return fmt.Errorf("retry: verdict %q is none of success, retry, fail, fail_suspend", text)
}

// Rule gives one verdict to a range of statuses, both ends included.
type Rule struct {
	From    int     `json:"from" yaml:"from"`
	To      int     `json:"to" yaml:"to"`
	Verdict Verdict `json:"verdict" yaml:"verdict"`
}

// Policy is a retry policy: what is tried again, and when. Its slices are
// never changed by this package, so a policy may be shared once it is built.
type Policy struct {
	// Name is the word by which endpoints refer to the policy.
	Name string
	// Rules give every status from 100 to 599 its verdict; the first rule that
	// covers a status decides.
	Rules []Rule
	// Schedule holds the wait after the end of attempt 1, 2, … n; n waits make
	// n+1 attempts, an empty schedule one.
	Schedule []time.Duration
	// Window is the time from the acceptance of the event after which no
	// attempt is planned any more.
	Window time.Duration
	// Jitter is the share of a wait by which it is made longer or shorter at
	// random: 0.10 is ±10 %.
	Jitter float64
}

// Standard is the policy of the standard profile: all but 2xx is tried again,
// and 410 ends the delivery and suspends the endpoint.
func Standard() Policy {
	return builtin("standard",
		Rule{200, 299, Success},
		Rule{410, 410, FailSuspend},
		Rule{100, 599, Retry},
	)
}

// Chatzuri is the policy of the first reference platform: whatever is not 2xx
// is tried again.
func Chatzuri() Policy {
	return builtin("chatzuri",
		Rule{200, 299, Success},
		Rule{100, 599, Retry},
	)
}

// Chatislav is the policy of the second reference platform: 3xx and 4xx are
// final, 5xx is tried again. A 1xx as the final answer is a malformed one,
// which every policy tries again.
func Chatislav() Policy {
	return builtin("chatislav",
		Rule{200, 299, Success},
		Rule{300, 499, Fail},
		Rule{100, 599, Retry},
	)
}

// builtin returns a policy with the schedule, window and jitter that the
// built-in policies share. The waits add up to 23 h 52 min 35 s.
func builtin(name string, rules ...Rule) Policy {
	return Policy{
		Name:  name,
		Rules: rules,
		Schedule: []time.Duration{
			5 * time.Second,
			30 * time.Second,
			2 * time.Minute,
			5 * time.Minute,
			15 * time.Minute,
			30 * time.Minute,
			1 * time.Hour,
			2 * time.Hour,
			4 * time.Hour,
			7 * time.Hour,
			9 * time.Hour,
		},
		Window: 24 * time.Hour,
		Jitter: 0.10,
	}
}

// FieldError is one reason why [Policy.Validate] refuses a policy.
type FieldError struct {
	// Field is the field's path in lower case: "schedule", "schedule[3]",
	// "window", "jitter", "name", "rules" or "rules[0]".
	Field string
	// Problem says what is wrong and names the bound.
	Problem string
}

// Error returns the field and its problem.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// Validate reports every field that is out of bounds, as [FieldError] values
// joined by [errors.Join], nil where there is none. A policy that passes has a
// name, a verdict for every status from 100 to 599, no rule that can never
// apply, at most [MaxWaits] waits of whole seconds within [MinWait] and
// [MaxWait], a window of whole seconds within [MinWindow] and [MaxWindow], and
// a jitter from 0 to 1.
func (p Policy) Validate() error {
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if p.Name == "" || len(p.Name) > MaxName {
		add("name", "must have 1 to %d bytes", MaxName)
	}
	if len(p.Schedule) > MaxWaits {
		add("schedule", "must have at most %d waits, has %d", MaxWaits, len(p.Schedule))
	} else {
		for i, w := range p.Schedule {
			if !wholeSeconds(w, MinWait, MaxWait) {
				add(fmt.Sprintf("schedule[%d]", i), "must be whole seconds from %d to %d", MinWait/time.Second, MaxWait/time.Second)
			}
		}
	}
	if !wholeSeconds(p.Window, MinWindow, MaxWindow) {
		add("window", "must be whole seconds from %d to %d", MinWindow/time.Second, MaxWindow/time.Second)
	}
	// Written so that NaN is refused.
	if !(p.Jitter >= 0 && p.Jitter <= 1) {
		add("jitter", "must be from 0 to 1")
	}
	p.validateRules(add)
	return errors.Join(errs...)
}

func (p Policy) validateRules(add func(field, format string, args ...any)) {
	if len(p.Rules) > MaxRules {
		add("rules", "must be at most %d, are %d", MaxRules, len(p.Rules))
		return
	}
	var covered [maxStatus + 1]bool
	for i, r := range p.Rules {
		field := fmt.Sprintf("rules[%d]", i)
		if verdictWord(r.Verdict) == "" {
			add(field, "needs a verdict: success, retry, fail or fail_suspend")
		}
		if r.From < minStatus || r.To > maxStatus || r.From > r.To {
			add(field, "must be a range within %d and %d, is %d to %d", minStatus, maxStatus, r.From, r.To)
			continue
		}
		span := covered[r.From : r.To+1]
		if !slices.Contains(span, false) {
			add(field, "never applies: earlier rules cover %d to %d", r.From, r.To)
		}
		for s := range span {
			span[s] = true
		}
	}
	if i := slices.Index(covered[minStatus:], false); i >= 0 {
		add("rules", "give no verdict for status %d", minStatus+i)
	}
}

func wholeSeconds(d, least, most time.Duration) bool {
	return d >= least && d <= most && d%time.Second == 0
}

// Classify returns the verdict on an answer with this status. A status outside
// 100 to 599 is a malformed answer, which every policy tries again; so is one
// that a policy not validated has no rule for, because a retry loses nothing.
func (p Policy) Classify(status int) Verdict {
	if status < minStatus || status > maxStatus {
		return Retry
	}
	for _, r := range p.Rules {
		if r.From <= status && status <= r.To {
			return r.Verdict
		}
	}
	return Retry
}

// ClassifyFailure returns the verdict on an attempt that got no usable answer.
// No policy differs here: errors of DNS, connection, TLS or framing and
// timeouts are tried again, but a target that may not be reached (blocked) is
// final, because trying again would probe it.
func (p Policy) ClassifyFailure(blocked bool) Verdict {
	if blocked {
		return Fail
	}
	return Retry
}

// HonoursRetryAfter reports whether a Retry-After of an answer with this status
// counts: on 429 and 503 where the policy tries these again. For all other
// answers [State.RetryAfter] must stay 0.
func (p Policy) HonoursRetryAfter(status int) bool {
	return (status == 429 || status == 503) && p.Classify(status) == Retry
}

// overload are the statuses by which receivers and the proxies before them refuse a
// request that is too many (RFC 6585, section 4; RFC 9110, section 15.6).
var overload = []int{429, 500, 502, 503, 504}

// RetriesOverload reports whether a first attempt that the receiver refuses because
// it has too many requests at once is tried again.
func (p Policy) RetriesOverload() bool {
	return len(p.Schedule) > 0 && !slices.ContainsFunc(overload, func(status int) bool { return p.Classify(status) != Retry })
}

// spread is the greatest change that jitter makes to a wait.
func (p Policy) spread(wait time.Duration) time.Duration {
	return time.Duration(math.Round(float64(wait) * p.Jitter))
}
