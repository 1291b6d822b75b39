package reception

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/waybell/waybell/signature"
)

// Status is what is known of a request's signature.
type Status string

// The closed set of statuses.
const (
	Verified Status = "verified"
	Failed   Status = "failed"
	Unsigned Status = "unsigned" // there is no secret, and no signature
	Unknown  Status = "unknown"  // there is nothing to check with
)

// Verdict is what is told of a request's signature.
type Verdict struct {
	Status Status
	Header string // the signature header that was checked, or ""
	Scheme string // the word of its scheme, or ""
	Text   string // one to three sentences for people; holds no secret
}

// Sender is an endpoint that leads to the inbox.
type Sender struct {
	Format string
	// Schemes are those of the format's own header and of the standard one, the
	// format's first; see format.Format.Schemes.
	Schemes []signature.Scheme
	// Secrets are those valid now, the present one first; none for an endpoint
	// that does not sign.
	Secrets []signature.Secret
}

// Request is what was received.
type Request struct {
	Header http.Header
	Body   []byte // exactly as it came
	Now    time.Time
	// Explain is asked before a wrong signature is explained at length, which
	// may take long; nil explains always.
	Explain func() bool
}

// Judge says what a receiver that knows the senders' secrets would make of the
// request's signatures. A request is verified where all signatures that one of
// the senders would make are right.
func Judge(r Request, senders []Sender) Verdict {
	if len(senders) == 0 {
		return Verdict{Status: Unknown,
			Text: "No webhook of this agent leads to this inbox, so there is no secret to check a signature with."}
	}
	signing := slices.DeleteFunc(slices.Clone(senders), func(s Sender) bool { return len(s.Secrets) == 0 })
	if len(signing) == 0 {
		return withoutSecret(r)
	}
	var first *Verdict // of the sender whose headers are there
	for _, s := range signing {
		checks := s.present(r.Header)
		for i, c := range checks {
			err := c.verifier.Verify(r.Header, r.Body, r.Now)
			if err == nil {
				if i == len(checks)-1 {
					return verified(checks)
				}
				continue
			}
			if first == nil {
				v := c.failed(r, err)
				first = &v
			}
			break
		}
	}
	if first != nil {
		return *first
	}
	return lacking(r, signing[0])
}

// withoutSecret is the verdict where no sender has a secret.
func withoutSecret(r Request) Verdict {
	if header := anySignature(r.Header); header != "" {
		return Verdict{Status: Unknown, Header: header,
			Text: "The request carries " + header + ", but no webhook that leads here has a secret to check it with."}
	}
	return Verdict{Status: Unsigned,
		Text: "The request is not signed, as the webhook has no secret. Give it one, so that a receiver can tell its requests from others."}
}

// anySignature is the built-in signature header that is there, or "".
func anySignature(h http.Header) string {
	for _, name := range signature.BuiltinNames() {
		if scheme, _ := signature.Builtin(name); h.Get(scheme.Header) != "" {
			return scheme.Header
		}
	}
	return ""
}

// check is one signature header that a request carries.
type check struct {
	word     string
	secrets  []signature.Secret
	verifier *signature.Verifier
}

// present lists the checks of the signature headers that are there. Of the two
// schemes that share a header, those count whose prefix is in it.
func (s Sender) present(h http.Header) []check {
	var checks []check
	for _, scheme := range s.Schemes {
		value := h.Get(scheme.Header)
		if value == "" || s.shared(scheme.Header) && !strings.Contains(value, scheme.Prefix) {
			continue
		}
		if c, ok := s.check(scheme); ok {
			checks = append(checks, c)
		}
	}
	return checks
}

// shared tells whether more than one scheme has the header.
func (s Sender) shared(header string) bool {
	n := 0
	for _, scheme := range s.Schemes {
		if strings.EqualFold(scheme.Header, header) {
			n++
		}
	}
	return n > 1
}

// check prepares a scheme with the secrets that fit it.
func (s Sender) check(scheme signature.Scheme) (check, bool) {
	fitting := slices.DeleteFunc(slices.Clone(s.Secrets), func(secret signature.Secret) bool {
		return secret.Asymmetric() != (scheme.Algorithm == signature.PureEd25519)
	})
	if len(fitting) == 0 {
		return check{}, false
	}
	v, err := signature.NewVerifier(scheme, fitting...)
	if err != nil {
		return check{}, false
	}
	return check{word: s.word(scheme), secrets: fitting, verifier: v}, true
}

// word names a scheme: as the commands do, or as the format that defines it.
func (s Sender) word(scheme signature.Scheme) string { return SchemeWord(scheme, s.Format) }

// SchemeWord is the name of a built-in scheme, else that of the format which
// defines it.
func SchemeWord(scheme signature.Scheme, format string) string {
	for _, name := range signature.BuiltinNames() {
		if builtIn, _ := signature.Builtin(name); builtIn == scheme {
			return name
		}
	}
	return format
}

func verified(checks []check) Verdict {
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.verifier.Scheme().Header
	}
	text := "The signature in " + names[0] + " is valid."
	if len(names) > 1 {
		text = "The signatures in " + strings.Join(names, " and ") + " are valid."
	}
	return Verdict{Status: Verified, Header: names[0], Scheme: checks[0].word, Text: text}
}

// failed is the verdict on a header whose signature is not accepted.
func (c check) failed(r Request, cause error) Verdict {
	scheme := c.verifier.Scheme()
	v := Verdict{Status: Failed, Header: scheme.Header, Scheme: c.word}
	if r.Explain != nil && !r.Explain() {
		v.Text = briefly(cause)
		return v
	}
	d, err := signature.Explain(signature.Evidence{
		Scheme: scheme, Secrets: c.secrets, Header: r.Header, Body: r.Body, Now: r.Now, Tolerance: signature.DefaultTolerance,
	})
	if err != nil {
		v.Text = briefly(cause)
		return v
	}
	v.Text = sentences(d)
	return v
}

// sentences says what is wrong, what of this request shows it, and what to do.
func sentences(d signature.Diagnosis) string {
	text := d.Verdict.Explanation()
	if d.Detail != "" {
		text += " Here: " + d.Detail + "."
	}
	return text + " " + d.Verdict.Fix()
}

// briefly says what the check alone found.
func briefly(err error) string {
	for _, known := range []struct {
		err     error
		verdict signature.Verdict
	}{
		{signature.ErrMissingHeader, signature.VerdictMissingHeader},
		{signature.ErrMalformed, signature.VerdictMalformed},
		{signature.ErrTimestampTooOld, signature.VerdictTimestampStale},
		{signature.ErrTimestampTooNew, signature.VerdictTimestampFuture},
	} {
		if errors.Is(err, known.err) {
			return known.verdict.Explanation() + " " + known.verdict.Fix()
		}
	}
	return "No secret of the webhook gives this signature. The signature checker says more."
}

// lacking is the verdict on a request without the header that the sender's
// format has.
func lacking(r Request, s Sender) Verdict {
	v := Verdict{Status: Failed, Text: "The request carries no signature, but the webhook has a secret: a receiver must refuse it."}
	if other := anySignature(r.Header); other != "" {
		v.Header = other
		v.Text = "The request carries " + other + ", which is not the signature header of the format " + s.Format +
			" that the webhook has: a receiver would look for another."
	}
	return v
}
