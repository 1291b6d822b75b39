package waybell

import (
	"github.com/waybell/waybell/internal/retry"
	"github.com/waybell/waybell/signature"
)

// Format and Profile stand here until format.go and profile.go land.
type Format struct {
	Name      string
	Signature signature.Scheme
}

// Profile is a named pair of format and retry policy.
type Profile struct {
	Name, Format, RetryPolicy string
	IncludeMessages           bool
}

const defaultProfile = "standard"

func (f *Format) legacy() bool            { return f.Signature != signature.Standard() }
func (f *Format) signatureHeader() string { return f.Signature.Header }

func (d *directory) initProfiles(cfg Config) error {
	d.formats = map[string]*Format{}
	d.policies = map[string]retry.Policy{}
	d.profiles = map[string]*Profile{}
	for _, p := range []retry.Policy{retry.Standard(), retry.Chatzuri(), retry.Chatislav()} {
		scheme, _ := signature.Builtin(p.Name)
		d.policies[p.Name] = p
		d.formats[p.Name] = &Format{p.Name, scheme}
		d.profiles[p.Name] = &Profile{p.Name, p.Name, p.Name, p.Name == "chatislav"}
	}
	return nil
}
