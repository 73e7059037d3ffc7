package api_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
)

// built is a page as Vite writes it.
func built(s *served) {
	file := func(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }
	s.page = &fstest.MapFS{
		"index.html": file(`<base href="/" /><script type="module" src="./assets/index-1.js"></script>`), "assets/index-1.js": file("plain"), "assets/index-1.js.br": file("brotli"),
		"assets/index-1.js.gz": file("gzip"), "assets/index-1.css": file(":root {}"),
	}
}

// A person who opens any place of the page gets the one document; a script that asks for it, and whoever misspells a path of the interface, does not.
func TestThePageIsAnsweredToPeople(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, built, func(s *served) { s.network.BasePath, s.network.KeysAlways = "/scout", true })
	person := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	typed := []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	script := []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}
	for name, c := range map[string]struct {
		path    string
		headers []string
		want    int
	}{
		"the first place":                 {"/scout", person, 200},
		"a program":                       {"/scout/", nil, 200},
		"a place":                         {"/scout/library", person, 200},
		"something in a place":            {"/scout/library/20261128T215900123Z-7f3a9c2e41d0?q=a", person, 200},
		"a browser without fetch headers": {"/scout/system/models", []string{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8"}, 200},
		"a script":                        {"/scout/library/x", script, 404},
		"a program in a place":            {"/scout/library/x", nil, 404},
		"no place":                        {"/scout/libraries", typed, 401},
		"the interface":                   {"/scout/api/v1/libraries", typed, 401},
		"outside":                         {"/library", typed, 401},
		"a page of another server":        {"/scout/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response, body := s.ask("GET", c.path, "", c.headers...)
			if response.StatusCode != c.want || (c.want == 200) != strings.Contains(body, `<base href="/scout/"`) {
				t.Fatalf("%d %s, want %d", response.StatusCode, body, c.want)
			}
			if c.want != 200 {
				return
			}
			tag, policy := response.Header.Get("ETag"), response.Header.Get("Content-Security-Policy")
			if response.Header.Get("Cache-Control") != "no-cache" || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("%v", response.Header)
			}
			if response, body := s.ask("GET", c.path, "", append(c.headers, "If-None-Match", tag)...); response.StatusCode != http.StatusNotModified || body != "" {
				t.Errorf("again: %d %q", response.StatusCode, body)
			}
		})
	}
}

// Files of the page never change, and come compressed to whoever takes that.
func TestFilesOfThePage(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, built)
	for name, c := range map[string]struct {
		file, accepts, want, encoding, media string
	}{
		"the best":       {"index-1.js", "gzip, deflate, br, zstd", "brotli", "br", "text/javascript; charset=utf-8"},
		"gzip":           {"index-1.js", "gzip;q=0.5", "gzip", "gzip", "text/javascript; charset=utf-8"},
		"anything":       {"index-1.js", "*", "brotli", "br", "text/javascript; charset=utf-8"},
		"not the best":   {"index-1.js", "br;q=0, *;q=0.1", "gzip", "gzip", "text/javascript; charset=utf-8"},
		"nothing":        {"index-1.js", "identity", "plain", "", "text/javascript; charset=utf-8"},
		"not compressed": {"index-1.css", "br", ":root {}", "", "text/css; charset=utf-8"},
	} {
		response, body := s.ask("GET", "/assets/"+c.file, "", "Accept-Encoding", c.accepts)
		h := response.Header
		if response.StatusCode != 200 || body != c.want || h.Get("Content-Encoding") != c.encoding || h.Get("Content-Type") != c.media ||
			!strings.Contains(h.Get("Cache-Control"), "immutable") || h.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %d %q %v", name, response.StatusCode, body, h)
		}
	}
	for _, absent := range []string{"index-2.js", "index-1.js.br", "..%2Findex.html"} {
		if response, body := s.ask("GET", "/assets/"+absent, ""); response.StatusCode != 404 {
			t.Errorf("%s: %d %s", absent, response.StatusCode, body)
		}
	}
	if response, body := s.ask("GET", "/assets/docs.css", ""); response.StatusCode != 200 || body == ":root {}" {
		t.Errorf("the style of the other page: %d %q", response.StatusCode, body)
	}
}

// A program that was built without npm says so, and its link leads to the page that it has.
func TestAProgramWithoutThePage(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	if response, body := s.ask("GET", "/", ""); response.StatusCode != 404 || !strings.Contains(body, "make build") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}
