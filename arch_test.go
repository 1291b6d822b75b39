package waybell_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/waybell/waybell"

// Imports point one way: cmd → api, web, sqlite, postgres → root → leaves →
// standard library. Each package may import what is listed, and the libraries
// that were argued for, on any system; what it does not import is not listed.
var allowedImports = map[string][]string{
	"":                          {"signature", "internal/retry", "internal/egress", "format", "internal/jsjson", "internal/catalogue", "internal/schema", "internal/keyring", "internal/lock", "internal/share", "internal/stream", "internal/statistics", "internal/reception", "internal/intake", "internal/record", "internal/ring", "internal/signing", "internal/tokencache", "golang.org/x/time/rate"},
	"format":                    {"signature", "internal/retry", "internal/jsjson", "internal/rawjson", "internal/catalogue"},
	"signature":                 {},
	"internal/retry":            {},
	"internal/statistics":       {},
	"internal/jsjson":           {},
	"internal/rawjson":          {},
	"internal/keyring":          {},
	"internal/lock":             {},
	"internal/share":            {},
	"internal/egress":           {"golang.org/x/net/idna"},
	"internal/catalogue":        {},
	"internal/schema":           {"internal/jsjson", "github.com/santhosh-tekuri/jsonschema/v6"},
	"internal/acceptencoding":   {},
	"internal/places":           {},
	"internal/plainhttp":        {},
	"internal/reception":        {"signature", "internal/places", "golang.org/x/time/rate"},
	"internal/intake":           {"format", "internal/jsjson", "internal/timestamp"},
	"internal/timestamp":        {},
	"internal/record":           {"format", "internal/egress", "github.com/cespare/xxhash/v2"},
	"internal/nodetest":         {},
	"internal/receivertest":     {},
	"internal/pgserver":         {},
	"internal/pgtest":           {"internal/pgserver", "github.com/jackc/pgx/v5"},
	"internal/storetest":        {"", "internal/statistics", "pgregory.net/rapid", "github.com/google/go-cmp"},
	"internal/teststore":        {"", "internal/pgtest", "postgres", "sqlite"},
	"internal/transfer":         {""},
	"sqlite":                    {"", "internal/statistics", "internal/transfer", "modernc.org/sqlite", "golang.org/x/sys/unix", "golang.org/x/sys/windows", "internal/stored", "modernc.org/libc"},
	"sqlite/foreigncache":       {}, // a test alone
	"postgres":                  {"", "internal/statistics", "internal/transfer", "github.com/jackc/pgx/v5", "internal/stored"},
	"api":                       {"", "format", "internal/acceptencoding", "internal/jsjson", "internal/catalogue", "internal/retry", "internal/places", "internal/reception", "internal/timestamp", "github.com/danielgtaylor/huma/v2", "github.com/prometheus/client_golang", "golang.org/x/sync"},
	"web":                       {"internal/acceptencoding"},
	"web/build":                 {"github.com/evanw/esbuild"},
	"internal/ring":             {},
	"internal/scaling":          {"internal/ring"},
	"internal/signing":          {"format", "signature"},
	"internal/stream":           {"internal/ring"},
	"internal/tokencache":       {},
	"cmd/waybell":               {"", "api", "web", "sqlite", "postgres", "internal/transfer", "format", "signature", "internal/bench", "internal/keyring", "internal/plainhttp", "github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/goccy/go-yaml", "golang.org/x/term", "golang.org/x/sys/unix"},
	"internal/bench":            {"signature", "internal/pgserver", "github.com/jackc/pgx/v5", "modernc.org/sqlite"},
	"internal/binarytest":       {},
	"internal/chaos":            {},
	"internal/chaos/chaos":      {"internal/chaos/result"},
	"internal/chaos/point":      {},
	"internal/chaos/pointstore": {"", "internal/chaos/point"},
	"internal/chaos/result":     {},
	"internal/screentest":       {},
	"deploy":                    {},
	"internal/memstore":         {""},
	"internal/simulation":       {},
	"internal/stored":           {""},
	"internal/powerloss":        {},

	// What a receiver's developer copies needs nothing but the standard library.
	"examples/verify":              {},
	"examples/verify/standard/go":  {},
	"examples/verify/chatzuri/go":  {},
	"examples/verify/chatislav/go": {},
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	used := map[string]map[string]bool{} // package → entry of its list
	goFiles(t, func(path string, _ []byte, file *ast.File, fset *token.FileSet) {
		pkg := filepath.ToSlash(filepath.Dir(path))
		if pkg == "." {
			pkg = ""
		}
		allowed, known := allowedImports[pkg]
		if used[pkg] == nil {
			used[pkg] = map[string]bool{}
			if !known {
				t.Errorf("package %q is not in the list of arch_test.go: say what it may import", pkg)
			}
		}
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, spec := range file.Imports {
			imp, _ := strconv.Unquote(spec.Path.Value)
			if own, ok := strings.CutPrefix(imp, module); ok {
				imp = strings.TrimPrefix(own, "/")
			} else if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
				continue // standard library
			}
			i := slices.IndexFunc(allowed, func(a string) bool {
				return imp == a || a != "" && strings.Contains(a, ".") && strings.HasPrefix(imp, a+"/")
			})
			if i < 0 {
				t.Errorf("%s: package %q must not import %q", fset.Position(spec.Pos()), pkg, imp)
				continue
			}
			used[pkg][allowed[i]] = true
		}
	})
	for pkg, allowed := range allowedImports {
		if used[pkg] == nil {
			t.Errorf("package %q is in the list, but does not exist", pkg)
			continue
		}
		for _, entry := range allowed {
			if !used[pkg][entry] {
				t.Errorf("package %q may import %q, but does not: take it off the list", pkg, entry)
			}
		}
	}
}

