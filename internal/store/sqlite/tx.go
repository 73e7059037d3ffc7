package sqlite

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// tx is a transaction that writes.
type tx struct {
	view
	now  time.Time
	aged func(age time.Duration) time.Time // Store.aged
	rung map[string]bool                   // streams that got events
	// appended is how many events this transaction has added.
	appended uint64
	// jobsPurged is how many jobs this transaction has removed that had not ended.
	jobsPurged int
	// jobsChanged is true when this transaction has changed jobs.
	jobsChanged bool
	// counted is the time by the clock of the store, and committed is called after the commit.
	counted   time.Duration
	committed []func()
	// stale are the recordings whose entries in the search are to be written before the commit. Of those that are new and
	// have no text it holds what is to be written, of others nil.
	stale map[int64]*freshRecording
}

// freshRecording is a recording that this transaction has made, and its document.
type freshRecording struct {
	recording  recordingRow
	transcript transcriptRow
}

// documentShift is how far the milliseconds of a document's number are shifted.
const documentShift = 20

// maxDocumentMillis is the last millisecond that fits: in the year 2248.
const maxDocumentMillis = 1<<(63-documentShift) - 1

// documentBound returns the lowest number of documents of recordings that began at that time or later.
func documentBound(at time.Time) int64 {
	return min(max(at.UnixMilli(), 0), maxDocumentMillis) << documentShift
}

// addTranscript makes the row of a transcript, as yet without text.
func (t *tx) addTranscript(r *recordingRow, key store.Key) (transcriptRow, error) {
	row := transcriptRow{recording: r.key, key: key}
	low := documentBound(r.StartedAt)
	var err error // the id is never 0, which a cursor uses for the beginning
	row.id, err = t.insert(`INSERT INTO transcripts (id, recording, track, task, current, latest, preview)
		VALUES (1 + coalesce((SELECT max(id) FROM transcripts WHERE id >= ?1 AND id < ?2), ?1), ?3, ?4, ?5, 0, 0, '')`,
		low, low+1<<documentShift, row.recording, key.Track, key.Task)
	return row, err
}

// eventAge is how old a recording may be for its discovery to be news. The first look at a large folder is none.
const eventAge = 24 * time.Hour

// ended is false for the state of a recording under way.
func ended(state string) bool { return state != "recording" && state != "" }

// PutRecording notes a recording as it was found.
func (t *tx) PutRecording(r store.Recording) (store.Found, error) {
	if err := r.Validate(); err != nil {
		return store.Found{}, err
	}
	if r.Audio == "" {
		r.Audio = store.AudioPresent
	}
	old, err := t.recording(r.ID)
	if scout.CodeOf(err) == scout.CodeRecordingNotFound {
		return store.Found{New: true}, t.addRecording(r)
	}
	found := store.Found{DeletedAt: old.DeletedAt}
	if err != nil || sameFacts(&old.Recording, &r) {
		return found, err
	}
	if r.Source == "" {
		r.Source = old.Source
	}
	err = t.exec(`UPDATE recordings SET source = ?, state = ?, device = ?, ended_at = ?, duration = ?, lost_frames = ?, bytes = ?, audio = ?, manifest = ?,
		fingerprint = ?, revision = revision + 1 WHERE key = ?`,
		r.Source, r.State, r.Device, millis(r.EndedAt), r.Duration, r.LostFrames, r.Bytes, r.Audio, []byte(r.Manifest), r.Fingerprint, old.key)
	if err != nil {
		return found, err
	}
	event := store.EventRecordingUpdated
	if ended(r.State) && !ended(old.State) {
		event = store.EventRecordingFinished
	}
	t.markStale(old.key)
	found.Changed = true
	return found, t.changed(event, r.ID, old.Client, nil)
}

// sameFacts compares what PutRecording writes.
func sameFacts(a, b *store.Recording) bool {
	return (b.Source == "" || a.Source == b.Source) && a.State == b.State && a.Device == b.Device && millis(a.EndedAt) == millis(b.EndedAt) &&
		a.Duration == b.Duration && a.LostFrames == b.LostFrames && a.Bytes == b.Bytes && a.Audio == b.Audio && a.Fingerprint == b.Fingerprint &&
		bytes.Equal(a.Manifest, b.Manifest)
}

func (t *tx) addRecording(r store.Recording) error {
	if r.Source == "" {
		return scout.Errorf(scout.CodeInvalidArgument, "recording %s has no source", r.ID)
	}
	description := store.Description{Title: &r.Title, Tags: &r.Tags}
	description.Apply(&r)
	tags, labels, err := encodeDescription(&r)
	if err != nil {
		return err
	}
	row := recordingRow{Recording: r}
	row.key, err = t.insert(`INSERT INTO recordings (id, source, state, device, started_at, ended_at, duration, lost_frames, bytes, audio, manifest,
		fingerprint, title, tags, labels, client, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)`,
		r.ID, r.Source, r.State, r.Device, r.StartedAt.UnixMilli(), millis(r.EndedAt), r.Duration, r.LostFrames, r.Bytes, r.Audio, []byte(r.Manifest),
		r.Fingerprint, r.Title, tags, labels, r.Client)
	if err != nil {
		return err
	}
	document, err := t.addTranscript(&row, store.MainKey(r.ID))
	if err != nil {
		return err
	}
	t.stale[row.key] = &freshRecording{row, document}
	if !ended(r.State) || t.now.Sub(r.EndedAt) > eventAge {
		return nil
	}
	return t.changed(store.EventRecordingFinished, r.ID, r.Client, nil)
}

