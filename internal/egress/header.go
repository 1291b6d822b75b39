package egress

import (
	"fmt"
	"strings"
)

// The bounds of a custom header, in bytes.
const (
	maxHeaderName  = 256
	maxHeaderValue = 4 << 10
)

// HeaderNameFault is why a customer must not give a header this name, or "". A
// name is a token (RFC 9110, section 5.6.2) that Waybell, HTTP itself or a
// cloud's metadata service does not use. The answer repeats nothing of the name,
// as values end up in the wrong field.
func HeaderNameFault(name string) string {
	if name == "" || len(name) > maxHeaderName || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}) {
		return fmt.Sprintf("must be a header name: 1 to %d letters, digits and characters of !#$%%&'*+-.^_`|~", maxHeaderName)
	}
	lower := strings.ToLower(name)
	switch lower {
	case "host", "content-length", "transfer-encoding", "content-type", "content-encoding", "connection",
		"keep-alive", "te", "trailer", "upgrade", "expect", "http2-settings", "user-agent":
		return "is set by Waybell or by HTTP itself"
	case "metadata", "metadata-flavor", "x-google-metadata-request":
		return "opens the metadata service of a cloud"
	}
	switch {
	case strings.HasPrefix(lower, "proxy-"):
		return "is set by Waybell or by HTTP itself"
	case strings.HasPrefix(lower, "webhook-"), strings.HasPrefix(lower, "x-waybell-"):
		return "belongs to Waybell's own headers"
	case strings.HasPrefix(lower, "x-aws-ec2-metadata-token"):
		return "opens the metadata service of a cloud"
	}
	return ""
}

// HeaderValueFault is why a header must not have this value, or "": no control
// characters but an inner tab, and no blank at the ends, which receivers would
// not see.
func HeaderValueFault(value string) string {
	switch {
	case len(value) > maxHeaderValue:
		return fmt.Sprintf("has %d bytes; at most %d are allowed", len(value), maxHeaderValue)
	case strings.ToValidUTF8(value, "") != value:
		return "must be UTF-8"
	case strings.Trim(value, " \t") != value:
		return "must not begin or end with a blank"
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 }):
		return "must not hold control characters"
	}
	return ""
}
