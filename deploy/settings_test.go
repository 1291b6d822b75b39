package deploy_test

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSettings: every variable that a deployment file sets is a setting.
func TestSettings(t *testing.T) {
	t.Parallel()
	settings := map[string]bool{
		// of the compose files themselves, and of the proxy
		"WAYBELL_IMAGE": true, "WAYBELL_SITE": true, "WAYBELL_NODES": true,
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (\\w+)").FindAllStringSubmatch(read(t, "../docs/configuration.md"), -1) {
		variable := "WAYBELL_" + strings.ToUpper(strings.ReplaceAll(row[1], "-", "_"))
		settings[variable] = true
		if row[2] == "secret" {
			settings[variable+"_FILE"] = true
		}
	}
	files := []string{"../Dockerfile"}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.HasSuffix(path, "_test.go") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range files {
		for _, variable := range regexp.MustCompile(`\bWAYBELL_[A-Z_]*[A-Z]\b`).FindAllString(read(t, path), -1) {
			found++
			if !settings[variable] {
				t.Errorf("%s: %s is no setting", path, variable)
			}
		}
	}
	if found == 0 {
		t.Error("no file sets anything")
	}
}