func encodeDescription(r *store.Recording) (tags, labels string, err error) {
	if r.Tags == nil {
		r.Tags = []string{}
	}
	if r.Labels == nil {
		r.Labels = map[string]string{}
	}
	tagData, err := json.Marshal(r.Tags)
	if err != nil {
		return "", "", err
	}
	labelData, err := json.Marshal(r.Labels)
	return string(tagData), string(labelData), err
}

// AudioGone notes that the audio of a recording was removed.
func (t *tx) AudioGone(id string) (bool, error) {
	r, err := t.recording(id)
	if err != nil || r.Audio == store.AudioRemoved {
		return false, err
	}
	if err := t.exec("UPDATE recordings SET audio = ?, fingerprint = '', revision = revision + 1 WHERE key = ?", store.AudioRemoved, r.key); err != nil {
		return false, err
	}
	return true, t.changed(store.EventRecordingUpdated, r.ID, r.Client, nil)
}

// Describe changes title, tags and labels.
func (t *tx) Describe(id string, change store.Description) (store.Recording, error) {
	if err := change.Validate(); err != nil {
		return store.Recording{}, err
	}
	r, err := t.recording(id)
	if err != nil {
		return store.Recording{}, err
	}
	if change.IfRevision != 0 && change.IfRevision != r.Revision {
		return store.Recording{}, scout.Errorf(scout.CodePreconditionFailed, "recording %s was changed meanwhile", id)
	}
	if !change.Apply(&r.Recording) {
		return t.withTranscript(&r)
	}
	tags, labels, err := encodeDescription(&r.Recording)
	if err != nil {
		return store.Recording{}, err
	}
	r.Revision++
	if err := t.exec("UPDATE recordings SET title = ?, tags = ?, labels = ?, revision = ? WHERE key = ?", r.Title, tags, labels, r.Revision, r.key); err != nil {
		return store.Recording{}, err
	}
	t.markStale(r.key)
	if err := t.changed(store.EventRecordingUpdated, r.ID, r.Client, nil); err != nil {
		return store.Recording{}, err
	}
	return t.withTranscript(&r)
}

// Delete moves a recording to the trash.
func (t *tx) Delete(id string) (store.Recording, error) {
	r, err := t.recording(id)
	if err != nil {
		return store.Recording{}, err
	}
	if r.DeletedAt.IsZero() {
		if err := t.setDeleted(&r, t.now, store.EventRecordingDeleted); err != nil {
			return store.Recording{}, err
		}
	}
	return t.withTranscript(&r)
}

// Restore takes a recording out of the trash.
func (t *tx) Restore(id string) (store.Recording, error) {
	r, err := t.recording(id)
	if err != nil {
		return store.Recording{}, err
	}
	if r.DeletedAt.IsZero() {
		return store.Recording{}, scout.Errorf(scout.CodeConflict, "recording %s is not in the trash", id).WithHint("see what is: scout recordings restore")
	}
	if err := t.setDeleted(&r, time.Time{}, store.EventRecordingRestored); err != nil {
		return store.Recording{}, err
	}
	return t.withTranscript(&r)
}

func (t *tx) setDeleted(r *recordingRow, at time.Time, event string) error {
	r.DeletedAt = at.Truncate(time.Millisecond).UTC()
	r.Revision++
	if err := t.exec("UPDATE recordings SET deleted_at = ?, trashed = ?, revision = ? WHERE key = ?", millis(at), t.counted.Milliseconds(), r.Revision, r.key); err != nil {
		return err
	}
	t.markStale(r.key)
	return t.changed(event, r.ID, r.Client, nil)
}

// DeleteTranscript moves a text to the trash.
func (t *tx) DeleteTranscript(key store.Key) (store.Summary, error) {
	r, row, err := t.text(key)
	if err == nil && row.deletedAt.IsZero() {
		err = t.setTextDeleted(&r, &row, t.now, store.EventTranscriptDeleted)
	}
	if err != nil {
		return store.Summary{}, err
	}
	return t.currentSummary(&r, &row)
}

// RestoreTranscript takes a text out of the trash.
func (t *tx) RestoreTranscript(key store.Key) (store.Summary, error) {
	r, row, err := t.text(key)
	if err == nil && row.deletedAt.IsZero() {
		err = scout.Errorf(scout.CodeConflict, "transcript %s is not in the trash", key).WithHint("see what is: scout transcripts list --deleted")
	}
	if err == nil {
		err = t.setTextDeleted(&r, &row, time.Time{}, store.EventTranscriptRestored)
	}
	if err != nil {
		return store.Summary{}, err
	}
	return t.currentSummary(&r, &row)
}

func (t *tx) setTextDeleted(r *recordingRow, row *transcriptRow, at time.Time, event string) error {
	row.deletedAt = at.Truncate(time.Millisecond).UTC()
	if err := t.exec("UPDATE transcripts SET deleted_at = ?, trashed = ? WHERE id = ?", millis(at), t.counted.Milliseconds(), row.id); err != nil {
		return err
	}
	t.markStale(r.key)
	return t.changed(event, r.ID, r.Client, &eventText{Transcript: row.key.String()})
}

func (t *tx) currentSummary(r *recordingRow, row *transcriptRow) (store.Summary, error) {
	version, err := t.version(row, row.current)
	return summary(r, row, &version), err
}
