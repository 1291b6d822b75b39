package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybell/waybell"
)

const (
	demoAgent = "agt_demo"
	// demoPrefix is that of the scenario's own event ids.
	demoPrefix = "demo-"
	// demoDrain is how long --events waits for the last retries.
	demoDrain = 2 * time.Minute
)

// demoProfiles has an endpoint each.
func demoProfiles() []string { return []string{"standard", "chatzuri", "chatislav"} }

// demo is a running demonstration.
type demo struct {
	listen string
	seed   uint64
	speed  float64
	events int

	out      io.Writer
	errs     io.Writer
	server   *server
	link     string // to the console
	api      *client
	receiver *demoReceiver
	printer  *demoPrinter
	progress demoProgress
}

func newDemoCommand() *cobra.Command {
	d := &demo{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a server deliver, on a temporary store",
		Long: `Start a server on a temporary store, an agent whose customers write to it, leave
their details, rate replies and ask for a human, and a receiver that verifies
every signature and now and then answers 503. Each delivery is a line. The
demo's endpoints retry after seconds instead of the usual schedule.

Ctrl-C, or --events, ends it and shows the ledger. Nothing is left behind.`,
		Example: `  waybell demo
  waybell demo --speed 5 --events 100 --seed 7`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if d.speed <= 0 || d.events < 0 {
				return usageErrorf("--speed must be over 0 and --events not below 0")
			}
			d.out, d.errs = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&d.listen, "listen", "", "address of the API (default 127.0.0.1:8080, or a free port)")
	cmd.Flags().Uint64Var(&d.seed, "seed", uint64(time.Now().UnixNano()), "the same seed tells the same story")
	cmd.Flags().Lookup("seed").DefValue = "random"
	cmd.Flags().Float64Var(&d.speed, "speed", 1, "how many times faster customers write")
	cmd.Flags().IntVar(&d.events, "events", 0, "end by itself after so many events (0 = never)")
	return cmd
}

// run starts everything, tells the story, and takes everything down again.
func (d *demo) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "waybell-demo-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if d.receiver, err = startDemoReceiver(d.seed); err != nil {
		return err
	}
	defer d.receiver.close()
	d.printer = newDemoPrinter(d.out, os.Getenv)
	d.progress.changed = make(chan struct{}, 1)
	if err := d.startServer(ctx, dir); err != nil {
		d.printer.close()
		return err
	}
	// Stopping has its own time: ctx has ended by then.
	stopping := context.WithoutCancel(ctx)
	err = d.subscribe(ctx)
	subscribed := err == nil
	if subscribed {
		d.welcome()
		err = d.tell(ctx)
	}
	if ctx.Err() != nil {
		err = nil // interrupted, which is how it ends
	}
	err = errors.Join(err, d.server.stopService(stopping))
	d.printer.close()
	if subscribed {
		err = errors.Join(err, d.showLedger(stopping))
	}
	return errors.Join(err, d.server.close())
}

// startServer starts a real server, on the usual port if that is free.
func (d *demo) startServer(ctx context.Context, dir string) error {
	c := &configuration{settings: newSettings()}
	c.DataDir = textValue(dir)
	c.AllowTargets = listValue{"127.0.0.0/8", "::1", "localhost"}
	c.ShutdownGrace = durationValue(3 * time.Second)
	if d.listen != "" {
		c.Listen = textValue(d.listen)
	}
	log := slog.New(slog.NewTextHandler(d.errs, &slog.HandlerOptions{Level: slog.LevelError}))
	var err error
	d.server, err = startServer(ctx, c, log, d.onAttempt)
	if errors.Is(err, errAddressInUse) && d.listen == "" {
		c.Listen = "127.0.0.1:0"
		d.server, err = startServer(ctx, c, log, d.onAttempt)
	}
	if err != nil {
		return err
	}
	base, err := url.Parse(d.server.url)
	if err == nil {
		d.link, err = d.server.signInLink(ctx, c)
	}
	if err != nil {
		return errors.Join(err, d.server.close())
	}
	d.api = newClient(base, d.server.rootKey.Reveal(), 10*time.Second)
	return nil
}

// subscribe makes the agent and its endpoints over the API, as a user would.
func (d *demo) subscribe(ctx context.Context) error {
	post := func(members map[string]any, path ...string) ([]byte, error) {
		body, err := json.Marshal(members)
		if err != nil {
			return nil, err
		}
		return d.api.do(ctx, call{method: http.MethodPost, path: path, body: body})
	}
	if _, err := post(map[string]any{"id": demoAgent, "name": "Ava"}, "v1", "agents"); err != nil {
		return err
	}
	for _, profile := range demoProfiles() {
		doc, err := post(map[string]any{
			"url": d.receiver.url(profile), "events": []string{"*"}, "profile": profile,
			"description": "the demo's receiver", "generate_secret": true,
			"retry": map[string]any{"schedule_seconds": []int{2, 3, 5, 8, 13}},
		}, "v1", "agents", demoAgent, "endpoints")
		if err != nil {
			return err
		}
		var made struct {
			Secret string `json:"secret"`
		}
		if err := json.Unmarshal(doc, &made); err != nil {
			return err
		}
		if err := d.receiver.expect(profile, made.Secret); err != nil {
			return err
		}
	}
	return nil
}

