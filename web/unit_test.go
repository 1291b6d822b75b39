package web

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// The pure modules have unit tests of their own, which run in Node: bundled
// first, since Node takes no TypeScript. That of the signature checker runs in
// cmd/waybell, beside the command it must agree with.
func TestUnits(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("node is not installed; run \"make setup\": %v", err)
	}
	var files []string
	err = filepath.WalkDir("src", func(file string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(file, ".test.ts") && file != filepath.FromSlash("src/core/signature.test.ts") {
			files = append(files, file)
		}
		return err
	})
	if err != nil || len(files) < 10 {
		t.Fatalf("%d tests were found: %v", len(files), err)
	}
	dir := t.TempDir()
	result := api.Build(api.BuildOptions{
		EntryPoints: files, Outdir: dir, OutExtension: map[string]string{".js": ".mjs"}, Bundle: true, Write: true,
		Platform: api.PlatformNode, Format: api.FormatESModule, Target: api.ES2022, LogLevel: api.LogLevelError,
	})
	if len(result.Errors) > 0 {
		t.Fatal("the tests could not be bundled")
	}
	cmd := exec.CommandContext(t.Context(), node, "--test", dir)
	cmd.Env = append(os.Environ(), "LC_ALL=en_US.UTF-8", "TZ=UTC")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
}
