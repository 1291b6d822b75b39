//go:build linux

package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/waybell/waybell/internal/binarytest"
)

// graft is code laid over the source of the binary under test: it goes before or
// after the statement that calls something, or to the begin of the function. The
// source itself, and what is shipped, has none of it.
type graft struct {
	file, function string
	// call is the name of what the statement calls, the first such; "" is the
	// begin of the function.
	call  string
	after bool
	code  string
}

// grafts are all that points need besides the calls of the store, which
// package pointstore passes.
var grafts = []graft{
	{"cmd/waybell/server.go", "startService", "New", false, `cfg.Store = pointstore.New(cfg.Store)`},
	{"cmd/waybell/server.go", "startServer", "newHandler", true, `handler = point.Handler(handler)`},
	{"service.go", "Stop", "stop", false, `point.At("stop.step")`},

	{"sqlite/migrate.go", "migrateBy", "run", false, `point.At("migrate.before"); if part := point.Script(script); part != "" { _ = c.run(part); point.End() }`},
	{"sqlite/migrate.go", "migrateBy", "run", true, `point.At("migrate.after")`},
	{"sqlite/publish.go", "accept", "remember", false, `point.Mark("publish.written")`},
	{"sqlite/settle.go", "settle", "", false, `point.Mark("settle.written")`},
	{"sqlite/tx.go", "commit", "exec", false, `if point.Due() { point.End() }`},
	{"sqlite/node.go", "Adopt", "writeAt", false, `if len(found) > 0 { point.At("adopt.before") }`},
	{"sqlite/maintenance.go", "pieces", "writeAt", true, `if n > 0 { point.At("sweep.piece") }`},

	{"postgres/store.go", "Open", "reset", false, `s.watch.deadAfter = point.Span(s.watch.deadAfter)`},
	{"postgres/migrate.go", "apply", "", false, `point.At("migrate.before")`},
	{"postgres/migrate.go", "apply", "Commit", false, `point.At("migrate.within")`},
	{"postgres/migrate.go", "apply", "Commit", true, `point.At("migrate.after")`},
	{"postgres/publish.go", "accept", "boundKeys", false, `point.Mark("publish.written")`},
	{"postgres/settle.go", "settled", "", false, `point.Mark("settle.written")`},
	{"postgres/tx.go", "run", "Queue", false, `if point.Due() { _ = t.flush(); point.End() }`},
	{"postgres/adopt.go", "Adopt", "write", false, `if len(piece) > 0 { point.At("adopt.before") }`},
	{"postgres/maintenance.go", "removeDay", "detach", true, `point.At("sweep.piece")`},
	{"postgres/maintenance.go", "removeDay", "drop", true, `point.At("sweep.piece")`},
}

const (
	pointImport = `import "github.com/waybell/waybell/internal/chaos/point"`
	storeImport = `import "github.com/waybell/waybell/internal/chaos/pointstore"`
)

// place is where in a file the code of a graft goes.
func (g *graft) place(file *ast.File) (token.Pos, error) {
	var body *ast.BlockStmt
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == g.function {
			body = f.Body
			break
		}
	}
	if body == nil {
		return 0, fmt.Errorf("%s has no function %s", g.file, g.function)
	}
	if g.call == "" {
		return body.Lbrace + 1, nil
	}
	var found ast.Stmt // the innermost that holds the first such call
	var call ast.Node
	ast.Inspect(body, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok && call == nil {
			switch fun := c.Fun.(type) {
			case *ast.Ident:
				if fun.Name == g.call {
					call = c
				}
			case *ast.SelectorExpr:
				if fun.Sel.Name == g.call {
					call = c
				}
			}
		}
		return call == nil
	})
	if call == nil {
		return 0, fmt.Errorf("%s: %s does not call %s", g.file, g.function, g.call)
	}
	ast.Inspect(body, func(n ast.Node) bool {
		var list []ast.Stmt
		switch n := n.(type) {
		case *ast.BlockStmt:
			list = n.List
		case *ast.CaseClause:
			list = n.Body
		case *ast.CommClause:
			list = n.Body
		}
		for _, s := range list {
			if s.Pos() <= call.Pos() && call.End() <= s.End() {
				found = s
			}
		}
		return true
	})
	if _, ret := found.(*ast.ReturnStmt); ret && g.after {
		return 0, fmt.Errorf("%s: nothing comes after the return of %s in %s", g.file, g.call, g.function)
	}
	if g.after {
		return found.End(), nil
	}
	return found.Pos(), nil
}

