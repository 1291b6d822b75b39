package jsjson

import (
	"bytes"
	"encoding/base64"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/waybell/waybell/internal/nodetest"
)

// engine answers each line of base64 with the base64 of what the document looks
// like after JSON.stringify(JSON.parse(x)), or with ! where it is refused.
const engine = `
import { readFileSync } from "node:fs";
const out = [];
for (const line of readFileSync(0, "latin1").split("\n")) {
  const text = Buffer.from(line, "base64").toString("utf8");
  let answer = "!";
  try { answer = Buffer.from(JSON.stringify(JSON.parse(text))).toString("base64"); } catch {}
  out.push(answer);
}
process.stdout.write(out.join("\n"));
`

// javascript returns what a JavaScript engine makes of each document, "!" for
// those that it refuses.
func javascript(t *testing.T, documents []string) []string {
	t.Helper()
	var in bytes.Buffer
	for i, d := range documents {
		if i > 0 {
			in.WriteByte('\n')
		}
		in.WriteString(base64.StdEncoding.EncodeToString([]byte(d)))
	}
	lines := strings.Split(string(nodetest.Run(t, engine, in.Bytes())), "\n")
	if len(lines) != len(documents) {
		t.Fatalf("%d answers to %d documents", len(lines), len(documents))
	}
	for i, line := range lines {
		if line == "!" {
			continue
		}
		text, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		lines[i] = string(text)
	}
	return lines
}

// Every document reads and writes as in a JavaScript engine, and what we wrote
// survives that engine unchanged.
func TestDocumentsAsJavaScript(t *testing.T) {
	t.Parallel()
	g := generator{rand.New(rand.NewPCG(1, 2))}
	var documents []string
	for range 5000 {
		var b strings.Builder
		g.value(&b, 3)
		documents = append(documents, b.String())
	}
	originals := len(documents)
	for _, d := range documents[:originals] {
		documents = append(documents, g.damage(d))
	}
	ours := make([]string, len(documents))
	kinds := make([]ErrorKind, len(documents))
	for i, d := range documents {
		v, err := Parse([]byte(d), Limits{})
		if err != nil {
			kinds[i] = err.(*Error).Kind
			continue
		}
		ours[i] = string(v.Append(nil))
	}

	theirs := javascript(t, append(documents, ours...))
	accepted, refused := 0, 0
	for i, d := range documents {
		once, twice := theirs[i], theirs[len(documents)+i]
		switch kind := kinds[i]; {
		case i < originals && kind != 0:
			t.Fatalf("refused %q: %v", d, kind)
		case kind == Malformed || kind == TrailingData:
			refused++
			if once != "!" {
				t.Fatalf("refused as %v: %q", kind, d)
			}
		case kind != 0: // refused by us alone, on purpose
		case once == "!":
			t.Fatalf("accepted %q", d)
		case i >= originals && hasBigInteger(parse(t, d)):
		default:
			accepted++
			if ours[i] != once {
				t.Fatalf("%q\nis written as  %q\nJavaScript has %q", d, ours[i], once)
			}
			if twice != once {
				t.Fatalf("%q\nbecame %q", once, twice)
			}
		}
	}
	if accepted < originals+500 || refused < 2000 {
		t.Errorf("compared only %d accepted and %d refused documents", accepted, refused)
	}
}

// Every double, and every decimal that names one, is written as JavaScript
// writes it.
func TestNumbersAsJavaScript(t *testing.T) {
	t.Parallel()
	g := generator{rand.New(rand.NewPCG(3, 4))}
	var texts []string
	double := func(f float64) {
		if !math.IsInf(f, 0) && !math.IsNaN(f) {
			texts = append(texts, strconv.FormatFloat(f, 'e', 16, 64))
		}
	}
	for range 100_000 {
		double(math.Float64frombits(g.Uint64()))
	}
	for exponent := -1080; exponent < 1024; exponent++ {
		f := math.Ldexp(1, exponent)
		double(f)
		double(-f)
		double(math.Nextafter(f, 0))
		double(math.Nextafter(f, math.Inf(1)))
	}
	for exponent := -330; exponent < 309; exponent++ {
		for _, digits := range []string{"1", "9.99", "4.35", "9007199254740993", "0.123456789012345678"} {
			f, _ := strconv.ParseFloat(digits+"e"+strconv.Itoa(exponent), 64)
			double(f)
			double(math.Nextafter(f, 0))
			double(math.Nextafter(f, math.Inf(1)))
		}
	}
	for range 40_000 {
		texts = append(texts, g.decimal())
	}
	for i, want := range javascript(t, texts) {
		v := parse(t, texts[i])
		if got := string(v.Append(nil)); got != want {
			t.Errorf("%s is written as %s, JavaScript has %s", texts[i], got, want)
		}
		if again := write(t, want); again != want {
			t.Errorf("%s is written as %s", want, again)
		}
		f, _ := strconv.ParseFloat(texts[i], 64)
		if got := string(appendDouble(nil, f)); got != want {
			t.Errorf("the double %s is written as %s, JavaScript has %s", texts[i], got, want)
		}
		if n, ok := v.Int64(); ok && float64(n) != f {
			t.Errorf("%s is the integer %d", texts[i], n)
		}
	}
	if len(texts) < 150_000 {
		t.Errorf("only %d numbers", len(texts))
	}
}

