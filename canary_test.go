package waybell_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

// TestNoSecretShows plants secrets in every field that takes one and looks for
// them in whatever a program may print by accident, and in the store's rows.
func TestNoSecretShows(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	const canary = "canary"
	secret := func(suffix string) waybell.Secret { return waybell.Secret(canary + "-" + suffix + "-0123456789") }

	good := endpointInput()
	good.Headers = waybell.Some([]waybell.HeaderInput{{"Authorization", secret("header")}})
	good.Secret = waybell.Some(secret("secret"))
	good.URL = waybell.Some(publicURL)
	r := mustEndpoint(t, n, good)
	view, err := n.RotateSecret(ctx, "a", r.Endpoint.ID, waybell.RotateInput{Secret: waybell.Some(secret("rotated"))})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := n.Endpoint(ctx, "a", r.Endpoint.ID)
	if err != nil || !stored.Signed() || stored.Headers[0].Value.Reveal() != secret("header").Reveal() {
		t.Fatal("the canaries are not where they belong", err)
	}
	agent, _ := n.Agent(ctx, "a")
	key, _, err := n.CreateKey(ctx, waybell.KeyInput{Scopes: []waybell.Scope{waybell.ScopeAdmin}})
	if err != nil {
		t.Fatal(err)
	}

	made, oneTime, err := n.CreatePortalSession(ctx, nil, "a", waybell.PortalInput{})
	if err != nil {
		t.Fatal(err)
	}
	session, token, err := n.ExchangeSession(ctx, oneTime)
	if err != nil {
		t.Fatal(err)
	}
	_, _, usedErr := n.ExchangeSession(ctx, oneTime)
	_, _, oneTimeErr := n.ExchangeSession(ctx, "wbo_"+secret("-one-time-0123456789012"))
	_, tokenErr := n.Authenticate(ctx, "wbs_"+secret("token").Reveal())

	bad := func(change func(*waybell.EndpointInput)) error {
		in := endpointInput()
		change(&in)
		_, err := n.CreateEndpoint(ctx, "a", in)
		if err == nil {
			t.Error("a bad input was taken")
		}
		return err
	}
	headers := func(name string, value waybell.Secret) error {
		return bad(func(e *waybell.EndpointInput) {
			e.Headers = waybell.Some([]waybell.HeaderInput{{name, value}})
		})
	}
	_, authErr := n.Authenticate(ctx, secret("key").Reveal())
	_, rootErr := n.EnsureRootKey(ctx, secret("root")+"\n")
	_, rotateErr := n.RotateSecret(ctx, "a", r.Endpoint.ID, waybell.RotateInput{Secret: waybell.Some(secret("rotate") + " ")})
	things := map[string]any{
		"endpoint": stored, "endpoint pointer": n.DirectoryEndpoint(stored.Number), "result": r, "view": view, "input": good,
		"agent": agent, "key": key, "config": n.Config().EncryptionKeys,
		"header value": headers("X-A", secret("value")+"\n"),
		"header name":  headers("X-A: "+secret("in name").Reveal(), "x"),
		"header both":  headers("Host", secret("host")),
		"secret":       bad(func(e *waybell.EndpointInput) { e.Secret = waybell.Some("whsec_" + secret("!")) }),
		"password": bad(func(e *waybell.EndpointInput) {
			e.URL = waybell.Some("https://u:" + secret("password").Reveal() + "@example.com/")
		}),
		"query": bad(func(e *waybell.EndpointInput) {
			e.URL = waybell.Some("https://10.0.0.1/?token=" + secret("query").Reveal())
		}),
		"session": made, "caller": session, "one-time key": oneTime, "token": token,
		"used": usedErr, "exchange": oneTimeErr, "token unknown": tokenErr,
		"authenticate": authErr, "root": rootErr, "rotate": rotateErr,
	}
	for name, thing := range things {
		for how, text := range shownAs(t, thing) {
			if strings.Contains(text, canary) || strings.Contains(text, "wbo_") || strings.Contains(text, "wbs_") || strings.Contains(text, fmt.Sprintf("%x", canary)) {
				t.Errorf("%s shows a secret as %s: %s", name, how, text)
			}
		}
	}
	if log := n.logs.String(); strings.Contains(log, canary) || strings.Contains(log, "wbo_") || strings.Contains(log, "wbs_") {
		t.Errorf("the log shows a secret: %s", n.logs)
	}
	change, err := n.store.ConfigSince(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range change.Endpoints {
		if bytes.Contains(row.Sealed, []byte(canary)) || len(row.Headers)+len(row.Secrets) > 0 {
			t.Error("the store got a secret as plain text")
		}
	}
}

// shownAs is a value in all the ways in which a program may print it.
func shownAs(t *testing.T, thing any) map[string]string {
	t.Helper()
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "thing", thing)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "thing", thing)
	encoded, err := json.Marshal(thing)
	if err != nil {
		t.Error(err)
	}
	return map[string]string{
		"log": log.String(), "json": string(encoded), "%v": fmt.Sprintf("%v", thing),
		"%+v": fmt.Sprintf("%+v", thing), "%#v": fmt.Sprintf("%#v", thing), "%x": fmt.Sprintf("%x", thing),
	}
}

// TestSecretsDoNotComeBack: a receiver that answers with all that it knows, as pages
// for debugging do, puts none of it into the log; and one that an owner of both means
// harm with makes nothing grow.
func TestSecretsDoNotComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const header, old, present = "Bearer canary/header", "canary-of-the-old-secret", "canary-of-the-new-secret"
		echo := `{"auth":"Bearer canary\/header","old":"` + old + `","new":"` + present + `","mask":"` + strings.Repeat("•", 3999) + `"}`
		r := newRig(t, receivertest.Always(receivertest.Answer(200, echo, receivertest.Header("X-Secret", present))))
		r.agent("standard")
		e := r.endpoint("/", func(e *waybell.EndpointInput) {
			e.Secret = waybell.Some(waybell.Secret(old))
			headers := []waybell.HeaderInput{{Name: "Authorization", Value: header}}
			for i := range 49 {
				headers = append(headers, waybell.HeaderInput{Name: fmt.Sprintf("X-%d", i), Value: "•••"})
			}
			e.Headers = waybell.Some(headers)
		})
		if _, err := r.svc.RotateSecret(r.ctx, "bot", e.ID, waybell.RotateInput{Secret: waybell.Some(waybell.Secret(present))}); err != nil {
			t.Fatal(err)
		}
		r.publish(1)
		time.Sleep(time.Second)
		synctest.Wait()
		d := r.only()
		if d.State != waybell.DeliveryDelivered || len(d.Attempts) != 1 {
			t.Fatalf("the delivery is %+v", d)
		}
		a := d.Attempts[0]
		if want := `{"auth":"••••","old":"••••","new":"••••","mask":"••••"}`; string(a.ResponseBody) != want {
			t.Errorf("the log shows %s, want %s", a.ResponseBody, want)
		}
		if a.ResponseHeaders["X-Secret"] != "••••" {
			t.Errorf("the log shows the header %q", a.ResponseHeaders["X-Secret"])
		}
	})
}
