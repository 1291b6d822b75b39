// Package signing signs requests in their format's headers, with a new secret
// and, while they overlap, with those before it.
package signing

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/signature"
)

// Secret is a secret and until when it signs.
type Secret struct {
	signature.Secret
	Until time.Time // exclusive; zero = for good
}

// Plan is how requests are signed from now on. The zero value signs nothing. It
// may be used by many goroutines.
type Plan struct {
	sets []set // by rising end
}

// set is how requests are signed up to a time.
type set struct {
	until   time.Time // exclusive; zero = for good
	headers []header
}

// header is a signature header and what signs in it, the present secret first.
type header struct {
	name    string // canonical
	signers []*signature.Signer
}

// New makes a set of signers for each span of time in which the same secrets are
// valid; the present one comes first. It fails where a secret cannot sign the
// format.
func New(f *format.Format, standardHeaders bool, secrets []Secret) (Plan, error) {
	var p Plan
	if len(secrets) == 0 {
		return p, nil
	}
	var ends []time.Time
	for _, s := range secrets {
		if !s.Until.IsZero() {
			ends = append(ends, s.Until)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	for _, end := range append(ends, time.Time{}) {
		headers, err := newHeaders(f, standardHeaders, secrets)
		if err != nil {
			return Plan{}, err
		}
		p.sets = append(p.sets, set{end, headers})
		secrets = slices.DeleteFunc(slices.Clone(secrets), func(s Secret) bool {
			return !s.Until.IsZero() && !s.Until.After(end)
		})
	}
	return p, nil
}

// newHeaders makes the signers for secrets, the present one first. Headers that
// hold one signature use that one alone; in the others an older secret signs as
// its own kind does in the same header.
func newHeaders(f *format.Format, standardHeaders bool, secrets []Secret) ([]header, error) {
	present := secrets[0]
	if len(f.Schemes(present.Asymmetric(), false)) == 0 {
		return nil, errors.New("its secret cannot sign its format " + f.Name)
	}
	var headers []header
	for _, scheme := range f.Schemes(present.Asymmetric(), standardHeaders) {
		h := header{name: http.CanonicalHeaderKey(scheme.Header)}
		for i, secret := range secrets {
			if i > 0 && !scheme.List {
				break
			}
			for _, own := range f.Schemes(secret.Asymmetric(), standardHeaders) {
				if !strings.EqualFold(own.Header, scheme.Header) {
					continue
				}
				signer, err := signature.NewSigner(own, secret.Secret)
				if err != nil {
					return nil, err
				}
				h.signers = append(h.signers, signer)
			}
		}
		headers = append(headers, h)
	}
	return headers, nil
}

// Sign hands over the signature headers of a request made at m.Timestamp, names
// in canonical form; none without a secret. webhook-id and webhook-timestamp are
// the sender's, as they are sent without a secret too.
func (p Plan) Sign(m signature.Message, set func(name, value string)) {
	for _, s := range p.sets {
		if !s.until.IsZero() && !m.Timestamp.Before(s.until) {
			continue
		}
		for _, header := range s.headers {
			var room [512]byte
			value := room[:0]
			for i, signer := range header.signers {
				if i > 0 {
					value = append(value, ' ')
				}
				value = signer.Append(value, m)
			}
			set(header.name, string(value))
		}
		return
	}
}
