package simulation_test

import (
	"context"
	"fmt"
	"time"

	"github.com/waybell/waybell"
)

// settings draws how an endpoint is sent to.
func (w *world) settings() waybell.EndpointInput {
	in := waybell.EndpointInput{
		Events:         waybell.Some([]string{"*"}),
		TimeoutSeconds: waybell.Some(1 + w.rng.IntN(20)),
		Profile:        waybell.Some([]string{"standard", "chatzuri", "chatislav"}[w.rng.IntN(3)]),
	}
	if w.chance(4) {
		in.Events = waybell.Some(types()[:1+w.rng.IntN(2)])
	}
	if name := []string{"", "", "brisk", "stiff", "standard", "chatislav"}[w.rng.IntN(6)]; name != "" {
		in.Retry = waybell.Some(waybell.RetryInput{Policy: waybell.Some(name)})
	}
	switch w.rng.IntN(6) {
	case 0:
		in.Retry = waybell.Some(waybell.RetryInput{ScheduleSeconds: waybell.Some([]int{}), WindowSeconds: waybell.Some(600)})
	case 1:
		in.Retry = waybell.Some(waybell.RetryInput{ScheduleSeconds: waybell.Some([]int{2, 2, 2, 30, 30, 600}), WindowSeconds: waybell.Some(60 + w.rng.IntN(7200))})
	}
	if w.chance(4) {
		in.RateLimit = waybell.Some(0.5 + float64(w.rng.IntN(100))/10)
	}
	if w.chance(3) {
		in.Concurrency = waybell.Some(1 + w.rng.IntN(4))
	}
	return in
}

// subscribe makes an endpoint of an agent.
func (w *world) subscribe() {
	n, a, in := w.node(), w.agent(), w.settings()
	w.mu.Lock()
	number := len(w.endpoints) + 1
	w.mu.Unlock()
	in.URL = waybell.Some(fmt.Sprintf("http://e%d.example/hook", number))
	if w.chance(2) {
		in.GenerateSecret = waybell.SecretSymmetric
	}
	err := w.call(func(ctx context.Context) error { _, err := n.svc.CreateEndpoint(ctx, a.id, in); return err })
	w.mu.Lock()
	for _, e := range w.endpoints[number-1:] {
		e.agent = a
	}
	w.mu.Unlock()
	w.step("endpoint %d of %s on %s: %s", number, a.id, n.name, word(err))
}

// join makes an agent.
func (w *world) join() {
	id := fmt.Sprintf("bot-%d", len(w.agents)+1)
	got, err := w.node().svc.CreateAgent(w.ctx, waybell.AgentInput{ID: id, Name: waybell.Some("Bot")})
	if err != nil {
		w.violation("agent %s: %v", id, err)
		return
	}
	w.agents = append(w.agents, &agent{id: id, number: got.Number})
}

func (w *world) deleteAgent() {
	n, a, really := w.node(), w.agent(), w.chance(3)
	if !really || len(w.agents) < 2 {
		return
	}
	err := w.call(func(ctx context.Context) error { return n.svc.DeleteAgent(ctx, a.id, 0) })
	a.deleted = a.deleted || err == nil
	w.step("delete %s on %s: %s", a.id, n.name, word(err))
}

// crash kills a node, or all; others take their place.
func (w *world) crash() {
	n, wait, all := w.node(), w.between(0, 20*time.Second), w.chance(4)
	if w.chance(3) {
		wait += w.between(0, 2*time.Hour)
	}
	w.count("crashes", 1)
	if n.solo {
		w.step("%s crashes, the next starts in %v", n.name, wait)
		n.crash()
		time.Sleep(wait)
		w.newNode(true)
		return
	}
	for _, o := range append([]*node{}, w.nodes...) {
		if o == n || all {
			w.step("%s crashes", o.name)
			o.crash()
		}
	}
	time.Sleep(min(wait, 20*time.Second))
	n = w.newNode(false)
	w.step("%s starts", n.name)
}

// restart stops a node in an orderly way and starts another.
func (w *world) restart() {
	n, grace := w.node(), w.between(time.Millisecond, 30*time.Second)
	w.count("restarts", 1)
	w.step("%s is restarted within %v", n.name, grace)
	n.stop(grace)
	next := w.newNode(n.solo)
	w.step("%s starts", next.name)
}

// trouble has something go wrong with a node for a time.
func (w *world) spell(what string, d time.Duration, set func(*node, time.Time)) {
	n := w.node()
	w.count(what, 1)
	w.step("%s: %s for %v", n.name, what, d)
	n.mu.Lock()
	set(n, time.Now().Add(d))
	n.mu.Unlock()
	w.troubled(d)
}

func (w *world) outage() {
	w.spell("outages", w.between(time.Millisecond, 40*time.Second), func(n *node, t time.Time) { n.outage = t })
}

func (w *world) unknown() {
	w.spell("unknown commits", w.between(time.Second, 60*time.Second), func(n *node, t time.Time) { n.unknown = t })
}

func (w *world) lag() {
	lag := w.between(time.Millisecond, 3*time.Second)
	w.spell("slow store", w.between(time.Second, 60*time.Second), func(n *node, t time.Time) { n.lag, n.laggedTo = lag, t })
}

// freeze stops one of several nodes for some time, as a machine that is suspended
// does: its store and its network stand still.
func (w *world) freeze() {
	n, d := w.node(), w.between(time.Second, 40*time.Second)
	n.mu.Lock()
	skip := n.solo || n.frozen != nil || len(w.nodes) < 2
	n.mu.Unlock()
	if skip {
		return
	}
	w.count("freezes", 1)
	w.step("%s freezes for %v", n.name, d)
	w.troubled(d)
	thaw := make(chan struct{})
	n.mu.Lock()
	n.frozen, n.froze = thaw, time.Now()
	n.trouble = time.Now().Add(d + 10*time.Second)
	n.mu.Unlock()
	time.AfterFunc(d, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.frozen == thaw {
			n.frozen = nil
			close(thaw)
		}
	})
}
