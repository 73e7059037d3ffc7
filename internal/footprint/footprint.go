// Package footprint keeps processes small once they run.
package footprint

// Log events of programs whose footprint stays as it is, listed in docs/formats/log-events.md. Names are never renamed.
const (
	EventHugePagesStay    = "huge_pages_stay"
	EventStartupPagesStay = "startup_pages_stay"
)
