package daemon

import (
	"context"

	"github.com/scout-speech/scout/internal/store"
)

// closedStore stands for a store that could not be opened: every call says why.
type closedStore struct{ err error }

var _ store.Store = closedStore{}

func (c closedStore) Recording(context.Context, string) (r store.Recording, err error) {
	return r, c.err
}

func (c closedStore) Recordings(context.Context, store.Filter, store.Page) (l store.Listing[store.Recording], err error) {
	return l, c.err
}

func (c closedStore) Transcript(context.Context, store.Key, int) (t store.Transcript, err error) {
	return t, c.err
}

func (c closedStore) Transcripts(context.Context, store.Filter, store.Page) (l store.Listing[store.Summary], err error) {
	return l, c.err
}

func (c closedStore) Versions(context.Context, store.Key) ([]store.Version, error) {
	return nil, c.err
}

func (c closedStore) Events(context.Context, string, uint64, int) (r store.Replay, err error) {
	return r, c.err
}
func (c closedStore) Update(context.Context, func(store.Tx) error) error { return c.err }
func (c closedStore) Listen(string) (rung <-chan struct{}, end func())   { return nil, func() {} }
func (c closedStore) Purge(context.Context, ...string) error             { return c.err }
func (c closedStore) TrimJournal(context.Context, string, store.JournalLimits) error {
	return c.err
}
func (c closedStore) Sightings(context.Context) (map[string]string, error) { return nil, c.err }
func (c closedStore) Due(context.Context, store.Retention) (d store.Due, err error) {
	return d, c.err
}
func (c closedStore) Close() error { return nil }
