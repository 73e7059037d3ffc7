package api

import (
	"net/http"
	"net/http/httptest"
)

// Patterns are those of all operations and streams.
func (s *Server) Patterns() []string { return s.mux.patterns }

// Route returns the pattern that serves a request; empty for none.
func (s *Server) Route(method, path string) (http.Handler, string) {
	return s.mux.Handler(httptest.NewRequest(method, path, nil))
}
