package waybell_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/signature"
)

const ownURL = "http://127.0.0.1:8080/waybell"

// withInboxes gives a rig inboxes, and no network at all.
func withInboxes(t *testing.T) func(*waybell.Config) {
	return func(c *waybell.Config) {
		c.OwnURL = ownURL
		c.Dial = func(_ context.Context, _, addr string) (net.Conn, error) {
			t.Errorf("a connection to %s was opened", addr)
			return nil, net.ErrClosed
		}
	}
}

// inboxStore is a store whose inboxes fail on demand.
type inboxStore struct {
	waybell.Store
	add func(ctx context.Context) error
}

func (s *inboxStore) AddInboxRequest(ctx context.Context, r waybell.InboxRequest, keep int, expires time.Time) error {
	if s.add != nil {
		if err := s.add(ctx); err != nil {
			return err
		}
	}
	return s.Store.AddInboxRequest(ctx, r, keep, expires)
}

func (r *rig) inbox() waybell.Inbox {
	r.t.Helper()
	in, err := r.svc.CreateInbox(r.ctx, "bot", waybell.InboxInput{})
	if err != nil {
		r.t.Fatal(err)
	}
	if !strings.HasPrefix(in.URL, ownURL+"/in/") || len(in.Token) != 26 {
		r.t.Fatalf("the inbox is at %s", in.URL)
	}
	return in
}

// to leads an endpoint to an inbox.
func to(in waybell.Inbox) func(*waybell.EndpointInput) {
	return func(e *waybell.EndpointInput) { e.URL = waybell.Some(in.URL) }
}

func (r *rig) received(in waybell.Inbox) []waybell.InboxRequest {
	r.t.Helper()
	page, err := r.svc.InboxRequests(r.ctx, in.AgentID, in.ID, waybell.ListQuery{Limit: 250})
	if err != nil {
		r.t.Fatal(err)
	}
	return page.Data
}

func TestInboxTakesDeliveries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, withInboxes(t))
		r.agent("standard")
		in := r.inbox()
		r.endpoint("", to(in), func(e *waybell.EndpointInput) {
			e.Secret = waybell.Some(waybell.Secret("canary-secret-of-the-endpoint"))
			e.Headers = waybell.Some([]waybell.HeaderInput{{Name: "Authorization", Value: "Bearer canary-token"}, {Name: "X-Short", Value: "abc"}})
		})
		if _, err := r.svc.UpdateAgent(r.ctx, "bot", waybell.AgentInput{Name: waybell.Some("Bot")}, 0); err != nil { // its endpoints stay
			t.Fatal(err)
		}
		_, err := r.svc.Publish(r.ctx, "bot", waybell.PublishInput{Type: "message.sent",
			Data: []byte(`{"text":"my secret is canary-secret-of-the-endpoint, my token canary-token"}`)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		d := r.only()
		if d.State != waybell.DeliveryDelivered || len(d.Attempts) != 1 || string(d.Attempts[0].ResponseBody) != waybell.InboxReceived ||
			d.Attempts[0].ResponseHeaders["X-Content-Type-Options"] != "nosniff" {
			t.Fatalf("delivery %s, %d attempts, %+v", d.State, len(d.Attempts), d.Attempts)
		}
		got := r.received(in)
		if len(got) != 1 {
			t.Fatalf("%d requests", len(got))
		}
		q := got[0]
		if q.DeliveryID != d.ID() || q.Event != "message.sent" || q.Attempt != 1 || q.Method != "POST" || q.Status != 200 || q.Truncated ||
			q.Verdict.Status != "verified" || q.Verdict.Header != "webhook-signature" || q.Verdict.Scheme != "standard" {
			t.Errorf("request %+v", q)
		}
		for name, want := range map[string]string{"Authorization": "••••", "X-Short": "••••", "webhook-id": d.EventID, "X-Waybell-Agent": "bot"} {
			if q.Headers[name] != want {
				t.Errorf("%s is %q, want %q", name, q.Headers[name], want)
			}
		}
		if text := fmt.Sprint(q.Headers, string(q.Body)); strings.Contains(text, "canary") || !strings.Contains(text, `my secret is ••••, my token ••••`) {
			t.Errorf("kept %s", text)
		}
		seen, err := r.svc.Inbox(r.ctx, "bot", in.ID)
		if err != nil || seen.Requests != 1 || !seen.LastRequestAt.Equal(q.ReceivedAt) || len(seen.EndpointIDs) != 1 {
			t.Errorf("inbox %+v, %v", seen, err)
		}
		if strings.Contains(r.log.String(), in.Token) {
			t.Error("the log holds the inbox's token")
		}
	})
}

