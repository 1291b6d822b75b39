package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a real server process with its store on a real disk.
type server struct {
	cmd       *exec.Cmd
	addr, key string
	dir       string // of its log
	store     store
	log       *os.File
	control   *publisher
}

const benchKey = "bench-key-0123456789-0123456789"

// startServer runs "serve" of the given binary on a free port with its log in
// dir, and waits until it is ready.
func startServer(ctx context.Context, binary, dir string, st store, flags ...string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	l.Close()
	logFile, err := os.OpenFile(filepath.Join(dir, "serve.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	more, env := st.serve()
	args := slices.Concat([]string{"serve", "--listen", addr, "--allow-targets", "127.0.0.0/8", "--log-level", "warn"}, more, flags)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(append(ownEnvironment(), "WAYBELL_API_KEY="+benchKey), env...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, addr: addr, key: benchKey, dir: dir, store: st, log: logFile}
	if err := s.ready(30 * time.Second); err != nil {
		s.kill()
		out, _ := os.ReadFile(logFile.Name())
		return nil, fmt.Errorf("the server did not start: %w\n%s", err, out)
	}
	return s, nil
}

// ownEnvironment is that of the bench without what is set for the server of
// whoever runs it.
func ownEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "WAYBELL_") })
}

// ready waits until the server answers 200 on /readyz.
func (s *server) ready(limit time.Duration) error {
	last := errors.New("not asked")
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		p, err := dialPublisher(s.addr, s.key)
		if err != nil {
			last = err
			continue
		}
		status, _, err := p.request("GET", "/readyz", nil)
		if err == nil && status == 200 {
			s.control = p
			return nil
		}
		last = fmt.Errorf("readyz: %d %w", status, err)
		p.close()
	}
	return last
}

// kill ends the process as a crash would.
func (s *server) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
	s.log.Close()
}

// stop ends the process in order.
func (s *server) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
}

func (s *server) usage() (usage, error) { return processUsage(s.cmd.Process.Pid) }

// call makes one API call and decodes the answer into out.
func (s *server) call(method, path string, body, out any) error {
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			return err
		}
	}
	status, answer, err := s.control.request(method, path, b)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if status >= 300 {
		return fmt.Errorf("%s %s answered %d: %s", method, path, status, answer)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(bytes.NewReader(answer)).Decode(out)
}

// commits are those of this server, without those of others.
func (s *server) commits() (c commits, err error) {
	status, text, err := s.control.request("GET", "/metrics", nil)
	if err != nil || status != 200 {
		return c, fmt.Errorf("metrics: %d %w", status, err)
	}
	n, err := metric(text, "waybell_store_commit_seconds_count")
	if err != nil {
		return c, err
	}
	took, err := metric(text, "waybell_store_commit_seconds_sum")
	return commits{int64(n), time.Duration(took * float64(time.Second))}, err
}

// metric finds the value of a metric without labels.
func metric(text []byte, name string) (float64, error) {
	_, rest, found := bytes.Cut(text, []byte("\n"+name+" "))
	if !found {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	value, _, _ := bytes.Cut(rest, []byte("\n"))
	return strconv.ParseFloat(string(value), 64)
}

func (s *server) keeps() store { return s.store }

// endpoint creates an endpoint of the bench's agent and returns its id.
func (s *server) endpoint(url string) (string, error) { return s.endpointOf("bench", url) }

func (s *server) endpointOf(agent, url string) (string, error) {
	var e struct{ ID string }
	err := s.call("POST", "/v1/agents/"+agent+"/endpoints", map[string]any{
		"url": url, "events": []string{"*"}, "generate_secret": true,
	}, &e)
	return e.ID, err
}

// agent creates the bench's agent with n endpoints at the receiver.
func (s *server) agent(r *receiver, n int) ([]string, error) {
	if err := s.call("POST", "/v1/agents", map[string]any{"id": "bench", "name": "Bench"}, nil); err != nil {
		return nil, err
	}
	ids := make([]string, n)
	for i := range ids {
		var err error
		if ids[i], err = s.endpoint(fmt.Sprintf("http://%s/hooks/%d", r.addr, i)); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// settled waits until an agent's ledger has nothing left to do.
func (s *server) settled(agent string, limit time.Duration) error {
	var l struct{ Accepted, Pending, Retrying, Delivered int64 }
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err := s.call("GET", "/v1/agents/"+agent+"/ledger", nil, &l); err != nil {
			return err
		}
		if l.Pending == 0 && l.Retrying == 0 {
			return nil
		}
	}
	return fmt.Errorf("not settled after %v: %+v", limit, l)
}
