// Package nodetest runs small JavaScript programs in Node.js for tests that
// need an independent judge: a real JavaScript engine, or the official
// verification libraries of other projects.
//
// The packages are pinned in package-lock.json beside this file and installed
// by "make setup" (part of "make test").
package nodetest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// Dir is the folder that holds node_modules.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Compiler returns the path of TypeScript's compiler, a program for node.
func Compiler(t testing.TB) string {
	t.Helper()
	path := filepath.Join(Dir(), "node_modules", "typescript", "bin", "tsc")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("TypeScript is not installed; run \"make setup\": %v", err)
	}
	return path
}

// Run executes the ES module source with node, feeds it stdin and returns what
// it wrote to standard output. A missing node or a failing program fails the
// test: these judges are never skipped.
func Run(t testing.TB, source string, stdin []byte) []byte {
	t.Helper()
	if _, err := os.Stat(filepath.Join(Dir(), "node_modules")); err != nil {
		t.Fatalf("node packages are not installed; run \"make setup\": %v", err)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("node is not installed; run \"make setup\": %v", err)
	}
	cmd := exec.CommandContext(t.Context(), node, "--input-type=module", "--eval", source)
	cmd.Dir = Dir()
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.String())
	}
	return stdout.Bytes()
}
