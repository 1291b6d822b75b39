//go:build linux

package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/binarytest"
)

// apiKey is the first key of every server under test.
const apiKey = "chaos-key-0123456789-0123456789"

// encryptionKey is the same for all nodes: base64 of 32 bytes.
const encryptionKey = "Y2hhb3MtY2hhb3MtY2hhb3MtY2hhb3MtY2hhb3MtY2g="

// server is the binary under test, run again and again at one address on one
// store.
type server struct {
	t      *testing.T
	binary string // "" = the one that is shipped, stamped with the number
	addr   string
	// number tells the nodes of a trial apart, from 1; see [stamped].
	number int
	// role is the setting of that name; "" for the embedded store.
	role string
	// args name the store.
	args []string
	// keys are the encryption keys, the first of which encrypts.
	keys string
	// env is what the next launch adds to the environment; see package point.
	env []string
	// prepare, if set, calls start with the calling thread changed for the child.
	prepare func(start func() error) error

	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
	client *http.Client
	log    logTail
}

// newServer chooses an address. args are those that name the store; a data
// directory is made by the first start.
func newServer(t *testing.T, number int, args ...string) *server {
	s := &server{t: t, addr: binarytest.FreeAddress(t), number: number, args: args, keys: encryptionKey}
	s.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() {
		if s.cmd != nil {
			s.kill()
		}
		if t.Failed() {
			t.Logf("the end of the log of node %d:\n%s", s.number, s.log.String())
		}
	})
	return s
}

// launch starts the process and does not wait for it.
func (s *server) launch() {
	s.t.Helper()
	if s.binary == "" {
		s.binary = stamped(s.t, s.number)
	}
	args := []string{"serve", "--listen", s.addr, "--allow-targets", "127.0.0.1", "--log-level", "warn", "--shutdown-grace", "15s"}
	cmd := exec.Command(s.binary, append(args, s.args...)...)
	cmd.Env = append(append(os.Environ(), "WAYBELL_API_KEY="+apiKey, "WAYBELL_ENCRYPTION_KEY="+s.keys), s.env...)
	cmd.Stdout, cmd.Stderr = &s.log, &s.log // pipes: a full disk does not concern them
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	start := cmd.Start
	if s.prepare != nil {
		start = func() error { return s.prepare(cmd.Start) }
	}
	if err := start(); err != nil {
		s.t.Fatalf("start %s: %v", s.binary, err)
	}
	s.cmd, s.exited = cmd, make(chan struct{})
	go func(exited chan struct{}) {
		defer close(exited)
		_ = cmd.Wait() // ProcessState tells how it ended
	}(s.exited)
}

// start launches the process, waits until publishing works, and tells how long
// that took.
func (s *server) start() time.Duration {
	s.t.Helper()
	s.launch()
	return s.ready()
}

// ready waits until publishing works, and tells how long that took.
func (s *server) ready() time.Duration {
	s.t.Helper()
	began := time.Now()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(60 * time.Second); ; {
		select {
		case <-s.exited:
			s.t.Fatalf("the server ended by itself: %v", s.cmd.ProcessState)
		case <-limit:
			s.t.Fatalf("the server is not ready after a minute")
		case <-tick.C:
		}
		res, err := s.client.Get("http://" + s.addr + "/readyz")
		if err != nil {
			continue
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return time.Since(began)
		}
	}
}

// signal sends a signal to the process.
func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("send %v: %v", sig, err)
	}
}

// kill ends the process as a crash would.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.exited
	s.cmd = nil
}

// terminate asks the process to end in order and tells how long that took.
func (s *server) terminate() time.Duration {
	s.t.Helper()
	began := time.Now()
	s.signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(60 * time.Second):
		s.t.Fatal("the server has not ended a minute after SIGTERM")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("after SIGTERM the server ended with %v", s.cmd.ProcessState)
	}
	s.cmd = nil
	return time.Since(began)
}

// running tells whether the process has not ended.
func (s *server) running() bool {
	if s.cmd == nil {
		return false
	}
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// call makes one API call and decodes the answer into out.
func (s *server) call(ctx context.Context, method, path string, body, out any) error {
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+apiKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s answered %d: %s", method, path, res.StatusCode, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// read makes one call that changes nothing, also while the database comes back: an
// answer of 503 says to try again.
func (s *server) read(ctx context.Context, path string, out any) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; {
		err := s.call(ctx, http.MethodGet, path, nil, out)
		if err == nil || !strings.Contains(err.Error(), "answered 503") || time.Since(began) > 20*time.Second {
			return err
		}
		s.t.Logf("node %d, %v after the first try: %v", s.number, time.Since(began).Round(time.Millisecond), err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// ledger reads the agent's ledger.
func (s *server) ledger(ctx context.Context) (l ledger, err error) {
	err = s.read(ctx, "/v1/agents/"+agentID+"/ledger", &l)
	return l, err
}

// pages calls each with every item of a list of the agent, which may have a query.
func pages[T any](ctx context.Context, s *server, list string, each func(T)) error {
	return pagesOf(ctx, s, agentID, list, each)
}

func pagesOf[T any](ctx context.Context, s *server, agent, list string, each func(T)) error {
	if !strings.Contains(list, "?") {
		list += "?"
	}
	for cursor := ""; ; {
		var page struct {
			Data       []T     `json:"data"`
			NextCursor *string `json:"next_cursor"`
		}
		err := s.read(ctx, "/v1/agents/"+agent+"/"+list+"&limit=250&cursor="+cursor, &page)
		if err != nil {
			return err
		}
		for _, item := range page.Data {
			each(item)
		}
		if page.NextCursor == nil {
			return nil
		}
		cursor = *page.NextCursor
	}
}

// drained waits until no delivery of the agent waits any more.
func (s *server) drained(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		l, err := s.ledger(ctx)
		switch {
		case err == nil && l.Pending+l.Retrying+l.Held == 0:
			return nil
		case err != nil && ctx.Err() == nil:
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("not drained: %+v", l), context.Cause(ctx))
		}
	}
}

// logTail keeps the last lines that the server wrote.
type logTail struct {
	mu    sync.Mutex
	lines []string
	part  string
}

func (l *logTail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part += string(b)
	for {
		line, rest, ok := strings.Cut(l.part, "\n")
		if !ok {
			return len(b), nil
		}
		l.part = rest
		if l.lines = append(l.lines, line); len(l.lines) > 400 {
			l.lines = append([]string(nil), l.lines[len(l.lines)-200:]...)
		}
	}
}

// has tells whether a line that holds text is kept.
func (l *logTail) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines, func(line string) bool { return strings.Contains(line, text) })
}

// clear forgets what was written so far.
func (l *logTail) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = nil
}

func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines[max(0, len(l.lines)-25):]
	return strings.Join(lines, "\n")
}
