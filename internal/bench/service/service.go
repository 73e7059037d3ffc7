package service

import (
	"context"
	"errors"

	"github.com/scout-speech/scout/internal/bench"
)

// Figure is something to measure.
type Figure struct {
	Name string
	// Measure writes what it finds into a part of the measurements. An error says that it could not be measured.
	Measure func(ctx context.Context, o Options, into *bench.Service) error
}

// Figures are what can be measured, the quick things first.
func Figures() []Figure {
	return []Figure{
		{"idle", idle}, {"hung", hung}, {"slow", slow}, {"disk", disk}, {"load", load}, {"fair", fair}, {"kills", kills}, {"loops", loops},
	}
}

// in runs work in a house with a daemon, and closes it.
func in(ctx context.Context, o Options, work func(h *house) error, set ...string) (err error) {
	h, err := furnish(ctx, o, "", set...)
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	if err != nil {
		return err
	}
	return work(h)
}
