package record

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// hiding hides headers, given by name and value.
func hiding(pairs ...string) *Hidden {
	var s Secrets
	for i := 0; i < len(pairs); i += 2 {
		s.Header(pairs[i], pairs[i+1])
	}
	return s.Hidden()
}

func TestHidden(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 30)
	h := hiding("X-A", "Bearer token-canary", "X-B", "token-canary-longer", "X-C", `Basic dXNlcjpw/YXNz"ä`, "X-D", long, "X-E", "short",
		"X-F", "faces 😀😀", "X-G", "token-canaryXYZ", "X-H", "XYZ-secret-b", "X-I", strings.Repeat("x", 63)+"äbcdefgh")
	for _, tc := range []struct {
		name, text, want string
		cut              bool
	}{
		{"whole", "a Bearer token-canary b", "a •••• b", false},
		{"a word of it", "a token-canary b", "a •••• b", false},
		{"the longer one", "a token-canary-longer b", "a •••• b", false},
		{"one beside the other", "token-canarytoken-canary", "••••", false},
		{"too short to be a secret", "short", "short", false},
		{"no more than its beginning", "token-canar", "token-canar", false},
		{"its beginning where the text was cut off", "a token-canar", "a ••••", true},
		{"a byte of it there", "a t", "a ••••", true},
		{"something else there", "a token-canal", "a token-canal", true},
		{"much of a long one", "a " + long[:100] + "!", "a ••••!", false},
		{"much of a long one, cut off", "a " + long[:250], "a ••••", true},
		{"little of a long one", "a " + long[:50] + "!", "a " + long[:50] + "!", false},
		{"as JSON has it", `{"h":"Basic dXNlcjpw/YXNz\"ä","n":1}`, `{"h":"••••","n":1}`, false},
		{"with every escape there is", `{"h":"\u0042asic\u0020dXNlcjpw\/YXNz\"\u00E4"}`, `{"h":"••••"}`, false},
		{"cut off within an escape", `{"h":"Basic dXNlcjpw\/YXNz\"\u00`, `{"h":"••••`, true},
		{"cut off before an escape", `{"h":"Basic dXNlcjpw\`, `{"h":"••••`, true},
		{"other escapes", `{"h":"\u0041\n\\","d":"\x"}`, `{"h":"\u0041\n\\","d":"\x"}`, true},
		{"cut off within a character of two escapes", `{"h":"X \ud83d\u`, `{"h":"X \ud83d\u`, true},
		{"cut off within one of a value", `{"h":"faces \ud83d\ude0`, `{"h":"••••`, true},
		{"cut off after the half of it", `{"h":"faces \ud83d`, `{"h":"••••`, true},
		{"one that begins within another", "a token-canaryXYZ-secret-b c", "a •••• c", false},
		{"much of a long one, up to a whole character", strings.Repeat("x", 63) + "öwhatever", "••••whatever", false},
		{"surrogates", `"\ud83d\ude00 token-canary \ud83d"`, `"\ud83d\ude00 •••• \ud83d"`, false},
		{"nothing", "", "", true},
	} {
		if got, truncated := h.In([]byte(tc.text), 1000, tc.cut); string(got) != tc.want || truncated != tc.cut {
			t.Errorf("%s: %q became %q, truncated %v, want %q", tc.name, tc.text, got, truncated, tc.want)
		}
		if got := h.inText(tc.text); !tc.cut && got != tc.want {
			t.Errorf("%s: the text %q became %q, want %q", tc.name, tc.text, got, tc.want)
		}
	}
	if !h.names("x-a") || h.names("X-Z") || (*Hidden)(nil).names("X-A") {
		t.Error("headers are hidden by their names, in any case")
	}
	both := h.And(hiding("X-Z", "another-canary"))
	if got := both.inText("token-canary another-canary"); got != "•••• ••••" || !both.names("X-Z") || !both.names("X-A") {
		t.Errorf("two together make %q", got)
	}
}

// TestHiddenKeepsSoMuch: a body is cut before and after it is masked, and shows neither
// the beginning of a value nor a part of a character of the mask there.
func TestHiddenKeepsSoMuch(t *testing.T) {
	t.Parallel()
	const value, text = "12345678", "ab 12345678 cd 12345678"
	h := hiding("X-A", value)
	for most, want := range map[int]string{
		31: "ab •••• cd ••••", 30: "ab •••• cd •••", 23: "ab •••• cd •", 22: "ab •••• cd •", 21: "ab •••• cd ", 16: "ab •••• ",
		11: "ab ••", 10: "ab ••", 4: "ab ", 2: "ab", 0: "",
	} {
		got, truncated := h.In([]byte(text), most, false)
		if string(got) != want || truncated != (most < 31) {
			t.Errorf("of %q within %d bytes %q is kept, truncated %v; want %q", text, most, got, truncated, want)
		}
	}
	for most, want := range map[int]string{100: text, len(text): text, 5: "ab 12"} {
		got, truncated := (*Hidden)(nil).In([]byte(text), most, false)
		if string(got) != want || truncated != (most < len(text)) {
			t.Errorf("with nothing to hide %q is kept, truncated %v; want %q", got, truncated, want)
		}
	}
}

// TestHiddenStaysSmall holds that values which look like the mask, or like each
// other, do not make a text grow.
func TestHiddenStaysSmall(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"•••", "••••", "••••••••", strings.Repeat("•", 40)} {
		var s Secrets
		for i := range 50 {
			s.Header(fmt.Sprintf("X-%d", i), value)
			s.Header(fmt.Sprintf("X-More-%d", i), value+strings.Repeat("•", i))
		}
		h := s.Hidden()
		for _, n := range []int{1, 3, 50, 1000} {
			text := []byte(strings.Repeat(value+" ", n))
			if got, _ := h.In(text, 2*len(text), true); 2*len(got) > 3*len(text) {
				t.Errorf("%d bytes became %d", len(text), len(got))
			}
		}
	}
}

