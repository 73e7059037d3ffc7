package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// PutTranscript adds a version that a model made.
func (t *tx) PutTranscript(put store.Put) (store.Version, error) {
	if err := put.Validate(); err != nil {
		return store.Version{}, err
	}
	r, err := t.recording(put.Key.Recording)
	if err != nil {
		return store.Version{}, err
	}
	row, found, err := t.transcript(&r, put.Key)
	if err == nil && !found {
		row, err = t.addTranscript(&r, put.Key)
	}
	if err != nil {
		return store.Version{}, err
	}
	if put.Once != "" {
		var number int
		err := t.row("SELECT version FROM versions WHERE transcript = ? AND once = ?", row.id, put.Once).Scan(&number)
		if err == nil {
			return t.version(&row, number)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return store.Version{}, err
		}
	}
	version := store.Version{
		Kind: put.Kind, Model: put.Transcript.Model, Language: put.Transcript.Language, Duration: put.Transcript.Duration,
		Client: put.Client, Options: put.Options, Words: countWords(put.Transcript.Segments), Current: true,
	}
	if row.current != 0 {
		current, err := t.version(&row, row.current)
		if err != nil {
			return version, err
		}
		version.Current = !current.Held()
	}
	segments := make([]numbered, 0, len(put.Transcript.Segments))
	for i, s := range put.Transcript.Segments {
		if s.Text != "" {
			segments = append(segments, numbered{s, i})
		}
	}
	event := store.EventTranscriptRevised
	if row.latest == 0 {
		event = store.EventTranscriptCreated
	}
	err = t.addVersion(&r, &row, &newVersion{version: &version, segments: segments, from: &put, event: event})
	return version, err
}

// Edit adds a version with the changes of a person.
func (t *tx) Edit(request store.EditRequest) (store.Transcript, error) {
	r, row, err := t.editable(request.Key)
	if err != nil {
		return store.Transcript{}, err
	}
	if request.IfVersion != 0 && request.IfVersion != row.current {
		return store.Transcript{}, scout.Errorf(scout.CodePreconditionFailed, "transcript %s has version %d now, and not %d", row.key, row.current, request.IfVersion)
	}
	list, err := t.segments(row.id, row.current, true)
	if err != nil {
		return store.Transcript{}, err
	}
	texts := make([]scout.Segment, len(list))
	for i := range list {
		texts[i] = list[i].Segment
	}
	changes, err := request.Apply(texts)
	if err != nil {
		return store.Transcript{}, err
	}
	if len(changes) == 0 {
		return t.full(&r, &row, row.current)
	}
	version, err := t.version(&row, row.current)
	if err != nil {
		return store.Transcript{}, err
	}
	var changed []numbered
	for i := range list {
		if s, is := changes[i]; is {
			changed = append(changed, numbered{s, list[i].n})
			texts[i] = s
		}
	}
	version.Base, version.RestoredFrom, version.Kind, version.Client, version.Words = row.current, 0, store.KindEdited, request.Client, countWords(texts)
	return t.chosen(&r, &row, &version, changed)
}

// RestoreVersion adds a version that equals an earlier one.
func (t *tx) RestoreVersion(key store.Key, number int, client string) (store.Transcript, error) {
	r, row, err := t.editable(key)
	if err != nil {
		return store.Transcript{}, err
	}
	version, err := t.version(&row, number)
	if err != nil {
		return store.Transcript{}, err
	}
	version.Base, version.RestoredFrom, version.Client = number, number, client
	return t.chosen(&r, &row, &version, nil)
}

// chosen adds a version that a person made.
func (t *tx) chosen(r *recordingRow, row *transcriptRow, version *store.Version, changed []numbered) (store.Transcript, error) {
	version.Current = true
	if err := t.addVersion(r, row, &newVersion{version: version, segments: changed, event: store.EventTranscriptEdited}); err != nil {
		return store.Transcript{}, err
	}
	return t.full(r, row, version.Version)
}

