package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/waybell/waybell/internal/teststore"
)

// The command is tested as text: scripts in testdata run the real binary.

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"waybell": main, "get": get})
}

// get is a program of the scripts: it prints what is at a URL.
func get() {
	resp, err := http.Get(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(resp.Status)
	io.Copy(os.Stdout, resp.Body) //nolint:errcheck // the script will notice
}

// scriptTime ends scripts in which a server runs that should not have started.
const scriptTime = 2 * time.Minute

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: setupScript, Deadline: time.Now().Add(scriptTime),
		Condition: func(cond string) (bool, error) {
			if cond != "embedded" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return teststore.Embedded(t), nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeaddr":   freeaddr,
			"waitready":  waitready,
			"exits":      exits,
			"eventually": eventually,
			"sigterm":    sigterm,
			"insist":     insist,
			"capture":    capture,
			"poke":       poke,
			"database":   databases(t),
		},
	})
}

// setupScript clears the environment of settings but those of the store, which
// is ./waybell-data or a database of the script's own, and starts a receiver,
// which answers 200, but under /fail 400 and under /hang never, and keeps the
// last request as a file. Scripts that are about the embedded store end at once,
// and say why, where the condition embedded does not hold.
func setupScript(env *testscript.Env) error {
	kept := env.Vars[:0]
	for _, v := range env.Vars {
		if !strings.HasPrefix(v, envPrefix) {
			kept = append(kept, v)
		}
	}
	env.Vars = kept
	if t, ok := env.T().(testing.TB); ok && !teststore.Embedded(t) { // it always is one
		env.Vars = append(env.Vars, teststore.Environ(t)...)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var mu sync.Mutex
	work := env.WorkDir
	receiver := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			io.Copy(io.Discard, r.Body) //nolint:errcheck // what matters is that it is read
			<-r.Context().Done()        // the sender has gone
			return
		}
		mu.Lock()
		defer mu.Unlock()
		var raw strings.Builder
		fmt.Fprintf(&raw, "%s %s HTTP/1.1\r\n", r.Method, r.URL.Path)
		r.Header.Write(&raw) //nolint:errcheck // a strings.Builder takes everything
		raw.WriteString("\r\n")
		io.Copy(&raw, r.Body)                                           //nolint:errcheck // the script will notice
		os.WriteFile(work+"/request.http", []byte(raw.String()), 0o600) //nolint:errcheck // the script will notice
		if r.URL.Path == "/fail" {
			w.WriteHeader(http.StatusBadRequest)
		}
	})}}
	receiver.Start()
	env.Defer(receiver.Close)
	env.Setenv("RECEIVER", receiver.URL)
	env.Setenv("HOME", work)
	// The race detector lets every process sleep a second at its end.
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	return nil
}

// freeaddr VAR sets a variable to an address where nobody listens. Each is on
// a loopback address of its own, where nobody else takes a free port meanwhile.
func freeaddr(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: freeaddr VAR")
	}
	own := fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(250), rand.IntN(256), 1+rand.IntN(250))
	l, err := net.Listen("tcp", own)
	if err != nil { // only some systems have all of 127.0.0.0/8
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}

// poll calls f every few milliseconds until it tells true.
func poll(f func() bool) bool {
	tick, end := time.NewTicker(10*time.Millisecond), time.NewTimer(30*time.Second)
	defer tick.Stop()
	defer end.Stop()
	for {
		if f() {
			return true
		}
		select {
		case <-tick.C:
		case <-end.C:
			return false
		}
	}
}

// waitready ADDR waits until a server is ready there, or with ! no longer is.
func waitready(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] waitready ADDR")
	}
	client := &http.Client{Timeout: 5 * time.Second}
	ready := poll(func() bool {
		resp, err := client.Get("http://" + args[0] + "/readyz")
		if err != nil {
			return neg
		}
		resp.Body.Close()
		return (resp.StatusCode == http.StatusOK) != neg
	})
	if !ready {
		ts.Fatalf("%s did not become ready, or stayed so", args[0])
	}
}

// exits CODE COMMAND… runs a command and checks its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// eventually PATTERN COMMAND… runs a command until its output matches.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually pattern command...")
	}
	pattern := regexp.MustCompile(args[0])
	if !poll(func() bool {
		return ts.Exec(args[1], args[2:]...) == nil && pattern.MatchString(ts.ReadFile("stdout"))
	}) {
		ts.Fatalf("the output never matched %s", args[0])
	}
}

// sigterm sends SIGTERM to all background commands.
func sigterm(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: sigterm")
	}
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}

// insist sends SIGINT to all background commands until they have ended: one that
// comes right after another counts as the same request.
func insist(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: insist")
	}
	tick := time.NewTicker(sameRequest / 2)
	defer tick.Stop()
	for deadline := time.Now().Add(scriptTime); time.Now().Before(deadline); <-tick.C {
		living := false
		for _, cmd := range ts.BackgroundCmds() {
			living = cmd.Process.Signal(os.Interrupt) == nil || living
		}
		if !living {
			return
		}
	}
	ts.Fatalf("the commands do not end")
}

// capture VAR PATTERN sets a variable to the first group of a match in the
// last output.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture VAR pattern")
	}
	for _, name := range []string{"stdout", "stderr"} {
		if m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile(name)); m != nil {
			ts.Setenv(args[0], m[1])
			return
		}
	}
	ts.Fatalf("no output matches %s", args[1])
}

// poke FILE OFFSET HEX overwrites bytes of a file.
func poke(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: poke file offset hex")
	}
	offset, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	raw, err := hex.DecodeString(args[2])
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY, 0)
	ts.Check(err)
	_, err = f.WriteAt(raw, offset)
	ts.Check(err)
	ts.Check(f.Close())
}
