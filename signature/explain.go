package signature

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"iter"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Evidence is a request whose signature is to be explained.
type Evidence struct {
	// Scheme is what the request should have been signed with.
	Scheme Scheme
	// Secrets are those in force, at least one.
	Secrets []Secret
	// OldSecrets are no longer in force but may have signed. Those that do not
	// fit the scheme are passed over.
	OldSecrets []Secret
	// OtherIDs are further ids that could have been signed by mistake, besides
	// those that stand in the request.
	OtherIDs []string
	// Header and Body are the request as received.
	Header http.Header
	Body   []byte
	// Now is compared with webhook-timestamp.
	Now time.Time
	// Tolerance is as in [Verifier.WithTolerance]; 0 or less accepts any time.
	Tolerance time.Duration
}

// Diagnosis is the answer of [Explain].
type Diagnosis struct {
	// Verdict is the first thing to mend.
	Verdict Verdict
	// Also holds what must be mended besides, most telling first.
	Also []Verdict
	// Detail says more about the case at hand in a few words, for example which
	// header is missing or how the body was rewritten. It may be empty, is
	// meant for people and never holds a secret.
	Detail string
}

// maxPairedBody is the size in bytes up to which several mistakes at once are
// looked for; above it that would take seconds.
const maxPairedBody = 16 << 10

// Explain says why a request is not accepted, or [VerdictOK] exactly when
// [Verifier.Verify] accepts it. The error is that of [NewVerifier] for a wrong
// scheme or secret.
//
// It tries thousands of combinations and tells more than a sender may know: it
// is for whoever holds the secret, never an answer to a request.
func Explain(e Evidence) (Diagnosis, error) {
	v, err := NewVerifier(e.Scheme, e.Secrets...)
	if err != nil {
		return Diagnosis{}, err
	}
	err = v.WithTolerance(e.Tolerance).Verify(e.Header, e.Body, e.Now)
	switch {
	case err == nil:
		return Diagnosis{Verdict: VerdictOK}, nil
	case errors.Is(err, ErrMissingHeader):
		return Diagnosis{Verdict: VerdictMissingHeader, Detail: e.missingDetail(err)}, nil
	}
	in, inputErr := e.Scheme.readInput(e.Header, e.Body)
	if inputErr != nil {
		return Diagnosis{Verdict: VerdictMalformed, Detail: inputErr.Error()}, nil
	}
	presented, entriesErr := e.presented()
	if entriesErr != nil || len(presented) == 0 {
		return Diagnosis{Verdict: VerdictMalformed, Detail: err.Error()}, nil
	}
	found, detail, ok := e.search(in, presented)
	late := e.timeVerdict(in.unix)
	if !ok {
		return Diagnosis{Verdict: VerdictWrongSecret, Also: late}, nil
	}
	for _, verdict := range late {
		if !slices.Contains(found, verdict) {
			found = append(found, verdict)
		}
	}
	return Diagnosis{Verdict: found[0], Also: slices.Clip(found[1:]), Detail: detail}, nil
}

// missingDetail names the missing header and a signature of another built-in
// scheme that is there instead.
func (e Evidence) missingDetail(err error) string {
	detail := err.Error()
	if len(headerValues(e.Header, e.Scheme.Header)) > 0 {
		return detail
	}
	for _, name := range BuiltinNames() {
		other, _ := Builtin(name)
		if len(headerValues(e.Header, other.Header)) > 0 {
			return detail + "; the request carries " + other.Header
		}
	}
	return detail
}

// timeVerdict tells what is wrong with the signed time, if anything.
func (e Evidence) timeVerdict(unix int64) []Verdict {
	if e.Scheme.SignedContent == ContentBody {
		return nil
	}
	switch err := checkTime(unix, e.Now, e.Tolerance); {
	case err == nil:
		return nil
	case isMilliseconds(unix):
		return []Verdict{VerdictTimestampMilliseconds}
	case errors.Is(err, ErrTimestampTooOld):
		return []Verdict{VerdictTimestampStale}
	default:
		return []Verdict{VerdictTimestampFuture}
	}
}

// isMilliseconds holds for milliseconds since March 1973, which as seconds
// would lie beyond the year 5100.
func isMilliseconds(n int64) bool { return n >= 1e11 }

// presentation is one reading of an entry of the signature header.
type presentation struct {
	raw   []byte
	flaws []Verdict
}

