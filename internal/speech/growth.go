package speech

import (
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Pauses says when an open piece is closed early: docs/adr/0063-live-cuts.md.
type Pauses struct {
	// Least is the length of a pause that closes a piece of at least segment.Options.Min; negative for none.
	Least time.Duration
}

// DefaultPauses returns the rule that was measured best: pieces end where a file is cut, and nowhere else.
func DefaultPauses() Pauses { return Pauses{Least: -1} }

const (
	// feedFrames is how much audio goes to the cutter at a time: 100 ms.
	feedFrames = scout.EngineSampleRateHz / 10
	// readBackFrames is how much is read from the recording at a time.
	readBackFrames = 10 * scout.EngineSampleRateHz
	// owedAfter is how far the text may be behind the clock before a stretch is owed.
	owedAfter = 3 * time.Second
	// firstRetry and lastRetry bound the wait after a failure, which doubles each time.
	firstRetry, lastRetry = 250 * time.Millisecond, 5 * time.Second
	// lostFrom is how much audio a peek must have heard before the next ones are careful: of less, the model often finds nothing.
	lostFrom = 3 * time.Second
	// waitsAtMost is how far the cutter may be behind what has come for words to get older meanwhile: of sound that comes faster than it is
	// said, words are not committed sooner.
	waitsAtMost = 2 * time.Second
	// contextUntil is how long a piece may be that is heard with the context of the recording: docs/adr/0107-realtime.md.
	contextUntil = 4 * scout.EngineSampleRateHz
	// patient is how long the text of a stop may take if a doubtful piece is decoded in other ways too.
	patient = 60 * time.Millisecond
)

// growth decides what is decoded when, and what the results mean. It has no goroutines and no clock of its own, so that
// a driver can run it on any clock. It is not safe for concurrent use.
type growth struct {
	options  *LiveOptions
	cut      segment.Options
	cutter   *segment.Cutter
	pos      int64           // the next frame for the cutter
	queue    []segment.Piece // closed and not decoded
	closed   bool            // the cutter is, after a stop
	settling settling
	next     segment.Position // of the first piece that is not decoded
	through  time.Duration
	heard    heardSoFar
	known    knownTokens
	hyp      hypothesis // the last one of the open piece that is not doubted
	ready    hypothesis // one that ends in a pause, for a stop
	seen     hypothesis // the last believable one, of which no word may be lost
	stopped  bool
	tail     time.Duration // not committed at the stop
	tongue   tongue
	spoken   spoken // languages of the closed pieces
	careful  bool   // the model was lost in the open piece, so that peeks are careful

	peekedTo   int64         // end of the audio of the last peek, or of the last closed piece
	windowAt   int64         // where the last window began
	cost       time.Duration // mean wall time of a decode for a second of audio
	notBefore  time.Time     // after a failure
	retry      time.Duration
	err        error // of the last attempt
	owed       LiveOwed
	last       string // the text of the last word that was told
	shown      string // the partial text
	scratch    []float32
	scratchOut bool // in use by a task
}

// knownTokens is the last decoding of the open piece.
type knownTokens struct {
	from   time.Duration // where its audio begins
	tokens []scout.Token
}

func newGrowth(o *LiveOptions) (*growth, error) {
	g := &growth{options: o, cut: o.cut(), settling: settling{rule: o.Commit}}
	if s := o.From; s != nil {
		g.next, g.through, g.heard, g.settling.state = s.Next, s.Through, s.Heard, s.Settled
		g.heard.Empty = slices.Clone(s.Heard.Empty)
		g.settling.state.Committed = slices.Clone(s.Settled.Committed)
		g.last = s.Settled.Last
		g.spoken = s.Spoken.clone()
		g.tongue = tongue{code: s.Tongue, prob: s.TongueProb, to: g.next.Start}
	} else if o.Context.Frames > 0 {
		g.follow(&o.Context)
	}
	g.pos, g.peekedTo = max(0, g.next.First()), g.next.Start
	var err error
	g.cutter, err = segment.Resume(g.cut, g.next, func(p segment.Piece) error {
		g.queue = append(g.queue, p)
		return nil
	})
	return g, err
}

// follow begins behind sound that is text already, as behind a piece that was cut in speech.
func (g *growth) follow(c *Context) {
	from := max(0, c.Frames-g.cut.Context())
	g.next = segment.Position{Start: c.Frames, Before: int(c.Frames - from), Left: segment.Edge{Kind: segment.EdgeSpeech}}
	g.through = c.length()
	words := slices.DeleteFunc(slices.Clone(c.Words), func(w scout.Word) bool { return w.Start != nil && *w.Start < segment.Duration(from) })
	g.settling.state.End = g.through
	if len(words) == 0 {
		return
	}
	held := Decoded{Core: Span{segment.Duration(from), g.through}}
	held.From, held.To, held.Words = held.Core.From, g.through, words
	g.settling.state.Held, g.settling.state.Committed, g.settling.state.Last = &held, slices.Clone(words), words[len(words)-1].Text
}

// enough returns a piece without the context of the recording, if it is long enough to be known without.
func (g *growth) enough(p segment.Piece) segment.Piece {
	if g.follows(p) && p.Frames() >= contextUntil {
		p.Samples, p.Before = p.Samples[p.Before:], 0
	}
	return p
}

// follows reports whether a piece has the context of the recording before it.
func (g *growth) follows(p segment.Piece) bool {
	return p.Before > 0 && p.Start == g.options.Context.Frames
}

// feed moves audio from the intake to the cutter, as long as no closed piece waits. It returns the position up to which
// only the recording has the audio, 0 if there is none, and when to look again.
func (g *growth) feed(in *intake, now time.Time) (missing int64, wake time.Time, err error) {
	_, stopped := in.clock()
	if stopped && !g.stopped {
		g.stopped = true
		g.notBefore = time.Time{} // somebody waits now
	}
	for (len(g.queue) == 0 || g.joins()) && !g.closed {
		s := in.at(g.pos, feedFrames, now)
		switch s.kind {
		case supplyNone:
			return 0, s.wake, nil
		case supplyMissing:
			more := in.at(g.pos, readBackFrames, now)
			return more.to, time.Time{}, nil
		case supplyEnd:
			g.tail = max(0, segment.Duration(g.pos)-max(g.through, g.settling.state.End))
			g.closed = true
			if g.hyp.of(g.next.Start) && g.rest() <= g.ends().Rest {
				g.queue = []segment.Piece{g.join()}
				return 0, time.Time{}, nil
			}
			return 0, time.Time{}, g.cutter.Close()
		}
		if err := g.take(s.samples); err != nil {
			return 0, time.Time{}, err
		}
	}
	return 0, time.Time{}, nil
}

// take gives samples at pos to the cutter.
func (g *growth) take(samples []float32) error {
	for len(samples) > 0 {
		n := min(len(samples), feedFrames)
		if err := g.cutter.Write(samples[:n]); err != nil {
			return err
		}
		g.pos += int64(n)
		samples = samples[n:]
		if len(g.queue) == 0 && g.options.Pause.Least > 0 {
			if _, err := g.cutter.Pause(g.options.Pause.Least); err != nil {
				return err
			}
		}
	}
	return nil
}

// joins reports whether, after a stop, the open piece is finished together with a closed one that is not decoded.
func (g *growth) joins() bool {
	return g.stopped && len(g.queue) == 1 && g.hyp.of(g.next.Start) && g.rest() <= g.ends().Rest
}

// ends bounds what is decoded at the stop.
func (g *growth) ends() Ends { return g.options.Trait.ends() }

// rest is how much audio is not decoded for good.
func (g *growth) rest() time.Duration { return segment.Duration(g.pos - g.next.First()) }

// join returns all audio that is not decoded for good as one piece, in memory of its own.
func (g *growth) join() segment.Piece {
	open := g.cutter.Open()
	if len(g.queue) == 0 {
		open.Samples = slices.Clone(open.Samples)
		return open
	}
	p := g.queue[0]
	p.Samples = slices.Concat(p.Samples[:p.Before+p.Frames()], open.Core())
	p.After, p.Right = 0, open.Right
	return p
}

// plan returns what to do now, or nil and when to look again. missing is that of feed.
func (g *growth) plan(in *intake, missing int64, now time.Time) (*task, time.Time) {
	if now.Before(g.notBefore) {
		return nil, g.notBefore
	}
	head, _ := in.clock()
	behind := segment.Duration(head-g.pos) > time.Second
	ease := g.options.ease()
	if ease >= EaseToTheStop && !g.stopped {
		return nil, time.Time{}
	}
	if len(g.queue) > 0 {
		p := g.enough(g.queue[0])
		t := &task{kind: taskClose, piece: p, how: g.how(behind, p), began: now}
		t.how.Known = g.knownFor(p)
		if g.stopped {
			t.how.Spared, t.ahead = spared(g.costOf(p)), g.options.Lanes > 1
		} else if g.settling.rule.hurries() {
			t.how.Spared = len(looks()) // most of its words are committed, and those that follow wait
		}
		if g.stopped && p.Right.Kind == segment.EdgeInput {
			g.shorten(t)
		} else {
			g.reuse(t)
		}
		return t, time.Time{}
	}
	if missing > 0 {
		return &task{kind: taskRead, at: g.pos, n: int(missing - g.pos), began: now}, time.Time{}
	}
	fresh := segment.Duration(g.pos - g.peekedTo)
	if g.stopped || behind || g.scratchOut || ease >= EaseCommitted {
		return nil, time.Time{}
	}
	kind := taskPeek
	p := g.enough(g.cutter.Open())
	if end, ok := g.asks(); ok {
		kind, p = taskAsk, end
	} else {
		switch {
		case !g.options.Trait.windows() && !g.urgent(fresh) && g.mustReady():
			kind = taskReady
		case fresh < eased(g.step(), ease):
			return nil, time.Time{}
		}
	}
	if p.Peak() < silence {
		g.peekedTo = g.pos
		return nil, time.Time{}
	}
	g.scratch = append(g.scratch[:0], p.Samples...)
	p.Samples = g.scratch
	g.scratchOut = true
	t := &task{kind: kind, piece: p, how: g.how(false, p), began: now, scratch: true}
	if kind == taskAsk {
		t.how.Language, t.how.Effort = "", EffortQuick
		return t, time.Time{}
	}
	t.how.Known = g.knownFor(p)
	if kind == taskPeek {
		if t.how.Careful = g.careful; !g.careful {
			t.how.Effort = EffortQuick
		}
		if end, ok := g.window(p); ok {
			known := g.hyp
			t.from, t.ends, t.endHow = &known, []segment.Piece{end}, t.how
			t.endHow.Known = g.knownFor(end)
		}
		return t, time.Time{}
	}
	g.shorten(t)
	return t, time.Time{}
}

// mustReady reports whether somebody spoke and now pauses, and the text of what was said is not ready.
func (g *growth) mustReady() bool {
	quiet := g.pos - int64(shortPause)*scout.EngineSampleRateHz/int64(time.Second)
	if quiet <= g.next.Start || g.cutter.Loudest(quiet).Kind != segment.EdgePause {
		return false
	}
	heard := g.next.Start
	if g.ready.of(g.next.Start) {
		heard = g.ready.to
	}
	return heard < quiet && g.cutter.Loudest(heard).Kind != segment.EdgePause
}

// spared returns how many looks at a piece are left out after a stop, if one decode of it takes so long.
func spared(cost time.Duration) int {
	all := len(looks())
	if cost <= 0 {
		return 0
	}
	return min(max(0, 1+all-int(patient/cost)), all)
}

// shorten lets a task use what is known of its piece.
func (g *growth) shorten(t *task) {
	long := t.piece.HeardTo()-t.piece.HeardFrom() > g.ends().Whole && !g.follows(t.piece)
	for _, h := range []*hypothesis{&g.ready, &g.hyp} {
		if (h.final || h == &g.hyp && (long || t.how.Spared == len(looks()))) && h.covers(t.piece) {
			known := *h
			t.from, t.whole = &known, true
			return
		}
	}
	ends := g.hyp.tails(t.piece, g.ends())
	if len(ends) == 0 || !long {
		return
	}
	known := g.hyp
	t.from, t.ends, t.endHow = &known, ends, t.how
	t.endHow.Effort, t.endHow.Known = EffortQuick, g.knownFor(ends[0])
}

func (g *growth) how(behind bool, p segment.Piece) How {
	h := How{Language: g.languageOf(p), Trait: g.options.Trait, Words: true, Tokens: g.options.Tokens, HotWords: g.options.HotWords, Client: g.options.Client, Class: schedule.Partial}
	switch {
	case g.stopped:
		h.Class = g.options.stopClass()
	case behind || h.Client != "":
		h.Class = schedule.Interactive
	}
	return h
}

// knownFor returns the tokens of the last decoding that lie in a piece, if that decoding heard its beginning.
func (g *growth) knownFor(p segment.Piece) []int32 {
	skipped, length := p.HeardFrom()-g.known.from, p.HeardTo()-p.HeardFrom()
	if skipped < 0 {
		return nil
	}
	var ids []int32
	for _, t := range g.known.tokens {
		if t.ID < 0 || t.Start == nil && skipped > 0 {
			return nil
		}
		if t.Start != nil && (*t.Start < skipped || *t.Start-skipped > length) {
			continue
		}
		ids = append(ids, t.ID)
	}
	return ids
}

// abandon forgets a task whose result will not be used. Its memory may still be in use.
func (g *growth) abandon(t *task) {
	if t.scratch {
		g.scratch, g.scratchOut = nil, false
	}
}

// done takes the outcome of a task.
func (g *growth) done(t *task, o outcome, now time.Time) (said, error) {
	if t.scratch {
		g.scratchOut = false
	}
	if o.err != nil {
		g.err = o.err
		g.retry = min(max(2*g.retry, firstRetry), lastRetry)
		g.notBefore = now.Add(g.retry)
		return said{}, nil //nolint:nilerr // the task is tried again later; g.err is told meanwhile
	}
	g.err, g.retry = nil, 0
	if t.kind == taskRead {
		known := g.pos - t.at // came from the source while it was read
		if g.closed || known >= int64(len(o.samples)) {
			return said{}, nil
		}
		return said{}, g.take(o.samples[known:])
	}
	if t.from == nil {
		o.heard = t.piece.HeardTo() - t.piece.HeardFrom()
	}
	if t.kind != taskReady && !t.how.Careful {
		g.measure(t, o.heard, now)
	}
	if t.kind == taskAsk {
		news, err := g.answered(t.piece, &o.decoded, o.doubt != "")
		return said{tongue: news}, err
	}
	if t.piece.Start >= g.next.Start && len(o.known.tokens) > 0 {
		g.known = o.known
	}
	var kept Span
	if t.kind != taskPeek && o.doubt == "" {
		o.decoded, kept = g.seen.keep(t.piece, o.decoded)
	}
	if t.kind == taskReady {
		if t.piece.Start == g.next.Start { // if it is doubted, it is not tried again until somebody speaks
			g.ready = hypothesis{start: t.piece.Start, to: t.piece.End(), text: o.decoded, final: o.doubt == ""}
			if g.ready.final {
				g.remember(g.ready)
			}
		}
		return said{kept: kept}, nil
	}
	if t.kind == taskPeek {
		g.peekedTo = max(g.peekedTo, t.piece.End())
		if o.doubt == "" && t.piece.Start == g.next.Start && !g.see(t.piece, o.decoded) {
			o.doubt = reasonForgets
		}
		if t.piece.Start != g.next.Start {
			return said{}, nil
		}
		g.careful = g.careful || !g.options.Trait.Rechecks && o.lost() && t.piece.HeardTo()-t.piece.HeardFrom() >= lostFrom
		if o.doubt != "" || len(g.queue) > 0 {
			return said{}, nil
		}
		may, news := g.learn(t.piece, &o.decoded)
		var words []scout.Word
		if g.settling.certain = g.certain(); may {
			words = g.settling.grow(o.decoded)
		} else {
			g.settling.guess(o.decoded)
		}
		told := g.tell(words, nil, o.decoded.To)
		told.tongue = news
		return told, nil
	}
	g.queue = g.queue[1:]
	g.next, g.careful = g.cut.After(t.piece), false
	g.carries()
	g.seen.carry(g.next)
	g.peekedTo = max(g.peekedTo, g.next.Start)
	right := t.piece.Right.Kind
	if g.finished() {
		right = segment.EdgeInput // nothing can follow
	}
	news := g.closes(t.piece, &o.decoded)
	words := g.settling.close(o.decoded, right, g.cut.Overlap)
	if t.reused && g.hyp.of(g.next.Start) {
		g.settling.resume(g.hyp.text)
	}
	g.heard.add(&o.decoded)
	told := g.tell(words, &o.decoded, o.decoded.To)
	told.kept, told.tongue = kept, news
	return told, nil
}

// due commits what may not wait any longer. The clock is that of what has come: while a closed piece is decoded the cutter takes nothing.
func (g *growth) due(in *intake) said {
	if g.stopped {
		return said{} // all of it is about to come
	}
	to := segment.Duration(g.pos)
	if head, _ := in.clock(); segment.Duration(head)-to <= waitsAtMost {
		to = segment.Duration(head)
	}
	g.settling.certain = g.certain()
	words := g.settling.due(to)
	if len(words) == 0 {
		return said{}
	}
	return g.tell(words, nil, to)
}

// costOf is how long a piece will take to decode once.
func (g *growth) costOf(p segment.Piece) time.Duration {
	return time.Duration(float64(g.cost) * (p.HeardTo() - p.HeardFrom()).Seconds())
}

// measure keeps the mean cost of decoding. heard is how much of its audio a task decoded.
func (g *growth) measure(t *task, heard time.Duration, now time.Time) {
	length := heard.Seconds()
	if length < 1 {
		return // a constant part outweighs the rest
	}
	cost := time.Duration(float64(now.Sub(t.began)) / length)
	weight := time.Duration(8)
	if g.cost == 0 {
		weight = 1 // nothing was known
	}
	if cost < g.cost { // what made the earlier ones slow, such as loading the model, is over
		weight = 2
	}
	g.cost += (cost - g.cost) / weight
}
