package plainhttp

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestClientsArePlain: what the usual clients of publishers send is answered here, and
// not by net/http's server, which would be noticed by nothing but its price.
func TestClientsArePlain(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"curl":              "User-Agent: curl/7.88.1\nAccept: */*\nAuthorization: Bearer wb_0123456789\nContent-Type: application/json",
		"fetch of Node":     "connection: keep-alive\nauthorization: Bearer wb_0123456789\ncontent-type: application/json\naccept: */*\naccept-language: *\nsec-fetch-mode: cors\nuser-agent: node\naccept-encoding: gzip, deflate",
		"axios":             "Accept: application/json, text/plain, */*\nContent-Type: application/json\nAuthorization: Bearer wb_0123456789\nUser-Agent: axios/1.7.9\nAccept-Encoding: gzip, compress, deflate, br\nConnection: keep-alive",
		"Python requests":   "User-Agent: python-requests/2.32.3\nAccept-Encoding: gzip, deflate\nAccept: */*\nConnection: keep-alive\nContent-Type: application/json\nAuthorization: Bearer wb_0123456789",
		"Guzzle of PHP":     "User-Agent: GuzzleHttp/7\nContent-Type: application/json\nAuthorization: Bearer wb_0123456789",
		"Java's HttpClient": "User-Agent: Java-http-client/21.0.1\nAuthorization: Bearer wb_0123456789\nContent-Type: application/json",
		"nginx before it":   "X-Real-IP: 192.0.2.1\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https\nConnection: keep-alive\nUser-Agent: curl/7.88.1\nContent-Type: application/json",
	} {
		var h head
		if !h.parse([]byte(post("echo", "hello", strings.Split(text, "\n")...))) {
			t.Errorf("a request of %s is not plain", name)
		}
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	here := make(chan bool, 1)
	s := &Server{
		Standard: &http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, ours := w.(*answer)
				here <- ours
				w.Header().Set("Content-Type", "text/plain")
			}),
			ReadHeaderTimeout: time.Minute, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		},
		Plain: func(string) bool { return true },
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String()+"/v1/agents/a/events", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer wb_0123456789")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if !<-here {
		t.Error("a request of Go's client is not plain")
	}
	s.Close()
	<-ended
}
