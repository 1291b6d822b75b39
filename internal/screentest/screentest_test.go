package screentest

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/binarytest"
	"github.com/waybell/waybell/internal/teststore"
)

var screenshots = flag.String("screenshots", "", "keep a picture of every page, in both themes and two widths, in this directory")

// chromium is Debian's. Browsers are never downloaded.
const chromium = "/usr/bin/chromium"

// built is the binary under test.
var built binarytest.Binary

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(built.Main(m))
}

// TestJourneys runs each file of journeys as a program of its own.
func TestJourneys(t *testing.T) {
	t.Parallel()
	for _, needed := range []string{chromium, "node_modules/playwright-core", "node_modules/axe-core"} {
		if _, err := os.Stat(needed); err != nil {
			t.Fatalf("%s is not installed: run \"make setup\"", needed)
		}
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("Node.js is not installed: run \"make setup\": %v", err)
	}
	files, err := filepath.Glob("journeys/*.test.mjs")
	if err != nil || !slices.Contains(files, manyNodes) {
		t.Fatalf("no journeys found: %v", err)
	}
	if teststore.Embedded(t) {
		files = slices.DeleteFunc(files, func(file string) bool { return file == manyNodes })
	}
	server := built.Path(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".test.mjs"), func(t *testing.T) {
			t.Parallel()
			run(t, node, server, file)
		})
	}
}

// manyNodes are the journeys of several servers on one store: the embedded one
// is for one server.
const manyNodes = "journeys/nodes.test.mjs"

// longest is how long one file may take before it is ended. It is no measure:
// the slowest takes a tenth of it, on a machine that has nothing else to do. A
// journey that hangs says where before that.
const longest = 8 * time.Minute

// counts are in the last lines of Node's report.
var counts = regexp.MustCompile(`(?m)^# (tests|pass|fail|cancelled|skipped|todo) (\d+)$`)

// run executes one file and holds its report: it must have tests, and none of
// them may have been left out.
func run(t *testing.T, node, server, file string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "--test-reporter=tap", file)
	cmd.Env = append(append(os.Environ(), teststore.Environ(t)...), "WAYBELL_BINARY="+server, "WAYBELL_CHROMIUM="+chromium,
		"WAYBELL_ARTIFACTS="+t.ArtifactDir(), "WAYBELL_SCREENSHOTS="+absolute(t, *screenshots))
	// A group of its own, so that nothing it started survives it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // usually nobody is left
	}
	switch report := string(out); {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		t.Fatalf("%s did not end within %v:\n%s", file, longest, report)
	case err != nil:
		t.Fatalf("%s: %v\n%s", file, err, report)
	default:
		t.Log(report)
		for _, c := range counts.FindAllStringSubmatch(report, -1) {
			switch name, n := c[1], c[2]; {
			case name == "tests" && n == "0":
				t.Errorf("%s has no tests", file)
			case (name == "skipped" || name == "todo" || name == "cancelled" || name == "fail") && n != "0":
				t.Errorf("%s: %s %s", file, n, name)
			}
		}
		if !counts.MatchString(report) {
			t.Errorf("%s gave no report:\n%s", file, report)
		}
	}
}

func absolute(t *testing.T, dir string) string {
	t.Helper()
	if dir == "" {
		return ""
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
