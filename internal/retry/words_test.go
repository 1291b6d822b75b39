package retry

import "testing"

func TestAnswers(t *testing.T) {
	t.Parallel()
	custom := Chatislav()
	custom.Rules = append([]Rule{{404, 406, Retry}, {429, 429, Retry}, {503, 503, Fail}, {502, 502, FailSuspend}}, custom.Rules...)
	nothing := Standard()
	nothing.Rules = []Rule{{100, 599, Fail}}
	for _, tt := range []struct {
		policy   Policy
		verdicts []Verdict
		want     string
	}{
		{Standard(), []Verdict{Success}, "2xx"},
		{Standard(), []Verdict{Retry}, "3xx, 4xx except 410, 5xx"},
		{Standard(), []Verdict{FailSuspend}, "410"},
		{Standard(), []Verdict{Fail}, ""},
		{Chatzuri(), []Verdict{Retry}, "3xx, 4xx, 5xx"},
		{Chatislav(), []Verdict{Retry}, "5xx"},
		{Chatislav(), []Verdict{Fail, FailSuspend}, "3xx, 4xx"},
		{custom, []Verdict{Retry}, "404–406, 429, 5xx except 502–503"},
		{custom, []Verdict{Fail}, "3xx, 4xx except 404–406 and 429, 503"},
		{nothing, []Verdict{Retry, Success}, ""},
	} {
		if got := tt.policy.Answers(tt.verdicts...); got != tt.want {
			t.Errorf("%s %v: %q, want %q", tt.policy.Name, tt.verdicts, got, tt.want)
		}
	}
}