// foreignPrefix is what other schemes put before a signature.
func foreignPrefix() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,16}[=,:] ?`) }

// presented reads every entry in all ways that give a signature of the
// scheme's size, the scheme's own way included, those with fewest flaws first.
func (e Evidence) presented() ([]presentation, error) {
	entries, err := e.Scheme.entries(headerValues(e.Header, e.Scheme.Header))
	if err != nil {
		return nil, err
	}
	foreign := foreignPrefix()
	var all []presentation
	for _, entry := range entries {
		var flaws []Verdict
		rest, ok := strings.CutPrefix(entry, e.Scheme.Prefix)
		if !ok {
			flaws = []Verdict{VerdictMissingPrefix}
		}
		all = e.Scheme.readings(all, rest, flaws)
		if bare := rest[len(foreign.FindString(rest)):]; bare != rest {
			if ok {
				flaws = []Verdict{VerdictUnexpectedPrefix}
			}
			all = e.Scheme.readings(all, bare, flaws)
		}
	}
	slices.SortStableFunc(all, func(a, b presentation) int { return len(a.flaws) - len(b.flaws) })
	return all, nil
}

// readings appends the ways to decode text.
func (s Scheme) readings(all []presentation, text string, flaws []Verdict) []presentation {
	add := func(raw []byte, err error, flaw Verdict) {
		if err == nil && len(raw) == s.Algorithm.size() {
			all = append(all, presentation{raw, append(slices.Clip(flaws), flaw)})
		}
	}
	if raw, err := s.Encoding.decode(text); err == nil && len(raw) == s.Algorithm.size() {
		return append(all, presentation{raw, flaws})
	}
	raw, err := hex.DecodeString(text)
	if s.Encoding == Hex {
		add(raw, err, VerdictUpperCaseHex)
	} else {
		add(raw, err, VerdictWrongEncoding)
	}
	// One decoder reads both alphabets with and without padding.
	loose := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	raw, err = base64.RawStdEncoding.DecodeString(loose)
	add(raw, err, VerdictWrongEncoding)
	if err == nil {
		inner, err := hex.DecodeString(string(raw)) // base64 of hex
		add(inner, err, VerdictWrongEncoding)
	}
	return all
}

// contentGuess is something that may have been signed.
type contentGuess struct {
	flaws  []Verdict
	detail string
	head   []byte
	body   []byte
}

// search looks for the combination with the fewest mistakes that gives one of
// the presented signatures. It finds none of them in a request that Verify
// refuses for its time alone.
func (e Evidence) search(in input, presented []presentation) (mistakes []Verdict, detail string, ok bool) {
	keys := e.keyGuesses()
	most := 4
	if len(e.Body) > maxPairedBody {
		most = 1
	}
	for count := 0; count <= most; count++ {
		for content := range e.contentGuesses(in, count) {
			for _, k := range keys {
				if len(k.flaws)+len(content.flaws) != count {
					continue
				}
				if p := k.match(content, presented); p != nil {
					return slices.Concat(k.flaws, content.flaws, p.flaws), joinDetails(k.detail, content.detail), true
				}
			}
		}
	}
	return nil, "", false
}

func joinDetails(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// contentGuesses yields what may have been signed with at most that many
// mistakes, the right content first.
func (e Evidence) contentGuesses(in input, mistakes int) iter.Seq[contentGuess] {
	return func(yield func(contentGuess) bool) {
		heads := e.headGuesses(in)
		for _, h := range heads {
			h.body = in.body
			if !yield(h) {
				return
			}
		}
		if mistakes == 0 {
			return
		}
		for s := range spellings(in.body) {
			for _, h := range heads {
				if len(h.flaws) >= mistakes {
					continue
				}
				h.body = s.body
				h.flaws = append(slices.Clip(h.flaws), VerdictReserialisedBody)
				h.detail = joinDetails(h.detail, "the signed body was "+s.name)
				if !yield(h) {
					return
				}
			}
		}
	}
}

// headGuesses lists what may have been signed before the body, the right one
// first.
func (e Evidence) headGuesses(in input) []contentGuess {
	if e.Scheme.SignedContent == ContentBody {
		guesses := []contentGuess{{}}
		full := e.Scheme
		full.SignedContent = ContentIDTimestampBody
		if other, err := full.readInput(e.Header, nil); err == nil {
			guesses = append(guesses, contentGuess{flaws: []Verdict{VerdictSignedIDTimestampBody}, head: full.head(nil, other)})
		}
		return guesses
	}
	head := func(id string, unix int64) []byte {
		return e.Scheme.head(nil, input{id: id, unix: unix})
	}
	guesses := []contentGuess{
		{head: head(in.id, in.unix)},
		{flaws: []Verdict{VerdictSignedBodyOnly}},
	}
	milliseconds := []Verdict{VerdictTimestampMilliseconds}
	if isMilliseconds(in.unix) {
		guesses = append(guesses, contentGuess{flaws: milliseconds, head: head(in.id, in.unix/1000)})
	} else {
		guesses = append(guesses, contentGuess{flaws: milliseconds, head: head(in.id, in.unix*1000)})
	}
	for _, id := range e.otherIDs(in.id) {
		guesses = append(guesses, contentGuess{flaws: []Verdict{VerdictWrongID}, detail: "the signed id was " + quoteID(id), head: head(id, in.unix)})
	}
	return guesses
}

func quoteID(id string) string {
	if id == "" {
		return "empty"
	}
	return `"` + id + `"`
}

// otherIDs collects the ids near at hand that somebody could take for the
// right one: given ones, those of other headers, those in the body.
func (e Evidence) otherIDs(right string) []string {
	ids := slices.Clone(e.OtherIDs)
	for _, name := range []string{"X-Waybell-Delivery", "X-Waybell-Agent", "X-Waybell-Event", "X-Request-Id", "Svix-Id"} {
		ids = append(ids, headerValues(e.Header, name)...)
	}
	if root, ok := parseValue(e.Body); ok && root.open == '{' && len(e.Body) <= maxReserialised {
		for i, key := range root.keys {
			if member := root.members[i]; member.isText && (key == "id" || strings.HasSuffix(key, "_id")) {
				ids = append(ids, member.text)
			}
		}
	}
	ids = append(ids, "", "undefined", "null", "None")
	slices.Sort(ids)
	return slices.DeleteFunc(slices.Compact(ids), func(id string) bool { return id == right || len(id) > maxIDBytes })
}

// samePresentation returns the first presentation of these bytes.
func samePresentation(raw []byte, presented []presentation) *presentation {
	for i := range presented {
		if bytes.Equal(presented[i].raw, raw) {
			return &presented[i]
		}
	}
	return nil
}
