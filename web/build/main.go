// Command build bundles the screens: web/src becomes web/dist, which is
// committed, so that building Waybell needs neither Node nor this command.
//
// Run it through `go generate ./web` after `npm ci` in web/. The same input
// gives the same bytes; CI regenerates and fails on a difference.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	dir, err := os.Getwd() // go generate runs it in web/
	if err == nil {
		err = run(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

// run bundles the sources below dir and replaces dir/dist.
func run(dir string) error {
	dist := filepath.Join(dir, "dist")
	out, err := bundle(dir, dist)
	if err != nil {
		return err
	}
	for _, page := range []string{"console", "portal"} {
		html, err := out.page(page)
		if err != nil {
			return err
		}
		out.files[page+".html"] = html
	}
	if err := os.RemoveAll(dist); err != nil {
		return err
	}
	for name, content := range out.files {
		if err := writeFile(filepath.Join(dist, filepath.FromSlash(name)), content); err != nil {
			return err
		}
	}
	return nil
}

// output is what was bundled: contents by their paths below dist.
type output struct {
	files   map[string][]byte
	entries map[string]string   // source file → path
	imports map[string][]string // path → the paths it imports at once
}

// bundle runs esbuild twice: the pages share chunks and have hashed names;
// embed.js is one classic script with a name that others write into their pages.
func bundle(dir, dist string) (*output, error) {
	out := &output{files: map[string][]byte{}, entries: map[string]string{}, imports: map[string][]string{}}
	pages := options(dir, dist)
	pages.EntryPointsAdvanced = []api.EntryPoint{
		{InputPath: "src/console.tsx", OutputPath: "console"},
		{InputPath: "src/portal.tsx", OutputPath: "portal"},
		{InputPath: "src/style/index.css", OutputPath: "style"},
	}
	pages.Format, pages.Splitting = api.FormatESModule, true
	pages.EntryNames, pages.ChunkNames, pages.AssetNames = "assets/[name]-[hash]", "assets/[name]-[hash]", "assets/[name]-[hash]"
	if err := out.add(pages, dist); err != nil {
		return nil, err
	}
	theme := options(dir, dist)
	theme.EntryPoints = []string{"src/theme.ts"}
	theme.Format, theme.EntryNames = api.FormatIIFE, "assets/[name]-[hash]"
	if err := out.add(theme, dist); err != nil {
		return nil, err
	}
	embed := options(dir, dist)
	embed.EntryPoints = []string{"src/embed.ts"}
	embed.Format, embed.EntryNames = api.FormatIIFE, "[name]"
	return out, out.add(embed, dist)
}

// options are common to all bundles.
func options(dir, dist string) api.BuildOptions {
	return api.BuildOptions{
		AbsWorkingDir: dir, Outdir: dist, Bundle: true, Metafile: true, LogLevel: api.LogLevelWarning,
		MinifySyntax: true, MinifyWhitespace: true, MinifyIdentifiers: true,
		Target: api.ES2022, Platform: api.PlatformBrowser, Charset: api.CharsetUTF8,
		JSX: api.JSXAutomatic, JSXImportSource: "preact", LegalComments: api.LegalCommentsExternal,
		Define:  map[string]string{"process.env.NODE_ENV": `"production"`},
		Loader:  map[string]api.Loader{".woff2": api.LoaderFile},
		Plugins: []api.Plugin{rawText(dir)},
	}
}

// rawText makes `import text from "./some/file.py?raw"` the text of the file,
// whatever its kind: the screens show the very files that the tests run.
func rawText(dir string) api.Plugin {
	return api.Plugin{Name: "raw", Setup: func(build api.PluginBuild) {
		build.OnResolve(api.OnResolveOptions{Filter: `\?raw$`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			file := filepath.Join(a.ResolveDir, filepath.FromSlash(strings.TrimSuffix(a.Path, "?raw")))
			// The hashes of names cover the path: it must not tell where the checkout is.
			name, err := filepath.Rel(dir, file)
			return api.OnResolveResult{Path: filepath.ToSlash(name), Namespace: "raw", PluginData: file}, err
		})
		build.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "raw"}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			text, err := os.ReadFile(a.PluginData.(string))
			if err != nil {
				return api.OnLoadResult{}, err
			}
			contents := string(text)
			return api.OnLoadResult{Contents: &contents, Loader: api.LoaderText}, nil
		})
	}}
}

// metafile is the part of esbuild's report that is needed here.
type metafile struct {
	Outputs map[string]struct {
		EntryPoint string `json:"entryPoint"`
		Imports    []struct{ Path, Kind string }
	}
}

