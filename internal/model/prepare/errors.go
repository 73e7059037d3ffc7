package prepare

import (
	"errors"

	"github.com/scout-speech/scout"
)

// What Check finds wrong with a prepared model. Preparing again repairs each of them.
var (
	// ErrMissing is a folder without a prepared model, or with a part of one.
	ErrMissing = errors.New("model is not prepared")
	// ErrStale is a model prepared by another recipe, or for another kind of processor.
	ErrStale = errors.New("prepared model is out of date")
	// ErrCorrupt is a prepared file that has changed since it was written.
	ErrCorrupt = errors.New("prepared model is damaged")
	// ErrForeign is a model prepared from other weights than the ones at hand.
	ErrForeign = errors.New("prepared model belongs to other weights")
)

// ErrUnknownModel is in the chain of Prepare's error for weights of another architecture. Preparing again does not
// help.
var ErrUnknownModel = errors.New("not the weights of Moonshine tiny")

// CanPrepare reports whether preparing again repairs an error of Check.
func CanPrepare(err error) bool {
	return errors.Is(err, ErrMissing) || errors.Is(err, ErrStale) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrForeign)
}

// Finding returns the coded error for a finding of Check.
func Finding(kind error, format string, args ...any) error {
	return scout.Errorf(scout.CodeModelCorrupt, "%w: "+format, append([]any{kind}, args...)...).
		WithHint("prepare it again: scout models pull MODEL")
}
