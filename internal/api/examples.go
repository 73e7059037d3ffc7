package api

import "encoding/json"

// example is a request with its answer. The document shows it, and a test sends it.
type example struct {
	// query and headers are added to the path of the operation.
	query string
	// body is that of the request, status and answer are what comes back.
	body   string
	status int
	answer string
}

// raw is JSON as it is.
func raw(text string) json.RawMessage { return json.RawMessage(text) }

// exampleOf returns the example of an operation.
func exampleOf(string) (example, bool) { return example{}, false }
