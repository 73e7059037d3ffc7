package daemon

import (
	"context"
	"encoding/json"
	"time"

	"github.com/scout-speech/scout/internal/store"
)

// The methods of a store. Each is that of the store that is there at the moment.

// Recording implements store.Store.
func (l *lateStore) Recording(ctx context.Context, id string) (store.Recording, error) {
	return l.present().Recording(ctx, id)
}

// Recordings implements store.Store.
func (l *lateStore) Recordings(ctx context.Context, filter store.Filter, page store.Page) (store.Listing[store.Recording], error) {
	return l.present().Recordings(ctx, filter, page)
}

// Tags implements store.Store.
func (l *lateStore) Tags(ctx context.Context, client string) ([]store.TagCount, error) {
	return l.present().Tags(ctx, client)
}

// Transcript implements store.Store.
func (l *lateStore) Transcript(ctx context.Context, key store.Key, version int) (store.Transcript, error) {
	return l.present().Transcript(ctx, key, version)
}

// Transcripts implements store.Store.
func (l *lateStore) Transcripts(ctx context.Context, filter store.Filter, page store.Page) (store.Listing[store.Summary], error) {
	return l.present().Transcripts(ctx, filter, page)
}

// Versions implements store.Store.
func (l *lateStore) Versions(ctx context.Context, key store.Key) ([]store.Version, error) {
	return l.present().Versions(ctx, key)
}

// Answer implements store.Store.
func (l *lateStore) Answer(ctx context.Context, key string) (answer store.Answer, found bool, err error) {
	return l.present().Answer(ctx, key)
}

// AccessKeys implements store.Store.
func (l *lateStore) AccessKeys(ctx context.Context) ([]store.AccessKey, error) {
	return l.present().AccessKeys(ctx)
}

// Events implements store.Store.
func (l *lateStore) Events(ctx context.Context, stream string, after uint64, limit int) (store.Replay, error) {
	return l.present().Events(ctx, stream, after, limit)
}

// LiveSessions implements store.Store.
func (l *lateStore) LiveSessions(ctx context.Context) ([]store.Stream, error) {
	return l.present().LiveSessions(ctx)
}

// Update implements store.Store.
func (l *lateStore) Update(ctx context.Context, change func(store.Tx) error) error {
	return l.present().Update(ctx, change)
}

// Purge implements store.Store.
func (l *lateStore) Purge(ctx context.Context, recordings ...string) error {
	return l.present().Purge(ctx, recordings...)
}

// PurgeTexts implements store.Store.
func (l *lateStore) PurgeTexts(ctx context.Context, keys ...store.Key) error {
	return l.present().PurgeTexts(ctx, keys...)
}

// FinishPurges implements store.Store.
func (l *lateStore) FinishPurges(ctx context.Context) error {
	return l.present().FinishPurges(ctx)
}

// AskedPurges implements store.Store.
func (l *lateStore) AskedPurges(ctx context.Context) ([]string, error) {
	return l.present().AskedPurges(ctx)
}

// TrimJournal implements store.Store.
func (l *lateStore) TrimJournal(ctx context.Context, stream string, limits store.JournalLimits) error {
	return l.present().TrimJournal(ctx, stream, limits)
}

// TrimSessions implements store.Store.
func (l *lateStore) TrimSessions(ctx context.Context, age time.Duration) (int, error) {
	return l.present().TrimSessions(ctx, age)
}

// Sightings implements store.Store.
func (l *lateStore) Sightings(ctx context.Context) (map[string]string, error) {
	return l.present().Sightings(ctx)
}

// Due implements store.Store.
func (l *lateStore) Due(ctx context.Context, retention store.Retention) (store.Due, error) {
	return l.present().Due(ctx, retention)
}

// Job implements store.Store.
func (l *lateStore) Job(ctx context.Context, id string) (store.Job, error) {
	return l.present().Job(ctx, id)
}

// Jobs implements store.Store.
func (l *lateStore) Jobs(ctx context.Context, filter store.JobFilter, page store.Page) (store.Listing[store.Job], error) {
	return l.present().Jobs(ctx, filter, page)
}

// JobParts implements store.Store.
func (l *lateStore) JobParts(ctx context.Context, id string) ([]json.RawMessage, error) {
	return l.present().JobParts(ctx, id)
}

// JobCounts implements store.Store.
func (l *lateStore) JobCounts(ctx context.Context, ended bool) ([]store.JobCount, error) {
	return l.present().JobCounts(ctx, ended)
}

// UnfinishedJobs implements store.Store.
func (l *lateStore) UnfinishedJobs(ctx context.Context, client string) (all, own int, err error) {
	return l.present().UnfinishedJobs(ctx, client)
}

// NextJob implements store.Store.
func (l *lateStore) NextJob(ctx context.Context, due store.DueJobs) (time.Time, error) {
	return l.present().NextJob(ctx, due)
}

// LineVersion implements store.Store.
func (l *lateStore) LineVersion() uint64 { return l.present().LineVersion() }

// QueuePaused implements store.Store.
func (l *lateStore) QueuePaused(ctx context.Context) (bool, error) {
	return l.present().QueuePaused(ctx)
}

// Line implements store.Store.
func (l *lateStore) Line(ctx context.Context, limit int) ([]store.Job, error) {
	return l.present().Line(ctx, limit)
}

// Webhook implements store.Store.
func (l *lateStore) Webhook(ctx context.Context, id string) (store.Webhook, error) {
	return l.present().Webhook(ctx, id)
}

// Webhooks implements store.Store.
func (l *lateStore) Webhooks(ctx context.Context, job string) ([]store.Webhook, error) {
	return l.present().Webhooks(ctx, job)
}

// Deliveries implements store.Store.
func (l *lateStore) Deliveries(ctx context.Context, webhook string, page store.Page) (store.Listing[store.Delivery], error) {
	return l.present().Deliveries(ctx, webhook, page)
}

// DeliveryAgenda implements store.Store.
func (l *lateStore) DeliveryAgenda(ctx context.Context, latest time.Time) ([]store.HostAgenda, error) {
	return l.present().DeliveryAgenda(ctx, latest)
}

// DueDeliveries implements store.Store.
func (l *lateStore) DueDeliveries(ctx context.Context, host string, now, latest time.Time, limit int) ([]store.DueDelivery, error) {
	return l.present().DueDeliveries(ctx, host, now, latest, limit)
}

// DeliveryCounts implements store.Store.
func (l *lateStore) DeliveryCounts(ctx context.Context, deadSince time.Time) (store.DeliveryCounts, error) {
	return l.present().DeliveryCounts(ctx, deadSince)
}
