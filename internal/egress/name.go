package egress

import (
	"strings"

	"golang.org/x/net/idna"
)

const (
	maxNameBytes = 253 // RFC 1035: 255 octets on the wire
	// maxTypedBytes bounds the work of mapping; characters that the mapping
	// drops or shortens fit in generously.
	maxTypedBytes = 1024
)

// canonicalName maps a host name to the form that is stored and resolved:
// IDNA mapped (UTS 46, non-transitional), ASCII, lower case, no trailing dot.
// why is empty, or one sentence that says what is wrong. A name whose last
// label looks like a number is refused: resolvers and other parsers read
// "0x7f.1", "2130706433" or full-width digits as an IPv4 address.
func canonicalName(text string) (name, why string) {
	const bad = "The host is not a valid host name."
	if strings.Contains(text, "%") {
		return "", "The host must not hold percent escapes."
	}
	if len(text) > maxTypedBytes {
		return "", bad
	}
	name, err := nameProfile().ToASCII(text)
	if err != nil {
		return "", bad
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	// The library looks at the directions of letters (RFC 5893) before some
	// are mapped: what is stored would be refused when it is read again.
	if again, err := nameProfile().ToASCII(name); err != nil || again != name {
		return "", bad
	}
	if name == "" || len(name) > maxNameBytes {
		return "", bad
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if !isLabel(label) {
			return "", bad
		}
		last = label
	}
	if isDigits(last) || strings.HasPrefix(last, "0x") && isHexDigits(last[2:]) {
		return "", "An IPv4 address must be written as four decimal numbers without leading zeros."
	}
	return name, ""
}

// nameProfile is UTS 46 processing without the registration rules: hyphens in
// the third and fourth place exist in real names, and which ASCII characters
// may stand in a label is checked by isLabel.
func nameProfile() *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false),
		idna.CheckHyphens(false), idna.BidiRule())
}

// isLabel reports whether the label is 1 to 63 of a-z, 0-9, hyphen (not at the
// ends) and underscore (in use, although RFC 952 knows none).
func isLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := 0; i < len(label); i++ {
		c := label[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isHexDigits(text string) bool {
	for i := 0; i < len(text); i++ {
		if !isHex(text[i]) {
			return false
		}
	}
	return true
}

// refusedName returns why a canonical name is refused at save, or "". A name
// that passes may still resolve to an inner address: that is refused at dial.
func refusedName(name string) string {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return "The host name stands for this machine itself."
	}
	if !strings.Contains(name, ".") {
		return "A host name without a dot is not public."
	}
	for _, suffix := range [...]string{
		"local", "internal", "localdomain", "home.arpa", "lan", // RFC 6762, RFC 8375, ICANN's private-use name, habit
		"intranet", "private", "corp", "home", // never delegated, widely used inside
		"svc", "cluster", "pod", "consul", "nomad", "docker", "kubernetes", // clusters
		"in-addr.arpa", "ip6.arpa",
	} {
		if strings.HasSuffix(name, suffix) && (len(name) == len(suffix) || name[len(name)-len(suffix)-1] == '.') {
			return "The host name belongs to an inner network."
		}
	}
	switch name {
	case "metadata.goog", "metadata.azure.com", "metadata.tencentyun.com", "metadata.packet.net",
		"metadata.platformequinix.com", "api.metadata.cloud.ibm.com":
		return "The host name belongs to a cloud's metadata service."
	}
	return ""
}

// isNonHTTPPort reports whether the port is known for another protocol. The
// list holds the ports of widely deployed mail, login, file, naming, directory
// and message services (most of them on the Fetch standard's bad ports too)
// and of data stores and control planes that answer to unauthenticated text.
func isNonHTTPPort(port uint16) bool {
	switch port {
	case 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95,
		101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 138, 139, 143, 161, 162, 179,
		389, 427, 445, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 623, 636,
		873, 989, 990, 992, 993, 995,
		1433, 1434, 1521, 1719, 1720, 1723, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3268, 3269, 3306, 3389, 3659,
		4045, 4190, 4369, 5060, 5061, 5432, 5433, 5671, 5672, 5900, 5901, 5984, 5985, 5986, 6000, 6379, 6380, 6432,
		6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 8883, 9042, 9092, 9142, 9160, 9200, 9300,
		10080, 10250, 10255, 10256, 11211, 11214, 11215, 25672, 26257, 26379, 27017, 27018, 27019, 28015, 28017,
		33060, 61613, 61616:
		return true
	}
	return false
}
