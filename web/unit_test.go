package web

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// The pure modules of src/core have unit tests of their own, which run in Node:
// bundled first, since Node takes no TypeScript.
func TestUnits(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("node is not installed; run \"make setup\": %v", err)
	}
	files, err := filepath.Glob("src/core/test/*.test.ts")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests were found: %v", err)
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
