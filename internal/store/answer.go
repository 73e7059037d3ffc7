package store

import (
	"encoding/json"
	"time"
)

// AnswersKept is how long an answer is kept.
const AnswersKept = 24 * time.Hour

// Answer is what a client got for a request that it may send again. It is written in the transaction of what the request made, so
// that a request which was carried out is never carried out twice.
type Answer struct {
	// Request tells requests apart that have the same key, for example a hash of the request.
	Request string
	// Recording is what the answer is about, empty for none. Purge removes the answers of a recording.
	Recording string
	// Status, Header and Body are those of the answer. The status is 0 while the request is carried out, which may have
	// happened or not when the process has ended: Recording is then what it is about, and PutAnswer replaces it.
	Status int
	Header map[string]string
	Body   json.RawMessage
	// At is when it was given; PutAnswer sets it.
	At time.Time
}
