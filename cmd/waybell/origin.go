package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// checkOrigins finds what is wrong with public-url and portal-origins.
func (c *configuration) checkOrigins() error {
	var errs []error
	if c.PublicURL != "" {
		errs = append(errs, checkPublicURL(string(c.PublicURL)))
	}
	for _, origin := range c.PortalOrigins {
		errs = append(errs, checkOrigin(origin))
	}
	return errors.Join(errs...)
}

func checkPublicURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
		u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("public-url: %q is no http or https URL without user, query and fragment, such as https://hooks.example.com", redacted(text))
	}
	return nil
}

// redacted is a URL with a mask for what may be a password in it: what stands
// before the last @.
func redacted(text string) string {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return text
	}
	start := 0
	if i := strings.Index(text, "://"); i >= 0 && i < at {
		start = i + len("://")
	}
	return text[:start] + mask + text[at:]
}

// checkOrigin allows a serialized origin (RFC 6454, section 6.2) and nothing
// else: browsers compare it letter by letter.
func checkOrigin(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme+"://"+u.Host != text || u.Host == "" || text != strings.ToLower(text) ||
		strings.ContainsAny(u.Host, "*;, '\""):
		return fmt.Errorf("portal-origins: %q is no origin, such as https://app.example.com (no path, no wildcard, lower case)", redacted(text))
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopbackHost(u.Hostname()):
		return nil
	}
	return fmt.Errorf("portal-origins: %q must begin with https://; http is for loopback hosts only", text)
}

func isLoopbackHost(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
