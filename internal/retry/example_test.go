package retry_test

import (
	"fmt"
	"time"

	"github.com/waybell/waybell/internal/retry"
)

// A receiver answers 503 and asks for two minutes, then 500, then 410.
func Example() {
	policy := retry.Standard()
	accepted := time.Date(2026, 4, 26, 8, 30, 14, 0, time.UTC)
	end := accepted.Add(policy.Window)

	now := accepted
	for i, answer := range []struct {
		status     int
		retryAfter string
	}{{503, "120"}, {500, ""}, {410, ""}} {
		verdict := policy.Classify(answer.status)
		fmt.Printf("attempt %d at %s: %d, %v\n", i+1, now.Format(time.TimeOnly), answer.status, verdict)
		if verdict != retry.Retry {
			break
		}
		var wait time.Duration
		if policy.HonoursRetryAfter(answer.status) {
			wait, _ = retry.ParseRetryAfter(answer.retryAfter, now)
		}
		next, ok := policy.Next(retry.State{
			Now: now, Attempts: i + 1, WindowEnd: end, RetryAfter: wait,
			Random: 0.5, // the middle of the jitter; really a random number
		})
		if !ok {
			fmt.Println("expired")
			break
		}
		now = next
	}
	// Output:
	// attempt 1 at 08:30:14: 503, retry
	// attempt 2 at 08:32:14: 500, retry
	// attempt 3 at 08:32:44: 410, fail_suspend
}

// An operator's own policy: 404 and 410 are final, all else as usual, three
// attempts within ten minutes.
func ExamplePolicy() {
	policy := retry.Policy{
		Name: "acme",
		Rules: []retry.Rule{
			{From: 200, To: 299, Verdict: retry.Success},
			{From: 404, To: 404, Verdict: retry.Fail},
			{From: 410, To: 410, Verdict: retry.FailSuspend},
			{From: 100, To: 599, Verdict: retry.Retry},
		},
		Schedule: []time.Duration{10 * time.Second, time.Minute},
		Window:   10 * time.Minute,
		Jitter:   0.10,
	}
	fmt.Println(policy.Validate(), policy.Classify(404), policy.Classify(503))
	// Output: <nil> fail retry
}
