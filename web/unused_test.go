package web

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// sources are the files below src with these endings, by their paths with
// slashes; their comments are left out.
func sources(t *testing.T, endings ...string) map[string]string {
	t.Helper()
	comment := regexp.MustCompile(`(?m)^\s*(/\*(?s:.*?)\*/|//.*$)`)
	files := map[string]string{}
	err := filepath.WalkDir("src", func(file string, d fs.DirEntry, err error) error {
		for _, ending := range endings {
			if err == nil && !d.IsDir() && strings.HasSuffix(file, ending) {
				text, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				files[filepath.ToSlash(file)] = comment.ReplaceAllString(string(text), "")
			}
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files %v: %v", len(files), endings, err)
	}
	return files
}

// words counts the names, classes and words of a text.
func words(text string) map[string]int {
	count := map[string]int{}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool {
		return r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		count[strings.Trim(word, "-")]++
	}
	return count
}

// What a module exports is imported by another. A test is no reader, but may look
// at what its module uses itself; and types may be those of what is exported.
func TestExportsAreImported(t *testing.T) {
	t.Parallel()
	var (
		exported = regexp.MustCompile(`(?m)^export (?:async )?(function\*?|const|let|class|interface|type|enum) (\w+)`)
		imported = regexp.MustCompile(`\b(?:import|export)\s+(?:type\s+)?\{([^}]*)\}\s*from\s*"(\.[^"]+)"`)
		later    = regexp.MustCompile(`\bimport\("(\.[^"]+)"\)`)
		passedOn = regexp.MustCompile(`(?m)^export \* from "(\.[^"]+)"`)
	)
	type export struct{ module, name string }
	isTest := func(file string) bool { return strings.HasSuffix(file, ".test.ts") }
	files := sources(t, ".ts", ".tsx")
	used, tested := map[export]bool{}, map[export]bool{}
	use := func(by string, e export) {
		of := []string{e.module}
		for _, m := range passedOn.FindAllStringSubmatch(files[e.module], -1) {
			of = append(of, path.Join(path.Dir(e.module), m[1]))
		}
		for _, module := range of {
			if isTest(by) {
				tested[export{module, e.name}] = true
			} else {
				used[export{module, e.name}] = true
			}
		}
	}
	for file, text := range files {
		for _, m := range imported.FindAllStringSubmatch(text, -1) {
			for name := range strings.SplitSeq(m[1], ",") {
				name, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(name), "type "), " as ")
				use(file, export{path.Join(path.Dir(file), m[2]), name})
			}
		}
		spoken := words(text)
		for _, m := range later.FindAllStringSubmatch(text, -1) {
			module := path.Join(path.Dir(file), m[1])
			for _, e := range exported.FindAllStringSubmatch(files[module], -1) {
				if spoken[e[2]] > 0 {
					use(file, export{module, e[2]})
				}
			}
		}
	}
	found := 0
	for file, text := range files {
		spoken := words(text)
		for _, m := range exported.FindAllStringSubmatch(text, -1) {
			e := export{file, m[2]}
			isType := m[1] == "interface" || m[1] == "type"
			own := spoken[e.name] > 1
			if found++; !isTest(file) && !used[e] && !(own && (isType || tested[e])) {
				t.Errorf("%s: nobody imports %s", file, e.name)
			}
		}
	}
	if found < 300 || len(used) < 300 {
		t.Errorf("only %d exports were found, and %d that are used", found, len(used))
	}
}

// Every class that is styled is written in a script as it is, or with its last
// part filled in, or is one of uPlot's own.
func TestStyledClassesAreUsed(t *testing.T) {
	t.Parallel()
	var scripts strings.Builder
	for file, text := range sources(t, ".ts", ".tsx") {
		if !strings.HasSuffix(file, ".test.ts") {
			scripts.WriteString(text)
		}
	}
	written, spoken := scripts.String(), words(scripts.String())
	var (
		noSelector = regexp.MustCompile(`"[^"]*"|url\([^)]*\)`)
		selector   = regexp.MustCompile(`[^{};]*\{`)
		class      = regexp.MustCompile(`\.([a-zA-Z][\w-]*)`)
	)
	seen := map[string]bool{}
	for file, text := range sources(t, ".css") {
		for _, s := range selector.FindAllString(noSelector.ReplaceAllString(text, ""), -1) {
			for _, m := range class.FindAllStringSubmatch(s, -1) {
				name := m[1]
				if seen[name] || strings.HasPrefix(name, "u-") {
					continue
				}
				seen[name] = true
				end := strings.LastIndexByte(name, '-') + 1
				filledIn := end > 0 && strings.Contains(written, name[:end]+"${") && spoken[name[end:]] > 0
				if !filledIn && spoken[name] == 0 {
					t.Errorf("%s: no script uses .%s", file, name)
				}
			}
		}
	}
	if len(seen) < 200 {
		t.Errorf("only %d classes were found", len(seen))
	}
}
