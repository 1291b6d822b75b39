// Package deploy_test holds the deployment files to what the server really has.
package deploy_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// rules is the part of a Prometheus rule file that is used here.
type rules struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []struct {
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			For         string            `yaml:"for"`
			Labels      map[string]string `yaml:"labels"`
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAlerts: every rule asks for metrics that exist, says what to do, and has
// its place in the rules' own test, which promtool runs.
func TestAlerts(t *testing.T) {
	t.Parallel()
	seen := scrape(t)
	tested := read(t, "prometheus/alerts_test.yaml")
	var file rules
	if err := yaml.UnmarshalWithOptions([]byte(read(t, "prometheus/alerts.yaml")), &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, group := range file.Groups {
		for _, r := range group.Rules {
			if names[r.Alert] || r.Alert == "" {
				t.Errorf("alert %q: given twice, or without a name", r.Alert)
			}
			names[r.Alert] = true
			for _, fault := range seen.check(r.Expr) {
				t.Errorf("alert %s: %s", r.Alert, fault)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("alert %s needs a summary and a description", r.Alert)
			}
			if !slices.Contains([]string{"page", "ticket"}, r.Labels["severity"]) {
				t.Errorf("alert %s has the severity %q", r.Alert, r.Labels["severity"])
			}
			if !strings.Contains(tested, `alertname="`+r.Alert+`"`) {
				t.Errorf("alerts_test.yaml has no case in which %s fires", r.Alert)
			}
		}
	}
	if len(names) == 0 {
		t.Error("there are no alerts")
	}
}

type source struct {
	UID string `json:"uid"`
}

type target struct {
	Datasource source `json:"datasource"`
	Expr       string `json:"expr"`
}

type dashboard struct {
	Panels []struct {
		ID          int                      `json:"id"`
		Type        string                   `json:"type"`
		Title       string                   `json:"title"`
		Description string                   `json:"description"`
		GridPos     struct{ H, W, X, Y int } `json:"gridPos"`
		Targets     []target                 `json:"targets"`
	} `json:"panels"`
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Type       string `json:"type"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []target `json:"list"`
	} `json:"annotations"`
}

// labelValues is Grafana's query for the values of a variable.
var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// TestDashboard: every panel asks for metrics that exist, from the data source
// that is chosen, and has a place of its own.
func TestDashboard(t *testing.T) {
	t.Parallel()
	seen := scrape(t)
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "grafana/waybell.json")), &d); err != nil {
		t.Fatal(err)
	}
	check := func(where string, q target) {
		for _, fault := range seen.check(q.Expr) {
			t.Errorf("%s: %s", where, fault)
		}
		if q.Datasource.UID != "${datasource}" {
			t.Errorf("%s: the data source is %q", where, q.Datasource.UID)
		}
	}
	ids, taken, queries := map[int]bool{}, map[[2]int]string{}, 0
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: the id %d is given twice", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("%s needs a description and a query", p.Title)
		}
		for _, q := range p.Targets {
			queries++
			check(p.Title, q)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies on %q, or beside the 24 columns", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
	for _, a := range d.Annotations.List {
		check("annotation", a)
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		m := labelValues.FindStringSubmatch(v.Definition)
		if m == nil {
			t.Fatalf("variable %s: %s is not understood", v.Name, v.Definition)
		}
		for _, fault := range seen.check("sum by (" + m[2] + ") (" + m[1] + ")") {
			t.Errorf("variable %s: %s", v.Name, fault)
		}
	}
	if queries == 0 {
		t.Error("there are no queries")
	}
}

// TestProbes: what Kubernetes asks is there and needs no key.
func TestProbes(t *testing.T) {
	t.Parallel()
	s := start(t)
	probes := regexp.MustCompile(`httpGet:\s+path: (\S+)`).FindAllStringSubmatch(read(t, "kubernetes/node/deployment.yaml"), -1)
	if len(probes) != 3 {
		t.Fatalf("%d probes; startup, readiness and liveness are three", len(probes))
	}
	for _, p := range probes {
		if status, _ := s.call(t, http.MethodGet, p[1], ""); status != http.StatusOK {
			t.Errorf("%s answers %d", p[1], status)
		}
	}
}