// goFiles calls f for each Go file of the repository.
func goFiles(t *testing.T, f func(path string, src []byte, file *ast.File, fset *token.FileSet)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
				return filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, src, parser.ParseComments)
		if err != nil {
			return err
		}
		f(path, src, file, fset)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestGauges(t *testing.T) {
	t.Parallel()
	var exported, documented int
	rootFiles, rootLines := 0, 0
	goFiles(t, func(path string, src []byte, file *ast.File, fset *token.FileSet) {
		test := strings.HasSuffix(path, "_test.go")
		lines := bytes.Count(src, []byte("\n"))
		if lines > 600 {
			t.Errorf("%s has %d lines; the gauge is 600", path, lines)
		}
		if !test && filepath.Dir(path) == "." {
			rootFiles, rootLines = rootFiles+1, rootLines+lines
		}
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				checkFunc(t, path, d, fset)
				if !test && d.Name.IsExported() {
					exported++
					if d.Doc != nil {
						documented++
					}
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok {
						checkInterface(t, path, s)
						if !test && s.Name.IsExported() {
							exported++
							if d.Doc != nil || s.Doc != nil || s.Comment != nil {
								documented++
							}
						}
					}
				}
			}
		}
	})
	if documented*100 < exported*95 {
		t.Errorf("%d of %d exported names are documented; the gauge is 95 %%", documented, exported)
	}
	if rootFiles > 44 || rootLines > 11900 {
		t.Errorf("the root package has %d files and %d lines; the gauges are 44 and 11,900", rootFiles, rootLines)
	}
}

func checkFunc(t *testing.T, path string, d *ast.FuncDecl, fset *token.FileSet) {
	t.Helper()
	if d.Name.Name == "init" && d.Recv == nil {
		t.Errorf("%s: func init: say it where it is used", path)
	}
	// A table test may be as long as its table.
	if n := fset.Position(d.End()).Line - fset.Position(d.Pos()).Line + 1; n > 80 && !strings.HasSuffix(path, "_test.go") {
		t.Errorf("%s: %s has %d lines; the gauge is 80", path, d.Name.Name, n)
	}
	params := 0
	for _, p := range d.Type.Params.List {
		if sel, ok := p.Type.(*ast.SelectorExpr); ok && sel.Sel.Name == "Context" {
			continue
		}
		params += max(1, len(p.Names))
	}
	if params > 4 && !strings.HasSuffix(path, "_test.go") {
		t.Errorf("%s: %s has %d parameters after ctx; the gauge is 4", path, d.Name.Name, params)
	}
}

func checkInterface(t *testing.T, path string, s *ast.TypeSpec) {
	t.Helper()
	i, ok := s.Type.(*ast.InterfaceType)
	if !ok {
		return
	}
	methods := 0
	for _, m := range i.Methods.List {
		methods += len(m.Names) // embedded interfaces are counted at their own place
	}
	if methods > 8 {
		t.Errorf("%s: interface %s has %d methods; the gauge is 8", path, s.Name.Name, methods)
	}
}

