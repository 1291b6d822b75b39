package waybell_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/waybell/waybell"
)

// Deliveries go through the proxy of the setting, which is asked for the address that
// the receiver's name leads to.
func TestEgressProxy(t *testing.T) {
	t.Parallel()
	received := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { received <- r.URL.Path }))
	t.Cleanup(receiver.Close)
	tunnels := make(chan string, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
		tunnels <- strings.Join([]string{r.Method, r.RequestURI, user, password}, " ")
		to, err := net.Dial("tcp", r.RequestURI)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer to.Close()
		w.WriteHeader(http.StatusOK)
		from, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer from.Close()
		go io.Copy(to, from) //nolint:errcheck // ends with the connection
		io.Copy(from, to)    //nolint:errcheck // likewise
	}))
	t.Cleanup(proxy.Close)
	n := startWithAgent(t, func(c *waybell.Config) {
		c.AllowTargets = []string{"127.0.0.0/8"}
		c.EgressProxy = waybell.Secret(strings.Replace(proxy.URL, "://", "://waybell:pass%2Fword@", 1))
	})
	in := endpointInput()
	in.URL = waybell.Some(receiver.URL + "/hook")
	mustEndpoint(t, n, in)
	if _, err := n.Publish(t.Context(), "a", waybell.PublishInput{Type: "message.received", Data: []byte(`{"text":"hi"}`)}); err != nil {
		t.Fatal(err)
	}
	if path := <-received; path != "/hook" {
		t.Errorf("the receiver got %s", path)
	}
	if got, want := <-tunnels, "CONNECT "+strings.TrimPrefix(receiver.URL, "http://")+" waybell pass/word"; got != want {
		t.Errorf("the proxy was asked for %q, want %q", got, want)
	}
}

// What is no proxy is refused, and the error shows no password.
func TestEgressProxyRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []waybell.Secret{"socks5://user:canary@proxy.lan", "http://user:canary@proxy.lan:x", "http://user:ca\x00nary@proxy.lan", "proxy.lan:3128", "http://user:canary@proxy.lan/path"} {
		_, err := waybell.New(waybell.Config{
			Store: struct{ waybell.Store }{}, EncryptionKeys: []waybell.Secret{testKey}, EgressProxy: text,
		})
		if err == nil || strings.Contains(err.Error(), "nary") || !strings.Contains(err.Error(), "proxy") {
			t.Errorf("%s: %v", text.Reveal(), err)
		}
	}
}
