package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/bench"
)

// newBenchPartCommand is what `waybell bench` runs where no server is measured,
// but the Go package embedded in a program, or a store by itself.
func newBenchPartCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     bench.PartCommand,
		Short:   "Be the program that bench measures",
		Hidden:  true,
		Example: `  echo '{"do":"prepare","url":"http://127.0.0.1:9/"}' | waybell bench-part --data-dir new`,
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadSettings(cmd.Flags(), os.Environ())
			if err != nil {
				return err
			}
			p := &benchPart{c: c, s: &server{log: newLogger(cmd.ErrOrStderr(), c), failed: make(chan error, 2)}}
			defer p.s.close()
			return bench.ServePart(cmd.InOrStdin(), cmd.OutOrStdout(), func(r bench.PartRequest) (bench.PartAnswer, error) {
				return p.do(cmd.Context(), r)
			})
		},
	}
	addSettingFlags(cmd.Flags())
	return cmd
}

// benchPart embeds a service, or has a store only.
type benchPart struct {
	c *configuration
	s *server
}

const benchAgent = "bench"

func (p *benchPart) do(ctx context.Context, r bench.PartRequest) (bench.PartAnswer, error) {
	if p.s.svc == nil && r.Do != bench.PartPrepare && r.Do != bench.PartClaim {
		return bench.PartAnswer{}, fmt.Errorf("%s before %s", r.Do, bench.PartPrepare)
	}
	switch r.Do {
	case bench.PartPrepare:
		return bench.PartAnswer{}, p.prepare(ctx, r.URL)
	case bench.PartPublish:
		return p.publish(ctx, r)
	case bench.PartSettled:
		return bench.PartAnswer{}, p.settled(ctx)
	case bench.PartCommits:
		stats, err := p.s.svc.StoreStats(ctx)
		return bench.PartAnswer{N: stats.Commits, Took: stats.CommitTime}, err
	case bench.PartClaim:
		return p.claim(ctx, r)
	}
	return bench.PartAnswer{}, fmt.Errorf("there is no request %q", r.Do)
}

// prepare starts a service as a program that embeds it would, but with the
// server's settings of the Go runtime, and gives the agent an endpoint.
func (p *benchPart) prepare(ctx context.Context, url string) error {
	if err := p.s.startService(ctx, p.c, nil); err != nil {
		return err
	}
	rest := tuneRuntime(p.s.svc, !p.c.shared())
	p.s.closers = append(p.s.closers, func() error { rest(); return nil })
	if _, err := p.s.svc.CreateAgent(ctx, waybell.AgentInput{ID: benchAgent, Name: waybell.Some("Bench")}); err != nil {
		return err
	}
	_, err := p.s.svc.CreateEndpoint(ctx, benchAgent, waybell.EndpointInput{
		URL: waybell.Some(url), Events: waybell.Some([]string{"*"}), GenerateSecret: waybell.SecretSymmetric,
	})
	return err
}

// publish keeps goroutines busy with Publish. What back-pressure refuses is not
// counted, and is tried again.
func (p *benchPart) publish(ctx context.Context, r bench.PartRequest) (bench.PartAnswer, error) {
	end := time.Now().Add(time.Duration(r.Seconds * float64(time.Second)))
	var mu sync.Mutex
	var all []time.Duration
	var errs []error
	var wg sync.WaitGroup
	for range r.Workers {
		wg.Go(func() {
			mine, err := p.publishUntil(ctx, end, waybell.PublishInput{Type: r.Event, Data: r.Data})
			mu.Lock()
			defer mu.Unlock()
			all, errs = append(all, mine...), append(errs, err)
		})
	}
	wg.Wait()
	return bench.PartAnswer{N: int64(len(all)), Latency: bench.Summarise(all)}, errors.Join(errs...)
}

func (p *benchPart) publishUntil(ctx context.Context, end time.Time, in waybell.PublishInput) ([]time.Duration, error) {
	var took []time.Duration
	for {
		began := time.Now()
		if !began.Before(end) {
			return took, nil
		}
		switch _, err := p.s.svc.Publish(ctx, benchAgent, in); {
		case err == nil:
			took = append(took, time.Since(began))
		case waybell.ErrorCode(err) == waybell.CodeBusy:
			time.Sleep(10 * time.Millisecond)
		default:
			return took, err
		}
	}
}

// settled waits until the agent's ledger has nothing left to do.
func (p *benchPart) settled(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		l, err := p.s.svc.Ledger(ctx, benchAgent, "")
		if err != nil || l.Pending+l.Retrying == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return errors.New("not settled after 10 s")
}

// claim opens the store as a node and measures claims of due rows, one endpoint
// after the other. The rows are released as they were.
func (p *benchPart) claim(ctx context.Context, r bench.PartRequest) (a bench.PartAnswer, err error) {
	open := p.s.openEmbedded
	if p.c.shared() {
		open = p.s.openShared
	}
	store, _, err := open(ctx, p.c)
	if err != nil {
		return a, err
	}
	lease, err := store.Join(ctx, waybell.NodeInfo{Name: "bench", Version: build().Version})
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, store.Leave(ctx, lease)) }()
	now := time.Now().Add(30 * 24 * time.Hour) // all are due
	endpoints, err := store.Due(ctx, now)
	if err != nil || len(endpoints) == 0 {
		return a, errors.Join(errors.New("no row waits"), err)
	}
	var took []time.Duration
	for round := range r.Rounds {
		began := time.Now()
		rows, err := store.Claim(ctx, lease, now, []waybell.ClaimWant{{Endpoint: endpoints[round%len(endpoints)].Endpoint, Max: r.Max}})
		if err != nil {
			return a, err
		}
		took = append(took, time.Since(began))
		a.N += int64(len(rows))
		back := make([]waybell.Settlement, len(rows))
		for i, w := range rows {
			back[i] = waybell.Settlement{DeliveryRef: w.DeliveryRef, Agent: w.Agent, Kind: waybell.SettleRelease, NextAt: w.NextAt}
		}
		if err := store.Settle(ctx, lease, back); err != nil {
			return a, err
		}
	}
	a.Latency = bench.Summarise(took)
	return a, nil
}