// The one exception of the package comment is real, and the only one.
func TestBigIntegersInJavaScript(t *testing.T) {
	t.Parallel()
	documents := []string{"9007199254740993", "12345678901234567891", "-1000000000000000000000"}
	for i, got := range javascript(t, documents) {
		if got == documents[i] {
			t.Errorf("JavaScript keeps %s", got)
		}
		if ours := write(t, documents[i]); ours != documents[i] {
			t.Errorf("%s became %s", documents[i], ours)
		}
	}
}

// hasBigInteger reports whether v holds a number that stays as written although
// a double cannot hold it.
func hasBigInteger(v Value) bool {
	switch v.Kind() {
	case KindNumber:
		f, _ := v.Float64()
		return v.Number() != string(appendDouble(nil, f))
	case KindArray:
		for _, item := range v.Items() {
			if hasBigInteger(item) {
				return true
			}
		}
	case KindObject:
		for _, m := range v.Members() {
			if hasBigInteger(m.Value) {
				return true
			}
		}
	}
	return false
}

// generator makes documents that JavaScript and Parse both accept.
type generator struct{ *rand.Rand }

func pick[T any](g generator, list ...T) T { return list[g.IntN(len(list))] }

func (g generator) space(b *strings.Builder) {
	if g.IntN(6) == 0 {
		b.WriteString(pick(g, " ", "\n", "\t", "\r\n", "  \t "))
	}
}

func (g generator) value(b *strings.Builder, depth int) {
	g.space(b)
	switch n := g.IntN(10); {
	case n < 3 && depth > 0:
		g.object(b, depth)
	case n < 5 && depth > 0:
		b.WriteByte('[')
		for i := range g.IntN(6) {
			if i > 0 {
				b.WriteByte(',')
			}
			g.value(b, depth-1)
		}
		g.space(b)
		b.WriteByte(']')
	case n < 8:
		g.string(b, g.units())
	case n < 9:
		b.WriteString(g.number())
	default:
		b.WriteString(pick(g, "true", "false", "null"))
	}
	g.space(b)
}

func (g generator) object(b *strings.Builder, depth int) {
	seen := map[string]bool{}
	b.WriteByte('{')
	for range g.IntN(pick(g, 4, 4, 8, 50)) {
		name := g.name()
		key := ""
		for _, u := range name {
			key += strconv.Itoa(int(u)) + " "
		}
		if seen[key] {
			continue
		}
		if len(seen) > 0 {
			b.WriteByte(',')
		}
		seen[key] = true
		g.space(b)
		g.string(b, name)
		g.space(b)
		b.WriteByte(':')
		g.value(b, pick(g, 0, depth-1))
	}
	g.space(b)
	b.WriteByte('}')
}

func (g generator) name() []uint16 {
	switch g.IntN(4) {
	case 0:
		return utf16.Encode([]rune(pick(g, "0", "1", "9", "10", "00", "01", "007", "-1", "1.0", "1e3", "4294967293", "4294967294",
			"4294967295", "4294967296", "9007199254740993", "", " ", "__proto__", "constructor", "toString", "toJSON", "length",
			"name", "email", "data", "hasOwnProperty", "\u2028", "é", "😀")))
	case 1:
		return utf16.Encode([]rune(strconv.FormatUint(g.Uint64()>>g.IntN(64), 10)))
	default:
		return g.units()
	}
}

