package waybell_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/receivertest"
)

// newerKey is one that the rig's nodes do not have.
const newerKey = waybell.Secret("ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=")

// acme is a format and a retry policy of one's own.
func acme() format.Config {
	return format.Config{
		Formats: []format.Format{{
			Name: "acme", StandardHeadersOptional: true,
			Body: []format.Key{{Key: "acme", Value: format.ValueData}},
		}},
		RetryPolicies: []format.RetryPolicy{{Name: "acme", WindowSeconds: 3600}},
	}
}

// publishFor publishes to a node for an agent.
func (c *cluster) publishFor(n *member, agent string, count int) {
	c.t.Helper()
	for range count {
		_, err := n.Publish(c.ctx, agent, waybell.PublishInput{Type: "message.received", Data: []byte(`{"text":"hi"}`)})
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// logged counts the lines of all nodes' log with a text.
func (r *rig) logged(text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(r.log.String(), text)
}

// An endpoint that only some nodes know how to send to is left to those: the others
// take its events and all else goes on there.
func TestEndpointThatANodeLacks(t *testing.T) {
	t.Parallel()
	const secret = "whsec_V2F5YmVsbCdzIHB1YmxpYyBleGFtcGxlIHNlY3JldCE="
	for name, lacks := range map[string]struct {
		knows func(*waybell.Config)
		uses  func(*waybell.EndpointInput)
		told  string
	}{
		"format": {func(c *waybell.Config) { c.Formats = acme() },
			func(e *waybell.EndpointInput) { e.Format = waybell.Some("acme") }, "format"},
		"policy": {func(c *waybell.Config) { c.Formats = acme() },
			func(e *waybell.EndpointInput) {
				e.Retry = waybell.Some(waybell.RetryInput{Policy: waybell.Some("acme")})
			}, "retry policy"},
		"key": {func(c *waybell.Config) { c.EncryptionKeys = []waybell.Secret{newerKey, testKey} },
			func(e *waybell.EndpointInput) { e.Secret = waybell.Some(waybell.Secret(secret)) }, "no such encryption key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, nil, 2, func(i int, cfg *waybell.Config) {
					if i == 0 {
						lacks.knows(cfg)
					}
				})
				a, b := c.nodes[0], c.nodes[1]
				c.agent("standard")
				c.endpoint("plain")
				if _, err := a.CreateAgent(t.Context(), waybell.AgentInput{ID: "other", Name: waybell.Some("Other")}); err != nil {
					t.Fatal(err)
				}
				in := waybell.EndpointInput{URL: waybell.Some("http://hooks.example.com/own"), Events: waybell.Some([]string{"*"})}
				lacks.uses(&in)
				own, err := a.CreateEndpoint(t.Context(), "other", in)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(30 * time.Second) // longer than a lease
				if n, why := b.Unready(); n != 1 || !strings.Contains(why.Error(), lacks.told) || !strings.Contains(why.Error(), own.Endpoint.ID) {
					t.Errorf("the second node lacks %d: %v", n, why)
				}
				if n, _ := a.Unready(); n != 0 {
					t.Errorf("the first node lacks %d", n)
				}
				if err := b.Ready(); err != nil {
					t.Errorf("the second node: %v", err)
				}
				if n := c.logged("this node cannot send to an endpoint"); n != 1 {
					t.Errorf("logged %d times", n)
				}
				if n := c.logged(secret); n > 0 {
					t.Error("the secret is in the log")
				}
				c.publishTo(b, 5)
				c.publishFor(b, "other", 20)
				c.publishFor(a, "other", 20)
				if d, err := b.Test(t.Context(), "other", own.Endpoint.ID, waybell.TestInput{}); err != nil || d.State != waybell.DeliveryDelivered {
					t.Errorf("a test send by the second node: %v, %v", d.State, err)
				}
				time.Sleep(time.Minute)
				c.sentAs(name, 41)
				c.ledgerOf(b, "other", waybell.Ledger{Accepted: 41, Delivered: 41})
				if l := c.ledger(); l.Delivered != 5 {
					t.Errorf("the others' ledger %+v", l)
				}
				for id, times := range c.timesSent() {
					if times > 1 {
						t.Errorf("event %s was sent %d times", id, times)
					}
				}
			})
		})
	}
}

// sentAs holds what the endpoint of a node's own got: all of it in its format and
// signed where it has a secret.
func (c *cluster) sentAs(name string, want int) {
	c.t.Helper()
	n := 0
	for _, r := range c.receiver.Requests() {
		if r.Path != "/own" {
			continue
		}
		n++
		switch {
		case name == "format" && !bytes.HasPrefix(r.Body, []byte(`{"acme":`)):
			c.t.Errorf("sent in another format: %s", r.Body)
		case name == "key" && r.Get("webhook-signature") == "":
			c.t.Error("sent unsigned")
		}
	}
	if n != want {
		c.t.Errorf("%d requests, want %d", n, want)
	}
}

