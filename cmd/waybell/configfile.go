package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/format"
)

// structure is a setting that only the configuration file can hold: a list of
// objects.
type structure struct {
	name string
	into any // pointer to what it is decoded into
	help string
}

// eventTypeSetting registers an event type at every start.
type eventTypeSetting struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`
	Example     json.RawMessage `json:"example"`
}

func (t eventTypeSetting) input() waybell.EventTypeInput {
	return waybell.EventTypeInput{Description: t.Description, Schema: t.Schema, Example: t.Example}
}

func (s *settings) structures() []structure {
	return []structure{
		{"formats", &s.Formats.Formats, "body formats and signature headers of your own"},
		{"retry-policies", &s.Formats.RetryPolicies, "retry policies of your own"},
		{"profiles", &s.Formats.Profiles, "named pairs of format and retry policy"},
		{"event-types", &s.EventTypes, "event types of your own, registered at each start"},
	}
}

// maxConfigFile bounds the configuration file.
const maxConfigFile = 4 << 20

// configFile is a parsed configuration file. The zero value is an empty one.
type configFile struct {
	path   string
	values map[string]any // nested mappings are yaml.MapSlice, so that their order stays
	lines  map[string]int
}

// readConfigFile parses YAML. Keys given twice are errors.
func readConfigFile(path string) (*configFile, error) {
	text, err := readBounded(path, maxConfigFile)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	f := &configFile{path: path, values: map[string]any{}, lines: map[string]int{}}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, yamlError(path, err)
	}
	if len(tree.Docs) > 1 {
		return nil, fmt.Errorf("%s: one YAML document is expected, there are %d", path, len(tree.Docs))
	}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil || tree.Docs[0].Body.Type() == ast.NullType {
		return f, nil
	}
	switch top := tree.Docs[0].Body.(type) {
	case *ast.MappingNode:
		for _, v := range top.Values {
			f.lines[v.Key.GetToken().Value] = v.Key.GetToken().Position.Line
		}
	case *ast.MappingValueNode:
		f.lines[top.Key.GetToken().Value] = top.Key.GetToken().Position.Line
	case *ast.CommentGroupNode:
		return f, nil
	default:
		return nil, fmt.Errorf("%s: a mapping of settings to values is expected", path)
	}
	var all yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(text, &all, yaml.UseOrderedMap(), yaml.Strict()); err != nil {
		return nil, yamlError(path, err)
	}
	for _, item := range all {
		f.values[fmt.Sprint(item.Key)] = item.Value
	}
	return f, nil
}

// yamlError tells where a file is wrong, and no more than that: the reader's
// messages quote the file, which may hold secrets.
func yamlError(path string, err error) error {
	if e, ok := errors.AsType[yaml.Error](err); ok && e.GetToken() != nil && e.GetToken().Position != nil {
		at := e.GetToken().Position
		path = fmt.Sprintf("%s:%d:%d", path, at.Line, at.Column)
	}
	if strings.Contains(err.Error(), "already defined at") { // the reader has no type for it
		return fmt.Errorf("%s: this key is already defined above", path)
	}
	return fmt.Errorf("%s: this is not valid YAML; text that begins with one of * & ! | > %% @ ` or holds \": \" or \" #\" stands in quotes", path)
}

// get is a source of settings.
func (f *configFile) get(name string) (*found, error) {
	line, ok := f.lines[name]
	if !ok {
		return nil, nil
	}
	origin := fmt.Sprintf("%s:%d", f.path, line)
	text, err := scalarText(f.values[name])
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", origin, name, err)
	}
	return &found{text, origin}, nil
}

// scalarText is the text of a scalar, or of a list of scalars with commas.
func scalarText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", errors.New("has no value; leave the key out for the default")
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			text, err := scalarText(item)
			if err != nil || strings.Contains(text, ",") {
				return "", fmt.Errorf("item %d must be a plain text or number", i+1)
			}
			items[i] = text
		}
		return strings.Join(items, ","), nil
	case string, bool, int64, uint64, int, float64:
		return fmt.Sprint(v), nil
	}
	return "", errors.New("must be a plain value or a list of such")
}

// unknown refuses keys that are no settings.
func (f *configFile) unknown(s *settings) []error {
	var known []string
	for _, row := range s.table() {
		known = append(known, row.name)
		if row.secret {
			known = append(known, row.name+fileSuffix)
		}
	}
	for _, st := range s.structures() {
		known = append(known, st.name)
	}
	var errs []error
	for _, name := range sortedKeys(f.lines) {
		if !slices.Contains(known, name) {
			hint := didYouMean(nearest(strings.ReplaceAll(name, "_", "-"), known))
			errs = append(errs, fmt.Errorf("%s:%d: there is no setting %q%s", f.path, f.lines[name], name, hint))
		}
	}
	return errs
}

