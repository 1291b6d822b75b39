package format

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/waybell/waybell/internal/jsjson"
	"github.com/waybell/waybell/internal/retry"
)

// Profile is a named pair of format and retry policy, with the defaults of an
// endpoint. It only fills an endpoint when that is made: format and policy are
// stored on the endpoint and may be overridden there.
type Profile struct {
	Name        string `json:"name"`
	Format      string `json:"format"`       // name of the format
	RetryPolicy string `json:"retry_policy"` // name of the retry policy
	// IncludeMessages is the endpoint's include_messages where it gives none.
	IncludeMessages bool `json:"include_messages,omitempty"`
	// OmitStandardHeaders makes standard_headers false where the endpoint gives
	// none. The format must allow it.
	OmitStandardHeaders bool `json:"omit_standard_headers,omitempty"`
}

// DefaultProfile is the profile of agents that name none.
const DefaultProfile = "standard"

func builtInProfiles() []Profile {
	return []Profile{
		{Name: DefaultProfile, Format: "standard", RetryPolicy: "standard"},
		{Name: "chatzuri", Format: "chatzuri", RetryPolicy: "chatzuri"},
		// The payloads that Chatislav documents carry the transcript "when
		// available".
		{Name: "chatislav", Format: "chatislav", RetryPolicy: "chatislav", IncludeMessages: true},
	}
}

// RetryRule gives one verdict (success, retry, fail or fail_suspend) to a range
// of HTTP statuses, both ends included.
type RetryRule = retry.Rule

// RetryPolicy is a retry policy in the configuration: a change to another one.
type RetryPolicy struct {
	Name string `json:"name"`
	// Base is the policy that gives what is left out here; empty is "standard".
	// It must be built in or stand before this one.
	Base string `json:"base,omitempty"`
	// Rules decide on statuses; the first that covers a status wins. Those of
	// the base follow, so that only exceptions need to be written.
	Rules []RetryRule `json:"rules,omitempty"`
	// ScheduleSeconds is the wait after the end of each attempt: 0 to 50 whole
	// numbers from 1 to 86,400. Nil is the base's, an empty list one attempt.
	ScheduleSeconds []int `json:"schedule_seconds"`
	// WindowSeconds is how long after acceptance attempts are planned: 1 to
	// 604,800; 0 is the base's.
	WindowSeconds int `json:"window_seconds,omitempty"`
	// Jitter is the share, 0 to 1, by which a wait is made longer or shorter at
	// random; nil is the base's.
	Jitter *float64 `json:"jitter,omitempty"`
}

// over makes the policy from its base. Seconds out of bounds stay so, for
// Validate to find.
func (p *RetryPolicy) over(base retry.Policy) retry.Policy {
	out := base
	out.Name = p.Name
	out.Rules = exceptions(p.Rules, base.Rules)
	if p.ScheduleSeconds != nil {
		out.Schedule = make([]time.Duration, len(p.ScheduleSeconds))
		for i, s := range p.ScheduleSeconds {
			out.Schedule[i] = seconds(s)
		}
	}
	if p.WindowSeconds != 0 {
		out.Window = seconds(p.WindowSeconds)
	}
	if p.Jitter != nil {
		out.Jitter = *p.Jitter
	}
	return out
}

// exceptions puts rules before those of the base, of which it leaves out what
// can no longer apply: a policy may not have such rules.
func exceptions(rules, base []RetryRule) []RetryRule {
	out := slices.Clone(rules)
	for _, b := range base {
		for status := b.From; status <= b.To; status++ {
			if !slices.ContainsFunc(rules, func(r RetryRule) bool { return r.From <= status && status <= r.To }) {
				out = append(out, b)
				break
			}
		}
	}
	return out
}

// seconds guards against overflow: a number out of bounds is one second too
// many, or none.
func seconds(n int) time.Duration {
	return time.Duration(min(max(n, 0), int(retry.MaxWindow/time.Second)+1)) * time.Second
}

// Config is what an operator adds to the built-in formats, policies and
// profiles.
type Config struct {
	Formats       []Format      `json:"formats,omitempty"`
	RetryPolicies []RetryPolicy `json:"retry_policies,omitempty"`
	Profiles      []Profile     `json:"profiles,omitempty"`
}

// Set holds the formats, retry policies and profiles of an installation,
// the built-in ones first. It never changes once made and is safe for
// concurrent use.
type Set struct {
	formats  []*Format
	policies []retry.Policy
	profiles []Profile
}

// NewSet checks the configuration and adds it to what is built in. Names
// must be new, and what a profile refers to must be there. The error is an
// *[Error] whose fields are located from the configuration's top, such as
// "formats[0].body[2].key".
func NewSet(c Config) (*Set, error) {
	var list problemList
	f := &Set{policies: []retry.Policy{retry.Standard(), retry.Chatzuri(), retry.Chatislav()}}
	for _, builtIn := range []*Format{Standard(), Chatzuri(), Chatislav()} {
		f.addFormat(builtIn)
	}
	for i := range c.Formats {
		at := fmt.Sprintf("formats[%d].", i)
		format := c.Formats[i].clone()
		problems := format.problems()
		for _, p := range problems {
			list.add(at+p.Location, "%s", p.Message)
		}
		if _, taken := f.Format(format.Name); taken {
			list.add(at+"name", "is the name of another format")
		} else if len(problems) == 0 {
			f.addFormat(format)
		}
	}
	for i := range c.RetryPolicies {
		f.addPolicy(&list, fmt.Sprintf("retry_policies[%d].", i), &c.RetryPolicies[i])
	}
	f.profiles = builtInProfiles()
	for i, p := range c.Profiles {
		f.addProfile(&list, fmt.Sprintf("profiles[%d].", i), p)
	}
	if err := invalid(list); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *Set) addFormat(format *Format) {
	format.version = ""
	format.version = format.Version()
	f.formats = append(f.formats, format)
}

