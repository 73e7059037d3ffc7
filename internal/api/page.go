package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/scout-speech/scout"
)

// places are the paths of the page. Whatever is behind them is the page's own matter: the document is the same.
var places = []string{"/", "/library", "/system"}

// assetsPath is that of the page's files.
const assetsPath = "/assets/"

// registerPage adds the page. It is no part of the document: it is for people.
func (s *Server) registerPage() {
	show := func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/" && !navigates(r):
			writeError(w, scout.Errorf(scout.CodeUnknownURL, "there is no %s", r.URL.Path))
		case !s.site.IsBuilt():
			writeError(w, scout.Errorf(scout.CodeUnknownURL, "the page was not built into this program").WithHint("install npm and run make build; the interface is described at /docs"))
		default:
			s.site.Index(w)
		}
	}
	for _, place := range places {
		if place == "/" {
			s.showAt("GET /{$}", show)
			continue
		}
		s.showAt("GET "+place, show)
		s.showAt("GET "+place+"/{rest...}", show)
	}
	s.showAt("GET "+assetsPath+"{file}", func(w http.ResponseWriter, r *http.Request) {
		if !s.site.Asset(w, r, r.PathValue("file")) {
			writeError(w, scout.Errorf(scout.CodeUnknownURL, "there is no %s", r.URL.Path))
		}
	})
}

// showAt adds a path that is the page's.
func (s *Server) showAt(pattern string, handler http.HandlerFunc) {
	if s.shown == nil {
		s.shown = make(map[string]bool)
	}
	s.shown[pattern] = true
	s.mux.ServeMux.HandleFunc(pattern, handler)
}

// isPlace reports whether a path is one of the page.
func isPlace(path string) bool {
	return slices.ContainsFunc(places, func(place string) bool {
		return path == place || place != "/" && strings.HasPrefix(path, place+"/")
	})
}

// navigates reports whether a person opens an address, and no script asks for it.
func navigates(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}
