package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/waybell/waybell/api"
	"github.com/waybell/waybell/postgres"
)

// surroundings is what the checks of GET /v1/system look at, besides the
// settings.
type surroundings struct {
	*configuration
	listening net.Addr
	started   time.Time            // by the wall clock
	passed    func() time.Duration // since then, by the monotonic clock
	storeSize func(context.Context) (int64, error)
	freeBytes func(dir string) (free uint64, known bool)
	findings  func(context.Context) []postgres.Check // nil: the store is embedded
}

// system is what the API is told of this process.
func (s *server) system(c *configuration, listening net.Addr) api.System {
	began := time.Now()
	around := &surroundings{
		configuration: c, listening: listening, freeBytes: freeBytes, findings: s.findings,
		started: began.Round(0), passed: func() time.Duration { return time.Since(began) },
		storeSize: func(ctx context.Context) (int64, error) {
			st, err := s.svc.StoreStats(ctx)
			return st.SizeBytes + st.LogBytes, err
		},
	}
	return api.System{
		Commit: build().Commit,
		Checks: func(ctx context.Context) []api.Check { return around.checks(ctx, time.Now()) },
	}
}

func (s *surroundings) checks(ctx context.Context, now time.Time) []api.Check {
	list := []api.Check{s.checkPublicURL(), s.checkTargets(), s.checkOpenPages(), s.checkClock(now)}
	if s.findings != nil {
		for _, f := range s.findings(ctx) {
			list = append(list, api.Check{Name: f.Name, Status: api.CheckStatus(f.Status), Text: f.Text})
		}
		return list
	}
	if runtime.GOOS != "windows" { // its rights are no mode bits
		list = append(list, s.checkDataDir())
	}
	return append(list, s.checkSpace(ctx))
}

func (s *surroundings) checkPublicURL() api.Check {
	const name = "public_url"
	text := string(s.PublicURL)
	u, err := url.Parse(text)
	switch {
	case text == "" && s.shared():
		return api.Check{Name: name, Status: api.CheckWarning,
			Text: "public-url is not set: links begin with the address that each request came to, and an inbox made through one node is not reached by the others. Set it to where browsers find these nodes, the same for all."}
	case text == "" && isLoopbackAddress(s.listening.String()):
		return api.Check{Name: name, Status: api.CheckOK,
			Text: "The server is reached from this machine only. Before others use it, put a TLS proxy in front and set public-url."}
	case text == "":
		return api.Check{Name: name, Status: api.CheckWarning,
			Text: "public-url is not set: links begin with the address that each request came to. Set it to where browsers find this server."}
	case err == nil && u.Scheme == "https" || err == nil && isLoopbackHost(u.Hostname()):
		return api.Check{Name: name, Status: api.CheckOK, Text: "Links begin with " + text + "."}
	}
	return api.Check{Name: name, Status: api.CheckWarning,
		Text: "public-url begins with http://: keys and payloads cross the network unencrypted. Put a TLS proxy in front and set public-url to its https:// address."}
}

func (s *surroundings) checkTargets() api.Check {
	const name = "allow_targets"
	if len(s.AllowTargets) == 0 {
		return api.Check{Name: name, Status: api.CheckOK, Text: "Webhooks lead to public addresses only."}
	}
	return api.Check{Name: name, Status: api.CheckWarning,
		Text: fmt.Sprintf("Webhooks may lead to targets that are not public: %s. Keep the list as short as it can be.", strings.Join(s.AllowTargets, ", "))}
}

// checkOpenPages looks for what is served without a key beyond this machine.
func (s *surroundings) checkOpenPages() api.Check {
	var open []string
	here := s.listening.String()
	metrics := here
	if s.MetricsListen != "" {
		metrics = string(s.MetricsListen)
	}
	if bool(s.Metrics) && !isLoopbackAddress(metrics) {
		open = append(open, "metrics")
	}
	if bool(s.Docs) && !isLoopbackAddress(here) {
		open = append(open, "docs")
	}
	if len(open) == 0 {
		return api.Check{Name: "open_pages", Status: api.CheckOK, Text: "Metrics and API reference are closed, or reached from this machine only."}
	}
	return api.Check{Name: "open_pages", Status: api.CheckWarning, Text: fmt.Sprintf(
		"Served without a key on an address that others may reach: %s. Close them with --metrics=false and --docs=false, move the metrics with --metrics-listen, or close their paths in the proxy.",
		strings.Join(open, " and "))}
}

// isLoopbackAddress tells whether only this machine reaches an address to listen
// on; one without a host is reached by all.
func isLoopbackAddress(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return isLoopbackHost(host)
}

const (
	maxClockStep = time.Minute
	// leastYear: a clock that shows less was never set.
	leastYear = 2025
)

// checkClock compares the time of day with the time that passed.
func (s *surroundings) checkClock(now time.Time) api.Check {
	const name = "clock"
	if now.Year() < leastYear {
		return api.Check{Name: name, Status: api.CheckError,
			Text: fmt.Sprintf("The clock shows %s. Set it: signatures carry the time, and receivers refuse old ones.", now.UTC().Format(time.DateOnly))}
	}
	step := now.Round(0).Sub(s.started) - s.passed()
	if step.Abs() > maxClockStep {
		return api.Check{Name: name, Status: api.CheckWarning,
			Text: fmt.Sprintf("Since the start the clock was stepped by %s, or the machine slept so long. Schedules follow it, and nothing is lost; keep the clock synchronised.", step.Round(time.Second))}
	}
	return api.Check{Name: name, Status: api.CheckOK, Text: "The clock has gone evenly since the start."}
}

func (s *surroundings) checkDataDir() api.Check {
	const name = "data_dir"
	info, err := os.Stat(string(s.DataDir))
	switch {
	case err != nil:
		return api.Check{Name: name, Status: api.CheckError, Text: "The data directory cannot be looked at. See whether it is still there."}
	case info.Mode().Perm()&0o007 != 0:
		return api.Check{Name: name, Status: api.CheckWarning,
			Text: fmt.Sprintf("Other users of this machine can open the data directory (mode %04o). Close it with chmod 0700.", info.Mode().Perm())}
	}
	return api.Check{Name: name, Status: api.CheckOK, Text: "The data directory is closed to other users of this machine."}
}

// What must be free on the disk of the store: a checkpoint and some hours of
// log, and as much again as a tenth of what is there.
const (
	leastFree  = 256 << 20
	enoughFree = 1 << 30
)

func (s *surroundings) checkSpace(ctx context.Context) api.Check {
	const name = "disk"
	size, err := s.storeSize(ctx)
	if err != nil {
		return api.Check{Name: name, Status: api.CheckError, Text: "The size of the store is not known: it does not answer."}
	}
	free, known := s.freeBytes(string(s.DataDir))
	text := fmt.Sprintf("The store has %s; %s are free on its disk.", bytesText(uint64(size)), bytesText(free))
	switch {
	case !known:
		return api.Check{Name: name, Status: api.CheckOK, Text: fmt.Sprintf("The store has %s; how much is free is not known here.", bytesText(uint64(size)))}
	case free < leastFree:
		return api.Check{Name: name, Status: api.CheckError, Text: text + " Publishing ends when it is full: make room, or shorten the retention."}
	case free < enoughFree || free < uint64(size)/10:
		return api.Check{Name: name, Status: api.CheckWarning, Text: text + " Make room, or shorten the retention."}
	}
	return api.Check{Name: name, Status: api.CheckOK, Text: text}
}

// bytesText shows a size in binary units with one digit.
func bytesText(n uint64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	if i == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}
