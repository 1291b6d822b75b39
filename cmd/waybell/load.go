package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Settings are read with a loop over one table rather than with a library that
// fills tagged structs: the table also has to make the flags, the masks, the
// origins and the documentation, and a second list of names in struct tags
// would only be something to keep in step.

const (
	envPrefix = "WAYBELL_"
	configKey = "config" // --config and WAYBELL_CONFIG name the file itself
	// fileSuffix makes the name of a secret into that of a file to read it from.
	fileSuffix = "-file"
	// maxSecretFile bounds what is read from such a file.
	maxSecretFile = 64 << 10
)

// configuration is the loaded settings and where each came from.
type configuration struct {
	*settings
	path    string            // of the file, or ""
	origins map[string]string // setting → "flag --listen", "env WAYBELL_LISTEN", "waybell.yaml:3"
	unread  []string          // structures of the file that could not be read, and so not be judged
}

// flagText is a flag as it was given. Flags only collect text, since a value
// is set once, after it is known which source wins.
type flagText struct {
	setting
	given []string
}

// Set implements [pflag.Value].
func (f *flagText) Set(s string) error { f.given = append(f.given, s); return nil }

// String implements [pflag.Value].
func (f *flagText) String() string {
	if f.value == nil {
		return "" // the zero value, which pflag makes to find out what is default
	}
	return f.value.String()
}

// Type implements [pflag.Value].
func (f *flagText) Type() string { return f.value.Type() }

// addSettingFlags adds a flag for each setting but those in except.
func addSettingFlags(flags *pflag.FlagSet, except ...string) {
	flags.String(configKey, "", "YAML file with settings (WAYBELL_CONFIG)")
	for _, row := range newSettings().table() {
		if containsWord(except, row.name) {
			continue
		}
		f := flags.VarPF(&flagText{setting: row}, row.name, "", row.help)
		if row.value.Type() == "boolean" {
			f.NoOptDefVal = "true"
		}
		if row.secret {
			file := setting{name: row.name + fileSuffix, value: new(textValue)}
			flags.Var(&flagText{setting: file}, file.name, "file to read "+row.name+" from")
		}
	}
}

// addSomeSettings adds flags for a few settings of the server and --config, and
// returns what loads them, and database-url, as serve would. Other settings are
// not looked at.
func addSomeSettings(cmd *cobra.Command, names ...string) func() (*configuration, error) {
	var others []string
	for _, row := range newSettings().table() {
		if !containsWord(names, row.name) {
			others = append(others, row.name)
		}
	}
	addSettingFlags(cmd.Flags(), others...)
	return func() (*configuration, error) {
		c := &configuration{settings: newSettings(), origins: map[string]string{}}
		env := environment(os.Environ())
		file := &configFile{}
		if c.path = configPath(cmd.Flags(), env); c.path != "" {
			var err error
			if file, err = readConfigFile(c.path); err != nil {
				return nil, &exitError{exitUsage, err}
			}
		}
		for _, row := range c.table() {
			if row.name != "database-url" && !containsWord(names, row.name) {
				continue
			}
			if err := c.resolve(row, []source{flagSource(cmd.Flags()), envSource(env), file.get}); err != nil {
				return nil, &exitError{exitUsage, err}
			}
		}
		return c, nil
	}
}

// found is the text of a setting and where exactly it stands.
type found struct{ text, origin string }

// source is a place that settings come from; nil for a setting that is not
// there.
type source func(name string) (*found, error)

// loadSettings reads the settings: a flag wins over the environment, that over
// the file, and that over the default. All that is wrong is told at once.
func loadSettings(flags *pflag.FlagSet, environ []string) (*configuration, error) {
	c := &configuration{settings: newSettings(), origins: map[string]string{}}
	env := environment(environ)
	var errs []error
	c.path = configPath(flags, env)
	file := &configFile{}
	if c.path != "" {
		var err error
		if file, err = readConfigFile(c.path); err != nil {
			return nil, &exitError{exitUsage, err}
		}
	}
	errs = append(errs, unknownVariables(env)...)
	errs = append(errs, file.unknown(c.settings)...)
	sources := []source{flagSource(flags), envSource(env), file.get}
	for _, row := range c.table() {
		errs = append(errs, c.resolve(row, sources))
	}
	for _, s := range c.structures() {
		if line, ok := file.lines[s.name]; ok {
			c.origins[s.name] = fmt.Sprintf("%s:%d", c.path, line)
			if err := file.decode(s.name, s.into); err != nil {
				errs = append(errs, fmt.Errorf("%s: %s: %w", c.origins[s.name], s.name, err))
				c.unread = append(c.unread, s.name)
			}
		}
	}
	errs = append(errs, c.check())
	if err := errors.Join(errs...); err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("the configuration is wrong:\n%s", indent(err.Error()))}
	}
	return c, nil
}