// Only internal/egress may dial an address that a customer can influence.
func TestOneOutboundClient(t *testing.T) {
	t.Parallel()
	banned := map[string][]string{
		"http": {"Get", "Post", "PostForm", "Head", "DefaultClient", "DefaultTransport", "Transport", "Client"},
		"net":  {"Dial", "DialTimeout", "DialTCP", "DialUDP", "Dialer", "LookupHost", "LookupIP", "LookupAddr", "DefaultResolver"},
		"tls":  {"Dial", "DialWithDialer", "Dialer"},
	}
	// The command talks to its own server, and the bench, the test receiver and
	// the test databases to loopback: they never see a customer's URL.
	exempt := []string{"internal/egress/", "internal/bench/", "internal/receivertest/", "internal/pgtest/", "cmd/waybell/client.go"}
	goFiles(t, func(path string, _ []byte, file *ast.File, fset *token.FileSet) {
		if strings.HasSuffix(path, "_test.go") || slices.ContainsFunc(exempt, func(e string) bool { return strings.HasPrefix(path, e) }) {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := sel.X.(*ast.Ident); ok && slices.Contains(banned[pkg.Name], sel.Sel.Name) {
					t.Errorf("%s: %s.%s: only internal/egress may reach out", fset.Position(sel.Pos()), pkg.Name, sel.Sel.Name)
				}
			}
			return true
		})
	})
}

// Contexts come from the caller, package variables do not change, and tests
// neither sleep nor skip.
func TestHabits(t *testing.T) {
	t.Parallel()
	goFiles(t, func(path string, src []byte, file *ast.File, fset *token.FileSet) {
		test := strings.HasSuffix(path, "_test.go")
		vars := packageVars(file)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				name := selector(n)
				switch {
				case name == "context.Background" && !test && filepath.Base(path) != "main.go":
					t.Errorf("%s: context.Background outside main and tests", fset.Position(n.Pos()))
				case name == "time.Sleep" && test && !inBubble(file, src, n.Pos()) && !strings.HasPrefix(path, "internal/simulation/"): // a bubble as a whole
					t.Errorf("%s: time.Sleep in a test outside a synctest bubble", fset.Position(n.Pos()))
				case test && slices.Contains([]string{"t.Skip", "t.Skipf", "t.SkipNow"}, name):
					t.Errorf("%s: a skipped test proves nothing", fset.Position(n.Pos()))
				}
			case *ast.AssignStmt:
				for _, lhs := range n.Lhs {
					if id, ok := lhs.(*ast.Ident); ok && !test && n.Tok == token.ASSIGN && vars[id.Name] {
						t.Errorf("%s: package variable %s is changed, or hidden by a local of its name", fset.Position(n.Pos()), id.Name)
					}
				}
			}
			return true
		})
	})
}

// inBubble tells whether the function around a position opens a bubble.
func inBubble(file *ast.File, src []byte, pos token.Pos) bool {
	for _, decl := range file.Decls {
		if decl.Pos() <= pos && pos < decl.End() {
			return bytes.Contains(src[decl.Pos()-file.FileStart:decl.End()-file.FileStart], []byte("synctest.Test("))
		}
	}
	return false
}

func selector(n *ast.SelectorExpr) string {
	if x, ok := n.X.(*ast.Ident); ok {
		return x.Name + "." + n.Sel.Name
	}
	return ""
}

// packageVars are the names of a file's package variables.
func packageVars(file *ast.File) map[string]bool {
	vars := map[string]bool{}
	for _, decl := range file.Decls {
		if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.VAR {
			for _, spec := range d.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					vars[name.Name] = name.Name != "_"
				}
			}
		}
	}
	return vars
}

// Unfinished work is said in the issue, not in the code.
func TestNoMarksOfUnfinishedWork(t *testing.T) {
	t.Parallel()
	marks := []string{"TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK", "not imple" + "mented"}
	whole := regexp.MustCompile(`\b(` + strings.Join(marks, "|") + `)\b`)
	goFiles(t, func(path string, src []byte, _ *ast.File, _ *token.FileSet) {
		if !slices.ContainsFunc(marks, func(mark string) bool { return bytes.Contains(src, []byte(mark)) }) {
			return // quicker than the expression
		}
		for _, at := range whole.FindAllIndex(src, -1) {
			t.Errorf("%s:%d: %s", path, 1+bytes.Count(src[:at[0]], []byte("\n")), src[at[0]:at[1]])
		}
	})
}
