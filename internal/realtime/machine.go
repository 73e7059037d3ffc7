package realtime

import (
	"cmp"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech"
)

// Limits of a session.
const (
	// wordsWithin is how much audio the search for turns may be ahead of the engine, and waitsWithin how long it waits for the engine then.
	wordsWithin = 5 * time.Second
	waitsWithin = 3 * time.Second
	// leastCommit is the shortest stretch that a client may commit; resampling may round it.
	leastCommit = 100*time.Millisecond - time.Millisecond
	// afterItem is how long after the end of an item a commit of nothing is no error: clients commit once more when they stop.
	afterItem = 2 * time.Second
	// invalidInARow is how many messages may be no events before the session ends.
	invalidInARow = 100
	// mostMessage bounds messages without sound, mostAudio the bytes of sound in one.
	mostMessage = 1 << 20
	mostAudio   = 15 << 20
	// mostID bounds the ids that a client gives, in characters, and mostAsk the bytes of how an item is to be transcribed, which each keeps.
	mostID  = 512
	mostAsk = 16 << 10
	// itemBytes is about what an item takes in memory while it waits.
	itemBytes = 512
)

// MachineOptions are what a machine needs.
type MachineOptions struct {
	ID      string
	Expires time.Time
	Config  Config
	// Beta is the dialect, unless the first message chooses it.
	Beta bool
	// Check returns what is wrong with how items are to be transcribed, with a Param below transcription; nil if nothing is.
	Check func(Ask) *Problem
	// Most is how long an item may be; one that is longer ends there.
	Most time.Duration
	// Spell returns the tokens of words that follow a text, nil if they have no probabilities; nil for a model that tells none.
	Spell func(before string, words []scout.Word) []LogProb
	// NewID returns an id with that prefix.
	NewID func(prefix string) string
	// Send takes an event for the client, Keep sound at 16 kHz, in memory that is used again.
	Send func(Event)
	Keep func(samples []float32) error
}

// Machine is the protocol of a session. It is not safe for concurrent use.
type Machine struct {
	o       MachineOptions
	config  Config
	beta    bool
	begun   bool // a message came
	invalid int  // messages in a row that are no events

	sound    *sound
	before   time.Duration // sound that was kept when the converter began anew
	head     int64         // frames that were kept
	measured levels
	levels   []float32 // of the hops that were not searched for turns
	turns    *Turns    // nil if the client ends items
	searched int64     // frames that were
	heard    int64     // frames up to which the engine heard
	blocked  time.Time // since when the search waits for the engine; zero if it does not

	open    *Item
	waiting []*Item        // items that ended and are not text
	weight  int            // bytes that they take, about
	weighed *Transcription // what was counted last
	ended   time.Time
	known   conversation

	// Items counts those that were committed.
	Items int
}

// Item is a stretch of speech with its text.
type Item struct {
	ID string
	// Start and End are frames at 16 kHz since the session began; End is -1 while the item is open.
	Start, End int64
	// Origin is where the times of its text count from: Start, or the beginning of the sound that is heard again with it.
	Origin int64
	Ask    Ask
	// Delay is the age at which words are sent; 0 for all at the end.
	Delay time.Duration
	// Dropped says that nobody wants its text any more.
	Dropped bool
	// Counts says that what it takes is counted in tokens.
	Counts bool
	// Committed is when it ended, zero while it is open.
	Committed time.Time

	turn     bool  // the client knows that it began
	stopped  int64 // where a turn ended without the item, 0 for nowhere
	began    int64 // where its speech begins
	previous string
	text     strings.Builder
	heard    []scout.Word // of text, if their probabilities are wanted
	sent     int          // bytes of text that the client has
	spelled  int          // words of heard that it has
	said     Spoken       // words that may change included
	sure     Spoken       // words that may not change
	through  int64        // everything before it is text or silent
	weight   int          // bytes that it takes, about

	// state is where to go on after text that was told, and broke says that audio ended the engine. They belong to who transcribes the item.
	state *speech.LiveState
	broke bool
}

