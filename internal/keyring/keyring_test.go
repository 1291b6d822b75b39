package keyring

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func ring(t *testing.T, texts ...string) *Ring {
	t.Helper()
	r, err := Parse(texts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParse(t *testing.T) {
	t.Parallel()
	a, b := Generate(), Generate()
	short := base64.StdEncoding.EncodeToString(make([]byte, 31))
	long := base64.StdEncoding.EncodeToString(make([]byte, 33))
	for _, tc := range []struct {
		name  string
		texts []string
		keys  int
		err   string
	}{
		{"one", []string{a}, 1, ""},
		{"two", []string{a, b}, 2, ""},
		{"two in one text", []string{a + "," + b}, 2, ""},
		{"blanks around", []string{" " + a + " ,\n" + b + "\n"}, 2, ""},
		{"none", nil, 0, "an encryption key is required"},
		{"empty", []string{""}, 0, "key 1 has 0 bytes"},
		{"empty after comma", []string{a + ","}, 0, "key 2 has 0 bytes"},
		{"short", []string{short}, 0, "key 1 has 31 bytes; it must have 32"},
		{"long", []string{a, long}, 0, "key 2 has 33 bytes; it must have 32"},
		{"not base64", []string{a, "canary-canary!"}, 0, "key 2 is not base64"},
		{"without padding", []string{strings.TrimRight(a, "=")}, 0, "key 1 is not base64"},
		{"twice", []string{a, b + "," + a}, 0, "key 3: it is there twice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := Parse(tc.texts...)
			if tc.err == "" {
				if err != nil || len(r.keys) != tc.keys {
					t.Fatalf("got %v, %v; want %d keys", r, err, tc.keys)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("got %v, want %q", err, tc.err)
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), a) {
				t.Errorf("the error %q holds a key", err)
			}
		})
	}
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	r, at := ring(t, Generate()), Place{"endpoints", "ep_1", "sealed"}
	for _, size := range []int{0, 1, 15, 16, 17, 20 << 10} {
		plain := bytes.Repeat([]byte{'x'}, size)
		sealed := r.Seal(plain, at)
		if size > 8 && bytes.Contains(sealed, plain) {
			t.Errorf("%d bytes are sealed as plain text", size)
		}
		got, err := r.Open(sealed, at)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: got %d back, %v", size, len(got), err)
		}
		if again := r.Seal(plain, at); bytes.Equal(again, sealed) {
			t.Error("two sealings are equal: the nonce is not random")
		}
	}
}

func TestKeyIDInFront(t *testing.T) {
	t.Parallel()
	text := Generate()
	raw, _ := base64.StdEncoding.DecodeString(text)
	sum := sha256.Sum256(raw)
	sealed := ring(t, text).Seal([]byte("x"), Place{})
	if want := hex.EncodeToString(sum[:8]); KeyID(sealed) != want {
		t.Errorf("key id %s, want %s", KeyID(sealed), want)
	}
	if id, err := ID(text); id != KeyID(sealed) || err != nil {
		t.Errorf("the key's id is %q, %v; it seals with %s", id, err, KeyID(sealed))
	}
	if id, err := ID(text[1:]); id != "" || err == nil {
		t.Errorf("half a key has the id %q", id)
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	r, at := ring(t, Generate()), Place{"endpoints", "ep_1", "sealed"}
	sealed := r.Seal([]byte("x"), at)
	for _, other := range []Place{
		{"endpoint", "sep_1", "sealed"}, // the same letters, cut elsewhere
		{"endpoints", "ep_2", "sealed"},
		{"endpoints", "ep_1", "other"},
		{"", "", ""},
	} {
		if _, err := r.Open(sealed, other); !errors.Is(err, ErrCorrupt) {
			t.Errorf("opened at %v: %v", other, err)
		}
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	t.Parallel()
	r, at := ring(t, Generate()), Place{"t", "r", "c"}
	sealed := r.Seal([]byte("some text"), at)
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		want := ErrCorrupt
		if i < idBytes {
			want = ErrUnknownKey
		}
		if _, err := r.Open(changed, at); !errors.Is(err, want) {
			t.Errorf("byte %d changed: %v, want %v", i, err, want)
		}
	}
	for n := range sealed {
		if _, err := r.Open(sealed[:n], at); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

func TestSeveralKeys(t *testing.T) {
	t.Parallel()
	old, fresh := Generate(), Generate()
	before, both, after := ring(t, old), ring(t, fresh, old), ring(t, fresh)
	at := Place{"t", "r", "c"}
	sealed := before.Seal([]byte("x"), at)
	if _, err := both.Open(sealed, at); err != nil {
		t.Errorf("the second key does not open: %v", err)
	}
	if !before.Current(sealed) || both.Current(sealed) || both.Current(nil) {
		t.Error("Current is wrong about the old key")
	}
	if again := both.Seal([]byte("x"), at); !both.Current(again) {
		t.Error("the first key does not seal")
	} else if _, err := after.Open(again, at); err != nil {
		t.Errorf("the new key alone does not open: %v", err)
	}
	_, err := after.Open(sealed, at)
	if !errors.Is(err, ErrUnknownKey) || !strings.Contains(err.Error(), KeyID(sealed)) || !strings.Contains(err.Error(), after.String()) {
		t.Errorf("got %v; want ErrUnknownKey with both ids", err)
	}
}

func TestRingPrintsNoKey(t *testing.T) {
	t.Parallel()
	text := Generate()
	raw, _ := base64.StdEncoding.DecodeString(text)
	r := ring(t, text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, r); got != r.String() || strings.Contains(got, hex.EncodeToString(raw)) {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

// FuzzOpen gives anything to be opened, and seals anything: what was sealed
// opens to itself at its own place, and nowhere else and not with a byte changed.
func FuzzOpen(f *testing.F) {
	r, err := Parse(Generate())
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, []byte{}, "", "", "", uint16(0), byte(1))
	f.Add(r.Seal([]byte("x"), Place{"t", "r", "d"}), []byte("x"), "t", "r", "c", uint16(5), byte(0x80))
	f.Add([]byte("v1"), []byte("a secret"), "endpoint", "ep_1", "secret\x00", uint16(1000), byte(1))
	f.Fuzz(func(t *testing.T, foreign, plain []byte, table, row, column string, at uint16, change byte) {
		// The key is made for this process: whatever opens is a forgery.
		for _, b := range [][]byte{foreign, append(r.Seal(nil, Place{})[:idBytes:idBytes], foreign...)} {
			if _, err := r.Open(b, Place{table, row, column}); err == nil {
				t.Fatalf("%x opens", b)
			} else if !errors.Is(err, ErrUnknownKey) && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%x: not one of the documented errors: %v", b, err)
			}
		}
		place := Place{table, row, column}
		sealed := r.Seal(plain, place)
		opened, err := r.Open(sealed, place)
		if err != nil || !bytes.Equal(opened, plain) {
			t.Fatalf("%x came back as %x, %v", plain, opened, err)
		}
		for _, other := range []Place{{table + "x", row, column}, {table, row + "x", column}, {table, row, column + "x"}, {table + row, "", column}, {"", table + row, column}} {
			if other != place {
				if _, err := r.Open(sealed, other); err == nil {
					t.Fatalf("sealed for %q, opened for %q", place, other)
				}
			}
		}
		if change != 0 {
			sealed[int(at)%len(sealed)] ^= change
			if _, err := r.Open(sealed, place); err == nil {
				t.Fatalf("opened with byte %d changed", int(at)%len(sealed))
			}
		}
	})
}
