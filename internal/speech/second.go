package speech

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/text/sentence"
)

// SecondOptions say how a stream is heard a second time. The zero value of a field means the default beside it.
type SecondOptions struct {
	// Model is the id of the accurate model, for spans and logs.
	Model string
	// Language is the code of the language spoken, empty for one that the model finds or the only one that it knows.
	Language string
	// Trait is what is special about the model.
	Trait    Trait
	HotWords []string
	// Client is whose sound it is, empty for the microphone.
	Client string
	// Recorded reads audio back that is not held any more. Required.
	Recorded Recorded
	// From is the position at which Write begins; what is before it is read back first.
	From int64
	// Cut places the borders of pieces; nil means SecondCut.
	Cut *segment.Options
	// Vote lets both models choose where they differ; nil for no vote. Vote.Words is what the fast model wrote.
	Vote *Vote
}

// SecondCut places the borders of the pieces of a second pass: up to 10 s, and what surrounds them. Longer ones suit the model better; of
// these little enough is left to decode after a stop. Of a rest that is too short, often a part of a word, the model makes nonsense, which
// costs further decodes: it is joined to the piece before. Measured: docs/adr/0111-second-pass.md.
func SecondCut() segment.Options {
	cut := segment.Defaults()
	cut.Min, cut.Max, cut.Overlap, cut.Tail = 6*time.Second, 10*time.Second, 1500*time.Millisecond, 1500*time.Millisecond
	return cut
}

// SecondText is what an accurate model heard in a stream.
type SecondText struct {
	// Words are in the order of time, which counts from the beginning of the recording.
	Words []scout.Word
	// Unheard are stretches that it could not decode. What an earlier pass heard there stays.
	Unheard []Span
	// Duration is the length of the audio.
	Duration time.Duration
	// Pieces is how many pieces were decoded; Decoding is how long that took, waiting included.
	Pieces   int
	Decoding time.Duration
}

// Second makes the text of a stream that is still growing with an accurate model, in turns of the lowest class: a piece is decoded as
// soon as it is closed, so that after a stop only the last one is left. A request that somebody waits for interrupts a decode, which
// is taken up again. Nothing waits for it.
//
// Write, Gap, Stop and End are as those of Live. They may be called from any goroutine, also before Run.
type Second struct {
	scope    observe.Scope
	failures *observe.Failures
	decoder  *Decoder
	options  SecondOptions
	intake   *intake

	cutter *segment.Cutter
	pos    int64 // the next frame for the cutter
	queue  []segment.Piece
	joiner *Joiner
	text   SecondText
	failed int  // pieces in a row
	grows  bool // sound came before the stop: somebody waits for the text after it
}

// NewSecond returns a second pass over the recognizer. The error has scout.CodeInvalidArgument.
func NewSecond(scope observe.Scope, failures *observe.Failures, recognizer Recognizer, o SecondOptions) (*Second, error) {
	if o.Recorded == nil {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "second pass: no recording to read from")
	}
	decoder := NewDecoder(scope, recognizer)
	decoder.provisional = true // what is lost or doubted is still in the text of the first pass
	s := &Second{scope: decoder.scope, failures: failures, decoder: decoder, options: o, intake: newIntake(0)}
	cut := SecondCut()
	if o.Cut != nil {
		cut = *o.Cut
	}
	var err error
	s.cutter, err = segment.New(cut, func(p segment.Piece) error {
		s.queue = append(s.queue, p)
		return nil
	})
	s.joiner = NewJoiner(JoinerState{}, func(settled scout.Segment) {
		if len(settled.Words) == 0 { // nothing is known of them, so that they replace nothing
			for _, w := range splitWords(settled.Text) {
				s.text.Words = append(s.text.Words, scout.Word{Text: w})
			}
		}
		s.text.Words = append(s.text.Words, settled.Words...)
	})
	return s, err
}

// Write takes the samples at a position and copies them.
func (s *Second) Write(at int64, samples []float32) { s.intake.write(at, samples) }

// Gap says that the frames between two positions do not exist. They count as silence.
func (s *Second) Gap(from, to int64) { s.intake.gap(from, to) }

// Stop says that the person stopped at this position.
func (s *Second) Stop(at int64) { s.intake.stop(at, false, time.Now()) }

// End says that the recording has this many frames, all of which exist.
func (s *Second) End(at int64) { s.intake.stop(at, true, time.Now()) }

const (
	// mostLate is how much audio may wait for a second pass. A machine that is further behind is too slow for it.
	mostLate = heldFrames / 2
	// mostFailed is how many decodes may fail in a row.
	mostFailed = 3
)

// errTooSlow is why there is no second pass where decoding takes longer than speaking.
var errTooSlow = scout.Errorf(scout.CodeTooSlow, "the machine is too slow to decode a second time while somebody speaks")

// errLoadedLate is why there is no second pass where the sound had passed before the model was there.
var errLoadedLate = scout.Errorf(scout.CodeTooSlow, "the model for the second pass was loaded too late for it")

