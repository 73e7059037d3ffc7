// Package upload takes files that clients send, in one piece or in many, with pauses between them and across ends of the daemon. What was
// acknowledged is synced. A complete file becomes a recording, with a job that makes its text. docs/adr/0093-uploads.md says why it is made so.
package upload

import (
	"context"
	"encoding/json"
	"hash"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/webhook"
)

// Limits of what has not ended, so that nobody fills the folder with empty uploads.
const (
	mostUploads   = 2000
	mostPerClient = 1000
)

// Options configure Uploads.
type Options struct {
	// Folder gets the recordings. What is incoming lies in a folder of it.
	Folder *recording.Folder
	// History has the store, and Jobs the queue of the texts.
	History *history.History
	Jobs    *job.Queue
	Budget  *freespace.Budget
	// MostBytes bounds a file.
	MostBytes int64
	// MostAudio bounds its audio, where that is known before it is decoded; 0 is no bound.
	MostAudio time.Duration
	// Keep is how long an upload waits for its next byte, and how long it is known after its end.
	Keep time.Duration
	// Length is how long the audio of a file is, by its headers; 0 where they do not tell. nil for never.
	Length func(ctx context.Context, path string) time.Duration
	// Refusal returns why no further uploads are begun at present, nil while they are; it is called often, and must not block. Those that
	// were begun go on. nil for never.
	Refusal func() error
	// Now is the clock; default time.Now.
	Now   func() time.Time
	Scope observe.Scope
}

// State says what becomes of an upload.
type State string

// The states.
const (
	// Receiving: bytes are missing.
	Receiving State = "receiving"
	// Complete: every byte is synced, and there is no recording yet.
	Complete State = "complete"
	// Done: it is a recording.
	Done State = "done"
	// Expired: nobody sent the rest, and what there was is gone.
	Expired State = "expired"
)

// Unknown is the length of an upload whose client will tell it later.
const Unknown = -1

