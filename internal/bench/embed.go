package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// PartCommand is the hidden command of the binary that is measured with which
// the bench has a process of its own use the Go package, or a store.
const PartCommand = "bench-part"

// PartRequest asks such a process for something. They come one after the other.
type PartRequest struct {
	Do string `json:"do"`
	// PartPrepare: where the endpoint of the bench's agent leads.
	URL string `json:"url,omitempty"`
	// PartPublish: for how long, from how many goroutines, and what.
	Seconds float64 `json:"seconds,omitempty"`
	Workers int     `json:"workers,omitempty"`
	Event   string  `json:"event,omitempty"`
	Data    []byte  `json:"data,omitempty"`
	// PartClaim: how many claims of how many rows each.
	Rounds int `json:"rounds,omitempty"`
	Max    int `json:"max,omitempty"`
}

// What a PartRequest asks for.
const (
	PartPrepare = "prepare" // an agent with an endpoint
	PartPublish = "publish" // closed loops of Service.Publish
	PartSettled = "settled" // wait until nothing is left to do
	PartCommits = "commits" // of the store
	PartClaim   = "claim"   // claims of waiting rows, which are released again
)

// PartAnswer is what came of it.
type PartAnswer struct {
	Error   string        `json:"error,omitempty"`
	N       int64         `json:"n,omitempty"`       // events published, commits, rows claimed
	Took    time.Duration `json:"took,omitempty"`    // all commits
	Latency Percentiles   `json:"latency,omitempty"` // of Publish, or of a claim
}

// ServePart answers requests until there are no more.
func ServePart(in io.Reader, out io.Writer, do func(PartRequest) (PartAnswer, error)) error {
	requests, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var r PartRequest
		switch err := requests.Decode(&r); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		a, err := do(r)
		if err != nil {
			a.Error = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}

// part is a process that answers PartRequests.
type part struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *json.Decoder
	store   store
	log     string
}

// startPart runs a part of the bench on a store that nobody else uses. Its log
// goes to dir.
func startPart(ctx context.Context, o *Options, dir string, st store) (*part, error) {
	args, env := st.serve()
	args = append([]string{PartCommand, "--allow-targets", "127.0.0.0/8", "--log-level", "warn"}, args...)
	p := &part{cmd: exec.CommandContext(ctx, o.Binary, args...), store: st, log: filepath.Join(dir, "part.log")}
	p.cmd.Env = append(ownEnvironment(), env...)
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own
	p.cmd.Stderr = log
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answers = json.NewDecoder(bufio.NewReader(out))
	return p, p.cmd.Start()
}

func (p *part) ask(r PartRequest) (a PartAnswer, err error) {
	b, err := json.Marshal(r)
	if err == nil {
		_, err = p.in.Write(append(b, '\n'))
	}
	if err == nil {
		err = p.answers.Decode(&a)
	}
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	if err != nil {
		out, _ := os.ReadFile(p.log)
		return a, fmt.Errorf("%s: %w\n%s", r.Do, err, out)
	}
	return a, nil
}

// end has the process end in order.
func (p *part) end() error {
	p.in.Close()
	return p.cmd.Wait()
}

func (p *part) usage() (usage, error) { return processUsage(p.cmd.Process.Pid) }

func (p *part) commits() (commits, error) {
	a, err := p.ask(PartRequest{Do: PartCommits})
	return commits{a.N, a.Took}, err
}

func (p *part) settled(string, time.Duration) error {
	_, err := p.ask(PartRequest{Do: PartSettled})
	return err
}

func (p *part) keeps() store { return p.store }

// embedWorkers are the goroutines of P1 that publish.
const embedWorkers = 256

// embed is P1: a program that uses the Go package.
func embed(ctx context.Context, o *Options) (*Result, error) {
	res := &Result{Scenario: "P1", What: fmt.Sprintf("the Go package embedded: Service.Publish from %d goroutines, 1 endpoint", embedWorkers)}
	return alternate(o, res, func(r *receiver, _ float64) (*measured, error) { return embedOnce(ctx, o, r) })
}

func embedOnce(ctx context.Context, o *Options, r *receiver) (_ *measured, err error) {
	st, err := o.newStore(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.discard(ctx)) }()
	if err := st.settle(ctx); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.Dir, "waybell-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	p, err := startPart(ctx, o, dir, st)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	if _, err := p.ask(PartRequest{Do: PartPrepare, URL: "http://" + r.addr + "/hooks/0"}); err != nil {
		return nil, err
	}
	b, err := begin(ctx, r, p)
	if err != nil {
		return nil, err
	}
	a, err := p.ask(PartRequest{Do: PartPublish, Seconds: o.Duration.Seconds(), Workers: embedWorkers,
		Event: "message.received", Data: []byte(eventData())})
	if err != nil {
		return nil, err
	}
	m, err := b.end(ctx, int(a.N))
	if err == nil {
		m.publish = &a.Latency
	}
	return m, err
}
