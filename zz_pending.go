package waybell

import (
	"github.com/waybell/waybell/internal/retry"
	"github.com/waybell/waybell/signature"
)

// What stands here goes when format.go and profile.go land.

type Format struct {
	Name                    string
	StandardHeadersOptional bool
}

func (f *Format) Schemes(asymmetric, standardHeaders bool) []signature.Scheme {
	if asymmetric != (f.Name == "standard") && asymmetric {
		return nil
	}
	return []signature.Scheme{signature.Standard()}
}

type Profile struct {
	Name, Format, RetryPolicy            string
	IncludeMessages, OmitStandardHeaders bool
}

const DefaultProfile = "standard"

type FormatsConfig struct {
	Formats  []Format
	Profiles []Profile
}

type Formats struct{}

func NewFormats(FormatsConfig) (*Formats, error) { return &Formats{}, nil }

func (*Formats) Format(name string) (*Format, bool) {
	_, ok := signature.Builtin(name)
	return &Format{name, name != "standard"}, ok
}

func (*Formats) Profile(name string) (Profile, bool) {
	_, ok := signature.Builtin(name)
	return Profile{name, name, name, name == "chatislav", false}, ok
}

func (*Formats) policy(name string) (retry.Policy, bool) {
	for _, p := range []retry.Policy{retry.Standard(), retry.Chatzuri(), retry.Chatislav()} {
		if p.Name == name {
			return p, true
		}
	}
	return retry.Policy{}, false
}

func (*Formats) FormatNames() []string  { return []string{"standard", "chatzuri", "chatislav"} }
func (*Formats) PolicyNames() []string  { return []string{"standard", "chatzuri", "chatislav"} }
func (*Formats) ProfileNames() []string { return []string{"standard", "chatzuri", "chatislav"} }
func (*Formats) SignatureHeaders() []string {
	return []string{"webhook-signature", "x-chatislav-signature", "x-chatzuri-signature"}
}
