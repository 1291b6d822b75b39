package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybell/waybell/signature"
)

// verifyFlags are the flags of verify.
type verifyFlags struct {
	secrets       secretFlags
	old           []string
	headers       []string
	request, body string
	tolerance     durationValue
	at            string
	out           output
	scheme        *string
}

func newVerifyCommand() *cobra.Command {
	f := &verifyFlags{tolerance: durationValue(signature.DefaultTolerance)}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check a request's signature and say why it is wrong",
		Long: `Check the signature of a request and, when it is wrong, say why and what to
change: it tries the mistakes that people make. Give the request as it arrived
(--request), or its headers (-H) and its body. Without --scheme every signature
that the request carries is checked. Exit code 1 when one is wrong.`,
		Example: `  waybell verify --secret-file secret.txt --request captured.http
  waybell verify --secret-file secret.txt --body payload.json \
    -H 'X-Chatzuri-Signature: sha256=9f2b…'
  waybell verify --secret-file secret.txt --request captured.http --tolerance 0   # of any age`,
		Args: exactly(0),
	}
	f.scheme = addSchemeFlag(cmd, "", "scheme; default: every one whose header is there")
	f.secrets.add(cmd)
	fs := cmd.Flags()
	fs.StringArrayVar(&f.old, "old-secret", nil, "secret that is no longer valid, but may have signed")
	fs.StringArrayVarP(&f.headers, "header", "H", nil, "header 'Name: value' as received, may be repeated")
	fs.StringVarP(&f.request, "request", "r", "", "file with the whole request: request line, headers, empty line, body; - for standard input")
	fs.StringVarP(&f.body, "body", "b", "", "file with the body exactly as received, - for standard input")
	fs.Var(&f.tolerance, "tolerance", "how far webhook-timestamp may be from now; 0 accepts any")
	fs.StringVar(&f.at, "at", "", "judge as of this time (unix seconds or 2026-04-26T08:30:14Z)")
	f.out.flag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.run(cmd) }
	return cmd
}

func (f *verifyFlags) run(cmd *cobra.Command) error {
	secrets, err := f.secrets.read()
	if err != nil {
		return err
	}
	old, err := parseSecrets(f.old)
	if err != nil {
		return err
	}
	header, body, err := f.readRequest(cmd)
	if err != nil {
		return err
	}
	now, err := parseMoment(f.at, time.Now())
	if err != nil {
		return usageErrorf("--at: %w", err)
	}
	names, err := f.schemes(header)
	if err != nil {
		return err
	}
	var views []verdictView
	for _, name := range names {
		scheme, _ := signature.Builtin(name)
		fitting := fittingSecrets(scheme, secrets)
		if len(fitting) == 0 && *f.scheme == "" && len(names) > 1 {
			continue // the header of another scheme carries the signature of this secret
		}
		if len(fitting) == 0 {
			fitting = secrets // let the error say what does not fit
		}
		d, err := signature.Explain(signature.Evidence{
			Scheme: scheme, Secrets: fitting, OldSecrets: old, Header: header, Body: body,
			Now: now, Tolerance: time.Duration(f.tolerance),
		})
		if err != nil {
			return usageErrorf("%w", err)
		}
		views = append(views, viewDiagnosis(name, d))
	}
	if len(views) == 0 {
		return usageErrorf("none of the secrets fits a signature that the request carries")
	}
	return f.show(cmd, views)
}

// schemes are the ones to check: that of the flag, or all whose header is there.
func (f *verifyFlags) schemes(header http.Header) ([]string, error) {
	if *f.scheme != "" {
		return []string{*f.scheme}, nil
	}
	var names []string
	for _, name := range signature.BuiltinNames() {
		scheme, _ := signature.Builtin(name)
		value := header.Get(scheme.Header)
		if value == "" || name == "ed25519" && !strings.Contains(value, scheme.Prefix) ||
			name == "standard" && !strings.Contains(value, scheme.Prefix) && strings.Contains(value, signature.Ed25519().Prefix) {
			continue
		}
		names = append(names, name)
	}
	if names == nil {
		var known []string
		for _, name := range signature.BuiltinNames() {
			if scheme, _ := signature.Builtin(name); !containsWord(known, scheme.Header) {
				known = append(known, scheme.Header)
			}
		}
		return nil, fmt.Errorf("the request has no signature: none of the headers %s is there; an endpoint without a secret sends none", strings.Join(known, ", "))
	}
	return names, nil
}

// fittingSecrets are those that the scheme can use.
func fittingSecrets(scheme signature.Scheme, secrets []signature.Secret) []signature.Secret {
	var fitting []signature.Secret
	for _, s := range secrets {
		if s.Asymmetric() == (scheme.Algorithm == signature.PureEd25519) {
			fitting = append(fitting, s)
		}
	}
	return fitting
}

// verdictView is what verify tells of one signature.
type verdictView struct {
	Scheme      string        `json:"scheme"`
	OK          bool          `json:"ok"`
	Verdict     string        `json:"verdict"`
	Explanation string        `json:"explanation"`
	Fix         string        `json:"fix,omitempty"`
	Detail      string        `json:"detail,omitempty"`
	Also        []verdictView `json:"also,omitempty"`
}