// configPath is the configuration file that the flag or the environment names.
func configPath(flags *pflag.FlagSet, env map[string]string) string {
	if f := flags.Lookup(configKey); f != nil && f.Changed {
		return f.Value.String()
	}
	return env[envName(configKey)]
}

// resolve sets one setting from the first source that has it.
func (c *configuration) resolve(row setting, sources []source) error {
	for _, s := range sources {
		f, err := s(row.name)
		if err == nil && row.secret {
			f, err = s.orFile(row.name, f)
		}
		if err != nil {
			return err
		}
		if f == nil {
			continue
		}
		c.origins[row.name] = f.origin
		if err := row.value.Set(f.text); err != nil {
			return fmt.Errorf("%s: %s: %w", f.origin, row.name, err)
		}
		return nil
	}
	c.origins[row.name] = "default"
	return nil
}

// orFile looks whether the source names a file with the secret instead of the
// secret itself, which is direct.
func (s source) orFile(name string, direct *found) (*found, error) {
	file, err := s(name + fileSuffix)
	switch {
	case err != nil || file == nil:
		return direct, err
	case direct != nil:
		return nil, fmt.Errorf("%s and %s: give one of them", direct.origin, file.origin)
	}
	secret, err := readSecretFile(file.text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.origin, err)
	}
	return &found{secret, file.origin}, nil
}

// readSecretFile reads a secret without the line break that editors add.
func readSecretFile(path string) (string, error) {
	b, err := readBounded(path, maxSecretFile)
	if err != nil {
		return "", err
	}
	text := strings.TrimRight(string(b), "\r\n")
	if text == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return text, nil
}

// readBounded reads a file of at most so many bytes. The size that a file says
// it has is not asked for: a pipe or a device says 0 and does not end.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, most)
	}
	return b, nil
}

func flagSource(flags *pflag.FlagSet) source {
	return func(name string) (*found, error) {
		f := flags.Lookup(name)
		if f == nil || !f.Changed {
			return nil, nil
		}
		text, ok := f.Value.(*flagText)
		if !ok {
			return nil, nil // a flag of the command's own
		}
		given := text.given[len(text.given)-1]
		if text.value.Type() == "list" {
			given = strings.Join(text.given, ",")
		}
		return &found{given, "flag --" + name}, nil
	}
}

// environment keeps the variables with the prefix. An empty one counts as not
// set: that is how compose files pass on what is missing.
func environment(environ []string) map[string]string {
	env := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, envPrefix) && value != "" {
			env[name] = value
		}
	}
	return env
}

func envName(setting string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

func envSource(env map[string]string) source {
	return func(name string) (*found, error) {
		if text, ok := env[envName(name)]; ok {
			return &found{text, "env " + envName(name)}, nil
		}
		return nil, nil
	}
}

// unknownVariables refuses variables that nothing reads, since a misspelt
// setting would otherwise be a silent default.
func unknownVariables(env map[string]string) []error {
	known := []string{envName(configKey), envName("server"), envName("secret"), envName("secret" + fileSuffix)}
	for _, row := range newSettings().table() {
		known = append(known, envName(row.name))
		if row.secret {
			known = append(known, envName(row.name+fileSuffix))
		}
	}
	// Kubernetes and Docker put these into every container beside a service
	// called waybell.
	link := regexp.MustCompile(`^WAYBELL_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT(_[0-9]+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)$`)
	var errs []error
	for _, name := range sortedKeys(env) {
		if containsWord(known, name) || link.MatchString(name) {
			continue
		}
		errs = append(errs, fmt.Errorf("env %s: there is no such setting%s", name, didYouMean(nearest(name, known))))
	}
	return errs
}

func didYouMean(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", name)
}
