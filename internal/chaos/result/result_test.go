package result

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func good() Result {
	return Result{
		Programme: "point:settle.before", Store: "sqlite", Version: "waybell 1234567", Date: "2026-01-02", Seed: 7, Cycles: 20, Seconds: 12.5,
		Counts: map[string]int64{"events": 100, "lost": 0}, Times: map[string]float64{"ready_most": 0.25}, Note: "a <busy> machine",
	}
}

func TestWriteAndRead(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "by", "write")
	if list, err := Read(dir); err != nil || len(list) != 0 {
		t.Fatalf("no directory: %v, %v", list, err)
	}
	second := good()
	second.Store = "postgres"
	again := good()
	again.Cycles = 21
	for _, r := range []Result{good(), second, again} {
		if err := Write(dir, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := Write(dir, good()); !errors.Is(err, ErrWeaker) {
		t.Errorf("a result of fewer cycles: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "point-settle.before-sqlite.json")); err != nil || !strings.Contains(string(b), "<busy>") {
		t.Errorf("the file is %s, %v", b, err)
	}
	list, err := Read(dir)
	if want := []Result{second, again}; err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("read %+v, %v; want %+v", list, err, want)
	}
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Result){
		"no programme": func(r *Result) { r.Programme = "" },
		"no store":     func(r *Result) { r.Store = "" },
		"no version":   func(r *Result) { r.Version = "" },
		"no date":      func(r *Result) { r.Date = "" },
		"another date": func(r *Result) { r.Date = "2 January" },
		"no cycles":    func(r *Result) { r.Cycles = 0 },
	} {
		r := good()
		spoil(&r)
		if err := Write(t.TempDir(), r); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

// What a hand may have put there is not taken for a result.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	const fine = `{"programme":"kill","store":"sqlite","version":"w","date":"2026-01-02","cycles":1,"counts":{"lost":0}}`
	for name, c := range map[string]struct{ file, text string }{
		"not JSON":        {"kill-sqlite.json", "lost: 0"},
		"another field":   {"kill-sqlite.json", `{"lost":0,` + fine[1:]},
		"another file":    {"kill-postgres.json", fine},
		"no version":      {"kill-sqlite.json", strings.Replace(fine, `"w"`, `""`, 1)},
		"count in words":  {"kill-sqlite.json", strings.Replace(fine, `"lost":0`, `"lost":"none"`, 1)},
		"nothing was run": {"kill-sqlite.json", strings.Replace(fine, `"cycles":1`, `"cycles":0`, 1)},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if list, err := Read(dir); err == nil {
			t.Errorf("%s: read as %+v", name, list)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if v := Version(t.Context()); !regexp.MustCompile(`^waybell ([0-9a-f]{7,40}\+?|unknown), go1\.`).MatchString(v) {
		t.Errorf("the version is %q", v)
	}
}