// grafted is the source of a file with the code of its grafts. Its lines keep
// their numbers.
func grafted(name string, src []byte, list []graft) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	type insert struct {
		at   int
		text string
	}
	imports := "; " + pointImport
	var inserts []insert
	for _, g := range list {
		if strings.Contains(g.code, "pointstore.") {
			imports += "; " + storeImport
		}
		pos, err := g.place(file)
		if err != nil {
			return nil, err
		}
		text := g.code + "; "
		if g.after {
			text = "; " + g.code
		}
		inserts = append(inserts, insert{fset.Position(pos).Offset, text})
	}
	inserts = append(inserts, insert{fset.Position(file.Name.End()).Offset, imports})
	slices.SortStableFunc(inserts, func(a, b insert) int { return b.at - a.at })
	for _, i := range inserts {
		src = slices.Concat(src[:i.at], []byte(i.text), src[i.at:])
	}
	return src, nil
}

// pointed is the binary with the points, built when the first test asks for it.
var pointed struct {
	once sync.Once
	path string
	err  error
}

// pointBinary is the binary under test with the points, as node 1.
func pointBinary(t *testing.T) string {
	t.Helper()
	pointed.once.Do(func() {
		pointed.path = filepath.Join(built.Dir(), "waybell-points")
		pointed.err = buildPoints(pointed.path)
	})
	if pointed.err != nil {
		t.Fatal(pointed.err)
	}
	return pointed.path
}

func buildPoints(binary string) error {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	byFile := map[string][]graft{}
	for _, g := range grafts {
		byFile[g.file] = append(byFile[g.file], g)
	}
	replace := map[string]string{}
	for file, list := range byFile {
		src, err := os.ReadFile(filepath.Join(root, file))
		if err == nil {
			src, err = grafted(file, src, list)
		}
		if err != nil {
			return fmt.Errorf("points: %w", err)
		}
		copied := filepath.Join(built.Dir(), "points", file)
		if err := os.MkdirAll(filepath.Dir(copied), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(copied, src, 0o600); err != nil {
			return err
		}
		replace[filepath.Join(root, file)] = copied
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	path := filepath.Join(built.Dir(), "overlay.json")
	if err := os.WriteFile(path, overlay, 0o600); err != nil {
		return err
	}
	if err := binarytest.Build(binary, stamp(1), "-overlay", path); err != nil {
		return fmt.Errorf("with points: %w", err)
	}
	return nil
}

// Code goes where its graft says, and a graft that finds no place is an error.
func TestGraft(t *testing.T) {
	t.Parallel()
	const src = `package p

func f() error {
	if x := a(); x != nil {
		return x
	}
	for range 3 {
		y := s.b(func() { c() })
		_ = y
	}
	return d()
}
`
	const imports = "package p; " + pointImport + "\n"
	for name, c := range map[string]struct {
		g    graft
		want string // "" is an error
	}{
		"begin":            {graft{function: "f", code: "P()"}, "func f() error {P(); \n\tif x"},
		"before a test":    {graft{function: "f", call: "a", code: "P()"}, "\tP(); if x := a()"},
		"after a test":     {graft{function: "f", call: "a", after: true, code: "P()"}, "\t}; P()\n\tfor"},
		"before a method":  {graft{function: "f", call: "b", code: "P()"}, "\t\tP(); y := s.b("},
		"within a closure": {graft{function: "f", call: "c", code: "P()"}, "func() { P(); c() }"},
		"before a return":  {graft{function: "f", call: "d", code: "P()"}, "\tP(); return d()"},
		"after a return":   {graft{function: "f", call: "d", after: true, code: "P()"}, ""},
		"no such function": {graft{function: "g", call: "d", code: "P()"}, ""},
		"no such call":     {graft{function: "f", call: "e", code: "P()"}, ""},
	} {
		got, err := grafted("p.go", []byte(src), []graft{c.g})
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: went somewhere: %s", name, got)
			}
			continue
		}
		if err != nil || !bytes.Contains(got, []byte(c.want)) || !bytes.HasPrefix(got, []byte(imports)) {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
		if _, err := format.Source(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
