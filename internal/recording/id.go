package recording

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// idLayout is the time part of an ID: UTC to the millisecond, without the dot that Go requires.
const idLayout = "20060102T150405.000Z"

// idLength is the length of an ID in bytes: 19 of time, a hyphen, 12 of randomness.
const idLength = 19 + 1 + 12

// ID names a recording and the files that belong to it, for example 20261124T082146123Z-7f3a9c2e41d0. IDs sort by their
// time of creation and differ by 48 random bits within a millisecond, so two programs never choose the same.
type ID string

// NewID returns a new ID for a recording that begins at that time.
func NewID(at time.Time) ID {
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the program if there is no randomness
	stamp := at.UTC().Format(idLayout)
	return ID(stamp[:15] + stamp[16:] + "-" + hex.EncodeToString(random[:]))
}

// Time returns the time in the ID; ok is false if id is not an ID.
func (id ID) Time() (at time.Time, ok bool) {
	if len(id) != idLength || id[19] != '-' || id[18] != 'Z' {
		return time.Time{}, false
	}
	for _, c := range []byte(id[20:]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return time.Time{}, false
		}
	}
	at, err := time.Parse(idLayout, string(id[:15])+"."+string(id[15:19]))
	return at, err == nil
}

// Valid reports whether id is an ID. A valid ID is safe as part of a file name.
func (id ID) Valid() bool {
	_, ok := id.Time()
	return ok
}
