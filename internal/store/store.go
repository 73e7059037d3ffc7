package store

import (
	"context"
	"encoding/json"
	"time"
)

// Reader reads the last committed state.
type Reader interface {
	// Recording returns a recording, also one in the trash. An unknown id gives scout.CodeRecordingNotFound.
	Recording(ctx context.Context, id string) (Recording, error)
	// Recordings returns one page of the recordings that pass the filter.
	Recordings(ctx context.Context, filter Filter, page Page) (Listing[Recording], error)
	// Tags returns the tags of the recordings that are not in the trash and have that client (empty: of all), the most used first.
	Tags(ctx context.Context, client string) ([]TagCount, error)
	// Transcript returns a version of a transcript, the current one for version 0, also of one in the trash. An unknown one
	// gives scout.CodeNotFound.
	Transcript(ctx context.Context, key Key, version int) (Transcript, error)
	// Transcripts returns one page of the transcripts that pass the filter.
	Transcripts(ctx context.Context, filter Filter, page Page) (Listing[Summary], error)
	// Versions returns all versions of a transcript, oldest first.
	Versions(ctx context.Context, key Key) ([]Version, error)
	// Answer returns the answer that a key got in the last AnswersKept; found is false if there is none.
	Answer(ctx context.Context, key string) (answer Answer, found bool, err error)
	// AccessKeys returns all keys, oldest first.
	AccessKeys(ctx context.Context) ([]AccessKey, error)
	// Events returns at most limit events of a stream that follow the number after.
	Events(ctx context.Context, stream string, after uint64, limit int) (Replay, error)
	// LiveSessions returns the streams of live sessions that have begun and not ended, oldest recording first.
	LiveSessions(ctx context.Context) ([]Stream, error)
	JobReader
	WebhookReader
}

// JobReader reads the last committed state of jobs.
type JobReader interface {
	// Job returns a job; scout.CodeNotFound if there is none.
	Job(ctx context.Context, id string) (Job, error)
	// Jobs returns one page of the jobs that pass the filter, by when they were added.
	Jobs(ctx context.Context, filter JobFilter, page Page) (Listing[Job], error)
	// JobParts returns the parts of the result of a job that has not ended.
	JobParts(ctx context.Context, id string) ([]json.RawMessage, error)
	// JobCounts counts the jobs, those that have ended only if they are asked for.
	JobCounts(ctx context.Context, ended bool) ([]JobCount, error)
	// UnfinishedJobs is how many jobs have not ended, in all and of a client.
	UnfinishedJobs(ctx context.Context, client string) (all, own int, err error)
	// NextJob is when the next job that waits for its time may be begun; zero if there is none.
	NextJob(ctx context.Context, due DueJobs) (time.Time, error)
	// Line returns the jobs that run or wait, at most limit of them, with what their order depends on: ID, State, Class, Client, Length, Done, Ends, Alone,
	// Place, Since and NextAt.
	Line(ctx context.Context, limit int) ([]Job, error)
	// LineVersion is another number after each change of jobs, and in each store: what Line returned after that number was read is so as long
	// as the number is the same.
	LineVersion() uint64
	// QueuePaused reports whether no job is begun.
	QueuePaused(ctx context.Context) (bool, error)
}

// Store is a database of Scout. All methods may be called from any goroutine.
type Store interface {
	Reader
	// Update runs change in a transaction. When it returns nil, everything is committed and survives a loss of power; after
	// an error nothing is changed. Updates run one after the other; change must not call methods of the store that write, and
	// must be quick: nobody else can write meanwhile.
	Update(ctx context.Context, change func(Tx) error) error
	// Listen returns a channel that has a token after each commit that appended to the stream since the last token was taken,
	// and what ends that. Who listens reads once before waiting.
	Listen(stream string) (rung <-chan struct{}, end func())
	// Purge removes recordings with all that the store knows about them, so that no byte of it is left in its files: all
	// versions, what is in the trash, search, their jobs, and the content of their events. The caller has removed the audio before, or
	// Reconcile finds it again. Unknown ids are ignored.
	//
	// What is purged is gone for every reader as soon as the first step is committed. After an error, or a crash, the bytes
	// may still be in the files: FinishPurges, or the next program that opens the store, completes it.
	Purge(ctx context.Context, recordings ...string) error
	// PurgeTexts does the same with texts and leaves their recordings as they are, except those of which neither audio nor
	// another text is left: they go too. The content of all events of these
	// recordings goes, since it may hold their words, and so does what their jobs have made; jobs that have not ended begin anew.
	PurgeTexts(ctx context.Context, keys ...Key) error
	// FinishPurges completes purges that were interrupted. Where none was it changes nothing.
	FinishPurges(ctx context.Context) error
	// AskedPurges returns the recordings of Tx.AskPurge that were not purged yet.
	AskedPurges(ctx context.Context) ([]string, error)
	// TrimJournal removes old events of a stream.
	TrimJournal(ctx context.Context, stream string, limits JournalLimits) error
	// TrimSessions removes the events of live sessions that have ended and whose newest event is older than age. Their numbers are
	// not used again. It returns the number of sessions.
	TrimSessions(ctx context.Context, age time.Duration) (int, error)
	// Sightings returns the fingerprints of all recordings that lie in a folder, by id.
	Sightings(ctx context.Context) (map[string]string, error)
	// Due returns what retention asks to remove. Things age by the time that passes while Due is called again and again, which
	// needs no right clock: a clock that is set ahead makes nothing older by more than a week, one that is set back makes
	// nothing older.
	Due(ctx context.Context, retention Retention) (Due, error)
	// Close ends the store. Updates that have begun are completed or rolled back.
	Close() error
}

