package egress

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
)

// corpusURL is a line of testdata/urls.txt.
type corpusURL struct {
	verdict, raw, canonical string
}

func readCorpus(t testing.TB) []corpusURL {
	t.Helper()
	f, err := os.Open("testdata/urls.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var corpus []corpusURL
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		verdict, rest, _ := strings.Cut(line, " ")
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		raw, _ := strconv.Unquote(quoted)
		canonical := raw
		if rest = strings.TrimSpace(rest[len(quoted):]); rest != "" {
			if canonical, err = strconv.Unquote(rest); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		corpus = append(corpus, corpusURL{verdict, raw, canonical})
	}
	return corpus
}

func mustNew(t testing.TB, config Config) *Client {
	t.Helper()
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

func mustParse(t testing.TB, c *Client, raw string) Target {
	t.Helper()
	target, err := c.ParseTarget(raw)
	if err != nil {
		t.Fatalf("ParseTarget(%q): %v", raw, err)
	}
	return target
}

func TestCorpus(t *testing.T) {
	t.Parallel()
	c := mustNew(t, Config{})
	corpus := readCorpus(t)
	count := map[string]int{}
	for _, u := range corpus {
		count[u.verdict]++
		target, err := c.ParseTarget(u.raw)
		var refused *TargetError
		if !errors.As(err, &refused) {
			refused = &TargetError{Code: "ok"}
		}
		if refused.Code != u.verdict {
			t.Errorf("%q: got %s (%s, %s), want %s", u.raw, refused.Code, refused.Why, target, u.verdict)
			continue
		}
		if err == nil && target.String() != u.canonical {
			t.Errorf("%q: canonical form %q, want %q", u.raw, target, u.canonical)
		}
		if err != nil && (!strings.HasSuffix(refused.Why, ".") || target != Target{}) {
			t.Errorf("%q: refused as %q, with target %q", u.raw, refused.Why, target)
		}
	}
	if len(corpus) < 150 || count["ok"] < 40 || count[CodeInvalidURL] < 40 || count[CodeTargetNotAllowed] < 100 {
		t.Errorf("the corpus shrank: %v", count)
	}
}

func TestURLLength(t *testing.T) {
	t.Parallel()
	c := mustNew(t, Config{})
	const base = "https://example.com/"
	fits := base + strings.Repeat("a", MaxURLBytes-len(base))
	if target := mustParse(t, c, fits); len(target.String()) != MaxURLBytes {
		t.Errorf("canonical form has %d bytes", len(target.String()))
	}
	for name, raw := range map[string]string{
		"as written":  fits + "a",
		"once mapped": base + strings.Repeat("é", (MaxURLBytes-len(base))/6+1),
	} {
		var refused *TargetError
		if _, err := c.ParseTarget(raw); !errors.As(err, &refused) || refused.Code != CodeInvalidURL {
			t.Errorf("too long %s: %v", name, err)
		}
	}
}

func TestTargetParts(t *testing.T) {
	t.Parallel()
	c := mustNew(t, Config{})
	target := mustParse(t, c, "https://[2606:4700:0::1111]:8443/a/b?token=secret#frag")
	if target.Host() != "2606:4700::1111" || target.port != 8443 || !target.https || target.IsZero() {
		t.Errorf("parts: %q %d %v %v", target.Host(), target.port, target.https, target.IsZero())
	}
	if target := mustParse(t, c, "http://example.com"); target.port != 80 || target.https || target.String() != "http://example.com/" {
		t.Errorf("plain: %d %v %q", target.port, target.https, target)
	}
	if !(Target{}).IsZero() {
		t.Error("the zero target is not zero")
	}
}

func TestRefusalHoldsNothingOfTheURL(t *testing.T) {
	t.Parallel()
	c := mustNew(t, Config{})
	for _, raw := range []string{
		"https://canary:canary@example.com/", "canary://x/", "http://canary/", "http://canary.internal/",
		"https://example.com:canary/", "https://[canary]/", "https://example.com/canary%",
	} {
		if _, err := c.ParseTarget(raw); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		allow  []string
		accept []string
		refuse []string
	}{
		{
			"nothing", nil, nil,
			[]string{"http://127.0.0.1/", "http://10.0.0.1/", "http://receiver/", "http://[::1]/"},
		}, {
			"loopback named", []string{"127.0.0.0/8", "::1"},
			[]string{"http://127.0.0.1:8080/", "http://127.9.9.9/", "http://[::1]:9/", "http://127.0.0.1:6379/"},
			[]string{"http://10.0.0.1/", "http://localhost/", "http://0.0.0.0/", "http://[::ffff:127.0.0.1]/", "http://2130706433/"},
		}, {
			"private block, any port", []string{"10.0.0.0/8"},
			[]string{"http://10.1.2.3:22/", "https://10.255.255.255/"},
			[]string{"http://11.0.0.1:22/", "http://192.168.0.1/", "http://user@10.1.2.3/", "http://10.1/"},
		}, {
			"everything is not everything", []string{"0.0.0.0/0", "::/0"},
			[]string{"http://10.0.0.1/", "http://192.168.0.1/", "http://[fd12::1]/", "http://8.8.8.8:25/", "http://[64:ff9b::a00:1]/"},
			[]string{
				"http://127.0.0.1/", "http://0.0.0.0/", "http://169.254.1.1/", "http://169.254.169.254/", "http://168.63.129.16/",
				"http://100.100.100.200/", "http://192.0.0.192/", "http://[::1]/", "http://[::]/", "http://[fe80::1]/",
				"http://[fd00:ec2::254]/", "http://[fd20:ce::254]/", "http://[64:ff9b::7f00:1]/", "http://[64:ff9b::a9fe:a9fe]/",
				"http://[2002:7f00:1::]/", "http://[2001:0:0:0:0:0:80ff:fffe]/", "http://[::127.0.0.1]/", "http://[::ffff:10.0.0.1]/",
			},
		}, {
			"link-local named is not metadata named", []string{"169.254.0.0/16", "fe80::/10", "fd00::/8", "100.64.0.0/10"},
			[]string{"http://169.254.1.1/", "http://[fe80::1]/", "http://[fd12::1]/", "http://100.64.0.1/"},
			[]string{"http://169.254.169.254/", "http://169.254.170.2/", "http://[fe80::a9fe:a9fe]/", "http://[fd00:ec2::254]/", "http://100.100.100.200/", "http://[fe80::1%25lo]/"},
		}, {
			"metadata named", []string{"169.254.169.254", "fd00:ec2::/32", "[fe80::a9fe:a9fe]"},
			[]string{"http://169.254.169.254/", "http://[fd00:ec2::254]/", "http://[fe80::a9fe:a9fe]/"},
			[]string{"http://169.254.169.253/", "http://[fe80::1]/"},
		}, {
			"NAT64 reaches what its inside may", []string{"64:ff9b::/96"},
			[]string{"http://[64:ff9b::808:808]/"},
			[]string{"http://[64:ff9b::a00:1]/", "http://[64:ff9b::7f00:1]/"},
		}, {
			"host and port", []string{"127.0.0.1:8080", "[::1]:8081", "db.internal:5432", "Receiver"},
			[]string{"http://127.0.0.1:8080/", "http://[::1]:8081/", "http://DB.internal.:5432/", "http://receiver:22/", "http://RECEIVER/"},
			[]string{"http://127.0.0.1/", "http://127.0.0.1:8081/", "http://[::1]:8080/", "http://db.internal/", "http://x.receiver.internal/", "http://a.db.internal:5432/"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := mustNew(t, Config{Allow: tt.allow})
			for _, raw := range tt.accept {
				if _, err := c.ParseTarget(raw); err != nil {
					t.Errorf("%s: %v", raw, err)
				}
			}
			for _, raw := range tt.refuse {
				var refused *TargetError
				if target, err := c.ParseTarget(raw); !errors.As(err, &refused) || refused.Code != CodeTargetNotAllowed {
					t.Errorf("%s: accepted as %q (%v)", raw, target, err)
				}
			}
		})
	}
}

func TestBadAllowIsNamed(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{
		"", "10.0.0.0/33", "10.1.2.3/8", "::ffff:10.0.0.0/104", "fe80::1%eth0", "10.1", "0x7f.1", "127.0.0.01",
		"host:0", "host:x", "10.0.0.1:0", "*.example.com", "a b", "http://example.com", "[::1", "host:80:80",
	} {
		_, err := New(Config{Allow: []string{"10.0.0.0/8", entry}})
		if err == nil || !strings.Contains(err.Error(), strconv.Quote(entry)) {
			t.Errorf("%q: error %v does not name it", entry, err)
		}
	}
}

// FuzzParseTarget holds that what is accepted is stable, is sent as it is
// stored, is read alike by net/url, and names nothing inner.
func FuzzParseTarget(f *testing.F) {
	for _, u := range readCorpus(f) {
		f.Add(u.raw)
	}
	c := mustNew(f, Config{})
	f.Fuzz(func(t *testing.T, raw string) {
		target, err := c.ParseTarget(raw)
		if err != nil {
			var refused *TargetError
			if !errors.As(err, &refused) || refused.Why == "" {
				t.Fatalf("%q: error %v", raw, err)
			}
			return
		}
		checkAccepted(t, c, raw, target)
	})
}

func checkAccepted(t *testing.T, c *Client, raw string, target Target) {
	t.Helper()
	text := target.String()
	if again, err := c.ParseTarget(text); err != nil || again != target {
		t.Fatalf("%q: canonical %q parses to %q, %v", raw, text, again, err)
	}
	if len(text) > MaxURLBytes || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' || r == '#' }) {
		t.Fatalf("%q: canonical %q", raw, text)
	}
	// What goes out is what was stored, as a server reads it.
	sent, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(appendRequest(nil, &Request{Target: target}))))
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	scheme := "http://"
	if target.https {
		scheme = "https://"
	}
	if line := scheme + sent.Host + sent.RequestURI; line != text {
		t.Fatalf("%q: stored %q, sent %q", raw, text, line)
	}
	std, err := url.Parse(text)
	if err != nil || std.Hostname() != target.Host() || std.User != nil || std.Host != sent.Host {
		t.Fatalf("%q: net/url reads %q as %v, %v", raw, text, std, err)
	}
	if a, err := netip.ParseAddr(target.Host()); err == nil {
		if !c.policy.permits(a, target.port, target.Host()) {
			t.Fatalf("%q: accepted %v", raw, a)
		}
	} else if refusedName(target.Host()) != "" {
		t.Fatalf("%q: accepted %q", raw, target.Host())
	}
}
