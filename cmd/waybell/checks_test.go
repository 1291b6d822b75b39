package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/api"
)

func TestChecks(t *testing.T) {
	t.Parallel()
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	open := t.TempDir()
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		check  string
		change func(*surroundings)
		status api.CheckStatus
		text   string
	}{
		{"public-url not set, loopback", "public_url", nil, api.CheckOK, "from this machine only"},
		{"public-url not set", "public_url", listenOn("0.0.0.0:8080"), api.CheckWarning, "Set it"},
		{"public-url https", "public_url", func(s *surroundings) { s.PublicURL = "https://hooks.example.com/w" }, api.CheckOK, "https://hooks.example.com/w"},
		{"public-url http", "public_url", func(s *surroundings) { s.PublicURL = "http://hooks.example.com" }, api.CheckWarning, "unencrypted"},
		{"public-url http on this machine", "public_url", func(s *surroundings) { s.PublicURL = "http://localhost:8080" }, api.CheckOK, ""},

		{"no targets", "allow_targets", nil, api.CheckOK, "public addresses only"},
		{"targets", "allow_targets", func(s *surroundings) { s.AllowTargets = listValue{"10.0.0.0/8", "db.lan:80"} }, api.CheckWarning, "10.0.0.0/8, db.lan:80"},

		{"pages on this machine", "open_pages", nil, api.CheckOK, ""},
		{"pages for all", "open_pages", listenOn("[::]:8080"), api.CheckWarning, "reach: metrics and docs."},
		{"pages for the network", "open_pages", listenOn("192.168.1.7:8080"), api.CheckWarning, "metrics and docs"},
		{"pages closed", "open_pages", func(s *surroundings) {
			listenOn("0.0.0.0:8080")(s)
			s.Metrics, s.Docs = false, false
		}, api.CheckOK, ""},
		{"metrics moved to this machine", "open_pages", func(s *surroundings) {
			listenOn("0.0.0.0:8080")(s)
			s.MetricsListen = "127.0.0.1:9090"
		}, api.CheckWarning, "reach: docs."},
		{"metrics moved for all", "open_pages", func(s *surroundings) { s.MetricsListen = ":9090" }, api.CheckWarning, "reach: metrics."},
		{"metrics moved to localhost", "open_pages", func(s *surroundings) { s.MetricsListen = "localhost:9090" }, api.CheckOK, ""},

		{"directory closed", "data_dir", nil, api.CheckOK, "closed"},
		{"directory open", "data_dir", func(s *surroundings) { s.DataDir = textValue(open) }, api.CheckWarning, "0755"},
		{"directory gone", "data_dir", func(s *surroundings) { s.DataDir += "/none" }, api.CheckError, "still there"},

		{"clock even", "clock", nil, api.CheckOK, "evenly"},
		{"clock stepped back", "clock", func(s *surroundings) { s.started = s.started.Add(time.Hour) }, api.CheckWarning, "stepped by -1h0m0s"},
		{"clock stepped forth", "clock", func(s *surroundings) { s.started = s.started.Add(-2 * time.Minute) }, api.CheckWarning, "stepped by 2m0s"},
		{"clock moved a little", "clock", func(s *surroundings) { s.started = s.started.Add(10 * time.Second) }, api.CheckOK, ""},

		{"space", "disk", nil, api.CheckOK, "The store has 3.0 GiB; 20.0 GiB are free on its disk."},
		{"little space", "disk", free(900 << 20), api.CheckWarning, "900.0 MiB are free"},
		{"space for a small store only", "disk", func(s *surroundings) {
			free(2 << 30)(s)
			s.storeSize = func(context.Context) (int64, error) { return 30 << 30, nil }
		}, api.CheckWarning, "30.0 GiB; 2.0 GiB"},
		{"hardly any space", "disk", free(100 << 20), api.CheckError, "shorten the retention"},
		{"unknown space", "disk", func(s *surroundings) { s.freeBytes = func(string) (uint64, bool) { return 0, false } }, api.CheckOK, "not known"},
		{"silent store", "disk", func(s *surroundings) {
			s.storeSize = func(context.Context) (int64, error) { return 0, errors.New("down") }
		}, api.CheckError, "does not answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &surroundings{
				configuration: &configuration{settings: newSettings()},
				started:       time.Now().Round(0), passed: func() time.Duration { return 0 },
				storeSize: func(context.Context) (int64, error) { return 3 << 30, nil },
			}
			s.DataDir = textValue(closed)
			listenOn("127.0.0.1:8080")(s)
			free(20 << 30)(s)
			if c.change != nil {
				c.change(s)
			}
			seen := map[string]bool{}
			for _, check := range s.checks(t.Context(), time.Now()) {
				if seen[check.Name] || check.Text == "" || !strings.HasSuffix(check.Text, ".") {
					t.Errorf("%+v", check)
				}
				seen[check.Name] = true
				if check.Name == c.check && (check.Status != c.status || !strings.Contains(check.Text, c.text)) {
					t.Errorf("%+v, want %s with %q", check, c.status, c.text)
				}
			}
			if len(seen) != 6 {
				t.Errorf("%d checks: %v", len(seen), seen)
			}
		})
	}
}

func listenOn(address string) func(*surroundings) {
	return func(s *surroundings) { s.listening = net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address)) }
}

func free(n uint64) func(*surroundings) {
	return func(s *surroundings) { s.freeBytes = func(string) (uint64, bool) { return n, true } }
}

// The year of a clock that was never set.
func TestClockNeverSet(t *testing.T) {
	t.Parallel()
	s := &surroundings{started: time.Now()}
	if c := s.checkClock(time.Date(1970, 1, 1, 0, 5, 0, 0, time.UTC)); c.Status != api.CheckError || !strings.Contains(c.Text, "1970-01-01") {
		t.Errorf("%+v", c)
	}
}

func TestFreeBytes(t *testing.T) {
	t.Parallel()
	if n, known := freeBytes(t.TempDir()); known && n == 0 {
		t.Errorf("%d bytes are free where this test could write", n)
	}
	if n, known := freeBytes(t.TempDir() + "/none"); known {
		t.Errorf("%d bytes in a directory that is not there", n)
	}
}

func TestBytesText(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]string{0: "0 bytes", 1023: "1023 bytes", 1536: "1.5 KiB", 5 << 20: "5.0 MiB", 3 << 50: "3072.0 TiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
