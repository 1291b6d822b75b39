package main

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/waybell/waybell"
)

func loadTest(t *testing.T, args, environ []string) (*configuration, error) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	addSettingFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return loadSettings(flags, environ)
}

// sample is a valid text for each type of value that is not its default.
func sample(row setting) string {
	switch row.name {
	case "api-key":
		return "sample-key-0123456789-abcdef"
	case "encryption-key":
		return "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
	case "egress-proxy":
		return "http://sample:word@proxy.example.com:3128"
	case "listen", "metrics-listen":
		return "127.0.0.1:9999"
	case "database-url", "database-listen-url", "database-replica-url":
		return "postgres://sample:word@db.example.com/waybell"
	case "public-url":
		return "https://hooks.example.com/waybell"
	case "portal-origins":
		return "https://app.example.com,http://localhost:3000"
	case "publish-wait":
		return "300ms"
	case "max-batch-bytes", "max-publish-bytes":
		return "3MiB"
	}
	switch kind := row.value.Type(); kind {
	case "boolean":
		if row.value.String() == "true" {
			return "false"
		}
		return "true"
	case "number":
		return "77"
	case "size":
		return "2MiB"
	case "duration":
		return "3d"
	case "list":
		return "10.1.0.0/16,10.2.0.0/16"
	case "text", "secret":
		return "sample"
	default: // one of several words
		words := strings.Split(kind, "|")
		return words[len(words)-1]
	}
}

// Every setting can be given in each of the three ways, under the same name,
// and the way that wins is the one documented.
func TestEverySettingFromEverySource(t *testing.T) {
	t.Parallel()
	for _, row := range newSettings().table() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			text := sample(row)
			if row.value.String() == text {
				t.Fatalf("the sample %q is the default", text)
			}
			file := filepath.Join(t.TempDir(), "waybell.yaml")
			if err := os.WriteFile(file, []byte(row.name+": "+text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			other := row.value.String() // the default, given explicitly
			if row.secret || other == "" {
				other = text
			}
			sources := []struct {
				args, env []string
				origin    string
			}{
				{[]string{"--" + row.name + "=" + text}, nil, "flag --" + row.name},
				{nil, []string{envName(row.name) + "=" + text}, "env " + envName(row.name)},
				{[]string{"--config", file}, nil, file + ":1"},
				{[]string{"--config", file, "--" + row.name + "=" + text}, []string{envName(row.name) + "=" + other}, "flag --" + row.name},
				{[]string{"--config", file}, []string{envName(row.name) + "=" + text}, "env " + envName(row.name)},
			}
			for _, s := range sources {
				c, err := loadTest(t, s.args, append(companions(row.name), s.env...))
				if err != nil {
					t.Fatalf("%v %v: %v", s.args, s.env, err)
				}
				want := text
				if row.secret {
					want = "••••"
				}
				if got := c.valueOf(row.name); got != want || c.origins[row.name] != s.origin {
					t.Errorf("%v %v: %q from %q, want %q from %q", s.args, s.env, got, c.origins[row.name], want, s.origin)
				}
			}
		})
	}
}

// companions are the variables without which a setting makes no sense.
func companions(name string) []string {
	key := "WAYBELL_ENCRYPTION_KEY=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
	switch name {
	case "database-url":
		return []string{key}
	case "database-listen-url", "database-replica-url", "database-connections", "role":
		return []string{key, "WAYBELL_DATABASE_URL=postgres://sample:word@db.example.com/waybell"}
	}
	return nil
}

