package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybell/waybell/signature"
)

// schemeFlag is the built-in scheme that a flag names.
func addSchemeFlag(cmd *cobra.Command, byDefault, help string) *string {
	scheme := byDefault
	cmd.Flags().VarP(choiceValue{&scheme, signature.BuiltinNames()}, "scheme", "s", help)
	return &scheme
}

// secretFlags are the ways to give signing secrets.
type secretFlags struct {
	texts, files []string
}

func (f *secretFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.texts, "secret", nil, "signing secret, may be repeated (WAYBELL_SECRET; prefer --secret-file)")
	cmd.Flags().StringArrayVar(&f.files, "secret-file", nil, "file to read a signing secret from (WAYBELL_SECRET_FILE)")
}

// read returns the secrets, at least one.
func (f *secretFlags) read() ([]signature.Secret, error) {
	texts, files := f.texts, f.files
	if len(texts)+len(files) == 0 {
		if env := os.Getenv("WAYBELL_SECRET"); env != "" {
			texts = []string{env}
		}
		if env := os.Getenv("WAYBELL_SECRET_FILE"); env != "" {
			files = []string{env}
		}
	}
	for _, path := range files {
		text, err := readSecretFile(path)
		if err != nil {
			return nil, usageErrorf("the secret: %w", err)
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return nil, usageErrorf("no secret: use --secret-file, --secret or WAYBELL_SECRET")
	}
	return parseSecrets(texts)
}

// parseSecrets reads secrets and public keys.
func parseSecrets(texts []string) ([]signature.Secret, error) {
	var secrets []signature.Secret
	for _, text := range texts {
		secret, err := signature.ParseSecret(text)
		if err != nil {
			public, publicErr := signature.ParsePublicKey(text)
			if publicErr != nil {
				return nil, usageErrorf("the secret: %w", err)
			}
			secret = public
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

func newSignCommand() *cobra.Command {
	var secrets secretFlags
	var out output
	var id, at, body string
	cmd := &cobra.Command{
		Use:   "sign",
		Short: "Sign a body as a delivery would be signed",
		Long: `Sign a body as a delivery would be signed, and print the headers: for the tests of
a receiver. Several secrets make a signature each where the scheme has lists.`,
		Example: `  waybell sign --scheme standard --secret-file secret.txt --id evt_1 --body payload.json
  waybell sign -s chatzuri --secret-file secret.txt --body - < payload.json |
    curl -H @- --data-binary @payload.json http://localhost:3000/hooks`,
		Args: exactly(0),
	}
	scheme := addSchemeFlag(cmd, "standard", "scheme")
	secrets.add(cmd)
	cmd.Flags().StringVar(&id, "id", "", "webhook-id (standard, ed25519)")
	cmd.Flags().StringVar(&at, "timestamp", "", "unix seconds or a time such as 2026-04-26T08:30:14Z; default now")
	cmd.Flags().StringVarP(&body, "body", "b", "-", "file with the body, - for standard input")
	out.flag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		keys, err := secrets.read()
		if err != nil {
			return err
		}
		chosen, _ := signature.Builtin(*scheme)
		signer, err := signature.NewSigner(chosen, keys...)
		if err != nil {
			return usageErrorf("%w", err)
		}
		if chosen.SignedContent == signature.ContentIDTimestampBody && id == "" {
			return usageErrorf("--id is required: the scheme %s signs it", *scheme)
		}
		when, err := parseMoment(at, time.Now())
		if err != nil {
			return usageErrorf("--timestamp: %w", err)
		}
		raw, err := readInputFile(cmd, body)
		if err != nil {
			return err
		}
		header := http.Header{}
		signer.SetHeaders(header, signature.Message{ID: id, Timestamp: when, Body: raw})
		return showHeaders(cmd, &out, header, chosen)
	}
	return cmd
}

// showHeaders prints the signature's headers, in the order in which they are
// signed and in the spelling of the scheme.
func showHeaders(cmd *cobra.Command, out *output, header http.Header, scheme signature.Scheme) error {
	var names []string
	if scheme.SignedContent == signature.ContentIDTimestampBody {
		names = append(names, signature.HeaderID, signature.HeaderTimestamp)
	}
	names = append(names, scheme.Header)
	if out.json() {
		view := map[string]string{}
		for _, name := range names {
			view[name] = header.Get(name)
		}
		return out.value(cmd, view)
	}
	for _, name := range names {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", name, header.Get(name)); err != nil {
			return err
		}
	}
	return nil
}

// parseMoment reads unix seconds or an RFC 3339 time; "" is now.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now, nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && seconds >= 0 {
		return time.Unix(seconds, 0), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither unix seconds nor a time such as 2026-04-26T08:30:14Z", text)
	}
	return t, nil
}