func viewDiagnosis(scheme string, d signature.Diagnosis) verdictView {
	view := func(v signature.Verdict) verdictView {
		return verdictView{Scheme: scheme, OK: v == signature.VerdictOK, Verdict: v.String(), Explanation: v.Explanation(), Fix: v.Fix()}
	}
	v := view(d.Verdict)
	v.Detail = d.Detail
	for _, also := range d.Also {
		v.Also = append(v.Also, view(also))
	}
	return v
}

func (f *verifyFlags) show(cmd *cobra.Command, views []verdictView) error {
	wrong := false
	for _, v := range views {
		wrong = wrong || !v.OK
	}
	if f.out.json() {
		if err := f.out.value(cmd, views); err != nil {
			return err
		}
	} else {
		var b strings.Builder
		for _, v := range views {
			v.write(&b)
		}
		if _, err := fmt.Fprint(cmd.OutOrStdout(), b.String()); err != nil {
			return err
		}
	}
	if wrong {
		return exitQuietly(exitFailure)
	}
	return nil
}

// write shows a verdict for people.
func (v verdictView) write(b *strings.Builder) {
	if v.OK {
		fmt.Fprintf(b, "%s: ok. %s\n", v.Scheme, v.Explanation)
		return
	}
	fmt.Fprintf(b, "%s: wrong (%s). %s\n", v.Scheme, v.Verdict, v.Explanation)
	if v.Detail != "" {
		fmt.Fprintf(b, "  here: %s\n", printable(v.Detail))
	}
	fmt.Fprintf(b, "  fix:  %s\n", v.Fix)
	for _, also := range v.Also {
		fmt.Fprintf(b, "  also: %s (%s)\n  fix:  %s\n", also.Explanation, also.Verdict, also.Fix)
	}
}

// readRequest collects headers and body from the flags.
func (f *verifyFlags) readRequest(cmd *cobra.Command) (http.Header, []byte, error) {
	header := http.Header{}
	var body []byte
	switch {
	case f.request == "" && f.body == "":
		return nil, nil, usageErrorf("give the request with --request, or its headers with -H and its body with --body")
	case f.request == "-" && f.body == "-":
		return nil, nil, usageErrorf("--request and --body cannot both be standard input")
	}
	if f.request != "" {
		raw, err := readInputFile(cmd, f.request)
		if err != nil {
			return nil, nil, err
		}
		var note string
		if header, body, note, err = splitRequest(raw); err != nil {
			return nil, nil, usageErrorf("--request: %w", err)
		}
		if note != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "waybell: note: %s\n", note)
		}
	}
	if f.body != "" {
		var err error
		if body, err = readInputFile(cmd, f.body); err != nil {
			return nil, nil, err
		}
	}
	for _, line := range f.headers {
		if err := addHeaderLine(header, line); err != nil {
			return nil, nil, usageErrorf("-H: %w", err)
		}
	}
	return header, body, nil
}

// splitRequest takes a raw request apart: a request line, which may be missing,
// headers, an empty line, and the body as it is. Where Content-Length is given
// it is cut there, because editors add a line break at the end.
func splitRequest(raw []byte) (header http.Header, body []byte, note string, err error) {
	header = http.Header{}
	for first := true; ; first = false {
		line, rest, ok := bytes.Cut(raw, []byte("\n"))
		if !ok {
			return nil, nil, "", fmt.Errorf("there is no empty line between headers and body")
		}
		raw = rest
		text := strings.TrimSuffix(string(line), "\r")
		if text == "" {
			break
		}
		if first && isRequestLine(text) {
			continue
		}
		if err := addHeaderLine(header, text); err != nil {
			return nil, nil, "", err
		}
	}
	if header.Get("Transfer-Encoding") != "" && header.Get("Content-Length") == "" {
		note = "the request was sent with Transfer-Encoding; what follows the headers is taken as the decoded body"
	}
	if text := header.Get("Content-Length"); text != "" {
		n, err := strconv.Atoi(text)
		switch {
		case err != nil || n < 0:
			return nil, nil, "", fmt.Errorf("Content-Length %q is no number", text)
		case n < len(raw):
			note = fmt.Sprintf("Content-Length is %d, so %d bytes after it are left out", n, len(raw)-n)
			raw = raw[:n]
		case n > len(raw):
			note = fmt.Sprintf("Content-Length is %d, but the body has %d bytes: it is not the body that was sent", n, len(raw))
		}
	}
	return header, raw, note, nil
}

func isRequestLine(text string) bool {
	fields := strings.Fields(text)
	return len(fields) >= 2 && !strings.HasSuffix(fields[0], ":") &&
		(strings.HasPrefix(fields[len(fields)-1], "HTTP/") || len(fields) == 2 && strings.HasPrefix(fields[1], "/"))
}

// addHeaderLine adds 'Name: value'. No error holds the value.
func addHeaderLine(header http.Header, line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok || strings.TrimSpace(name) == "" || strings.ContainsAny(strings.TrimSpace(name), " \t") {
		return fmt.Errorf("a header is not of the form 'Name: value'")
	}
	header.Add(textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value))
	return nil
}
