package api_test

import (
	"encoding/base64"
	"strings"
	"testing"
)

const pngStart = "\x89PNG\r\n\x1a\n"

// pngBranding sets a logo.
var pngBranding = logoBody("image/png", pngStart)

func logoBody(mediaType, data string) string {
	return `{"logo":{"media_type":"` + mediaType + `","data":"` + base64.StdEncoding.EncodeToString([]byte(data)) + `"}}`
}

func TestBranding(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const put, get = "PUT /v1/branding", "GET /v1/branding"
	open := []string{"Authorization: "}
	s.run(t, []step{
		{"default", get, "", open, 200, `{"name":"Waybell","accent":null,"logo_url":null}`, ""},
		{"no logo", "GET /v1/branding/logo", "", open, 404, `{"code":"not_found"}`, ""},
		{"name", put, `{"name":"Acme"}`, nil, 200, `{"name":"Acme","accent":null,"logo_url":null}`, ""},
		{"colour", put, `{"accent":"#3E63DD"}`, nil, 200, `{"name":"Acme","accent":"#3e63dd"}`, ""},
		{"logo", put, pngBranding, nil, 200, `{"name":"Acme","accent":"#3e63dd","logo_url":"*"}`, "logo=logo_url"},
		{"shown", get, "", open, 200, `{"name":"Acme","accent":"#3e63dd","logo_url":"{logo}"}`, ""},
		{"in the session", "GET /v1/session", "", nil, 200, `{"branding":{"name":"Acme","accent":"#3e63dd","logo_url":"{logo}"}}`, ""},
		{"another logo has another URL", put, logoBody("image/jpeg", "\xff\xd8\xff\xe0"), nil, 200, `{"logo_url":"*"}`, "jpeg=logo_url"},
		{"wrong", put, `{"name":"","accent":"red","logo":{"media_type":"image/svg+xml","data":"PHN2Zy8+"}}`, nil, 422,
			`{"errors":[{"location":"body.logo.media_type"},{"location":"body.name"},{"location":"body.accent"}]}`, ""},
		{"name of 61", put, `{"name":"` + strings.Repeat("é", 61) + `"}`, nil, 422, `{"errors":[{"location":"body.name"}]}`, ""},
		{"name of 60", put, `{"name":"` + strings.Repeat("é", 60) + `"}`, nil, 200, "", ""},
		{"not what it says", put, logoBody("image/png", "<svg onload=alert(1)>"), nil, 422, `{"errors":[{"location":"body.logo.media_type"}]}`, ""},
		{"no base64", put, `{"logo":{"media_type":"image/png","data":"***"}}`, nil, 422, `{"errors":[{"location":"body.logo.data"}]}`, ""},
		{"64 KiB", put, logoBody("image/webp", "RIFF0000WEBP"+strings.Repeat("x", 64<<10-12)), nil, 200, "", ""},
		{"a byte more", put, logoBody("image/webp", "RIFF0000WEBP"+strings.Repeat("x", 64<<10-11)), nil, 422, `{"errors":[{"location":"body.logo.data"}]}`, ""},
		{"much more", put, logoBody("image/png", pngStart+strings.Repeat("x", 96<<10)), nil, 413, `{"code":"too_large"}`, ""},
		{"back to the defaults", put, `{"name":null,"accent":null,"logo":null}`, nil, 200, `{"name":"Waybell","accent":null,"logo_url":null}`, ""},
	})
	kept := s.run(t, []step{{"logo", put, pngBranding, nil, 200, "", "logo=logo_url"}})
	for path, cache := range map[string]string{
		"/" + kept["logo"]: "public, max-age=31536000, immutable", "/v1/branding/logo": "no-cache", "/v1/branding/logo?v=old": "no-cache",
	} {
		a := s.call(t, "GET "+path, "", "Authorization: ")
		if a.status != 200 || a.text != pngStart || a.header.Get("Content-Type") != "image/png" || a.header.Get("Cache-Control") != cache ||
			a.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
}