// clone copies a format and brings its constants into canonical form, so that
// neither the caller's later changes nor white space change the version.
func (f *Format) clone() *Format {
	c := *f
	for _, keys := range []*[]Key{&c.Body, &c.LeadBody, &c.SummaryBody} {
		*keys = slices.Clone(*keys)
		for i := range *keys {
			if v, err := jsjson.Parse((*keys)[i].Const, jsjson.Limits{}); err == nil {
				(*keys)[i].Const = v.Append(nil)
			}
		}
	}
	c.EventNames = maps.Clone(c.EventNames)
	c.Signatures = slices.Clone(c.Signatures)
	return &c
}

func (f *Set) addPolicy(list *problemList, at string, p *RetryPolicy) {
	if !isWord(p.Name) {
		list.add(at+"name", "must be 1 to %d of a-z, 0-9, _ and -", maxFormatName)
		return
	}
	if _, taken := f.Policy(p.Name); taken {
		list.add(at+"name", "is the name of another retry policy")
		return
	}
	name := p.Base
	if name == "" {
		name = DefaultProfile
	}
	base, ok := f.Policy(name)
	if !ok {
		list.add(at+"base", "is no retry policy that is built in or stands before this one")
		return
	}
	policy := p.over(base)
	if err := policy.Validate(); err != nil {
		for _, problem := range policyProblems(err) {
			list.add(at+problem.Location, "%s", problem.Message)
		}
		return
	}
	f.policies = append(f.policies, policy)
}

// policyProblems gives the problems of a policy the names of the configuration.
func policyProblems(err error) []Problem {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []Problem{{Location: "name", Message: err.Error()}}
	}
	var list []Problem
	for _, err := range joined.Unwrap() {
		field, ok := errors.AsType[*retry.FieldError](err)
		if !ok {
			list = append(list, Problem{Location: "name", Message: err.Error()})
			continue
		}
		location := field.Field
		for _, name := range [...]string{"schedule", "window"} {
			if rest, ok := strings.CutPrefix(location, name); ok {
				location = name + "_seconds" + rest
			}
		}
		list = append(list, Problem{Location: location, Message: field.Problem})
	}
	return list
}

func (f *Set) addProfile(list *problemList, at string, p Profile) {
	before := len(*list)
	if !isWord(p.Name) {
		list.add(at+"name", "must be 1 to %d of a-z, 0-9, _ and -", maxFormatName)
	} else if _, taken := f.Profile(p.Name); taken {
		list.add(at+"name", "is the name of another profile")
	}
	format, ok := f.Format(p.Format)
	if !ok {
		list.add(at+"format", "is no format; there are %s", joinWords(f.FormatNames()))
	} else if p.OmitStandardHeaders && !format.StandardHeadersOptional {
		list.add(at+"omit_standard_headers", "the format %s needs the standard headers", p.Format)
	}
	if _, ok := f.Policy(p.RetryPolicy); !ok {
		list.add(at+"retry_policy", "is no retry policy; there are %s", joinWords(f.PolicyNames()))
	}
	if len(*list) == before {
		f.profiles = append(f.profiles, p)
	}
}

// Format returns the format of that name. It must not be changed.
func (f *Set) Format(name string) (*Format, bool) {
	for _, format := range f.formats {
		if format.Name == name {
			return format, true
		}
	}
	return nil, false
}

// Profile returns the profile of that name.
func (f *Set) Profile(name string) (Profile, bool) {
	i := slices.IndexFunc(f.profiles, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, false
	}
	return f.profiles[i], true
}

// Policy returns the retry policy of that name.
func (f *Set) Policy(name string) (retry.Policy, bool) {
	i := slices.IndexFunc(f.policies, func(p retry.Policy) bool { return p.Name == name })
	if i < 0 {
		return retry.Policy{}, false
	}
	return f.policies[i], true
}

// FormatNames lists the formats, the built-in ones first.
func (f *Set) FormatNames() []string {
	return names(f.formats, func(v *Format) string { return v.Name })
}

// PolicyNames lists the retry policies, the built-in ones first.
func (f *Set) PolicyNames() []string {
	return names(f.policies, func(v retry.Policy) string { return v.Name })
}

// ProfileNames lists the profiles, the built-in ones first.
func (f *Set) ProfileNames() []string {
	return names(f.profiles, func(v Profile) string { return v.Name })
}

func names[T any](list []T, name func(T) string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = name(v)
	}
	return out
}

// SignatureHeaders lists the headers that carry signatures, in lower case: an
// endpoint's own headers may have none of these names, whichever its format is.
func (f *Set) SignatureHeaders() []string {
	var out []string
	for _, format := range f.formats {
		for _, s := range format.Signatures {
			out = append(out, strings.ToLower(s.Header))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
