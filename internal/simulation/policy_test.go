package simulation_test

import (
	"time"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/retry"
)

// policy is what the documents say of a retry policy, written down once more: the
// simulation does not ask the engine what the engine should do.
type policy struct {
	schedule []time.Duration
	window   time.Duration
	jitter   float64
	final    func(status int) bool // not tried again, besides 2xx
}

const day = 24 * time.Hour

func documented() []time.Duration {
	return []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute,
		30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 7 * time.Hour, 9 * time.Hour}
}

func policies() map[string]policy {
	return map[string]policy{
		"standard":  {documented(), day, 0.10, func(status int) bool { return status == 410 }},
		"chatzuri":  {documented(), day, 0.10, func(int) bool { return false }},
		"chatislav": {documented(), day, 0.10, func(status int) bool { return status >= 300 && status < 500 }},
		"brisk": {[]time.Duration{time.Second, 4 * time.Second, 20 * time.Second, 3 * time.Minute}, time.Hour, 0.5,
			func(status int) bool { return status == 404 || status >= 300 && status < 400 || status == 410 }},
		"stiff": {[]time.Duration{10 * time.Second, 10 * time.Minute, 3 * time.Hour}, 6 * time.Hour, 0,
			func(status int) bool { return status == 410 }},
	}
}

// ownPolicies are those of them that are configured.
func ownPolicies() []format.RetryPolicy {
	half, none := 0.5, 0.0
	return []format.RetryPolicy{
		{Name: "brisk", ScheduleSeconds: []int{1, 4, 20, 180}, WindowSeconds: 3600, Jitter: &half, Rules: []format.RetryRule{
			{From: 300, To: 399, Verdict: retry.Fail}, {From: 404, To: 404, Verdict: retry.Fail},
		}},
		{Name: "stiff", ScheduleSeconds: []int{10, 600, 10800}, WindowSeconds: 21600, Jitter: &none},
	}
}