// editable returns a transcript with text that is not in the trash.
func (t *tx) editable(key store.Key) (recordingRow, transcriptRow, error) {
	r, row, err := t.text(key)
	if err == nil && (!r.DeletedAt.IsZero() || !row.deletedAt.IsZero()) {
		err = scout.Errorf(scout.CodeConflict, "transcript %s is in the trash", key).WithHint("restore it first")
	}
	return r, row, err
}

// newVersion is a version on its way into the database.
type newVersion struct {
	version  *store.Version // its number, time and what is current are set
	segments []numbered     // all, or those that are different from the base
	from     *store.Put     // nil where a person made it
	event    string
}

func (t *tx) addVersion(r *recordingRow, row *transcriptRow, add *newVersion) error {
	v := add.version
	v.Version, v.CreatedAt = row.latest+1, fromMillis(sql.NullInt64{Int64: t.now.UnixMilli(), Valid: true})
	var once, aside, warnings any
	if add.from != nil {
		if add.from.Once != "" {
			once = add.from.Once
		}
		var err, err2 error
		aside, err = encode(add.from.Transcript.SetAside)
		warnings, err2 = encode(add.from.Transcript.Warnings)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
	}
	err := t.exec(`INSERT INTO versions (transcript, version, kind, model, language, duration, created_at, client, options, words, base, restored_from, once,
		set_aside, warnings) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		row.id, v.Version, v.Kind, v.Model, v.Language, v.Duration, v.CreatedAt.UnixMilli(), v.Client, []byte(v.Options), v.Words, v.Base, v.RestoredFrom, once, aside, warnings)
	if err != nil {
		return err
	}
	if err := t.addSegments(row.id, v.Version, add.segments); err != nil {
		return err
	}
	row.latest = v.Version
	if v.Current {
		row.current = v.Version
		if err := t.summarise(row); err != nil {
			return err
		}
	}
	err = t.exec("UPDATE transcripts SET current = ?, latest = ?, preview = ?, starts = ?, texted = ? WHERE id = ?",
		row.current, row.latest, row.preview, row.starts, t.counted.Milliseconds(), row.id)
	if err != nil {
		return err
	}
	if err := t.exec("UPDATE recordings SET revision = revision + 1 WHERE key = ?", r.key); err != nil {
		return err
	}
	r.Revision++
	t.markStale(r.key)
	return t.changed(add.event, r.ID, r.Client, &eventText{Transcript: row.key.String(), Version: v.Version, Kind: v.Kind, Current: v.Current})
}

func (t *tx) addSegments(transcript int64, version int, segments []numbered) error {
	for i := range segments {
		s := &segments[i]
		words, err := encodeWords(s.Words)
		if err != nil {
			return err
		}
		err = t.exec(`INSERT INTO segments (transcript, version, n, start, "end", channel, text, log_prob, words) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			transcript, version, s.n, s.Start, s.End, s.Channel, s.Text, s.AvgLogProb, words)
		if err != nil {
			return err
		}
	}
	return nil
}

// summarise takes preview and beginnings of segments from the current text.
func (t *tx) summarise(row *transcriptRow) error {
	list, err := t.segments(row.id, row.current, false)
	if err != nil {
		return err
	}
	row.preview = store.Preview(joined(list))
	starts := make([]int64, len(list))
	for i := range list {
		starts[i] = list[i].Start.Milliseconds()
	}
	data, err := json.Marshal(starts)
	row.starts = sql.NullString{String: string(data), Valid: true}
	return err
}

// joined returns the text of the segments as people read it.
func joined(list []numbered) string {
	var whole scout.Transcript
	for i := range list {
		whole.Segments = append(whole.Segments, list[i].Segment)
	}
	return whole.Text()
}

func countWords(segments []scout.Segment) int {
	n := 0
	for i := range segments {
		if words := len(segments[i].Words); words > 0 {
			n += words
		} else {
			n += len(strings.Fields(segments[i].Text))
		}
	}
	return n
}

func (t *tx) markStale(recording int64) {
	t.stale[recording] = nil
}
