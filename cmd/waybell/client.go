package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// client talks to the HTTP API of a server. It is the only code of the command
// that reaches out, and it goes to the address that its user names.
type client struct {
	base *url.URL
	key  string
	http *http.Client
}

const (
	defaultServer = "http://127.0.0.1:8080"
	// maxAnswer bounds what is read of an answer: a page of 250 deliveries with
	// their bodies fits.
	maxAnswer = 64 << 20
)

// clientFlags are the flags of every command that talks to a server.
type clientFlags struct {
	server, key, keyFile string
	timeout              durationValue
	out                  output
}

func (f *clientFlags) add(cmd *cobra.Command) {
	f.timeout = durationValue(30 * time.Second)
	fs := cmd.Flags()
	fs.StringVar(&f.server, "server", "", "URL of the server (WAYBELL_SERVER; default "+defaultServer+")")
	fs.StringVar(&f.key, "api-key", "", "API key (WAYBELL_API_KEY)")
	fs.StringVar(&f.keyFile, "api-key-file", "", "file to read the API key from (WAYBELL_API_KEY_FILE)")
	fs.Var(&f.timeout, "timeout", "how long to wait for the answer")
	f.out.flag(cmd)
}

// client makes the client that flags and environment describe.
func (f *clientFlags) client() (*client, error) {
	key, keyFile := f.key, f.keyFile
	if key == "" && keyFile == "" {
		key, keyFile = os.Getenv("WAYBELL_API_KEY"), os.Getenv("WAYBELL_API_KEY_FILE")
	}
	if key != "" && keyFile != "" {
		return nil, usageErrorf("give the API key or the file to read it from, not both")
	}
	if keyFile != "" {
		var err error
		if key, err = readSecretFile(keyFile); err != nil {
			return nil, usageErrorf("the API key: %w", err)
		}
	}
	if key == "" {
		return nil, usageErrorf("no API key: set WAYBELL_API_KEY or --api-key (the server prints one at its first start)")
	}
	base, err := serverURL(f.server)
	if err != nil {
		return nil, err
	}
	return newClient(base, key, time.Duration(f.timeout)), nil
}

// serverURL checks the flag, or takes the environment or the default.
func serverURL(flag string) (*url.URL, error) {
	for _, text := range []string{flag, os.Getenv("WAYBELL_SERVER"), defaultServer} {
		if text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			return nil, usageErrorf("the server %q is not a URL such as %s", text, defaultServer)
		}
		return u, nil
	}
	return nil, errors.New("no server") // unreachable: there is a default
}

