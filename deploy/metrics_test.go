package deploy_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
	"github.com/waybell/waybell/internal/teststore"
)

const rootKey = "test-key-with-24-characters"

// server is a running Waybell.
type server struct {
	*httptest.Server
	svc     *waybell.Service
	metrics *api.Metrics
}

func start(t *testing.T) *server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store := teststore.Open(t, log)
	s := &server{metrics: api.NewMetrics("1.2.3")}
	var err error
	s.svc, err = waybell.New(waybell.Config{
		Store: store, Logger: log, CreateAgents: true, OnAttempt: s.metrics.OnAttempt,
		EncryptionKeys: []waybell.Secret{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.svc.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := s.svc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.svc.EnsureRootKey(t.Context(), rootKey); err != nil {
		t.Fatal(err)
	}
	s.metrics.Observe(s.svc)
	handler, err := api.New(s.svc, api.Config{Metrics: s.metrics})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

// call makes a request, with the key where it has a body.
func (s *server) call(t *testing.T, method, path, body string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Authorization", "Bearer "+rootKey)
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// exposed is what a server shows: metric → label → values. Every name has an
// entry; every labelled one has the values that were seen.
type exposed map[string]map[string][]string

var (
	sample = regexp.MustCompile(`(?m)^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$`)
	label  = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
)

// scrape is what /metrics shows of a server at which everything has happened
// that can: attempts of all outcomes and reasons, publishes taken and refused.
func scrape(t *testing.T) exposed {
	t.Helper()
	s := start(t)
	for reason := waybell.ReasonDelivered; reason <= waybell.ReasonCanceled; reason++ {
		for _, state := range []waybell.DeliveryState{waybell.DeliveryDelivered, waybell.DeliveryRetrying, waybell.DeliveryFailed} {
			s.metrics.OnAttempt(waybell.AttemptReport{Number: 1, State: state, Reason: reason})
		}
	}
	const event = `{"event":"lead.submit","data":{"name":"Sarah"}}`
	publish := func(want int) {
		if status, text := s.call(t, http.MethodPost, "/v1/agents/support/events", event); status != want {
			t.Fatalf("%d instead of %d: %s", status, want, text)
		}
	}
	publish(http.StatusAccepted)
	s.svc.Drain()
	publish(http.StatusServiceUnavailable)
	_, text := s.call(t, http.MethodGet, "/metrics", "")
	seen := exposed{}
	for _, m := range sample.FindAllStringSubmatch(text, -1) {
		if seen[m[1]] == nil {
			seen[m[1]] = map[string][]string{}
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			seen[m[1]][l[1]] = append(seen[m[1]][l[1]], l[2])
		}
	}
	// The rules are for servers on either store, and this one has one of them.
	seen["waybell_store_info"]["driver"] = []string{"sqlite", "postgres"}
	return seen
}

var (
	// token is a piece of PromQL: a string, a range, a duration or number, a
	// name, an operator of a matcher, or any other sign.
	token = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\d[\w.]*|[a-zA-Z_:$][\w:$]*|=~|!~|!=|[^\s]`)
	name  = regexp.MustCompile(`^[a-zA-Z_:]`)
	words = regexp.MustCompile(`^\w+(\|\w+)+$`)

	operators = []string{"and", "or", "unless", "bool", "offset"}
	groupings = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	// Prometheus itself adds these to every target.
	targetLabels = []string{"job", "instance"}
)

// check tells which metrics, labels and values of an expression do not exist.
// It knows as much of PromQL as that needs: a name that is neither a function,
// which "(" follows, nor a word of the language is a metric.
func (e exposed) check(expr string) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	tokens := append(token.FindAllString(expr, -1), "", "")
	used, grouped := 0, []string{}
	known := map[string]bool{}
	for i := 0; tokens[i] != ""; i++ {
		switch next := tokens[i+1]; {
		case slices.Contains(groupings, tokens[i]):
			for i += 2; tokens[i] != ")" && tokens[i] != ""; i++ {
				if tokens[i] != "," {
					grouped = append(grouped, tokens[i])
				}
			}
		case !name.MatchString(tokens[i]), slices.Contains(operators, tokens[i]), next == "(", slices.Contains(groupings, next):
		default:
			used++
			metric := tokens[i]
			labels, ok := e[metric]
			if !ok && metric != "up" { // Prometheus makes it
				fault("there is no metric %s", metric)
			}
			for l := range labels {
				known[l] = true
			}
			if next == "{" {
				for i += 2; tokens[i] != "}" && tokens[i] != ""; i++ {
					if tokens[i] == "," || tokens[i+1] == "" {
						continue
					}
					l, op, value := tokens[i], tokens[i+1], strings.Trim(tokens[i+2], `"`)
					i += 2
					if ok && !slices.Contains(targetLabels, l) {
						if why := matches(labels[l], op, value); why != "" {
							fault("%s{%s%s%q}: %s", metric, l, op, value, why)
						}
					}
				}
			}
		}
	}
	for _, l := range grouped {
		if !known[l] && !slices.Contains(targetLabels, l) {
			fault("no metric of it has the label %s", l)
		}
	}
	if used == 0 {
		fault("it asks for no metric: %s", expr)
	}
	return faults
}

// matches tells why a matcher can select or leave out nothing; "" if it can.
func matches(values []string, op, pattern string) string {
	if len(values) == 0 {
		return "there is no such label"
	}
	wanted := []string{regexp.QuoteMeta(pattern)}
	if strings.HasSuffix(op, "~") {
		wanted = []string{pattern}
		if words.MatchString(pattern) {
			wanted = strings.Split(pattern, "|") // each of them must exist
		}
	}
	for _, w := range wanted {
		re, err := regexp.Compile("^(?:" + w + ")$")
		if err != nil {
			return err.Error()
		}
		if !slices.ContainsFunc(values, re.MatchString) {
			return "no value is like " + w
		}
	}
	return ""
}

// TestCheck: the check finds what does not exist.
func TestCheck(t *testing.T) {
	t.Parallel()
	seen := scrape(t)
	for expr, want := range map[string]string{
		`sum by (job, reason) (rate(waybell_attempts_total{reason=~"dns|tls", job="x"}[5m])) > 0.5 * 3`: "",
		`histogram_quantile(0.5, sum by (le) (rate(waybell_attempt_duration_seconds_bucket[5m])))`:      "",
		`up{job="waybell"} == 0 and on (job) waybell_store_up offset 5m < bool 1`:                       "",
		`rate(waybell_invented_total[5m])`:                                   "there is no metric waybell_invented_total",
		`node_load1 > 3`:                                                     "there is no metric node_load1",
		`waybell_store_up == 0 or waybell_storm_up`:                          "there is no metric waybell_storm_up",
		`waybell_attempts_total{endpoint="x"}`:                               "there is no such label",
		`waybell_attempts_total{reason="tired"}`:                             "no value is like tired",
		`waybell_attempts_total{reason=~"dns|tired"}`:                        "no value is like tired",
		`waybell_http_requests_total{route=~"PUT /v1/nothing"}`:              "no value is like PUT /v1/nothing",
		`waybell_ledger_deliveries{state!="done"}`:                           "no value is like done",
		`sum without (agent) (waybell_ledger_deliveries{state="delivered"})`: "no metric of it has the label agent",
		`1 > bool 2`: "it asks for no metric",
	} {
		faults := strings.Join(seen.check(expr), "; ")
		if want == "" && faults != "" || !strings.Contains(faults, want) {
			t.Errorf("%s: %q, want %q", expr, faults, want)
		}
	}
}
