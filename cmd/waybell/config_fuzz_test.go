package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/waybell/waybell"
)

// canary stands in secrets, which no error and no view may hold.
const canary = "canary-0123456789"

// secretsGiven are secrets that the environment gives besides, good and bad.
func secretsGiven(which uint8) []string {
	return [][]string{
		nil,
		{"WAYBELL_API_KEY=" + canary + "-and-long-enough"},
		{"WAYBELL_API_KEY=" + canary + " with blanks"},
		{"WAYBELL_ENCRYPTION_KEY=" + canary},
		{"WAYBELL_DATABASE_URL=mysql://u:" + canary + "@db.example.com/w"},
		{"WAYBELL_DATABASE_URL=postgres://u:" + canary + "@db.example.com/%zz", "WAYBELL_ENCRYPTION_KEY=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="},
	}[int(which)%6]
}

// FuzzConfig gives a configuration file, variables (NAME=value, one a line) and
// flags (one a line). What is wrong is told without a secret; of what is good,
// each value comes from the source that wins, and what `config show` prints,
// given as flags, means the same.
func FuzzConfig(f *testing.F) {
	for _, seed := range [][3]string{
		{"listen: 127.0.0.1:9000\nallow-targets: [127.0.0.0/8, '::1']\nretention: 30d\n", "WAYBELL_LOG_LEVEL=debug", "--max-event-bytes=2MiB"},
		{"formats:\n- name: acme\n  body:\n  - {key: type, value: event_name}\n  - {key: payload, value: data}\n  - {key: c, const: {b: 1.50, \"7\": [true, null]}}\n", "", "--metrics"},
		{"retry-policies: [{name: p, base: chatzuri, rules: [{from: 400, to: 499, verdict: fail}], schedule_seconds: [1, 2], window_seconds: 60, jitter: 0.5}]\nprofiles: [{name: q, format: standard, retry_policy: p}]", "", ""},
		{"event-types:\n- name: order.created\n  schema: {type: object, required: [total]}\n  example: {total: 1}\n", "WAYBELL_METRICS=off\nWAYBELL_METRICS_LISTEN=:9", ""},
		{"listen: 1\nlisten: 2", "", ""}, {"lisen: x", "WAYBELL_LISEN=x", ""}, {"a: &a [*a]", "", ""}, {"? [a]\n: b", "", ""}, {"--- 1\n--- 2", "", ""},
		{"api-key-file: nowhere\napi-key: x", "WAYBELL_API_KEY_FILE=nowhere", "--api-key-file=nowhere"}, {"!!binary x", "", ""}, {"# nothing", "", ""},
		{"listen: !!str 1\nretention: 1d12h\nsuspend-after: 0\nrole: api", "", "--portal-origins=https://a.example,http://localhost:3000\n--public-url=https://a.example/b"},
		{"max-queued: 0x10\nmax-in-flight: 1_000\nmetrics: yes\nlisten: |\n  a\n  b", "", ""}, {"listen: \"\\", "", "--retention=0d"}, {"<<: {listen: a}", "WAYBELL_PORT=tcp://1", ""},
	} {
		for which := range uint8(6) {
			f.Add(seed[0], seed[1], seed[2], which)
		}
	}
	path := filepath.Join(f.TempDir(), "waybell.yaml")
	f.Fuzz(func(t *testing.T, file, environ, args string, secrets uint8) {
		if all := file + environ + args; strings.Contains(all, "/dev") || strings.Contains(all, canary) || strings.Contains(strings.ToLower(environ+args), "config") {
			return // what would be read is another file, or does not end
		}
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		given := []string{"--config=" + path}
		for arg := range strings.SplitSeq(args, "\n") {
			if strings.HasPrefix(arg, "--") && len(arg) > 2 {
				given = append(given, arg)
			}
		}
		variables := append(strings.Split(environ, "\n"), secretsGiven(secrets)...)
		flags, c, err := loadFuzzed(given, variables)
		if flags == nil {
			return // not even flags
		}
		if err != nil {
			exit, ok := errors.AsType[*exitError](err)
			if text := err.Error(); !ok || exit.code != exitUsage || text == "" || strings.Contains(text, canary) || strings.Contains(text, "%!") {
				t.Fatalf("%v %v: %v", given, variables, err)
			}
			return
		}
		checkSources(t, c, flags, variables)
		checkShown(t, c, given, variables)
		cfg := c.service()
		cfg.Store = struct{ waybell.Store }{}
		cfg.EncryptionKeys = []waybell.Secret{"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="}
		if _, err := waybell.New(cfg); err != nil && (err.Error() == "" || strings.Contains(err.Error(), canary)) {
			t.Fatalf("%q: %v", file, err)
		}
	})
}

// loadFuzzed returns no flags where they could not be read.
func loadFuzzed(args, environ []string) (*pflag.FlagSet, *configuration, error) {
	flags := pflag.NewFlagSet("fuzz", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	addSettingFlags(flags)
	if flags.Parse(args) != nil {
		return nil, nil, nil
	}
	c, err := loadSettings(flags, environ)
	return flags, c, err
}

// checkSources holds each setting to the order of the sources: a flag, a
// variable that is not empty, the file, the default.
func checkSources(t *testing.T, c *configuration, flags *pflag.FlagSet, variables []string) {
	t.Helper()
	env := environment(variables)
	for _, row := range c.table() {
		_, variable := env[envName(row.name)]
		if row.secret && !variable {
			_, variable = env[envName(row.name+fileSuffix)]
		}
		given := flags.Changed(row.name) || row.secret && flags.Changed(row.name+fileSuffix)
		origin := c.origins[row.name]
		want := "default"
		switch {
		case given:
			want = "flag --" + row.name
		case variable:
			want = "env " + envName(row.name)
		case strings.HasPrefix(origin, c.path+":"):
			want = origin
		}
		if !strings.HasPrefix(origin, want) {
			t.Fatalf("%s comes from %q, want %q", row.name, origin, want)
		}
	}
}

// checkShown gives what is shown of each setting as a flag.
func checkShown(t *testing.T, c *configuration, args, variables []string) {
	t.Helper()
	shown := map[string]string{}
	again := args
	for _, row := range c.table() {
		text := row.value.String()
		shown[row.name] = text
		if row.secret {
			if text != "" && text != waybell.Secret("x").String() {
				t.Fatalf("%s is shown as %q", row.name, text)
			}
			continue
		}
		if c.origins[row.name] != "default" {
			again = append(again, "--"+row.name+"="+text)
		}
		if strings.Contains(text, canary) {
			t.Fatalf("%s is shown as %q", row.name, text)
		}
	}
	_, same, err := loadFuzzed(again, variables)
	if err != nil {
		t.Fatalf("%q: what is shown is refused: %v", again, err)
	}
	for _, row := range same.table() {
		if got := row.value.String(); got != shown[row.name] && row.value.Type() != "list" {
			t.Fatalf("%s is shown as %q, which is %q", row.name, shown[row.name], got)
		}
	}
}