// newClient makes a client. A redirect is not followed: the key goes nowhere
// but to the server that was named. ProxyFromEnvironment passes over loopback.
func newClient(base *url.URL, key string, timeout time.Duration) *client {
	return &client{base: base, key: key, http: &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second,
			IdleConnTimeout:     30 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// call is a request to the server.
type call struct {
	method  string
	path    []string // segments, not yet escaped
	query   url.Values
	header  http.Header
	body    []byte // nil = none
	content string // media type of the body; default JSON
}

// request makes the request of a call.
func (c *client) request(ctx context.Context, in call) (*http.Request, error) {
	path := make([]string, len(in.path))
	for i, segment := range in.path {
		if segment == "" || segment == "." || segment == ".." {
			return nil, usageErrorf("%q is no id", segment)
		}
		path[i] = url.PathEscape(segment)
	}
	u := strings.TrimSuffix(c.base.String(), "/") + "/" + strings.Join(path, "/")
	if len(in.query) > 0 {
		u += "?" + in.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, in.method, u, bytes.NewReader(in.body))
	if err != nil {
		return nil, err
	}
	for name, values := range in.header {
		req.Header[name] = values
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	req.Header.Set("User-Agent", "waybell-cli/"+build().Version)
	if in.body != nil {
		if in.content == "" {
			in.content = "application/json"
		}
		req.Header.Set("Content-Type", in.content)
	}
	return req, nil
}

// open makes a call whose answer is read as it comes: the time limit is for its
// beginning. The caller closes the body of a good answer.
func (c *client) open(ctx context.Context, in call) (io.ReadCloser, error) {
	req, err := c.request(ctx, in)
	if err != nil {
		return nil, err
	}
	patient := *c.http
	if t, ok := c.http.Transport.(*http.Transport); ok {
		t = t.Clone()
		t.ResponseHeaderTimeout, patient.Transport = c.http.Timeout, t
	}
	patient.Timeout = 0
	resp, err := patient.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	return nil, readProblem(resp, body)
}

// do makes a call and returns the body of a good answer. Everything else is an
// error with the exit code that belongs to it.
func (c *client) do(ctx context.Context, in call) ([]byte, error) {
	req, err := c.request(ctx, in)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, c.unreachable(ctx, err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("the server's answer is longer than %d bytes", maxAnswer)
	case resp.StatusCode/100 == 2:
		return body, nil
	}
	return nil, readProblem(resp, body)
}

// unreachable says what kept the server from answering.
func (c *client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		if e.Timeout() {
			err = fmt.Errorf("no answer within %s", shortDuration(c.http.Timeout))
		} else {
			err = e.Err
		}
	}
	return &exitError{exitUnavailable, fmt.Errorf("the server at %s cannot be reached: %w; is 'waybell serve' running there?", c.base, err)}
}

// problem is an answer of the server that is no success.
type problem struct {
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Title     string `json:"title"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
	Errors    []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
		Value    any    `json:"value"`
	} `json:"errors"`
	retryAfter string
}

// readProblem reads the error of an answer, also of one that some proxy made.
func readProblem(resp *http.Response, body []byte) error {
	p := &problem{}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") || json.Unmarshal(body, p) != nil {
		p = &problem{Detail: fmt.Sprintf("the server answered %s", resp.Status)}
	}
	p.Status = resp.StatusCode
	p.retryAfter = resp.Header.Get("Retry-After")
	return &exitError{p.exitCode(), p}
}

// exitCode sorts the statuses into the exit codes.
func (p *problem) exitCode() int {
	switch {
	case p.Status == http.StatusNotFound:
		return exitNotFound
	case p.Status == http.StatusTooManyRequests, p.Status == http.StatusBadGateway,
		p.Status == http.StatusServiceUnavailable, p.Status == http.StatusGatewayTimeout:
		return exitUnavailable
	case p.Status/100 == 4:
		return exitRefused
	}
	return exitFailure
}

// Error has a line for the whole and one for each wrong field.
func (p *problem) Error() string {
	var b strings.Builder
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	b.WriteString(printable(text))
	if p.Code != "" {
		fmt.Fprintf(&b, " (%s, status %d)", printable(p.Code), p.Status)
	}
	if p.retryAfter != "" {
		fmt.Fprintf(&b, "; try again after %s s", printable(p.retryAfter))
	}
	for _, f := range p.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", printable(f.Location), printable(f.Message))
		if f.Value != nil {
			if value, err := json.Marshal(f.Value); err == nil {
				fmt.Fprintf(&b, " (got %s)", printable(string(value)))
			}
		}
	}
	if p.Status/100 == 5 && p.RequestID != "" {
		fmt.Fprintf(&b, "\n  request %s", printable(p.RequestID))
	}
	return b.String()
}

// controlCall asks the server that uses a data directory to do something; there
// is no time limit but that of ctx. errNoServer when none listens.
func controlCall(ctx context.Context, dir, action, body string) error {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", controlPath(dir))
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://waybell/"+action, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, ok := errors.AsType[*net.OpError](err); ok {
			return fmt.Errorf("%w: %w", errNoServer, err)
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	return errors.New(strings.TrimSpace(string(text)))
}

// errNoServer: no server listens on the socket of the data directory.
var errNoServer = errors.New("no server answers for this data directory")

// probe asks for a path of the server and tells the status of the answer.
func (c *client) probe(ctx context.Context, path ...string) (int, error) {
	_, err := c.do(ctx, call{method: http.MethodGet, path: path})
	if p, ok := errors.AsType[*problem](err); ok {
		return p.Status, err
	}
	if err != nil {
		return 0, err
	}
	return http.StatusOK, nil
}