// TestInboxJudgesByTheSecretsOfItsTime: both secrets while they overlap, then
// the new one alone; without endpoints nothing.
func TestInboxJudgesByTheSecretsOfItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, withInboxes(t))
		r.agent("standard")
		in := r.inbox()
		e := r.endpoint("", to(in), func(e *waybell.EndpointInput) { e.GenerateSecret = waybell.SecretSymmetric })
		secret := func() waybell.Secret {
			v, err := r.svc.Secret(r.ctx, "bot", e.ID)
			if err != nil {
				t.Fatal(err)
			}
			return v.Secret
		}
		old := secret()
		if _, err := r.svc.RotateSecret(r.ctx, "bot", e.ID, waybell.RotateInput{OverlapSeconds: waybell.Some(3600)}); err != nil {
			t.Fatal(err)
		}
		send := func(with waybell.Secret) waybell.InboxVerdict {
			admitted, leave, err := r.svc.AdmitToInbox(r.ctx, in.Token)
			if err != nil {
				t.Fatal(err)
			}
			defer leave()
			h := signedBy(t, with, "hello")
			if err := r.svc.ReceiveInInbox(r.ctx, admitted, waybell.InboxArrival{Method: "POST", Header: h, Body: []byte("hello")}); err != nil {
				t.Fatal(err)
			}
			got := r.received(in)[0]
			if got.DeliveryID != "" || got.Event != "" || got.Attempt != 0 {
				t.Errorf("a stranger's request is taken for a delivery: %+v", got)
			}
			return got.Verdict
		}
		for _, with := range []waybell.Secret{old, secret()} {
			if v := send(with); v.Status != "verified" {
				t.Errorf("in the overlap: %+v", v)
			}
		}
		time.Sleep(time.Hour)
		if v := send(old); v.Status != "failed" {
			t.Errorf("after the overlap: %+v", v)
		}
		if v := send(secret()); v.Status != "verified" {
			t.Errorf("the new one: %+v", v)
		}
		if err := r.svc.DeleteSecret(r.ctx, "bot", e.ID, 0); err != nil {
			t.Fatal(err)
		}
		r.publish(1)
		time.Sleep(time.Second)
		synctest.Wait()
		if v := r.received(in)[0].Verdict; v.Status != "unsigned" {
			t.Errorf("without a secret: %+v", v)
		}
		if err := r.svc.DeleteEndpoint(r.ctx, "bot", e.ID, 0); err != nil {
			t.Fatal(err)
		}
		if v := send(old); v.Status != "unknown" {
			t.Errorf("without an endpoint: %+v", v)
		}
	})
}