// welcome says what there is and how to take part.
func (d *demo) welcome() {
	key := d.server.rootKey.Reveal()
	fmt.Fprintf(d.errs, `Waybell demo: a server on a temporary store, an agent whose customers write to
it, and a receiver that verifies every signature and now and then answers 503.
Retries come after 2 s here (usually 5 s), so that you can watch them.

  Console    %[5]s
             (works once, for 15 minutes)
  API        %[1]s/v1
  API key    %[2]s
  Reference  %[1]s/docs

Publish an event of your own; it shows up below:

  curl -sS %[1]s/v1/agents/%[3]s/events \
    -H 'Authorization: Bearer %[2]s' -H 'Content-Type: application/json' \
    -d '{"event":"lead.submit","data":{"name":"Ada","email":"ada@example.com"}}'

Ctrl-C ends it. Seed %[4]d tells the same story again.

`, d.server.url, key, demoAgent, d.seed, d.link)
}

// tell publishes the story event by event until ctx ends or enough was told.
func (d *demo) tell(ctx context.Context) error {
	story := newStory(d.seed)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for n := 1; d.events == 0 || n <= d.events; n++ {
		select {
		case <-ctx.Done():
			return nil
		case err := <-d.server.failed:
			return err
		case <-pause.C:
		}
		event := story.next(time.Now())
		event.ID = fmt.Sprintf("%s%06d", demoPrefix, n)
		d.printer.remember(event.ID, event.gist)
		if err := d.publish(ctx, event); err != nil {
			return err
		}
		pause.Reset(time.Duration(float64(event.pause) / d.speed))
	}
	return d.progress.wait(ctx, demoDrain)
}

func (d *demo) publish(ctx context.Context, event storyEvent) error {
	body, err := json.Marshal(event)
	if err != nil {
		return err
	}
	doc, err := d.api.do(ctx, call{method: http.MethodPost, path: []string{"v1", "agents", demoAgent, "events"}, body: body})
	if err != nil {
		return err
	}
	var accepted struct {
		Deliveries int `json:"deliveries"`
	}
	if err := json.Unmarshal(doc, &accepted); err != nil {
		return err
	}
	d.progress.accept(accepted.Deliveries)
	return nil
}

// onAttempt is called by the service after each attempt.
func (d *demo) onAttempt(a waybell.AttemptReport) {
	d.printer.attempt(a, d.receiver.verdict(a.Ref.ID(), a.Number))
	if strings.HasPrefix(a.EventID, demoPrefix) && a.State.Settled() {
		d.progress.settle()
	}
}

// showLedger prints what became of all deliveries and checks that it adds up.
func (d *demo) showLedger(ctx context.Context) error {
	endpoints, err := d.server.svc.Endpoints(ctx, demoAgent, waybell.ListQuery{Limit: 250})
	if err != nil {
		return err
	}
	t := newTable("LEDGER", "ACCEPTED", "PENDING", "RETRYING", "DELIVERED", "FAILED", "HELD", "CANCELED", "")
	sound := true
	row := func(name, endpoint string) error {
		l, err := d.server.svc.Ledger(ctx, demoAgent, endpoint)
		if err != nil {
			return err
		}
		verdict := "adds up"
		if l.Accepted != l.Pending+l.Retrying+l.Delivered+l.Failed+l.Held+l.Canceled {
			verdict, sound = "DOES NOT ADD UP", false
		}
		cells := []string{name}
		for _, n := range []int64{l.Accepted, l.Pending, l.Retrying, l.Delivered, l.Failed, l.Held, l.Canceled} {
			cells = append(cells, fmt.Sprint(n))
		}
		t.add(append(cells, verdict)...)
		return nil
	}
	for i := len(endpoints.Data) - 1; i >= 0; i-- { // oldest first
		if err := row(endpoints.Data[i].Profile, endpoints.Data[i].ID); err != nil {
			return err
		}
	}
	if err := row("all", ""); err != nil {
		return err
	}
	fmt.Fprintln(d.out)
	if err := t.write(d.out); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "Signatures verified: %d, wrong: %d.\n", d.receiver.good.Load(), d.receiver.bad.Load())
	if !sound || d.receiver.bad.Load() > 0 {
		return errors.New("the demo found a fault; please report it")
	}
	return nil
}

// demoProgress counts the deliveries of the story.
type demoProgress struct {
	mu                sync.Mutex
	accepted, settled int
	changed           chan struct{}
}

func (p *demoProgress) accept(n int) { p.add(n, 0) }
func (p *demoProgress) settle()      { p.add(0, 1) }

func (p *demoProgress) add(accepted, settled int) {
	p.mu.Lock()
	p.accepted += accepted
	p.settled += settled
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// wait returns when all accepted deliveries are settled, or when it takes too
// long.
func (p *demoProgress) wait(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		p.mu.Lock()
		done := p.settled >= p.accepted
		p.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("some deliveries are still waiting: %w", ctx.Err())
		case <-p.changed:
		}
	}
}
