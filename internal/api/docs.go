package api

import (
	"bytes"
	_ "embed" // the page
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// docsPath is that of the page which shows the document.
const docsPath = "/docs"

//go:embed docs/docs.html
var docsPage []byte

//go:embed docs/docs.js
var docsScript []byte

//go:embed docs/docs.css
var docsStyle []byte

// registerDocs adds the page that shows the document. It loads nothing from elsewhere.
func (s *Server) registerDocs(api huma.API) {
	file := func(path, media, summary string, content []byte) {
		s.add(api, stream{
			about: about{method: http.MethodGet, path: path, role: roleNone, summary: summary, description: "It loads nothing from other servers."},
			root:  true, answers: []string{media},
			handler: func(w http.ResponseWriter, _ *http.Request) {
				h := w.Header()
				h.Set("Content-Type", media+"; charset=utf-8")
				h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
				h.Set("Cache-Control", "no-cache")
				_, _ = w.Write(content) // the client may be gone
			},
		})
	}
	file(docsPath, "text/html", "The page that shows this document", bytes.ReplaceAll(docsPage, []byte("BASE"), []byte(s.options.Network.BasePath)))
	file("/assets/docs.js", "text/javascript", "The script of the page", docsScript)
	file("/assets/docs.css", "text/css", "The style of the page", docsStyle)
}