// TestHiddenLikeSimple compares with a search that tries every value everywhere.
func TestHiddenLikeSimple(t *testing.T) {
	t.Parallel()
	text := func(least, most int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			return string(rapid.SliceOfN(rapid.SampledFrom([]byte("ab")), least, most).Draw(t, "bytes"))
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		var s Secrets
		values := rapid.SliceOfN(text(echoLength, 12), 1, 8).Draw(t, "values")
		for _, v := range values {
			s.Value(v)
		}
		h := s.Hidden()
		in := text(0, 60).Draw(t, "text")
		var want []span
		for i := range in {
			for _, v := range values {
				switch n := len(want); {
				case !strings.HasPrefix(in[i:], v):
				case n > 0 && i <= want[n-1].to:
					want[n-1].to = max(want[n-1].to, i+len(v))
				default:
					want = append(want, span{i, i + len(v)})
				}
			}
		}
		if got := h.find(in, false); !slices.Equal(got, want) {
			t.Fatalf("found %v in %q, want %v", got, in, want)
		}
		// What was cut off shows no beginning at its end.
		out, _ := h.In([]byte(in), 1000, true)
		for n := 1; n < 12; n++ {
			for _, v := range values {
				if n < len(v) && bytes.HasSuffix(out, []byte(v[:n])) {
					t.Fatalf("%q became %q, which ends with the beginning of %q", in, out, v)
				}
			}
		}
	})
}

// FuzzHidden holds that no value is left, that what is apart from values stays, and
// that nothing grows beyond its bound.
func FuzzHidden(f *testing.F) {
	f.Add("Bearer token-canary", `{"h":"Bearer token-canary"}`, true)
	f.Add("•••", "••••••", false)
	f.Add("\xa20000000", "000\xa20000000000", false)
	f.Add(`a"b/c\d\u00e4`, `{"h":"a\"b\/c\\d\\u00e4`, true)
	f.Fuzz(func(t *testing.T, value, text string, cut bool) {
		h := hiding("X-A", value)
		kept, _ := h.In([]byte(text), 2*len(text)+len(Mask), cut)
		out := string(kept)
		if 2*len(out) > 3*len(text)+2*len(Mask) {
			t.Errorf("%d bytes became %d", len(text), len(out))
		}
		for part := range strings.SplitSeq(out, Mask) { // the mask's own bytes may end or begin a value
			if len(value) >= echoLength && !strings.Contains(text, Mask) && strings.Contains(part, value) {
				t.Errorf("%q still has %q", out, value)
			}
		}
		if !strings.Contains(out, Mask) && out != text {
			t.Errorf("%q became %q without a mask", text, out)
		}
	})
}

// BenchmarkHidden searches texts that are as bad as can be for it.
func BenchmarkHidden(b *testing.B) {
	var s Secrets
	for i := range 5000 {
		s.Value(strings.Repeat("B", echoLength+i%(tellingLength-echoLength-2)) + fmt.Sprint("X", i))
	}
	h := s.Hidden()
	for name, text := range map[string][]byte{
		"alike": bytes.Repeat([]byte("B"), 64<<10), "near": bytes.Repeat([]byte("BBBBBBBBX"), 7<<10),
		"json": bytes.Repeat([]byte(`\u0042`), 11<<10), "usual": bytes.Repeat([]byte(`{"ok":true,"id":"4711"}`), 3<<10),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				h.In(text, len(text), true)
			}
		})
	}
}
