// Package backlog makes the texts that were promised for recordings. A promise is a small file in the data folder, which
// is written before the recording begins or ends. It is removed when the text is committed, so it survives whatever
// happens to this process: the next one continues. docs/adr/0062-promised-texts.md says why it is not in the database.
package backlog

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech"
)

// Lender lends recognizers; *recognize.Engines is one.
type Lender interface {
	BorrowFor(ctx context.Context, model string, role recognize.Role, language string) (r *recognize.Recognizer, release func(), err error)
}

// Options configure a Backlog.
type Options struct {
	// Dir is the folder of promises. It is made with the first one.
	Dir string
	// Folder is that of the recorder, and Others are those that no recorder writes into.
	Folder  *recording.Folder
	Others  recording.Folders
	Engines Lender
	History *history.History
	// Effort is that of promises that name none.
	Effort speech.Effort
	// SavedEvery is how often a text in the making is saved; default 1 s.
	SavedEvery time.Duration
	Scope      observe.Scope
	Failures   *observe.Failures
	// Begin is called when a text is owed, and what it returns when it is not owed any more; nil for nobody.
	Begin func() (end func())
}

const (
	// atOnce is how many recordings are transcribed at the same time, so that a long one does not delay a short one. Each
	// takes about 10 MB.
	atOnce = 2
	// Attempts after a failure that may pass come after firstRetry, twice that, and so on up to lastRetry.
	firstRetry = time.Second
	lastRetry  = time.Minute
	// modelEvery is how often a model that is not there is looked for. Nothing announces it: the folder may not exist.
	modelEvery = 2 * time.Second
	// lookEvery is how often it is checked whether a recording has ended, in case its event was missed.
	lookEvery = 30 * time.Second
	// notedEvery bounds the events of progress, each of which is written to disk.
	notedEvery = 2 * time.Second
	// rememberedDone is how many texts that are done are remembered for those who still ask.
	rememberedDone = 100
)

// Backlog keeps promises of texts. It is safe for concurrent use.
type Backlog struct {
	options Options
	log     *slog.Logger
	metrics *metrics

	mu       sync.Mutex
	items    map[recording.ID]*item
	done     []recording.ID       // of items, the oldest first
	holds    map[recording.ID]int // texts that somebody else makes are not begun here
	running  int
	most     int // see Limit
	draining bool
	changed  chan struct{} // closed and replaced with each change
}

// item is a promise and what is being done about it.
type item struct {
	promise
	state    State
	busy     bool // an attempt is under way
	attempts int  // since this process began
	next     time.Time
	reason   error
	dueAt    time.Time
	progress speech.Progress
	notedAt  time.Time
	made     int // the version of the text
	revision uint64
	lookedAt time.Time               // whether it has ended
	cancel   context.CancelCauseFunc // of the attempt
	end      func()                  // tells that it is not owed any more
}

// folders are all in which there are recordings.
func (b *Backlog) folders() recording.Folders {
	return append(recording.Folders{b.options.Folder}, b.options.Others...)
}

// Open reads the promises that were made earlier. Files that cannot be read are left alone and logged.
func Open(o Options) (*Backlog, error) {
	scope := o.Scope.Component("backlog")
	b := &Backlog{options: o, log: scope.Log(), metrics: newMetrics(scope), items: map[recording.ID]*item{}, holds: map[recording.ID]int{}, changed: make(chan struct{})}
	found, err := b.read()
	if err != nil {
		return nil, err
	}
	for _, p := range found {
		it := &item{promise: p, state: Recording}
		if p.Failure != nil {
			it.state, it.reason = Failed, p.Failure.err()
		}
		b.items[p.Recording] = it
	}
	b.count()
	return b, nil
}

// Promise writes down that a recording gets a text when it has ended. It may be called before the recording exists.
// If a text of the recording is owed already, the first promise counts. A promise that could not be kept is made anew.
//
// Where the promise cannot be written, the error says why, and the text is made all the same unless this process ends
// before.
func (b *Backlog) Promise(ctx context.Context, id recording.ID, order Order) error {
	p := newPromise(ctx, id, order)
	p.After = b.newest(ctx, id)
	b.mu.Lock()
	if it := b.items[id]; it != nil && it.state != Failed && it.state != Done {
		b.mu.Unlock()
		return nil
	}
	b.items[id] = &item{promise: p, state: Recording}
	b.tell(b.items[id])
	b.mu.Unlock()
	err := b.write(&p)
	b.note(ctx, "transcription.promised", id, nil)
	if err != nil {
		b.log.Warn(eventNotWritten, slog.String(recording.KeyRecording, string(id)), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
	return err
}

// Ended says that a recording has ended, if a text is owed for it: the work begins.
func (b *Backlog) Ended(id recording.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if it := b.items[id]; it != nil && it.state == Recording {
		b.due(it)
	}
}

// due puts an item into the queue. The caller holds the lock.
func (b *Backlog) due(it *item) {
	it.state, it.dueAt, it.next = Queued, time.Now(), time.Time{}
	if it.end == nil && b.options.Begin != nil {
		it.end = b.options.Begin()
	}
	b.tell(it)
}

// Withdraw takes a promise back: no text is owed any more.
func (b *Backlog) Withdraw(ctx context.Context, id recording.ID) error {
	b.mu.Lock()
	it := b.items[id]
	if it == nil || it.state == Done {
		b.mu.Unlock()
		return nil
	}
	b.mu.Unlock()
	return b.forget(ctx, it, outcomeWithdrawn)
}

// Hold keeps the text of a recording from being made here until release is called, because somebody else, such as a
// dictation, is about to make it. If the recording has a text by then, nothing is owed any more. It does not matter
// whether a text is promised already.
func (b *Backlog) Hold(id recording.ID) (release func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holds[id]++
	return sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.holds[id]--; b.holds[id] == 0 {
			delete(b.holds, id)
		}
		if it := b.items[id]; it != nil {
			b.tell(it)
		}
	})
}

