package store

import (
	"errors"

	"github.com/scout-speech/scout"
)

// awayError is a failure of the store itself, not of what was asked of it.
type awayError struct{ error }

func (e *awayError) Unwrap() error { return e.error }

// Away marks an error as a failure of the store itself: the database was deleted, its disk failed, it is closed. The same call may
// succeed when somebody has put that right.
func Away(err error) error {
	if err == nil {
		return nil
	}
	return &awayError{err}
}

// IsAway reports whether an error is a failure of the store itself, of which what was asked of it is not to blame.
func IsAway(err error) bool {
	var away *awayError
	if errors.As(err, &away) {
		return true
	}
	switch scout.CodeOf(err) {
	case scout.CodeStoreLocked, scout.CodeStoreCorrupt, scout.CodeStoreNewer, scout.CodeStoreForeign, scout.CodeStoreUnsafe:
		return true
	}
	return false
}