// NewMachine returns a machine. Start is called first.
func NewMachine(o MachineOptions) (*Machine, error) {
	o.Most = cmp.Or(o.Most, sessionLasts)
	m := &Machine{o: o, config: o.Config, beta: o.Beta}
	var err error
	if m.sound, err = newSound(m.config.Format); err != nil {
		return nil, err
	}
	if how := m.config.detection(); how != nil {
		m.turns = NewTurns(*how)
	}
	m.begin(0)
	return m, nil
}

// Beta reports whether the dialect is beta.
func (m *Machine) Beta() bool { return m.beta }

// Length is how much sound was kept.
func (m *Machine) Length() time.Duration { return durationOf(m.head) }

// begin opens the next item.
func (m *Machine) begin(at int64) {
	m.open = &Item{ID: m.o.NewID("item_"), Start: at, Origin: at, End: -1, began: at, Ask: m.config.Ask(), Delay: m.config.delay(), weight: itemBytes}
	if t := m.config.Transcription; t != nil && t != m.weighed { // items of one update share its texts
		m.open.weight += t.size()
		m.weighed = t
	}
	if m.beta {
		m.open.Delay = 0
	}
	m.open.said.Heard = at
}

// Next returns the item to transcribe, nil if there is no sound of it.
func (m *Machine) Next() *Item {
	if len(m.waiting) > 0 {
		return m.waiting[0]
	}
	if m.Until(m.open) > m.open.Start {
		return m.open
	}
	return nil
}

// Until is up to where an item may be heard by now.
func (m *Machine) Until(it *Item) int64 {
	switch {
	case it.End >= 0:
		return it.End
	case m.turns != nil:
		return m.searched
	}
	return m.head
}

// Waiting is how many items have ended and are not text, how many bytes they take, and how much sound was not heard.
func (m *Machine) Waiting() (items, bytes int, sound time.Duration) {
	from := m.heard
	if len(m.waiting) == 0 {
		from = max(from, m.open.Start)
	}
	return len(m.waiting), m.weight, durationOf(max(0, m.head-from))
}

// buffered is how much of the client's sound is in no item.
func (m *Machine) buffered() time.Duration {
	return m.before + m.sound.length() - durationOf(m.open.Start)
}

// hear takes sound of the client.
func (m *Machine) hear(data []byte, now time.Time) error {
	err := m.sound.write(data, m.keep)
	m.Advance(now)
	return err
}

func (m *Machine) keep(samples []float32) error {
	if err := m.o.Keep(samples); err != nil {
		return err
	}
	m.head += int64(len(samples))
	if m.turns == nil {
		return nil
	}
	for _, v := range samples {
		if level, full := m.measured.add(v); full {
			m.levels = append(m.levels, float32(level))
		}
	}
	return nil
}

// flush takes what the converter of the sound holds back. What follows has a format.
func (m *Machine) flush(f Format) error {
	if err := m.sound.flush(f, m.keep); err != nil {
		return err
	}
	m.before, m.sound.received = durationOf(m.head), 0 // all of it was kept, rounded to whole frames
	return nil
}

// Advance searches for turns, as far as the engine has come, and ends items that are too long.
func (m *Machine) Advance(now time.Time) {
	m.search(now, false)
	for m.turns == nil && m.endLong(m.head, m.searched, now) {
	}
}

// endLong ends the open item where it is as long as it may be, if there is sound up to a position.
//
//	least  up to where the item was heard, perhaps
func (m *Machine) endLong(to, least int64, now time.Time) bool {
	end := max(m.open.began+framesOf(m.o.Most), least)
	if end > to {
		return false
	}
	m.end(end, now)
	return true
}

