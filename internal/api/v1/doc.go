// Package v1 holds the bodies of Scout's own HTTP interface, /api/v1: what travels between the daemon and its clients. Only the
// two ends import it. docs/formats/api.md describes it.
package v1

import (
	"encoding/json"
	"time"
)

// Version is the version of the interface. It only grows; what breaks a client becomes /api/v2.
const Version = 1

// Headers of requests and responses.
const (
	HeaderCode    = "X-Scout-Code"    // Scout's error code
	HeaderVersion = "X-Scout-Version" // of the daemon's program
	HeaderRequest = "X-Request-Id"
	// HeaderIdempotency is the key by which a request that is sent again is recognised; HeaderReplayed is true in the answer to it.
	HeaderIdempotency = "Idempotency-Key"
	HeaderReplayed    = "Idempotent-Replayed"
)

// Time is a moment in UTC, written with milliseconds.
type Time struct{ time.Time }

// TimeOf returns t as it travels; nil for the zero time.
func TimeOf(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return &Time{t}
}

// MarshalJSON writes for example "2026-11-28T08:00:00.000Z".
func (t Time) MarshalJSON() ([]byte, error) {
	return json.Marshal(t.UTC().Format("2006-01-02T15:04:05.000Z07:00"))
}

// Page is one page of a list. NextCursor is absent at the end.
type Page[T any] struct {
	Data       []T    `json:"data"`
	NextCursor string `json:"next_cursor,omitempty"`
}
