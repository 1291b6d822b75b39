// Package binarytest builds the program for tests that run it as a process.
package binarytest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// program is the package of the program.
const program = "github.com/waybell/waybell/cmd/waybell"

// Binary is the program, built when the first test of a package asks for it.
type Binary struct {
	Version string // that it reports, or "" for that of a build by hand

	dir  string
	once sync.Once
	path string
	err  error
}

// Main runs the tests of a package and removes what they built. It returns the
// code to exit with.
func (b *Binary) Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "waybell-binary")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	b.dir = dir
	defer os.RemoveAll(dir)
	return m.Run()
}

// Dir is a folder that lives as long as the tests of the package.
func (b *Binary) Dir() string { return b.dir }

// Path is the file of the program.
func (b *Binary) Path(t *testing.T) string {
	t.Helper()
	b.once.Do(func() {
		b.path = filepath.Join(b.dir, "waybell")
		b.err = Build(b.path, b.Version)
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

// Build builds the program into a file, without C as it is shipped. The profile
// that shipped builds are optimised by is left out: it changes speed, not meaning,
// and would have every package compiled twice, for the tests and for the program.
func Build(path, version string, flags ...string) error {
	args := []string{"build", "-pgo=off", "-o", path}
	if version != "" {
		args = append(args, "-ldflags", "-X main.version="+version)
	}
	build := exec.Command("go", append(append(args, flags...), program)...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// FreeAddress is a loopback address that nothing listens on, below those that
// the system gives to outgoing connections: a server finds it free again after
// a restart.
func FreeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port found")
	return ""
}