// search searches for turns.
//
//	all  without waiting for the engine
func (m *Machine) search(now time.Time, all bool) {
	if m.turns == nil {
		return
	}
	for n, level := range m.levels {
		if !all && m.waits(now) {
			m.levels = append(m.levels[:0], m.levels[n:]...)
			return
		}
		m.searched += hopFrames
		switch change, start := m.turns.Hear(m.searched, float64(level), m.open.Start, m.open.said); change {
		case TurnBegins:
			m.startTurn(start)
		case TurnEnds:
			m.end(m.searched, now)
		case TurnNone:
			if m.open.turn {
				m.endLong(m.searched, m.searched-hopFrames, now)
			}
		}
	}
	m.levels = m.levels[:0]
	m.blocked = time.Time{}
}

// Blocked reports whether the search for turns waits for the engine.
func (m *Machine) Blocked() bool { return !m.blocked.IsZero() }

// waits reports whether the search waits for the engine: words may tell what levels do not.
func (m *Machine) waits(now time.Time) bool {
	if m.searched-max(m.heard, m.open.Start) < framesOf(wordsWithin) {
		m.blocked = time.Time{}
		return false
	}
	if m.blocked.IsZero() {
		m.blocked = now
	}
	return now.Sub(m.blocked) < waitsWithin
}

// startTurn tells that somebody speaks.
func (m *Machine) startTurn(start int64) {
	it := m.open
	it.turn = true
	start = max(start, it.Start, it.stopped)
	if it.stopped == 0 {
		it.began = start
	}
	m.tell(typeSpeechStarted, startedEvent{m.named(typeSpeechStarted), millis(start), it.ID})
}

// stopTurn ends a turn without an item, because the client finds turns itself from here on, or forgets what was said.
func (m *Machine) stopTurn() {
	if it := m.open; it.turn {
		it.turn, it.stopped = false, m.head
		m.tell(typeSpeechStopped, stoppedEvent{m.named(typeSpeechStopped), millis(m.head), it.ID})
	}
}

// end ends the open item at a position.
func (m *Machine) end(at int64, now time.Time) {
	it := m.open
	it.End, it.Committed, it.previous = at, now, m.known.last()
	if m.turns != nil {
		if it.turn {
			m.tell(typeSpeechStopped, stoppedEvent{m.named(typeSpeechStopped), millis(at), it.ID})
		}
		m.turns.Close()
	}
	m.tell(typeCommitted, committedEvent{m.named(typeCommitted), it.ID, orNull(it.previous)})
	added := typeItemAdded
	if m.beta {
		added = typeItemCreated
	}
	m.tell(added, itemEvent{m.named(added), orNull(it.previous), bodyOf(it.ID, nil)})
	m.known.insert(len(m.known.items), record{id: it.ID})
	m.ended = now
	m.Items++
	m.waiting = append(m.waiting, it)
	m.weight += it.weight
	if m.beta && !it.single() {
		m.delta(it)
	}
	m.begin(at)
}

// single reports whether the client expects all text of an item at once.
func (it *Item) single() bool { return it.Ask.Model == nameSingle }

// delta sends the text of an item that the client has not got.
func (m *Machine) delta(it *Item) {
	fresh := it.text.String()[it.sent:]
	if strings.TrimSpace(fresh) == "" {
		return
	}
	it.sent = it.text.Len()
	e := Event{Type: typeDelta, Item: it.ID, Delta: fresh}
	if it.Ask.LogProbs {
		e.LogProbs = m.spell(it, it.spelled)
	}
	it.spelled = len(it.heard)
	m.o.Send(e)
}

// spell returns the tokens of the words of an item from one on; nil if they are not known.
func (m *Machine) spell(it *Item, from int) []LogProb {
	if m.o.Spell == nil {
		return nil
	}
	before := ""
	if from > 0 {
		before = it.heard[from-1].Text
	}
	return m.o.Spell(before, it.heard[from:])
}

// Written is how many tokens the decoder wrote of an item, false if that is not known.
func (m *Machine) Written(it *Item) (int, bool) {
	all := m.spell(it, 0)
	return len(all), all != nil
}