func (o *output) add(options api.BuildOptions, dist string) error {
	result := api.Build(options)
	if len(result.Errors) > 0 {
		return fmt.Errorf("%d errors", len(result.Errors))
	}
	if len(result.Warnings) > 0 {
		return fmt.Errorf("%d warnings", len(result.Warnings))
	}
	for _, f := range result.OutputFiles {
		name, err := filepath.Rel(dist, f.Path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(name, ".LEGAL.txt") && len(f.Contents) == 0 {
			continue
		}
		o.files[filepath.ToSlash(name)] = f.Contents
	}
	var meta metafile
	if err := json.Unmarshal([]byte(result.Metafile), &meta); err != nil {
		return err
	}
	for name, m := range meta.Outputs {
		name = strings.TrimPrefix(name, "dist/")
		if m.EntryPoint != "" {
			o.entries[m.EntryPoint] = name
		}
		for _, i := range m.Imports {
			if i.Kind == "import-statement" {
				o.imports[name] = append(o.imports[name], strings.TrimPrefix(i.Path, "dist/"))
			}
		}
	}
	return nil
}

// preloads are all chunks that an entry needs before it can start.
func (o *output) preloads(entry string) []string {
	var all []string
	todo := []string{entry}
	for len(todo) > 0 {
		for _, name := range o.imports[todo[0]] {
			if !slices.Contains(all, name) {
				all, todo = append(all, name), append(todo, name)
			}
		}
		todo = todo[1:]
	}
	slices.Sort(all)
	return all
}

// waiting is what a page shows until its scripts run: something is painted as
// soon as the styles are there. The shell replaces it.
const waiting = `<p class="waiting" role="status">Loading…</p>`

// page is the document of an entry. All its links are relative, so that it
// works below any path; the server fills in the origins of the portal.
func (o *output) page(name string) ([]byte, error) {
	script, style, theme := o.entries["src/"+name+".tsx"], o.entries["src/style/index.css"], o.entries["src/theme.ts"]
	if script == "" || style == "" || theme == "" {
		return nil, errors.New("an entry of " + name + " is missing")
	}
	var b bytes.Buffer
	b.WriteString("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" +
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
		"<meta name=\"color-scheme\" content=\"light dark\">\n" +
		"<meta name=\"robots\" content=\"noindex\">\n" +
		"<meta name=\"waybell-portal-origins\" content=\"\">\n" +
		"<title>Webhooks</title>\n")
	fmt.Fprintf(&b, "<script src=\"../%s\"></script>\n", theme)
	fmt.Fprintf(&b, "<link rel=\"stylesheet\" href=\"../%s\">\n", style)
	for _, font := range o.fonts("inter") {
		fmt.Fprintf(&b, "<link rel=\"preload\" href=\"../%s\" as=\"font\" type=\"font/woff2\" crossorigin>\n", font)
	}
	for _, chunk := range o.preloads(script) {
		fmt.Fprintf(&b, "<link rel=\"modulepreload\" href=\"../%s\">\n", chunk)
	}
	fmt.Fprintf(&b, "<script type=\"module\" src=\"../%s\"></script>\n", script)
	b.WriteString("<link rel=\"icon\" href=\"data:image/svg+xml," + icon + "\">\n</head>\n<body>\n<div id=\"app\">" + waiting + "</div>\n" +
		"<noscript>These screens need JavaScript. Everything they do can be done with the API and the waybell command, too.</noscript>\n" +
		"</body>\n</html>\n")
	return b.Bytes(), nil
}

// icon is the bell, percent-encoded.
const icon = "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='8' fill='%233e63dd'/%3E" +
	"%3Cpath d='M8 13a8 8 0 0 1 16 0c0 6 2 8 3 9H5c1-1 3-3 3-9M13.5 25.5a3 3 0 0 0 5 0' fill='none' stroke='white' stroke-width='2.4' stroke-linecap='round' stroke-linejoin='round'/%3E%3C/svg%3E"

func (o *output) fonts(part string) []string {
	var found []string
	for name := range o.files {
		if path.Ext(name) == ".woff2" && strings.Contains(path.Base(name), part) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// writeFile writes a file and, where it helps, its compressed form beside it.
// The header of that has no time and no name, so that it is always the same.
func writeFile(name string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		return err
	}
	if !slices.Contains([]string{".js", ".css"}, filepath.Ext(name)) {
		return nil
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(content); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(name+".gz", packed.Bytes(), fs.FileMode(0o644))
}
