package retry

import (
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 26, 8, 30, 14, 250_000_000, time.UTC)
	const none = -1
	tests := []struct {
		value string
		want  time.Duration
	}{
		{"0", 0},
		{"1", time.Second},
		{"120", 2 * time.Minute},
		{"  120\t", 2 * time.Minute},
		{"0000000000000000000000000120", 2 * time.Minute},
		{"31536000", 365 * 24 * time.Hour},
		{"31536001", none},
		{"99999999999999999999999999", none},
		{"9223372036854775808", none},
		{"-1", none},
		{"+1", none},
		{"1.5", none},
		{"1e3", none},
		{"0x10", none},
		{"1_000", none},
		{"12s", none},
		{"10, 20", none},
		{"10 20", none},
		{"١٢", none},
		{"", none},
		{"   ", none},
		{"soon", none},
		{"NaN", none},
		{"12\r\n", none},

		{"Sun, 26 Apr 2026 08:31:14 GMT", 59*time.Second + 750*time.Millisecond},
		{"Sunday, 26-Apr-26 08:31:14 GMT", 59*time.Second + 750*time.Millisecond},
		{"Sun Apr 26 08:31:14 2026", 59*time.Second + 750*time.Millisecond},
		{"Fri May  1 08:30:14 2026", 5*24*time.Hour - 250*time.Millisecond},
		{"Sun, 26 Apr 2026 08:30:14 GMT", 0},
		{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
		{"Thursday, 01-Jan-70 00:00:00 GMT", 0},
		{"Mon, 01 Jan 0001 00:00:00 GMT", 0},
		{"Mon, 26 Apr 2027 08:30:14 GMT", 365*24*time.Hour - 250*time.Millisecond},
		{"Mon, 26 Apr 2027 08:30:15 GMT", none},
		{"Fri, 31 Dec 9999 23:59:59 GMT", none},
		{"Sun, 26 Apr 2026 08:31:14 UTC", none},
		{"Sun, 26 Apr 2026 08:31:14 EST", none},
		{"Sun, 26 Apr 2026 08:31:14 +0000", none},
		{"Sun, 26 Apr 2026 08:31:14", none},
		{"Sun, 32 Apr 2026 08:31:14 GMT", none},
		{"Sun, 26 Apr 2026 25:31:14 GMT", none},
		{"2026-04-26T08:31:14Z", none},
		{strings.Repeat("Sun, ", 10_000), none},
	}
	for _, tt := range tests {
		got, ok := ParseRetryAfter(tt.value, now)
		want, wantOK := max(tt.want, 0), tt.want != none
		if got != want || ok != wantOK {
			t.Errorf("ParseRetryAfter(%.40q) = %v, %v; want %v, %v", tt.value, got, ok, want, wantOK)
		}
	}
}

// The zone of the clock does not matter, nor does its monotonic reading.
func TestParseRetryAfterZones(t *testing.T) {
	t.Parallel()
	now := time.Now()
	value := now.UTC().Add(time.Hour).Format(http.TimeFormat)
	want, ok := ParseRetryAfter(value, now)
	if !ok || want <= 59*time.Minute || want > time.Hour {
		t.Fatalf("ParseRetryAfter(%q) = %v, %v", value, want, ok)
	}
	got, _ := ParseRetryAfter(value, now.Round(0).In(time.FixedZone("", 5*3600)))
	if got != want {
		t.Errorf("in another zone the wait is %v, want %v", got, want)
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"0", "120", "31536000", "31536001", "-1", "+5", "1.5", " 7 ", "", "soon",
		"Sun, 26 Apr 2026 08:31:14 GMT", "Sunday, 26-Apr-26 08:31:14 GMT", "Sun Apr 26 08:31:14 2026",
		"Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Sun, 26 Apr 2026 08:31:14 EST",
	} {
		f.Add(seed)
	}
	now := time.Date(2026, 4, 26, 8, 30, 14, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		wait, ok := ParseRetryAfter(value, now)
		if wait < 0 || wait > MaxRetryAfter || !ok && wait != 0 {
			t.Fatalf("%q: %v, %v", value, wait, ok)
		}
		trimmed := strings.Trim(value, " \t")
		if again, ok2 := ParseRetryAfter(trimmed, now); again != wait || ok2 != ok {
			t.Fatalf("%q: %v, %v; without blanks %v, %v", value, wait, ok, again, ok2)
		}
		// What is accepted is a number, as package big reads it, or what net/http
		// takes for a date.
		if trimmed != "" && strings.Trim(trimmed, "0123456789") == "" {
			n, _ := new(big.Int).SetString(trimmed, 10)
			believed := n.Cmp(big.NewInt(int64(MaxRetryAfter/time.Second))) <= 0
			if ok != believed || ok && wait != time.Duration(n.Int64())*time.Second {
				t.Fatalf("%q: %v, %v", value, wait, ok)
			}
			return
		}
		if !ok {
			return
		}
		at, err := http.ParseTime(trimmed)
		if err != nil {
			t.Fatalf("%q is taken for a date: %v", value, err)
		}
		if want := max(0, at.Sub(now)); wait != want {
			t.Fatalf("%q: wait %v, want %v", value, wait, want)
		}
	})
}