// Guess takes words of an item that may change.
//
//	to  the end of the audio that was heard, from the item's origin
func (m *Machine) Guess(it *Item, words []scout.Word, to time.Duration, now time.Time) {
	if it.Dropped {
		return
	}
	heard := it.said.Heard
	it.said = it.sure // a guess takes the place of the one before
	it.said.add(it.Origin, words, to)
	it.said.Heard = heard
	m.Advance(now)
}

// Add takes text of an item that never changes. It goes directly behind the text so far.
func (m *Machine) Add(it *Item, text string, words []scout.Word, to time.Duration, now time.Time) {
	if it.Dropped {
		return
	}
	if it.text.Len() == 0 {
		text = strings.TrimLeft(text, " ") // what separates it from the item before
	}
	it.text.WriteString(text)
	if it.Ask.LogProbs || it.Counts {
		it.heard = append(it.heard, words...)
	}
	it.sure.add(it.Origin, words, to)
	it.said.add(it.Origin, words, to) // what is left of the last guess follows as another
	early := it == m.open && it.Delay > 0
	if early && m.turns != nil && !it.turn && strings.TrimSpace(text) != "" {
		start := it.said.First - framesOf(m.turns.how.Prefix)
		m.turns.Begin(m.searched)
		m.startTurn(start)
	}
	if early || it != m.open && (m.beta && !it.single() || it.Delay > 0) {
		m.delta(it)
	}
	m.Advance(now)
}

// Through notes before which position of an item everything is text or silent.
func (m *Machine) Through(it *Item, to time.Duration) { it.through = it.Origin + framesOf(to) }

// Hear notes up to where an item was heard, from its origin.
func (m *Machine) Hear(it *Item, to time.Duration, now time.Time) {
	it.said.Heard = it.Origin + framesOf(to)
	m.heard = max(m.heard, it.said.Heard)
	m.Advance(now)
}

// Done takes the end of an item's text, and what it took: nil if its tokens were not counted.
func (m *Machine) Done(it *Item, languages []string, tokens *Tokens) {
	if !m.leave(it) {
		return
	}
	m.delta(it)
	transcript := it.text.String()
	if strings.TrimSpace(transcript) == "" {
		transcript = ""
	}
	m.complete(it, &transcript)
	list := make([]language, 0, len(languages))
	for _, code := range languages {
		if code != "" {
			list = append(list, language{code})
		}
	}
	e := completedEvent{head: m.named(typeCompleted), Item: it.ID, Transcript: transcript, Languages: list, Usage: usageOf(it.Length(), tokens)}
	if it.Ask.LogProbs {
		e.LogProbs = m.spell(it, 0)
	}
	m.tell(typeCompleted, e)
}

// Length is how long an item that has ended is.
func (it *Item) Length() time.Duration { return durationOf(it.End - it.began) }

// Failed takes that there will be no text of an item.
func (m *Machine) Failed(it *Item, message string) {
	if !m.leave(it) {
		return
	}
	m.complete(it, nil)
	m.tell(typeFailed, failedEvent{head: m.named(typeFailed), Item: it.ID, Error: itemFailed{Type: "server_error", Message: message}})
}

// leave takes an item from those that wait.
func (m *Machine) leave(it *Item) bool {
	if len(m.waiting) == 0 || m.waiting[0] != it {
		return false
	}
	m.waiting = m.waiting[1:]
	m.weight -= it.weight
	m.heard = max(m.heard, it.End)
	return true
}

func (m *Machine) complete(it *Item, transcript *string) {
	if n := m.known.find(it.ID); n >= 0 {
		m.known.items[n].transcript = transcript
	}
	if !m.beta {
		m.tell(typeItemDone, itemEvent{m.named(typeItemDone), orNull(it.previous), bodyOf(it.ID, transcript)})
	}
}
