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

// Example is the example of an operation.
type Example struct {
	Query, Body string
	Headers     []string
	Status      int
	Answer      string
}

// OperationExample returns the example of an operation.
func OperationExample(operation string) (Example, bool) {
	e, found := exampleOf(operation)
	return Example{e.query, e.body, e.headers, e.status, e.answer}, found
}

// Unambiguous is what every body goes through before it is decoded.
func Unambiguous(data []byte) error { return unambiguous(data) }

// IsProbe reports whether a request only looks whether Scout is well.
func IsProbe(r *http.Request) bool { return isProbe(r) }