// Hurry tries all texts again that wait, because what kept them from being made has changed.
func (b *Backlog) Hurry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, it := range b.items {
		if it.state == Waiting && !it.busy {
			it.next, it.attempts = time.Time{}, 0
			b.tell(it)
		}
	}
}

// tell wakes those who wait for a change of an item. The caller holds the lock.
func (b *Backlog) tell(it *item) {
	it.revision++
	close(b.changed)
	b.changed = make(chan struct{})
	b.count()
}

// Run makes the texts that are owed until ctx ends. What is under way then is owed still. It waits for all that it
// started.
func (b *Backlog) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	b.recover()
	rung, end := b.options.History.Store().Listen(eventStream)
	defer end()
	for ctx.Err() == nil {
		b.look(ctx)
		it, changed, wake := b.next()
		if it != nil {
			attempt := b.begin(ctx, it)
			work.Go(func() { b.attempt(attempt, it) })
			continue
		}
		timer := time.NewTimer(wake)
		select {
		case <-changed:
		case <-rung: // somebody may have made a text that could not be made here
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// next returns the item to work on now; nil if there is none. Then changed is closed with the next change, and wake is
// when to look again in any case.
func (b *Backlog) next() (it *item, changed <-chan struct{}, wake time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wake = time.Hour
	now := time.Now()
	for _, one := range b.items {
		switch {
		case one.state == Recording:
			wake = min(wake, lookEvery)
			continue
		case one.state != Queued && one.state != Waiting, one.busy, b.holds[one.Recording] > 0:
			continue
		case one.next.After(now):
			wake = min(wake, one.next.Sub(now))
			continue
		}
		if it == nil || one.dueAt.Before(it.dueAt) {
			it = one
		}
	}
	if it == nil || b.most < 0 || b.running >= b.room() || b.draining {
		return nil, b.changed, wake
	}
	return it, nil, 0
}

// room is how many texts are made at the same time. The caller holds the lock.
func (b *Backlog) room() int {
	if b.most > 0 {
		return min(b.most, atOnce)
	}
	return atOnce
}

// Limit lowers the number of texts that are made at the same time; 0 ends that. With less than 0 none is begun. Those under way go on.
func (b *Backlog) Limit(most int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.most = most
	close(b.changed)
	b.changed = make(chan struct{})
}

// begin returns the context of an attempt. The item is running once there is a model for it.
func (b *Backlog) begin(ctx context.Context, it *item) context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	it.busy = true
	it.attempts++
	attempt, cancel := context.WithCancelCause(observe.WithTraceparent(ctx, it.Traceparent))
	it.cancel = cancel
	b.running++
	return attempt
}

// errStopping ends an attempt because the process ends.
var errStopping = scout.Errorf(scout.CodeCancelled, "the daemon is ending")

// Drain begins nothing more and gives what is under way until patience is over; then it is interrupted, and owed to the
// next process. It returns when nothing is under way, or when ctx ends.
func (b *Backlog) Drain(ctx context.Context, patience time.Duration) error {
	b.mu.Lock()
	b.draining = true
	b.mu.Unlock()
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for {
		b.mu.Lock()
		running, changed := b.running, b.changed
		b.mu.Unlock()
		if running == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-enough.C:
			b.mu.Lock()
			for _, it := range b.items {
				if it.busy {
					it.cancel(errStopping)
				}
			}
			b.mu.Unlock()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// forget removes a promise with its file.
func (b *Backlog) forget(ctx context.Context, it *item, outcome string) error {
	b.mu.Lock()
	if b.items[it.Recording] == it {
		delete(b.items, it.Recording)
	}
	if it.cancel != nil {
		it.cancel(errWithdrawn)
	}
	b.over(it)
	b.tell(it)
	b.mu.Unlock()
	b.metrics.outcomes.WithLabelValues(outcome).Inc()
	b.log.Info(eventWithdrawn, slog.String(recording.KeyRecording, string(it.Recording)), slog.String(observe.KeyReason, outcome))
	b.note(ctx, "transcription.withdrawn", it.Recording, map[string]any{"reason": outcome})
	_ = b.dropWork(ctx, it.Recording) // the next text of the recording removes it, and so does a purge
	return b.remove(it.Recording)
}

// errWithdrawn ends an attempt because nobody wants its text any more.
var errWithdrawn = scout.Errorf(scout.CodeCancelled, "nobody wants the text any more")

// over tells that nothing is owed any more. The caller holds the lock.
func (b *Backlog) over(it *item) {
	if it.end != nil {
		it.end()
		it.end = nil
	}
}

// note writes an event into the journal.
func (b *Backlog) note(ctx context.Context, kind string, id recording.ID, data map[string]any) {
	if data == nil {
		data = map[string]any{}
	}
	data["id"] = id
	b.options.History.Note(context.WithoutCancel(ctx), kind, string(id), data)
}