// Tx is a transaction. It is valid until the function it was given to returns, and is for one goroutine.
type Tx interface {
	// PutRecording notes a recording as it was found. Start, title, tags, labels and client count only where it is new.
	PutRecording(r Recording) (Found, error)
	// AudioGone notes that the audio of a recording was removed and its text kept. It returns false where that is known.
	AudioGone(id string) (changed bool, err error)
	// AskPurge notes that a recording is to be purged with its audio, before the audio is touched, so that a crash in between
	// leaves no half of it: AskedPurges returns it until Purge has removed it.
	AskPurge(id string) error
	// Describe changes title, tags and labels.
	Describe(id string, change Description) (Recording, error)
	// PutTranscript adds a version that a model made. It becomes the current one unless a person has chosen the current text.
	PutTranscript(put Put) (Version, error)
	// Transcript is Reader.Transcript with what this transaction has changed.
	Transcript(key Key, version int) (Transcript, error)
	// Edit adds a version with the changes of a person, which becomes the current one. Edits that change nothing add none.
	Edit(request EditRequest) (Transcript, error)
	// RestoreVersion adds a version that equals an earlier one, which becomes the current one. It is undo and redo.
	RestoreVersion(key Key, version int, client string) (Transcript, error)
	// Delete moves a recording and its texts to the trash, Restore takes it out again. Repeating Delete changes nothing; a
	// Restore of what is not in the trash gives scout.CodeConflict.
	Delete(id string) (Recording, error)
	Restore(id string) (Recording, error)
	// DeleteTranscript and RestoreTranscript do the same with one text and leave its recording as it is.
	DeleteTranscript(key Key) (Summary, error)
	RestoreTranscript(key Key) (Summary, error)
	// Append adds events to a stream and returns the number of the last one.
	Append(stream string, events ...NewEvent) (last uint64, err error)
	// Stream returns the state of a stream. One that is not known has no events and no checkpoint.
	Stream(stream string) (Stream, error)
	// SetCheckpoint keeps what a producer needs to continue a stream that has begun (Append without events begins one), in the
	// place of what was kept before. It is purged with the stream's recording and goes when the stream ends. See CheckCheckpoint
	// for what it may be.
	SetCheckpoint(stream string, data json.RawMessage) error
	// PutAnswer keeps the answer to a request. A key that has one already gives scout.CodeConflict.
	PutAnswer(key string, answer Answer) error
	// PutAccessKey adds a key and returns it as it is kept. More than MostAccessKeys give scout.CodeConflict.
	PutAccessKey(key AccessKey) (AccessKey, error)
	// DeleteAccessKey removes a key; one that is not there gives scout.CodeNotFound.
	DeleteAccessKey(id string) error
	// EndStream notes that a stream gets no further events; Append to it gives scout.CodeConflict.
	EndStream(stream string) error
	// EmptyStream removes the events and the checkpoint of a stream. Its numbers go on. One that is not known is no error.
	EmptyStream(stream string) error
	JobTx
	WebhookTx
}

// Found is what PutRecording found in the store.
type Found struct {
	// New is true where the recording was not known, Changed where it was and its facts were not.
	New, Changed bool
	// DeletedAt is when it was moved to the trash; zero if it was not.
	DeletedAt time.Time
}

// Retention says how long things are kept; 0 is forever.
type Retention struct {
	// Audio is how long the audio of dictations, recordings from the microphone, is kept after they ended and the last change of
	// their text. The text is kept, and so is audio without a text.
	Audio time.Duration
	// Trash is how long deleted things can be restored.
	Trash time.Duration
}

// Due is what is past its time.
type Due struct {
	// Audio are recordings whose audio is to be removed, oldest first; then Tx.AudioGone.
	Audio []Expired
	// Purge are recordings in the trash whose audio is to be removed, oldest first; then Store.Purge.
	Purge []Expired
	// Texts are texts in the trash whose recordings are not there; for Store.PurgeTexts.
	Texts []Key
	// Leap is how far the system's clock leapt ahead since Due was called last, 0 where it did not. What is past its time only by
	// such a leap is not due.
	Leap time.Duration
}

// Expired is a recording that is past its time.
type Expired struct {
	Recording string
	StartedAt time.Time
	Duration  time.Duration
	// Bytes is the size of its audio, 0 where that is gone already.
	Bytes int64
}