func (c *configuration) valueOf(name string) string {
	for _, v := range c.views() {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}

// The defaults written here are those of the library, and no limit is
// forgotten.
func TestSettingsCoverTheLibrary(t *testing.T) {
	t.Parallel()
	svc, err := waybell.New(waybell.Config{
		Store:          struct{ waybell.Store }{},
		EncryptionKeys: []waybell.Secret{"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="},
	})
	if err != nil {
		t.Fatal(err)
	}
	library, own := svc.Config(), newSettings().service()
	if own.Limits != library.Limits {
		t.Errorf("default limits are %+v, the library's %+v", own.Limits, library.Limits)
	}
	if own.Retention != library.Retention || own.SuspendAfter != library.SuspendAfter || own.SuspendFailures != library.SuspendFailures || own.InboxTTL != library.InboxTTL ||
		own.PublishWait != library.PublishWait {
		t.Errorf("other defaults than the library's: %v %v %v %v", own.Retention, own.SuspendAfter, own.SuspendFailures, own.PublishWait)
	}
	changed := newSettings()
	for _, row := range changed.limitTable() {
		if err := row.value.Set("7"); err != nil {
			t.Fatal(err)
		}
	}
	limits := reflect.ValueOf(changed.limits())
	for i := range limits.NumField() {
		if limits.Field(i).Int() != 7 {
			t.Errorf("there is no setting for waybell.Limits.%s", limits.Type().Field(i).Name)
		}
	}
	for _, row := range newSettings().limitTable() {
		wrong := &configuration{settings: newSettings()}
		for _, r := range wrong.limitTable() {
			if r.name == row.name {
				if err := r.value.Set("0"); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := wrong.checkLimits(); row.limit != "" && (err == nil || !strings.HasPrefix(err.Error(), row.name+": is 0")) {
			t.Errorf("%s = 0 is told as %v", row.name, err)
		}
	}
	never := newSettings()
	never.Retention, never.SuspendAfter, never.InboxTTL, never.PublishWait = 0, 0, 0, 0
	if cfg := never.service(); cfg.Retention >= 0 || cfg.SuspendAfter >= 0 || cfg.InboxTTL >= 0 || cfg.PublishWait >= 0 {
		t.Error("0 must mean never")
	}
	slow := &configuration{settings: newSettings()}
	slow.PublishWait = durationValue(waybell.MaxPublishWait + 1)
	if err := slow.check(); err == nil || !strings.Contains(err.Error(), "publish-wait: is 1.000000001s; it must be at most 1s") {
		t.Errorf("too long a wait is told as %v", err)
	}
	standard := newSettings()
	standard.EgressTransport = transportNetHTTP
	if own.NetHTTP || !standard.service().NetHTTP {
		t.Error("net/http must be used where it is chosen, and only there")
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value      pflag.Value
		text, want string // want "" is an error
	}{
		{new(durationValue), "30d", "30d"},
		{new(durationValue), "1d12h", "1d12h"},
		{new(durationValue), "36h", "1d12h"},
		{new(durationValue), "90m", "1h30m"},
		{new(durationValue), "1h0m5s", "1h0m5s"},
		{new(durationValue), "0", "0"},
		{new(durationValue), "0d", ""},
		{new(durationValue), "25s", "25s"},
		{new(durationValue), "10m", "10m"},
		{new(durationValue), "-1h", ""},
		{new(durationValue), "-1d", ""},
		{new(durationValue), "99999d", ""},
		{new(durationValue), "1", ""},
		{new(durationValue), "", ""},
		{new(sizeValue), "1048576", "1MiB"},
		{new(sizeValue), "512KiB", "512KiB"},
		{new(sizeValue), "1 GiB", "1GiB"},
		{new(sizeValue), "1000", "1000"},
		{new(sizeValue), "10MB", ""},
		{new(sizeValue), "-1", ""},
		{new(sizeValue), "9999999999GiB", ""},
		{new(boolValue), "on", "true"},
		{new(boolValue), "no", "false"},
		{new(boolValue), "maybe", ""},
		{new(listValue), " a, b ,,c", "a,b,c"},
		{new(intValue), "12", "12"},
		{new(intValue), "1.5", ""},
	} {
		err := c.value.Set(c.text)
		if (err != nil) != (c.want == "") {
			t.Errorf("%T %q: %v", c.value, c.text, err)
		} else if err == nil && c.value.String() != c.want {
			t.Errorf("%T %q shows as %q, want %q", c.value, c.text, c.value.String(), c.want)
		}
	}
	if d, err := parseDuration("30d"); err != nil || d != 30*24*time.Hour {
		t.Errorf("30d is %v, %v", d, err)
	}
}

var update = flag.Bool("update", false, "write docs/configuration.md")

// The reference of the settings is made from the table.
func TestConfigurationReference(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "configuration.md")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok1 := strings.Cut(string(old), settingsBegin)
	_, tail, ok2 := strings.Cut(string(old), settingsEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s lacks the marks %s and %s", path, settingsBegin, settingsEnd)
	}
	want := head + settingsBegin + "\n" + settingsReference() + settingsEnd + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(old) != want {
		t.Errorf("%s differs from the settings: run go test ./cmd/waybell -run Reference -update", path)
	}
	for _, s := range newSettings().structures() {
		if !strings.Contains(string(old), "`"+s.name+"`") {
			t.Errorf("%s does not describe %s", path, s.name)
		}
	}
}

const (
	settingsBegin = "<!-- settings: made from the table in cmd/waybell/settings.go -->"
	settingsEnd   = "<!-- end of settings -->"
)

// settingsReference is a table for each section.
func settingsReference() string {
	var b strings.Builder
	section := ""
	for _, row := range newSettings().table() {
		if row.section != section {
			section = row.section
			b.WriteString("\n### " + section + "\n\n| setting | type | default | what it is |\n| --- | --- | --- | --- |\n")
		}
		def := "none"
		if text := row.value.String(); text != "" {
			def = "`" + text + "`"
		}
		help := strings.ToUpper(row.help[:1]) + row.help[1:] + "."
		if row.note != "" {
			help += " " + row.note
		}
		kind := strings.ReplaceAll(row.value.Type(), "|", ", ")
		b.WriteString("| `" + row.name + "` | " + kind + " | " + def + " | " + help + " |\n")
	}
	b.WriteString("\n")
	return b.String()
}