// TestInboxOfAnotherAgent: whoever sends to a stranger's inbox shows neither
// header values nor secrets there, and its secrets judge nothing.
func TestInboxOfAnotherAgent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, withInboxes(t))
		r.agent("standard")
		in := r.inbox()
		if _, err := r.svc.CreateAgent(r.ctx, waybell.AgentInput{ID: "other", Name: waybell.Some("Other")}); err != nil {
			t.Fatal(err)
		}
		_, err := r.svc.CreateEndpoint(r.ctx, "other", waybell.EndpointInput{
			URL: waybell.Some(in.URL), Events: waybell.Some([]string{"*"}), Secret: waybell.Some(waybell.Secret("canary-secret-text")),
			Headers: waybell.Some([]waybell.HeaderInput{{Name: "X-Key", Value: "canary-value"}}),
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.svc.Publish(r.ctx, "other", waybell.PublishInput{Type: "message.sent", Data: []byte(`{"text":"canary-secret-text"}`)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		got := r.received(in)
		if len(got) != 1 || got[0].Verdict.Status != "unknown" || got[0].Headers["X-Key"] != "••••" || strings.Contains(fmt.Sprint(got[0].Headers, string(got[0].Body)), "canary") {
			t.Errorf("requests %+v", got)
		}
		if seen, err := r.svc.Inbox(r.ctx, "bot", in.ID); err != nil || len(seen.EndpointIDs) != 0 {
			t.Errorf("inbox %+v, %v", seen, err)
		}
	})
}

func TestInboxExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, withInboxes(t), func(c *waybell.Config) { c.InboxTTL = 6 * time.Hour })
		r.agent("standard")
		in := r.inbox()
		look := func() time.Time {
			seen, err := r.svc.Inbox(r.ctx, "bot", in.ID)
			if err != nil {
				t.Fatal(err)
			}
			return seen.ExpiresAt
		}
		first := in.CreatedAt.Add(6 * time.Hour)
		if !in.ExpiresAt.Equal(first) {
			t.Fatalf("expires at %v", in.ExpiresAt)
		}
		time.Sleep(59 * time.Minute)
		if at := look(); !at.Equal(first) {
			t.Errorf("written within the hour: %v", at)
		}
		time.Sleep(2 * time.Minute)
		if at := look(); !at.Equal(first.Add(61 * time.Minute)) {
			t.Errorf("looked at, it expires at %v", at)
		}
		e := r.endpoint("", to(in))
		time.Sleep(5 * time.Hour)
		r.publish(1)
		time.Sleep(time.Second)
		synctest.Wait()
		if at := look(); !at.Equal(first.Add(61*time.Minute + 5*time.Hour)) {
			t.Errorf("sent to, it expires at %v", at)
		}
		time.Sleep(6*time.Hour - 2*time.Second)
		if _, leave, err := r.svc.AdmitToInbox(r.ctx, in.Token); err != nil {
			t.Errorf("before its end: %v", err)
		} else {
			leave()
		}
		time.Sleep(time.Second)
		_, _, err := r.svc.AdmitToInbox(r.ctx, in.Token)
		wantCode(t, err, waybell.CodeInboxGone)
		_, err = r.svc.Inbox(r.ctx, "bot", in.ID)
		wantCode(t, err, waybell.CodeInboxNotFound)
		if page, err := r.svc.Inboxes(r.ctx, "bot", waybell.ListQuery{}); err != nil || len(page.Data) != 0 {
			t.Errorf("listed %+v, %v", page, err)
		}
		time.Sleep(10 * time.Minute) // swept
		if _, err := r.store.InboxByToken(r.ctx, in.Token); !errors.Is(err, waybell.ErrNotFound) {
			t.Errorf("not swept: %v", err)
		}
		d, err := r.svc.Test(r.ctx, "bot", e.ID, waybell.TestInput{})
		if err != nil || d.StatusCode != http.StatusGone || !strings.Contains(string(d.Attempts[0].ResponseBody), "expired") {
			t.Errorf("delivery %+v, %v", d, err)
		}
	})
}

// TestInboxTroubleIsTheInboxesOwn: a store that fails, hangs or panics there
// costs that delivery an answer, nobody else anything.
func TestInboxTroubleIsTheInboxesOwn(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		add    func(ctx context.Context) error
		status int
		took   time.Duration
	}{
		"fails":  {func(context.Context) error { return waybell.ErrUnavailable }, 503, 0},
		"gone":   {func(context.Context) error { return waybell.ErrNotFound }, 410, 0},
		"hangs":  {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 503, 5 * time.Second},
		"panics": {func(context.Context) error { panic("canary-panic") }, 500, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, func(c *waybell.Config) {
					c.OwnURL = ownURL
					c.Store = &inboxStore{Store: c.Store, add: tt.add}
				})
				r.agent("standard")
				e := r.endpoint("", to(r.inbox()), func(e *waybell.EndpointInput) { e.Concurrency = waybell.Some(1000) })
				r.endpoint("healthy")
				for n := range 20 {
					r.publish(n)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if n := len(r.receiver.Requests()); n != 20 {
					t.Errorf("%d deliveries went to the other endpoint at once, want 20", n)
				}
				time.Sleep(time.Minute) // retries go on beside
				d, err := r.svc.Test(r.ctx, "bot", e.ID, waybell.TestInput{})
				if err != nil || d.StatusCode != tt.status || d.Attempts[0].Duration != tt.took {
					t.Errorf("delivery %+v, %v", d.Delivery, err)
				}
				if strings.Contains(r.log.String(), "canary-panic") || name == "panics" && !strings.Contains(r.log.String(), "panic in an inbox") {
					t.Error("the panic is not logged, or with its value")
				}
			})
		})
	}
}

