//go:build linux

package powerloss

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/sqlite"
)

// writeImage makes the data directory that a cut left.
func writeImage(dir string, image map[string][]byte) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for path, content := range image {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// judge holds an image against what was promised before the cut: it opens without
// anybody's help, is sound, its ledger is the count of its rows, and every event is
// in the log with all its deliveries, delivered or waiting. key, if it is not nil, is
// the encryption key that the data directory must hold.
func judge(ctx context.Context, dir string, before []promise, key []byte) (complaints []string) {
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	if key != nil && len(before) > 0 {
		if found, err := os.ReadFile(filepath.Join(dir, keyFile)); err != nil || !bytes.Equal(found, key) {
			complain("the encryption key is lost: %d bytes, %v", len(found), err)
		}
	}
	store, err := sqlite.Open(ctx, sqlite.Config{Dir: dir})
	if err != nil {
		return append(complaints, err.Error())
	}
	defer store.Close()
	if err := store.Check(ctx); err != nil {
		complain("%v", err)
	}
	if len(before) == 0 {
		return complaints
	}
	agent, err := store.Agent(ctx, agentID)
	if err != nil && before[0].ids[0] == agentID {
		return append(complaints, fmt.Sprintf("agent %s was made and is not there: %v", agentID, err))
	}
	for _, p := range before {
		for _, id := range p.ids {
			if err := kept(ctx, store, agent.Number, id); err != nil {
				complain("%s was promised: %v", id, err)
			}
		}
	}
	return complaints
}

// keyFile is where cmd/waybell keeps a key that it made.
const keyFile = "encryption.key"

// kept tells what of a promise was not kept.
func kept(ctx context.Context, store *sqlite.Store, agent waybell.AgentNumber, id string) error {
	switch {
	case id == agentID || strings.HasPrefix(id, "agent-"):
		_, err := store.Agent(ctx, id)
		return err
	case strings.HasPrefix(id, "ep_"):
		_, err := store.Endpoint(ctx, agent, id)
		return err
	}
	e, err := store.EventByID(ctx, agent, id)
	if err != nil {
		return err
	}
	var data struct{ Mark, Text string }
	if err := json.Unmarshal(e.Data, &data); err != nil || data.Mark != mark(id) || data.Text != text(id) {
		return fmt.Errorf("its data is another: %v, %.100q", err, e.Data)
	}
	list, err := store.EventDeliveries(ctx, agent, e.Key)
	if err != nil || len(list) != paths {
		return errors.Join(err, fmt.Errorf("%d deliveries", len(list)))
	}
	for _, d := range list {
		switch d.State {
		case waybell.DeliveryPending, waybell.DeliveryRetrying, waybell.DeliveryDelivered:
		default:
			return fmt.Errorf("a delivery is %s", d.State)
		}
	}
	return nil
}

// starter starts the real binary on an image.
type starter struct {
	binary, addr string
	receiver     *receiver
}

// deliver starts the binary on an image, lets it deliver what waits, and holds
// that everything promised was received. Nobody helps: a start that is refused is
// a loss.
func (s *starter) deliver(ctx context.Context, dir string, before []promise) (complaints []string) {
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	cmd := exec.Command(s.binary, "serve", "--listen", s.addr, "--data-dir", dir, "--allow-targets", "127.0.0.1", "--log-level", "error")
	cmd.Env = append(os.Environ(), "WAYBELL_API_KEY="+apiKey)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return []string{err.Error()}
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := newClient(s.addr)
	defer c.CloseIdleConnections()
	if err := c.drained(ctx, ended, len(before) > 0); err != nil {
		complain("%v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err == nil {
		err = <-ended
		if err != nil {
			complain("the end: %v", err)
		}
	}
	if len(complaints) > 0 {
		complain("the server said: %s", log.String())
	}
	for _, p := range before {
		for _, id := range p.ids {
			if !strings.HasPrefix(id, "ep_") && id != agentID && !strings.HasPrefix(id, "agent-") && !s.receiver.answered(id) {
				complain("%s was promised and never delivered", id)
			}
		}
	}
	return complaints
}

// drained waits until nothing waits any more. Without a promise there may be no
// agent.
func (c *client) drained(ctx context.Context, ended chan error, agent bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var l struct{ Accepted, Pending, Retrying, Delivered, Failed, Held, Canceled int64 }
		status, err := c.call(ctx, http.MethodGet, "/v1/agents/"+agentID+"/ledger", nil, &l)
		switch {
		case err == nil && l.Pending+l.Retrying+l.Held == 0:
			if l.Accepted != l.Delivered {
				return fmt.Errorf("drained, and not all is delivered: %+v", l)
			}
			return nil
		case status == http.StatusNotFound && !agent:
			return nil
		case err != nil && status != 0 && status != http.StatusServiceUnavailable:
			return err
		}
		select {
		case <-tick.C:
		case err := <-ended:
			ended <- err
			return fmt.Errorf("the server ended by itself: %w", errors.Join(err, errors.New("it should serve")))
		case <-ctx.Done():
			return fmt.Errorf("not drained: %+v, %w", l, errors.Join(err, context.Cause(ctx)))
		}
	}
}
