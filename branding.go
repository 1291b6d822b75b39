package waybell

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/waybell/waybell/internal/lock"
)

// SettingStore keeps the few settings that are changed while the server runs,
// each a small document under a name.
type SettingStore interface {
	// Setting returns the value under a name, or ErrNotFound.
	Setting(ctx context.Context, name string) ([]byte, error)
	// PutSetting sets the value, of at most 256 KiB, under a name of at most 100
	// bytes.
	PutSetting(ctx context.Context, name string, value []byte) error
}

// Branding is how the screens present themselves.
type Branding struct {
	Name   string `json:"name"`   // "Waybell" unless it was set
	Accent string `json:"accent"` // #rrggbb, or "" for the screens' own
	Logo   *Logo  `json:"logo"`   // nil = none
}

// Logo is an image file.
type Logo struct {
	MediaType string `json:"media_type"` // image/png, image/webp or image/jpeg
	Data      []byte `json:"data"`       // at most 64 KiB
}

// Version is another for other bytes: it makes the logo's URL.
func (l *Logo) Version() string {
	sum := sha256.Sum256(l.Data)
	return hex.EncodeToString(sum[:8])
}

// BrandingInput changes the branding. What is absent stays as it is, null is
// the default.
type BrandingInput struct {
	Name   Optional[string] // 1–60 characters
	Accent Optional[string] // #rrggbb
	Logo   Optional[LogoInput]
}

// LogoInput is an image as callers send it.
type LogoInput struct {
	MediaType string // image/png, image/webp or image/jpeg
	Data      string // base64, of at most 64 KiB
}

const (
	brandingSetting  = "branding"
	defaultBrandName = "Waybell"
	maxBrandName     = 60
	maxLogoBytes     = 64 << 10
	brandingFresh    = 5 * time.Second // so late another node shows a change
	brandingFailed   = time.Second     // so long the store is not asked again where there is nothing to show
)

// brandingCache keeps the branding in memory: anybody may ask for it.
type brandingCache struct {
	mu       lock.RW // held while it is read, so that one reads for all
	value    *Branding
	read     time.Time
	failed   error // of a reading at failedAt, while there is no value
	failedAt time.Time
}

// Branding is how the screens present themselves; a change on another node
// shows within 5 s. The logo returned is shared: it must not be changed.
func (s *Service) Branding(ctx context.Context) (Branding, error) {
	c := &s.branding
	if err := c.mu.Lock(ctx); err != nil {
		return Branding{}, storeFailed("branding", err)
	}
	defer c.mu.Unlock()
	if c.value != nil && time.Since(c.read) < brandingFresh {
		return *c.value, nil
	}
	if c.value == nil && time.Since(c.failedAt) < brandingFailed {
		return Branding{}, c.failed // those who waited meanwhile need not wait for another
	}
	b, err := s.readBranding(ctx)
	switch {
	case err == nil:
		c.value, c.read = &b, time.Now()
	case c.value == nil && ctx.Err() == nil:
		c.failed, c.failedAt = err, time.Now()
	case c.value != nil: // an old name is better than no screens
		if ctx.Err() == nil {
			c.read = time.Now() // a store that is away is not asked for everybody, one after the other
		}
		return *c.value, nil
	}
	return b, err
}

func (s *Service) readBranding(ctx context.Context) (Branding, error) {
	b := Branding{Name: defaultBrandName}
	doc, err := s.store.Setting(ctx, brandingSetting)
	switch {
	case errors.Is(err, ErrNotFound):
		return b, nil
	case err == nil:
		err = json.Unmarshal(doc, &b)
	}
	if err != nil {
		return Branding{}, storeFailed("branding", err)
	}
	return b, nil
}

// SetBranding changes the branding and returns the whole. Of two changes at the
// same time on two nodes the later one counts. Errors: CodeInvalid.
func (s *Service) SetBranding(ctx context.Context, in BrandingInput) (Branding, error) {
	var p problems
	logo := parseLogo(&p, in.Logo)
	if in.Name.given() {
		p.name(in.Name.Value, 1, maxBrandName)
	}
	if in.Accent.given() && !validAccent(in.Accent.Value) {
		p.addValue("body.accent", in.Accent.Value, "must be a colour such as #3e63dd")
	}
	if err := p.err("the branding"); err != nil {
		return Branding{}, err
	}
	c := &s.branding
	if err := soon(ctx, c.mu.Lock); err != nil {
		return Branding{}, storeFailed("branding", err)
	}
	defer c.mu.Unlock()
	b, err := s.readBranding(ctx)
	if err != nil {
		return Branding{}, err
	}
	in.Name.into(&b.Name, defaultBrandName)
	in.Accent.into(&b.Accent, "")
	b.Accent = strings.ToLower(b.Accent)
	if in.Logo.Set {
		b.Logo = logo
	}
	doc, err := json.Marshal(b)
	if err != nil {
		return Branding{}, storeFailed("branding", err)
	}
	if err := s.store.PutSetting(ctx, brandingSetting, doc); err != nil {
		c.value, c.failedAt = nil, time.Time{} // it may have been stored
		return Branding{}, storeFailed("put branding", err)
	}
	c.value, c.read = &b, time.Now()
	return b, nil
}

// parseLogo checks the kind of an image by its first bytes: what a browser is
// told it is, it must be. Images are not decoded here.
func parseLogo(p *problems, in Optional[LogoInput]) *Logo {
	if !in.given() {
		return nil
	}
	if len(in.Value.Data) > base64.StdEncoding.EncodedLen(maxLogoBytes) {
		p.add("body.logo.data", "has more than %d bytes", maxLogoBytes)
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(in.Value.Data)
	switch {
	case err != nil:
		p.add("body.logo.data", "must be base64")
	case len(data) > maxLogoBytes:
		p.add("body.logo.data", "has %d bytes; at most %d are allowed", len(data), maxLogoBytes)
	case !validLogo(in.Value.MediaType, data):
		p.addValue("body.logo.media_type", in.Value.MediaType, "must be image/png, image/webp or image/jpeg, as the data is")
	}
	return &Logo{MediaType: in.Value.MediaType, Data: data}
}

func validLogo(mediaType string, data []byte) bool {
	switch mediaType {
	case "image/png":
		return bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n"))
	case "image/jpeg":
		return bytes.HasPrefix(data, []byte("\xff\xd8\xff"))
	case "image/webp":
		return len(data) > 12 && bytes.HasPrefix(data, []byte("RIFF")) && string(data[8:12]) == "WEBP"
	}
	return false
}

func validAccent(text string) bool {
	digits, ok := strings.CutPrefix(text, "#")
	return ok && len(digits) == 6 && !strings.ContainsFunc(digits, func(r rune) bool {
		return !strings.ContainsRune("0123456789abcdefABCDEF", r)
	})
}
