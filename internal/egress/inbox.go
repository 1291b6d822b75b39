package egress

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// inboxPath stands between the server's own URL and an inbox's token.
const inboxPath = "/in/"

// tokenLength is the length of a token: 16 bytes in base32.
const tokenLength = 26

// Inbox hands requests to this server's own inboxes over to a function in the
// process, so that an endpoint can lead to one although this host is not
// reachable for anything else.
type Inbox struct {
	// Base is the server's own URL as its users write it, http or https, with a
	// path or without. Own is exactly what is made of it: Base, "/in/" and a
	// token of 26 characters of Crockford's base32 in lower case, without query
	// and fragment. All other URLs go through every check.
	Base string
	// Receive takes such a request on the goroutine of Do. It must return soon
	// after ctx ends, and may neither change nor keep anything of r. A panic of
	// it ends the attempt as a lost connection, as over a network.
	Receive func(ctx context.Context, token string, r *Request) Answer
}

// Answer is what [Inbox.Receive] answers. Status 0 is none: the connection
// would have ended.
type Answer struct {
	Status int // 200 to 599
	Header http.Header
	Body   []byte
}

// inbox is an Inbox with its base in canonical form.
type inbox struct {
	base    Target
	prefix  string // of the canonical URL, up to the token
	receive func(context.Context, string, *Request) Answer
}

// newInbox checks the configuration; nil stays nil. The base goes through the
// one parser, with its own host as the operator's only exception.
func newInbox(config *Inbox, own *ownAddresses) (*inbox, error) {
	if config == nil {
		return nil, nil
	}
	wrong := func(why string) error { return fmt.Errorf("egress: the base of the inboxes: %s", why) }
	if config.Receive == nil {
		return nil, errors.New("egress: nothing receives for the inboxes")
	}
	u, err := url.Parse(config.Base)
	if err != nil || u.Hostname() == "" || strings.ContainsAny(config.Base, "?#") {
		return nil, wrong("not an http or https URL without query and fragment")
	}
	allow, err := parseAllow([]string{u.Hostname()})
	if err != nil {
		return nil, wrong("its host is not valid")
	}
	base, refused := parseTarget(config.Base, newPolicy(allow, own))
	if refused != nil {
		return nil, wrong(refused.Why)
	}
	i := &inbox{base: base, prefix: strings.TrimRight(base.canonical, "/") + inboxPath, receive: config.Receive}
	if len(i.prefix)+tokenLength > MaxURLBytes {
		return nil, wrong("too long")
	}
	return i, nil
}

// token returns the token of a canonical URL, or false where it is not exactly
// one of the inboxes'.
func (i *inbox) token(canonical string) (string, bool) {
	if i == nil {
		return "", false
	}
	token, ok := strings.CutPrefix(canonical, i.prefix)
	if !ok || len(token) != tokenLength {
		return "", false
	}
	for _, c := range []byte(token) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') || strings.IndexByte("ilou", c) >= 0 {
			return "", false
		}
	}
	return token, true
}

// target makes the Target of an inbox's URL. The text has to be the canonical
// one letter by letter: what is written in any other way is judged like a
// stranger's.
func (i *inbox) target(raw string) (Target, bool) {
	token, ok := i.token(raw)
	if !ok {
		return Target{}, false
	}
	t := i.base
	t.path = strings.TrimRight(t.path, "/") + inboxPath + token
	t.build()
	return t, true
}

// InboxURL is the URL of the inbox with this token, in canonical form; empty
// without [Config.Inbox].
func (c *Client) InboxURL(token string) string {
	if c.inbox == nil {
		return ""
	}
	return c.inbox.prefix + token
}

// handOver gives a request to the receiver in the process, within the bounds
// that hold for every other. Nothing is resolved or dialled.
func (c *Client) handOver(cl *call, token string, r *Request) (result Result) {
	ctx, cancel := context.WithDeadline(cl.caller, cl.deadline)
	defer cancel()
	defer func() {
		if recover() != nil {
			result = Result{Timing: cl.headersIn(), Err: failure(ClassConnectionLost, textLost)}
		}
	}()
	answer := c.inbox.receive(ctx, token, r)
	result = Result{Timing: cl.headersIn()}
	size := int64(0)
	for name, values := range answer.Header {
		for _, value := range values {
			size += int64(len(name) + len(": \r\n") + len(value))
		}
	}
	switch {
	case answer.Status == 0 || time.Until(cl.deadline) <= 0:
		result.Err = cl.failed(nil, errNoAnswer)
	case answer.Status < 200 || answer.Status > 599:
		result.Err = failure(ClassBadResponse, textBadStatus)
	case size > c.maxHeader:
		result.Err = failure(ClassBadResponse, textBadResponse)
	default:
		kept := min(len(answer.Body), c.maxBody)
		result.Status, result.Header = answer.Status, answer.Header
		result.Body, result.Truncated = answer.Body[:kept:kept], kept < len(answer.Body)
	}
	return result
}

var errNoAnswer = errors.New("the receiver in the process did not answer")
