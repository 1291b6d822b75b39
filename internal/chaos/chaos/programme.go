package main

import (
	"bytes"
	"errors"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// packages are the folders whose tests are programmes of faults. One that is not
// there has none.
func packages() []string {
	return []string{"internal/chaos", ".", "internal/powerloss", "internal/simulation"}
}

// programme is a test that breaks something.
type programme struct {
	name   string // "nodes-kill", "powerloss-sqlite-binary"
	test   string // "TestNodesKill"
	folder string
	about  string   // the first sentence of what the test says of itself
	stores []string // "sqlite", "postgres"
	flags  []string // of its package, as far as the command knows them
}

// programmes finds those below a folder by their source: the tests that write a
// result. New ones need no list.
func programmes(root string) ([]programme, error) {
	var list []programme
	for _, folder := range packages() {
		found, err := programmesOf(filepath.Join(root, folder))
		if err != nil {
			return nil, err
		}
		for i := range found {
			found[i].folder = folder
			if strings.HasPrefix(folder, "internal/") && folder != packages()[0] {
				found[i].name = filepath.Base(folder) + "-" + found[i].name
			}
		}
		list = append(list, found...)
	}
	return list, nil
}

// function is one of a package's tests, with what it may call.
type function struct {
	decl   *ast.FuncDecl
	source []byte
}

func programmesOf(dir string) (list []programme, err error) {
	functions := map[string]function{}
	var flags []string
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		src, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		for _, f := range testFlags("", options{}) {
			if bytes.Contains(src, []byte(`"`+f.name+`"`)) && !slices.Contains(flags, f.name) {
				flags = append(flags, f.name)
			}
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, f.Name(), src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			if d, ok := d.(*ast.FuncDecl); ok {
				name := d.Name.Name
				if d.Recv != nil {
					name = method + name
				}
				functions[name] = function{d, src[fset.Position(d.Pos()).Offset:fset.Position(d.End()).Offset]}
			}
		}
	}
	for name, f := range functions {
		reached := reach(functions, name)
		if !strings.HasPrefix(name, "Test") || !has(functions, reached, "result.Result{") {
			continue
		}
		p := programme{name: kebab(strings.TrimPrefix(name, "Test")), test: name, flags: flags,
			about: about(name, new(doc.Package).Synopsis(f.decl.Doc.Text()))}
		if has(functions, reached, "pgtest.Start(") || has(functions, reached, "pgtest.Database(") {
			p.stores = append(p.stores, "postgres")
		}
		if has(functions, reached, `"memory"`) {
			p.stores = append(p.stores, "memory")
		}
		if len(p.stores) == 0 || has(functions, reached, `"sqlite", "postgres"`) {
			p.stores = append(p.stores, "sqlite")
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b programme) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// method stands before the name of a method.
const method = "."

// about is what a test says of itself, without its name.
func about(name, synopsis string) string {
	if rest, ok := strings.CutPrefix(synopsis, name+" "); ok && !strings.HasPrefix(rest, "and ") {
		return rest
	}
	return synopsis
}

// reach are the names of the functions that one may call, itself first.
func reach(functions map[string]function, name string) []string {
	list := []string{name}
	for i := 0; i < len(list); i++ {
		ast.Inspect(functions[list[i]].decl, func(n ast.Node) bool {
			called := ""
			switch n := n.(type) {
			case *ast.SelectorExpr:
				called = method + n.Sel.Name
			case *ast.Ident:
				called = n.Name
			}
			if _, known := functions[called]; known && !slices.Contains(list, called) {
				list = append(list, called)
			}
			return true
		})
	}
	return list
}

// has tells whether one of the functions holds a text.
func has(functions map[string]function, names []string, text string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return bytes.Contains(functions[n].source, []byte(text)) })
}

// kebab writes FileSizeLimit as file-size-limit.
func kebab(name string) string {
	var b strings.Builder
	for i, r := range strings.ReplaceAll(name, "SQLite", "Sqlite") {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