// units returns the UTF-16 code units of a random string.
func (g generator) units() []uint16 {
	var units []uint16
	for range g.IntN(pick(g, 3, 8, 8, 40)) {
		switch g.IntN(12) {
		case 0:
			units = append(units, uint16(g.IntN(0x20)))
		case 1:
			units = append(units, pick[uint16](g, '"', '\\', '/', '<', '>', '&', 0x7f, 0x2028, 0x2029, 0xfeff, 0xfffd, 0xffff, 0xd7ff, 0xe000))
		case 2:
			units = append(units, uint16(0xD800+g.IntN(0x800)))
		case 3:
			units = append(units, utf16.Encode([]rune{rune(0x10000 + g.IntN(0x100000))})...)
		case 4:
			units = append(units, uint16(g.IntN(0xD800)))
		default:
			units = append(units, uint16('a'+g.IntN(26)))
		}
	}
	return units
}

// string writes a literal of the code units, each spelled in one of the ways
// that JSON has for it.
func (g generator) string(b *strings.Builder, units []uint16) {
	const short = "\"\\/\b\f\n\r\t"
	b.WriteByte('"')
	for i := 0; i < len(units); i++ {
		r, raw := rune(units[i]), true
		switch {
		case isHigh(r) && i+1 < len(units) && isLow(rune(units[i+1])) && g.IntN(2) == 0:
			i++
			r = joinSurrogates(r, rune(units[i]))
		case isHigh(r) || isLow(r) || r < ' ' || r == '"' || r == '\\':
			raw = false
		}
		if at := strings.IndexRune(short, r); r < utf8.RuneSelf && at >= 0 && g.IntN(2) == 0 {
			b.WriteByte('\\')
			b.WriteByte(`"\/bfnrt`[at])
			continue
		}
		if r > 0xFFFF || raw && g.IntN(8) > 0 {
			b.WriteRune(r)
			continue
		}
		hex := strconv.FormatInt(0x10000|int64(r), 16)[1:]
		b.WriteString(`\u` + pick(g, hex, strings.ToUpper(hex)))
	}
	b.WriteByte('"')
}

// number returns a finite number that JavaScript does not write differently
// from us: no plain integer beyond 2^53.
func (g generator) number() string {
	switch g.IntN(4) {
	case 0:
		return pick(g, "0", "-0", "-0.0", "0e0", "1.0", "1e21", "1e20", "123456789012345680000.0", "1E-7", "0.000001",
			"0.0000001", "5e-324", "2e-324", "1e-999", "1.7976931348623157e308", "9007199254740991", "-9007199254740991",
			"9007199254740993.0", "4.35", "0.1e1", "1.10", "100e-2")
	case 1:
		return strconv.FormatInt(g.Int64N(1<<g.IntN(53))-g.Int64N(1<<20), 10)
	case 2:
		return strconv.FormatFloat(g.NormFloat64()*math.Pow10(g.IntN(600)-300), pick[byte](g, 'e', 'E'), g.IntN(25), 64)
	default:
		return g.decimal()
	}
}

// decimal returns a number with a point, few or many digits, and perhaps an
// exponent.
func (g generator) decimal() string {
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = pick[byte](g, '0', '0', '9', '0'+byte(g.IntN(10)), '0'+byte(g.IntN(10)))
		}
		return string(b)
	}
	whole := strings.TrimLeft(digits(g.IntN(pick(g, 2, 10, 20))), "0")
	if whole == "" {
		whole = "0"
	}
	s := pick(g, "", "-") + whole + "." + digits(1+g.IntN(pick(g, 3, 10, 20)))
	if g.IntN(4) == 0 {
		s += pick(g, "e", "E") + pick(g, "", "+", "-") + strconv.Itoa(g.IntN(30))
	}
	return s
}

// damage returns d with a few bytes changed, still UTF-8.
func (g generator) damage(d string) string {
	for {
		b := []byte(d)
		for range 1 + g.IntN(2) {
			at := g.IntN(len(b) + 1)
			token := pick(g, ",", ":", "{", "}", "[", "]", `"`, `\`, "0", "1", "e", "-", ".", " ", "\x00", "\n", "\v", "\ufeff", "\u00a0", "null", "x")
			switch {
			case g.IntN(2) == 0 || at == len(b):
				b = append(b[:at:at], append([]byte(token), b[at:]...)...)
			default:
				b = append(b[:at:at], b[at+1:]...)
			}
		}
		if utf8.Valid(b) {
			return string(b)
		}
	}
}
