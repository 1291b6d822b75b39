package main

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckOrigins(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		public, origin string
		want           string // in the error; "" = good
	}{
		{public: "https://hooks.example.com"},
		{public: "http://10.0.0.1:8080/waybell/"},
		{public: "hooks.example.com", want: "public-url"},
		{public: "ftp://example.com", want: "public-url"},
		{public: "http://a..b/", want: "public-url: "},
		{public: "https://user@example.com", want: "public-url"},
		{public: "https://u:hunter2@h/", want: `"https://••••@h/"`},
		{public: "https://u:hunter2@hunter2@h/%zz", want: `"https://••••@h/%zz"`},
		{public: "hunter2@h", want: `"••••@h"`},
		{origin: "https://u:hunter2@app.example.com", want: `"https://••••@app.example.com"`},
		{public: "https://example.com/?a", want: "public-url"},
		{origin: "https://app.example.com"},
		{origin: "https://app.example.com:8443"},
		{origin: "http://localhost:3000"},
		{origin: "http://127.0.0.1:3000"},
		{origin: "http://[::1]:3000"},
		{origin: "http://app.example.com", want: "must begin with https"},
		{origin: "https://app.example.com/", want: "no origin"},
		{origin: "https://*.example.com", want: "no origin"},
		{origin: "https://App.example.com", want: "no origin"},
		{origin: "https://user@example.com", want: "no origin"},
		{origin: "https://a.example;script-src", want: "no origin"},
		{origin: "'self'", want: "no origin"},
		{origin: "null", want: "no origin"},
	} {
		c := &configuration{settings: newSettings()}
		c.PublicURL = textValue(tt.public)
		if tt.origin != "" {
			c.PortalOrigins = listValue{tt.origin}
		}
		err := errors.Join(c.checkOrigins(), c.checkTargets())
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("public-url %q, portal-origins %q: %v, want %q", tt.public, tt.origin, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a password is shown: %v", err)
		}
	}
}