// TestInboxRateHoldsForDeliveries: above its rate the inbox answers 429, and
// the delivery comes again.
func TestInboxRateHoldsForDeliveries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, withInboxes(t), func(c *waybell.Config) { c.Limits.InboxRequests = 250 })
		r.agent("standard")
		in := r.inbox()
		r.endpoint("", to(in))
		for n := range 130 {
			r.publish(n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(r.received(in)); n != 100 {
			t.Errorf("%d requests at once, want 100", n)
		}
		time.Sleep(time.Minute)
		if l := r.ledger(); l.Delivered != 130 || len(r.received(in)) != 130 {
			t.Errorf("ledger %+v, %d requests", l, len(r.received(in)))
		}
	})
}

func TestInboxOfADeletedAgent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, withInboxes(t))
		r.agent("standard")
		in := r.inbox()
		if err := r.svc.DeleteAgent(r.ctx, "bot", 0); err != nil {
			t.Fatal(err)
		}
		_, _, err := r.svc.AdmitToInbox(r.ctx, in.Token)
		wantCode(t, err, waybell.CodeInboxGone)
		time.Sleep(10 * time.Minute)
		if _, err := r.store.InboxByToken(r.ctx, in.Token); !errors.Is(err, waybell.ErrNotFound) {
			t.Errorf("not swept: %v", err)
		}
	})
}

// TestOwnURLMovesOn: under another base an endpoint's inbox is a stranger's
// URL, and this server's own address stays closed.
func TestOwnURLMovesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := ownURL
		r := newRig(t, nil, withInboxes(t), func(c *waybell.Config) { c.OwnURL = base })
		r.agent("standard")
		in := r.inbox()
		e := r.endpoint("", to(in))
		r.stop()
		base = "http://127.0.0.1:8081/waybell"
		r.start()
		d, err := r.svc.Test(r.ctx, "bot", e.ID, waybell.TestInput{})
		if err != nil || d.Reason != waybell.ReasonBlocked {
			t.Errorf("delivery %+v, %v", d, err)
		}
		if seen, err := r.svc.Inbox(r.ctx, "bot", in.ID); err != nil || seen.URL != base+"/in/"+in.Token || len(seen.EndpointIDs) != 0 {
			t.Errorf("inbox %+v, %v", seen, err)
		}
	})
}

func TestOwnURLIsChecked(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"nonsense", "ftp://example.com", "http://example.com/?a=b"} {
		_, err := waybell.New(waybell.Config{Store: struct{ waybell.Store }{}, EncryptionKeys: []waybell.Secret{testKey}, OwnURL: url})
		if err == nil || !strings.Contains(err.Error(), "inboxes") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestInboxLimitsAreChecked(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]waybell.Limits{
		"InboxesPerAgent": {InboxesPerAgent: -1}, "InboxRequests": {InboxRequests: -1}, "InboxBodyBytes": {InboxBodyBytes: -1},
	} {
		_, err := waybell.New(waybell.Config{Store: struct{ waybell.Store }{}, EncryptionKeys: []waybell.Secret{testKey}, Limits: limits})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// signedBy are the headers of a request that a receiver of the standard format
// accepts now.
func signedBy(t *testing.T, secret waybell.Secret, body string) http.Header {
	t.Helper()
	parsed, err := signature.ParseSecret(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signature.NewSigner(signature.Standard(), parsed)
	if err != nil {
		t.Fatal(err)
	}
	m := signature.Message{ID: "evt_own", Timestamp: time.Now(), Body: []byte(body)}
	h := http.Header{}
	h.Set(signature.HeaderID, m.ID)
	h.Set(signature.HeaderTimestamp, strconv.FormatInt(m.Timestamp.Unix(), 10))
	h.Set(signature.HeaderSignature, string(signer.Append(nil, m)))
	return h
}