// Run hears the stream until everything up to the stop is decoded. It gives up if the engine fails several times in a row, or for a
// reason that stays, and with scout.CodeTooSlow if half a minute of audio waits. It returns the cause of ctx when that ends first. Call
// it once.
func (s *Second) Run(ctx context.Context) (text SecondText, err error) {
	ctx, span := s.scope.Tracer().Start(ctx, "speech.second", trace.WithAttributes(attribute.String("model", s.options.Model)))
	defer func() { observe.EndSpan(span, err) }()
	err = s.failures.Guard("speech", func() error { return s.run(ctx) })
	return s.text, err
}

func (s *Second) run(ctx context.Context) error {
	wake := time.NewTimer(0)
	defer wake.Stop()
	for {
		if len(s.queue) > 0 {
			if err := s.next(ctx); err != nil {
				return err
			}
			continue
		}
		now := time.Now()
		supply := s.intake.at(s.pos, feedFrames, now)
		switch supply.kind {
		case supplyAudio:
			if _, stopped := s.intake.clock(); !stopped {
				s.grows = true
			}
			if err := s.cutter.Write(supply.samples); err != nil {
				return err
			}
			s.pos = supply.to
			continue
		case supplyMissing:
			if err := s.readBack(ctx, s.intake.at(s.pos, readBackFrames, now).to); err != nil {
				return err
			}
			continue
		case supplyEnd:
			if s.pos == 0 && s.intake.owes(0) { // it was attached after the sound had passed
				return errLoadedLate
			}
			if err := s.cutter.Close(); err != nil {
				return err
			}
			for len(s.queue) > 0 {
				if err := s.next(ctx); err != nil {
					return err
				}
			}
			s.joiner.Finish()
			s.text.Duration = segment.Duration(s.pos)
			return nil
		}
		wake.Reset(time.Until(earlier(supply.wake, now.Add(lookEvery))))
		select {
		case <-s.intake.wake:
		case <-wake.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// readBack gives the cutter audio from the recording.
func (s *Second) readBack(ctx context.Context, to int64) error {
	samples := make([]float32, to-s.pos)
	if _, err := s.options.Recorded.ReadAt(ctx, samples, s.pos); err != nil {
		return err
	}
	s.pos = to
	return s.cutter.Write(samples)
}

// next decodes the first piece of the queue.
func (s *Second) next(ctx context.Context) error {
	piece := s.queue[0]
	pause := firstRetry
	for failures := 1; ; failures++ {
		if head, stopped := s.intake.clock(); !stopped && head-piece.End() > mostLate+s.options.From {
			if s.text.Pieces == 0 && failures == 1 { // it waits since before the first decode
				return errLoadedLate
			}
			return errTooSlow
		}
		began := time.Now()
		d, err := s.decode(ctx, piece)
		s.text.Decoding += time.Since(began)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			return s.add(d)
		case scout.ClassOf(err) != scout.Transient || failures == mostFailed:
			return err
		}
		if err := resilience.Sleep(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
}

func (s *Second) decode(ctx context.Context, piece segment.Piece) (Decoded, error) {
	if piece.Peak() < silence {
		return silent(piece), nil
	}
	how := How{
		Language: s.options.Language, Trait: s.options.Trait, Class: schedule.SecondPass, Client: s.options.Client, Words: true,
		HotWords: s.options.HotWords,
	}
	if _, stopped := s.intake.clock(); stopped && s.grows {
		how.Spared = len(looks()) // whoever inserts the text waits for it: a doubtful piece is not heard in other ways
	}
	v := s.options.Vote
	if v == nil {
		return s.decoder.Decode(ctx, piece, how)
	}
	how.Keep = true
	d, err := s.decoder.Decode(ctx, piece, how)
	if err != nil {
		return d, err
	}
	voted, ballot, err := s.decoder.vote(ctx, piece, d, how, v)
	if v.Watch != nil {
		v.Watch(d, ballot)
	}
	return voted, err
}

// add takes what was heard in the first piece of the queue.
func (s *Second) add(d Decoded) error {
	s.queue = s.queue[1:]
	s.text.Pieces++
	for _, a := range d.SetAside {
		s.text.Unheard = append(s.text.Unheard, Span{a.Start, a.End})
	}
	s.failed++
	if !d.Failed {
		s.failed = 0
	}
	if s.failed == mostFailed {
		return scout.Errorf(d.SetAside[0].Code, "%s", d.SetAside[0].Reason)
	}
	if held := s.joiner.State().Held; held != nil && len(held.Words) > 0 && len(d.Words) > 0 && !endsSentence(held.Words) {
		d.Words = slices.Clone(d.Words)
		d.Words[0].Text = align.WithinSentence(d.Words[0].Text) // the model begins each piece with a capital
	}
	s.joiner.Add(d)
	return nil
}

// endsSentence reports whether a sentence ends with the last of the words.
func endsSentence(words []scout.Word) bool {
	spelt := texts(words)
	return sentence.Ends(spelt, len(spelt)-1)
}
