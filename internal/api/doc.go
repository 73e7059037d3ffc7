// Package api is Scout's HTTP interface, docs/formats/api.md: requests in, use cases called, answers and events out. It holds no state
// but connections. Operations are huma operations on the standard mux; streams are plain handlers beside them
// (docs/adr/0051-http-framework.md).
package api