// Info is what is kept of an upload, as JSON beside its bytes.
type Info struct {
	ID     string `json:"id"`
	State  State  `json:"state"`
	Client string `json:"client,omitempty"`
	// Length in bytes; Unknown until the client tells it.
	Length int64 `json:"length"`
	// Name is that of the file, for people.
	Name  string   `json:"name,omitempty"`
	Title string   `json:"title,omitempty"`
	Tags  []string `json:"tags,omitempty"`
	// Transcribe is whether a text is made, with Priority and Options, those of the job.
	Transcribe  bool            `json:"transcribe"`
	Priority    job.Priority    `json:"priority,omitempty"`
	Options     json.RawMessage `json:"options,omitempty"`
	Traceparent string          `json:"traceparent,omitempty"`
	// Once is the key under which the client may ask for it again, and Request what it asked for; both are hashes.
	Once    string `json:"once,omitempty"`
	Request string `json:"request,omitempty"`
	// Webhook is told of the end of the job; nil for nobody. It is forgotten when there is a job.
	Webhook *webhook.OfJob `json:"webhook,omitempty"`
	// Metadata is the header that the client sent, without what is secret.
	Metadata string `json:"metadata,omitempty"`
	// Source is by which interface it came, where that was none for uploads: "openai".
	Source string `json:"source,omitempty"`
	// Recording is the id that it has, or will have.
	Recording string    `json:"recording"`
	CreatedAt time.Time `json:"created_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// SHA256 and MediaType are those of the whole file.
	SHA256    string `json:"sha256,omitempty"`
	MediaType string `json:"media_type,omitempty"`
	Job       string `json:"job,omitempty"`
}

// Status is an upload at this moment.
type Status struct {
	Info
	// Offset is how many bytes are there.
	Offset    int64
	ExpiresAt time.Time
}

// entry is an upload that is known.
type entry struct {
	info    Info
	offset  int64
	changed time.Time // when the last byte came, or its state changed

	sum    hash.Hash // of the first summed bytes; nil for none. Both are for whoever has the upload
	summed int64

	failed error // why it has not become a recording, although it is complete; nil where nobody tried

	begun   chan struct{} // closed when its files are there; nil where they are
	writing *Writing      // who has it; nil for nobody
	free    chan struct{} // closed when writing ends
}

// Uploads are all uploads of a folder. It is safe for concurrent use. One process at a time has the folder.
type Uploads struct {
	options Options
	dir     string
	log     *slog.Logger
	metrics *metrics
	wake    chan struct{} // has a token when Run is to look again

	mu      sync.Mutex // guards what follows, with all but sum and summed of each entry
	entries map[string]*entry
	unread  map[string]unread // by the id
}

// unread is an upload whose description cannot be read. Its files are left alone: nobody can tell whose bytes they are, and whether they were
// acknowledged.
type unread struct {
	err   error
	bytes int64
}

// incomingName is the folder of incomplete files in the folder of recordings, which knows it as none of them.
const incomingName = ".incoming"

// Open finds what an earlier process left. Files that are complete become recordings when Run runs.
func Open(o Options) (*Uploads, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	scope := o.Scope.Component("upload")
	u := &Uploads{options: o, dir: filepath.Join(o.Folder.Dir(), incomingName), log: scope.Log(), wake: make(chan struct{}, 1), entries: make(map[string]*entry), unread: make(map[string]unread)}
	u.metrics = newMetrics(scope, u)
	if err := u.load(); err != nil {
		return nil, err
	}
	return u, nil
}

// Folder holds the recordings that were uploaded.
func (u *Uploads) Folder() *recording.Folder { return u.options.Folder }

// MostBytes is the size of the largest file that is taken.
func (u *Uploads) MostBytes() int64 { return u.options.MostBytes }

// MostAudio is the length of the longest audio that is taken; 0 is any.
func (u *Uploads) MostAudio() time.Duration { return u.options.MostAudio }

// now is the time as it is kept.
func (u *Uploads) now() time.Time { return u.options.Now().Truncate(time.Millisecond).UTC() }

// Create begins an upload. Info needs what the client asks for; the rest is set. Where its Once is known, the upload of then is returned,
// and again is true; one that was asked for in another way gives scout.CodeIdempotencyKey.
func (u *Uploads) Create(info Info) (s Status, again bool, err error) {
	switch {
	case info.Length > u.options.MostBytes:
		return s, false, u.tooLarge()
	case info.Length == 0:
		return s, false, errNothing()
	}
	for {
		u.mu.Lock()
		e, err := u.admit(&info)
		if err != nil {
			u.mu.Unlock()
			return s, false, err
		}
		if e == nil {
			break // with the lock
		}
		s, begun := u.status(e), e.begun
		u.mu.Unlock()
		if begun == nil {
			return s, true, nil
		}
		<-begun // by another request with this key: it was not acknowledged yet
	}
	now := u.now()
	info.ID, info.State, info.CreatedAt, info.Recording = "upl_"+strings.ToLower(ulid.Make().String()), Receiving, now, string(recording.NewID(now))
	e := &entry{info: info, changed: now, begun: make(chan struct{})}
	u.entries[info.ID] = e
	u.mu.Unlock()
	err = u.Room(info.Length)
	if err == nil {
		err = u.begin(&info)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	close(e.begun)
	e.begun = nil
	if err != nil {
		delete(u.entries, info.ID)
		u.metrics.outcomes.WithLabelValues(outcomeRefused).Inc()
		return s, false, err
	}
	u.hurry()
	return u.status(e), false, nil
}

// admit returns the upload that has the key of a new one; nil if there is none, and one more is taken. mu is held.
func (u *Uploads) admit(info *Info) (*entry, error) {
	all, own := 0, 0
	for _, e := range u.entries {
		if info.Once != "" && e.info.Once == info.Once && e.info.State != Expired {
			if e.info.Request != info.Request {
				return nil, scout.Errorf(scout.CodeIdempotencyKey, "this Idempotency-Key was used for another upload")
			}
			return e, nil
		}
		if e.info.State == Receiving || e.info.State == Complete {
			all++
			if e.info.Client == info.Client {
				own++
			}
		}
	}
	if u.options.Refusal != nil {
		if err := u.options.Refusal(); err != nil {
			u.metrics.outcomes.WithLabelValues(outcomeRefused).Inc()
			return nil, err
		}
	}
	if all >= mostUploads || info.Client != "" && own >= mostPerClient {
		u.metrics.outcomes.WithLabelValues(outcomeRefused).Inc()
		return nil, scout.Errorf(scout.CodeRateLimit, "%d uploads have not ended, %d of them by this client", all, own).WithHint("send the rest of them, or delete them; they expire after %s", u.options.Keep)
	}
	return nil, nil //nolint:nilnil // there is none
}

// Room refuses a file for which there is no room beside what stays free for the recorder: scout.CodeDiskLow. It keeps none.
func (u *Uploads) Room(length int64) error {
	grant := u.options.Budget.New()
	defer grant.Close()
	return grant.Room(max(1, length), max(1, length))
}

func (u *Uploads) tooLarge() error {
	return scout.Errorf(scout.CodeRequestTooLarge, "the file is larger than %d bytes", u.options.MostBytes).WithHint("the setting limits.upload_bytes allows more")
}

// errNothing refuses a file of no bytes: as a recording it would seem to be one whose audio was removed.
func errNothing() error {
	return scout.Errorf(scout.CodeAudioEmpty, "the file has 0 bytes").WithHint("see whether it was written to its end")
}

// status is an upload at this moment; mu is held.
func (u *Uploads) status(e *entry) Status { return Status{e.info, e.offset, u.expires(e)} }

// expires is when an upload is forgotten, unless something happens before.
func (u *Uploads) expires(e *entry) time.Time { return e.changed.Add(u.options.Keep) }

// Absent is the error for an upload that is not there.
func Absent(id string) error {
	return scout.Errorf(scout.CodeNotFound, "there is no upload %q", id).WithHint("see those that are known: GET /uploads; an upload that has expired is sent again")
}

// Status returns an upload; scout.CodeNotFound if there is none.
func (u *Uploads) Status(id string) (Status, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	e, found := u.entries[id]
	if !found {
		return Status{}, Absent(id)
	}
	return u.status(e), nil
}

// Find returns the upload that has the key Once; found is false if there is none.
func (u *Uploads) Find(once string) (s Status, found bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, e := range u.entries {
		if e.info.Once == once && e.info.State != Expired && e.begun == nil {
			return u.status(e), true
		}
	}
	return s, false
}

// Purged forgets the upload that became a recording which was purged: its description has the name of the file, and more.
func (u *Uploads) Purged(recording string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, e := range u.entries {
		if e.info.Recording == recording && e.info.State == Done && e.writing == nil {
			if err := u.forget(id); err != nil {
				return err
			}
			delete(u.entries, id)
		}
	}
	return nil
}

// List returns the uploads of a client, of all where it is empty, the newest first; those that have expired are left out.
func (u *Uploads) List(client string) []Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	var list []Status
	for _, e := range u.entries {
		if e.info.State != Expired && e.begun == nil && (client == "" || e.info.Client == client) {
			list = append(list, u.status(e))
		}
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(b.ID, a.ID) })
	return list
}

// hurry has Run look again.
func (u *Uploads) hurry() {
	select {
	case u.wake <- struct{}{}:
	default: // it will
	}
}
