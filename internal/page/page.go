// Package page holds the page that people use in a browser: the files that make build writes from the sources in web/. They are part of the program, and
// nothing is loaded from elsewhere. docs/adr/0120-page.md says how it is made.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// embedded has the folder site only where the page was built before the program.
//
//go:embed all:dist
var embedded embed.FS

// Built returns the page that is part of this program; it is empty where the page was not built.
func Built() fs.FS {
	site, err := fs.Sub(embedded, "dist/site")
	if err != nil {
		return embedded // the name is valid: it never happens
	}
	return site
}

// policy lets the page load its own files and nothing else. It has no script and no style of its own: both are files. Trusted Types let Svelte
// alone make elements of a text. Source: https://www.w3.org/TR/CSP3/.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; " +
	"manifest-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html scout"

// Encodings of the files that are there compressed, and their suffixes: the first that a client takes is sent.
var encodings = []struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

// Site answers requests for the page. Its methods may be called from any goroutine.
type Site struct {
	files fs.FS
	index []byte // nil where the page was not built
	tag   string
}

// New returns the page in files, as Vite writes it: index.html, and assets/ with names that change with their content.
//
//	base  precedes every path, for example /scout; empty for none
func New(files fs.FS, base string) *Site {
	s := &Site{files: files}
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		return s
	}
	s.index = bytes.Replace(index, []byte(`<base href="/"`), []byte(`<base href="`+html.EscapeString(base)+`/"`), 1)
	sum := sha256.Sum256(s.index)
	s.tag = `"` + hex.EncodeToString(sum[:8]) + `"`
	return s
}

// IsBuilt reports whether there is a page.
func (s *Site) IsBuilt() bool { return s.index != nil }

// Index sends the document, which is the same for every place of the page.
func (s *Site) Index(w http.ResponseWriter) {
	h := w.Header()
	guard(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache") // a client that has it asks whether it is still the same
	h.Set("ETag", s.tag)
	h.Set("Permissions-Policy", "microphone=(self), camera=(), geolocation=(), payment=(), usb=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	_, _ = w.Write(s.index) // the client may be gone
}

// Asset sends a file of assets/; found is false where it is not there. It is compressed where the client takes that. It never changes: another content
// has another name.
func (s *Site) Asset(w http.ResponseWriter, r *http.Request, name string) (found bool) {
	if name == "" || path.Base(name) != name || strings.HasSuffix(name, ".br") || strings.HasSuffix(name, ".gz") {
		return false
	}
	name = "assets/" + name
	content, err := fs.ReadFile(s.files, name)
	if err != nil {
		return false
	}
	h := w.Header()
	guard(h)
	for _, e := range encodings {
		packed, err := fs.ReadFile(s.files, name+e.suffix)
		if err != nil || !takes(r.Header, e.name) {
			continue
		}
		content = packed
		h.Set("Content-Encoding", e.name)
		break
	}
	h.Set("Content-Type", mediaType(name))
	h.Set("Content-Length", strconv.Itoa(len(content)))
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Add("Vary", "Accept-Encoding")
	_, _ = w.Write(content) // the client may be gone
	return true
}

// guard sets what each answer of the page has: a worker has its policy from its own file.
func guard(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
}

// mediaType is known for what Vite writes; the tables of the system may say something else.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	if known := mime.TypeByExtension(path.Ext(name)); known != "" {
		return known
	}
	return "application/octet-stream"
}

// takes reports whether a client takes an encoding: it names it, or all, without the weight 0.
func takes(h http.Header, encoding string) bool {
	all := false
	for one := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, parameters, _ := strings.Cut(one, ";")
		weight := 1.0
		if given, is := strings.CutPrefix(strings.TrimSpace(parameters), "q="); is {
			weight, _ = strconv.ParseFloat(given, 64) // what cannot be read counts as 0
		}
		switch name = strings.TrimSpace(name); {
		case strings.EqualFold(name, encoding):
			return weight > 0
		case name == "*":
			all = weight > 0
		}
	}
	return all
}