func (c *cluster) ledgerOf(n *member, agent string, want waybell.Ledger) {
	c.t.Helper()
	if l, err := n.Ledger(c.ctx, agent, ""); err != nil || l != want {
		c.t.Errorf("ledger of %s: %+v, %v; want %+v", agent, l, err, want)
	}
}

// What a node has in hand of an endpoint that it can no longer send to is given back
// at once, and sent by others; it sends again when it can.
func TestEndpointChangesToWhatANodeLacks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, receivertest.Always(receivertest.After(2*time.Second, receivertest.Answer(200, ""))), 2, func(i int, cfg *waybell.Config) {
			if cfg.Limits.Concurrency = 1; i == 0 {
				cfg.Formats = acme()
			}
		})
		a, b := c.nodes[0], c.nodes[1]
		c.agent("standard")
		e := c.endpoint("own")
		time.Sleep(time.Second)
		c.publishTo(b, 30)
		change := func(to string) {
			if _, err := a.UpdateEndpoint(t.Context(), "bot", e.ID, waybell.EndpointInput{Format: waybell.Some(to)}, 0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(4 * time.Second)
		}
		change("acme")
		if l := b.Load(); l.Queued > 0 || l.InFlight > 0 {
			t.Errorf("the second node still has %+v", l)
		}
		c.publishTo(b, 3)
		c.stopNode(a, 10*time.Second) // nobody knows it then
		before := c.receiver.Count()
		time.Sleep(5 * time.Minute)
		if n := c.receiver.Count(); n != before {
			t.Errorf("%d were sent by a node that cannot", n-before)
		}
		d := c.add(func(_ int, cfg *waybell.Config) { cfg.Formats = acme() })
		a = d
		time.Sleep(3 * time.Second)
		change("standard")
		if n, _ := b.Unready(); n != 0 {
			t.Errorf("the second node lacks %d", n)
		}
		sent := c.receiver.Count()
		c.publishTo(b, 2)
		time.Sleep(3 * time.Minute)
		if n := c.receiver.Count() - sent; n < 2 {
			t.Errorf("%d were sent after it", n)
		}
		c.ledgerOf(b, "bot", waybell.Ledger{Accepted: 35, Delivered: 35})
		for id, times := range c.timesSent() {
			if times != 1 {
				t.Errorf("event %s was sent %d times", id, times)
			}
		}
	})
}

// Who asks a node for an endpoint whose key it lacks gets what there is, or the reason.
func TestReadEndpointWithoutItsKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 2, func(i int, cfg *waybell.Config) {
			if i == 0 {
				cfg.EncryptionKeys = []waybell.Secret{newerKey, testKey}
			}
		})
		b := c.nodes[1]
		c.agent("standard")
		plain := c.endpoint("plain")
		sealed := c.endpoint("sealed", func(e *waybell.EndpointInput) { e.GenerateSecret = waybell.SecretSymmetric })
		time.Sleep(time.Second)
		page, err := b.Endpoints(t.Context(), "bot", waybell.ListQuery{})
		if err != nil || len(page.Data) != 2 {
			t.Fatalf("list: %+v, %v", page, err)
		}
		if e := page.Data[0]; e.ID != sealed.ID || len(e.Secrets) > 0 || len(e.Sealed) == 0 {
			t.Errorf("in the list: %+v", e)
		}
		if _, err := b.Endpoint(t.Context(), "bot", plain.ID); err != nil {
			t.Errorf("the other one: %v", err)
		}
		description := waybell.EndpointInput{Description: waybell.Some("new")}
		for what, call := range map[string]func(context.Context, *member) error{
			"get":    func(ctx context.Context, n *member) error { _, err := n.Endpoint(ctx, "bot", sealed.ID); return err },
			"secret": func(ctx context.Context, n *member) error { _, err := n.Secret(ctx, "bot", sealed.ID); return err },
			"patch": func(ctx context.Context, n *member) error {
				_, err := n.UpdateEndpoint(ctx, "bot", sealed.ID, description, 0)
				return err
			},
		} {
			if err := call(t.Context(), b); waybell.ErrorCode(err) != waybell.CodeUnavailable || !strings.Contains(err.Error(), "encryption key") {
				t.Errorf("%s: %v", what, err)
			}
			if err := call(t.Context(), c.nodes[0]); err != nil {
				t.Errorf("%s of the node with the key: %v", what, err)
			}
		}
		if n, err := b.ReencryptSecrets(t.Context()); n != 0 || err != nil {
			t.Errorf("encrypt again: %d, %v", n, err)
		}
		if l, err := b.Ledger(t.Context(), "bot", sealed.ID); err != nil || l != (waybell.Ledger{}) {
			t.Errorf("ledger: %+v, %v", l, err)
		}
		// A start says what is missing.
		cfg := waybell.Config{Store: b.store, EncryptionKeys: []waybell.Secret{testKey}}
		late, err := waybell.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := late.Start(t.Context()); err == nil || !strings.Contains(err.Error(), sealed.ID) {
			t.Errorf("a start without the key: %v", err)
		}
	})
}
