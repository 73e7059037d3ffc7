package daemon

import (
	"context"
	"encoding/json"
	"time"

	"github.com/scout-speech/scout/internal/store"
)

// closedStore takes the place of a store that could not be opened: every call returns the reason.
type closedStore struct{ err error }

var _ store.Store = closedStore{}

// Recording implements store.Store.
func (c closedStore) Recording(context.Context, string) (r store.Recording, err error) {
	return r, c.err
}

// Recordings implements store.Store.
func (c closedStore) Recordings(context.Context, store.Filter, store.Page) (l store.Listing[store.Recording], err error) {
	return l, c.err
}

// Tags implements store.Store.
func (c closedStore) Tags(context.Context, string) ([]store.TagCount, error) { return nil, c.err }

// Transcript implements store.Store.
func (c closedStore) Transcript(context.Context, store.Key, int) (t store.Transcript, err error) {
	return t, c.err
}

// Transcripts implements store.Store.
func (c closedStore) Transcripts(context.Context, store.Filter, store.Page) (l store.Listing[store.Summary], err error) {
	return l, c.err
}

// Versions implements store.Store.
func (c closedStore) Versions(context.Context, store.Key) ([]store.Version, error) {
	return nil, c.err
}

// Answer implements store.Store.
func (c closedStore) Answer(context.Context, string) (a store.Answer, found bool, err error) {
	return a, false, c.err
}

// AccessKeys implements store.Store.
func (c closedStore) AccessKeys(context.Context) ([]store.AccessKey, error) { return nil, c.err }

// Events implements store.Store.
func (c closedStore) Events(context.Context, string, uint64, int) (r store.Replay, err error) {
	return r, c.err
}

// LiveSessions implements store.Store.
func (c closedStore) LiveSessions(context.Context) ([]store.Stream, error) { return nil, c.err }

// Update implements store.Store.
func (c closedStore) Update(context.Context, func(store.Tx) error) error { return c.err }

// Listen implements store.Store.
func (c closedStore) Listen(string) (rung <-chan struct{}, end func()) { return nil, func() {} }

// Purge implements store.Store.
func (c closedStore) Purge(context.Context, ...string) error { return c.err }

// PurgeTexts implements store.Store.
func (c closedStore) PurgeTexts(context.Context, ...store.Key) error { return c.err }

// FinishPurges implements store.Store.
func (c closedStore) FinishPurges(context.Context) error { return c.err }

// AskedPurges implements store.Store.
func (c closedStore) AskedPurges(context.Context) ([]string, error) { return nil, c.err }

// TrimJournal implements store.Store.
func (c closedStore) TrimJournal(context.Context, string, store.JournalLimits) error {
	return c.err
}

// TrimSessions implements store.Store.
func (c closedStore) TrimSessions(context.Context, time.Duration) (int, error) { return 0, c.err }

// Sightings implements store.Store.
func (c closedStore) Sightings(context.Context) (map[string]string, error) { return nil, c.err }

// Due implements store.Store.
func (c closedStore) Due(context.Context, store.Retention) (d store.Due, err error) {
	return d, c.err
}

// Close implements store.Store.
func (c closedStore) Close() error { return nil }

// Job implements store.Store.
func (c closedStore) Job(context.Context, string) (j store.Job, err error) { return j, c.err }

// Jobs implements store.Store.
func (c closedStore) Jobs(context.Context, store.JobFilter, store.Page) (l store.Listing[store.Job], err error) {
	return l, c.err
}

// JobParts implements store.Store.
func (c closedStore) JobParts(context.Context, string) ([]json.RawMessage, error) { return nil, c.err }

// JobCounts implements store.Store.
func (c closedStore) JobCounts(context.Context, bool) ([]store.JobCount, error) { return nil, c.err }

// UnfinishedJobs implements store.Store.
func (c closedStore) UnfinishedJobs(context.Context, string) (all, own int, err error) {
	return 0, 0, c.err
}

// NextJob implements store.Store.
func (c closedStore) NextJob(context.Context, store.DueJobs) (at time.Time, err error) {
	return at, c.err
}

// LineVersion implements store.Store.
func (c closedStore) LineVersion() uint64 { return 0 }

// QueuePaused implements store.Store.
func (c closedStore) QueuePaused(context.Context) (bool, error) { return false, c.err }

// Line implements store.Store.
func (c closedStore) Line(context.Context, int) ([]store.Job, error) { return nil, c.err }

// Webhook implements store.Store.
func (c closedStore) Webhook(context.Context, string) (w store.Webhook, err error) { return w, c.err }

// Webhooks implements store.Store.
func (c closedStore) Webhooks(context.Context, string) ([]store.Webhook, error) { return nil, c.err }

// Deliveries implements store.Store.
func (c closedStore) Deliveries(context.Context, string, store.Page) (l store.Listing[store.Delivery], err error) {
	return l, c.err
}

// DeliveryAgenda implements store.Store.
func (c closedStore) DeliveryAgenda(context.Context, time.Time) ([]store.HostAgenda, error) {
	return nil, c.err
}

// DueDeliveries implements store.Store.
func (c closedStore) DueDeliveries(context.Context, string, time.Time, time.Time, int) ([]store.DueDelivery, error) {
	return nil, c.err
}

// DeliveryCounts implements store.Store.
func (c closedStore) DeliveryCounts(context.Context, time.Time) (n store.DeliveryCounts, err error) {
	return n, c.err
}