// decode reads a structure by the JSON names of its fields; unknown ones are
// errors. JSON is the way because the schemas and constants inside are JSON.
func (f *configFile) decode(name string, into any) error {
	text, err := yaml.MarshalWithOptions(f.values[name], yaml.JSON())
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more follows the value")
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func containsWord(words []string, w string) bool { return slices.Contains(words, w) }

// indent puts two blanks before each line.
func indent(text string) string {
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}

// check finds what no single value tells.
func (c *configuration) check() error {
	var errs []error
	errs = append(errs, c.checkStore(), checkAddress("listen", string(c.Listen)))
	if c.MetricsListen != "" {
		errs = append(errs, checkAddress("metrics-listen", string(c.MetricsListen)))
		if !c.Metrics {
			errs = append(errs, errors.New("metrics-listen: metrics is off"))
		}
	}
	if key := waybell.Secret(c.APIKey); key != "" && !waybell.ValidRootKey(key) {
		errs = append(errs, errors.New("api-key: must be 24 to 256 printable ASCII characters without blanks; make one with: openssl rand -hex 24"))
	}
	if c.SuspendFailures < 1 {
		errs = append(errs, errors.New("suspend-failures: must be at least 1; set suspend-after to 0 to suspend nobody"))
	}
	if wait := time.Duration(c.PublishWait); wait > waybell.MaxPublishWait {
		errs = append(errs, fmt.Errorf("publish-wait: is %v; it must be at most %v", wait, waybell.MaxPublishWait))
	}
	if c.MaxConnections < 1 {
		errs = append(errs, fmt.Errorf("max-connections: is %d; it must be at least 1", c.MaxConnections))
	}
	_, err := encryptionKeys(waybell.Secret(c.EncryptionKey))
	errs = append(errs, err, c.checkLimits(), c.checkOrigins(), c.checkTargets(), c.checkFormats(), c.checkEventTypes())
	return errors.Join(errs...)
}

// checkLimits tells of the limits by the names of their settings.
func (c *configuration) checkLimits() error {
	err := c.limits().Validate()
	if err == nil {
		return nil
	}
	var names []string
	for _, row := range c.limitTable() {
		if row.limit != "" {
			names = append(names, "limit "+row.limit+" ", row.name+": ")
		}
	}
	return errors.New(strings.NewReplacer(names...).Replace(err.Error()))
}

// checkTargets finds what the service would refuse of allow-targets, of egress-proxy,
// and of public-url for the inboxes.
func (c *configuration) checkTargets() error {
	var errs []error
	judge := func(cfg waybell.Config, prefix, format string) {
		// New needs a store and a key, but uses neither before Start.
		cfg.Store, cfg.EncryptionKeys = struct{ waybell.Store }{}, []waybell.Secret{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}
		if _, err := waybell.New(cfg); err != nil {
			errs = append(errs, fmt.Errorf(format, strings.TrimPrefix(err.Error(), prefix)))
		}
	}
	for _, target := range c.AllowTargets {
		judge(waybell.Config{AllowTargets: []string{target}}, "config: egress: allowed target ",
			"allow-targets: %s; a target is a network such as 10.0.0.0/8, an address, a host or host:port, without https://")
	}
	if c.EgressProxy != "" {
		judge(waybell.Config{EgressProxy: waybell.Secret(c.EgressProxy)}, "config: egress: ", "egress-proxy: %s; it looks like http://proxy.lan:3128")
	}
	if c.PublicURL != "" && checkPublicURL(string(c.PublicURL)) == nil {
		judge(waybell.Config{OwnURL: string(c.PublicURL), InboxTTL: c.service().InboxTTL},
			"config: egress: the base of the inboxes: ", "public-url: %s")
	}
	return errors.Join(errs...)
}

// checkFormats finds what is wrong with formats, retry policies and profiles,
// which refer to each other: where one of these lists cannot be read, none is
// judged.
func (c *configuration) checkFormats() error {
	if slices.ContainsFunc(c.unread, func(name string) bool { return name != "event-types" }) {
		return nil
	}
	_, err := format.NewSet(c.Formats)
	invalid, ok := errors.AsType[*format.Error](err)
	if !ok {
		return err
	}
	var errs []error
	for _, p := range invalid.Problems {
		at := strings.Replace(p.Location, "retry_policies[", "retry-policies[", 1)
		errs = append(errs, fmt.Errorf("%s %s", at, p.Message))
	}
	return errors.Join(errs...)
}

// checkEventTypes finds what registering the event types at the start would
// refuse.
func (c *configuration) checkEventTypes() error {
	if slices.Contains(c.unread, "event-types") {
		return nil
	}
	var errs []error
	names := map[string]bool{}
	for i, t := range c.EventTypes {
		at := fmt.Sprintf("event-types[%d]", i)
		if names[t.Name] {
			errs = append(errs, fmt.Errorf("%s: %q is there twice", at, t.Name))
		}
		names[t.Name] = true
		err := t.input().Validate(t.Name)
		invalid, ok := errors.AsType[*waybell.Error](err)
		switch {
		case err == nil:
		case ok && len(invalid.Fields) > 0:
			for _, f := range invalid.Fields {
				_, field, _ := strings.Cut(f.Location, ".") // body.… and path.… belong to the API
				errs = append(errs, fmt.Errorf("%s.%s %s", at, field, f.Message))
			}
		case ok:
			errs = append(errs, fmt.Errorf("%s: %s", at, invalid.Message))
		default:
			errs = append(errs, fmt.Errorf("%s: %w", at, err))
		}
	}
	return errors.Join(errs...)
}
