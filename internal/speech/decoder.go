package speech

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Recognizer returns the text of one piece; *engine.Engine implements it.
type Recognizer interface {
	Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error)
}

// Decoder turns pieces of audio into words. It sends them to the recognizer, checks the answers and asks again if they
// are doubtful. It knows nothing about files and remembers nothing from one piece to the next. It is safe for
// concurrent use.
type Decoder struct {
	scope      observe.Scope
	metrics    *metrics
	recognizer Recognizer
	// provisional texts are decoded again: what is doubted or lost in them is neither counted nor logged.
	provisional bool
}

// NewDecoder returns a decoder over the recognizer.
func NewDecoder(scope observe.Scope, recognizer Recognizer) *Decoder {
	scope = scope.Component("speech")
	return &Decoder{scope: scope, metrics: newMetrics(scope), recognizer: recognizer}
}

// How says how pieces are decoded.
type How struct {
	// Language is the code of the language spoken. If it is empty, the model detects it, or knows only one.
	Language string
	// Translate asks for the text in English, whatever is spoken.
	Translate bool
	// Tail is how much silence the model hears behind a piece; 0 leaves it to the model.
	Tail time.Duration
	// Patient says that nobody waits for the text, so that a piece of a word or two may cost more.
	Patient bool
	// Trait is what is special about the model.
	Trait Trait
	// Class is the class of the requests, Client whose they are: clients share the engine within a class.
	Class  schedule.Class
	Client string
	// Effort is how much a doubtful piece may cost.
	Effort Effort
	// Words asks for word times, if the model gives them.
	Words bool
	// Tokens asks for the tokens of each word, if the model gives probabilities.
	Tokens   bool
	HotWords []string
	// Context is text whose spelling and style the model continues, if it can.
	Context string
	// Known is a known text of the piece, as tokens. It is verified and continued, which is quicker than decoding it.
	Known []int32
	// Keep says that the model is asked for scores of the piece when it is decoded.
	Keep bool
	// Careful makes Peek do what it takes to understand a doubted piece, as Decode does.
	Careful bool
	// Spared is how many further looks at text that is only doubtful are left out, because somebody waits for it.
	Spared int

	detected *detected // nil before the first request for a piece
}

// Peek decodes a piece that is still growing, once. reason says why the words are not to be trusted: the piece would be
// decoded in other ways now if it was complete. It is "" for words that are. The error is the engine's.
func (c *Decoder) Peek(ctx context.Context, piece segment.Piece, how How) (d Decoded, reason string, err error) {
	peak := piece.Peak()
	core := coreOf(piece)
	if peak < faint {
		piece, _ = piece.Amplified()
	}
	how.detected = &detected{}
	if how.Careful {
		d, reason, err = c.peekCarefully(ctx, piece, how)
		d.Core, d.Peak = core, peak
		return d, reason, err
	}
	late := piece
	d, reason, _, err = c.hear(ctx, piece, how)
	if err == nil && reason == reasonEmpty {
		if rest, ok := piece.WithoutLeadIn(); ok {
			late, how.Known = rest, nil
			d, reason, _, err = c.hear(ctx, late, how)
		}
	}
	if err == nil && reason == reasonEmpty {
		if early, ok := late.WithoutSilentEnd(silence); ok {
			how.Known = nil
			d, reason, _, err = c.hear(ctx, early, how)
			d.To = piece.HeardTo() // the rest is silent
		}
	}
	if err == nil && reason == "" {
		d, err = c.withLeadIn(ctx, piece, late, how, d)
	}
	how.detected.tell(&d)
	d.Core, d.Peak = core, peak
	return d, reason, err
}

// peekCarefully decodes a piece that is still growing as if it was complete. Nothing is counted or logged: the text is
// provisional.
func (c *Decoder) peekCarefully(ctx context.Context, piece segment.Piece, how How) (Decoded, string, error) {
	provisional := *c
	provisional.provisional = true
	d, err := provisional.decode(ctx, piece, how, spareHalvings(piece))
	how.detected.tell(&d)
	if err != nil {
		return Decoded{}, "", err
	}
	for _, a := range d.SetAside {
		if a.Code != scout.CodeTextLost {
			return Decoded{}, "", scout.Errorf(a.Code, "%s", a.Reason) // the engine did not decode it
		}
	}
	if len(d.Words) == 0 || len(d.SetAside) > 0 {
		return d, reasonEmpty, nil
	}
	return d, "", nil
}

// Decode returns what was said in a piece. A piece that cannot be decoded, although others could be, is set aside.
// Errors that concern the engine as a whole, and the end of ctx, are returned.
func (c *Decoder) Decode(ctx context.Context, piece segment.Piece, how How) (Decoded, error) {
	peak := piece.Peak()
	if peak <= segment.LevelFloor {
		d := Decoded{Core: coreOf(piece), Peak: peak} // nothing but digital silence
		d.From, d.To = piece.HeardFrom(), piece.HeardTo()
		return d, nil
	}
	how.Patient = how.Patient && len(piece.Samples) < aWord
	return c.complete(ctx, piece, how, func(louder segment.Piece, how How) (Decoded, error) {
		return c.decode(ctx, louder, how, spareHalvings(piece))
	})
}

// complete gives the text of a piece, which must be amplified if it is faint, the care that it gets as a whole.
func (c *Decoder) complete(ctx context.Context, piece segment.Piece, how How, text func(louder segment.Piece, how How) (Decoded, error)) (Decoded, error) {
	peak, louder := piece.Peak(), 0.0
	if peak < faint {
		c.again(piece, reasonFaint)
		piece, louder = piece.Amplified()
	}
	how.detected = &detected{}
	d, err := text(piece, how)
	if err != nil {
		return Decoded{}, err
	}
	d.Core, d.Peak = coreOf(piece), peak // including its quiet beginning, if that was left out
	if d, err = c.fillHoles(ctx, piece, how, d); err != nil {
		return Decoded{}, err
	}
	for i := range d.Empty {
		d.Empty[i].Peak -= louder
	}
	how.detected.tell(&d)
	d.loseEmpty()
	return d, nil
}

// deepest is how often a piece may be halved: 14 s become 3.5 s. A piece is halved once more if it repeated itself, or
// if it gave no words and the model was not sure of that. A piece longer than long is halved once more than others.
const (
	deepest = 2
	long    = 16 * time.Second
)

// spareHalvings returns at which depth the decoding of a piece begins, below 0 for a long one.
func spareHalvings(piece segment.Piece) int {
	if piece.To()-piece.From() > long {
		return -1
	}
	return 0
}

// decode returns the text of a piece. A piece without words is decoded again without its quiet beginning, which
// is decoded by itself. If it still has none, or repeats itself, it is decoded without the silence at its end, and then
// halved. A doubtful piece is also decoded in other ways. A piece that cannot be decoded is set aside. Errors that
// concern the engine as a whole end everything.
func (c *Decoder) decode(ctx context.Context, piece segment.Piece, how How, depth int) (Decoded, error) {
	h, reason, result, err := c.hear(ctx, piece, how)
	if err == nil && reason == reasonEmpty {
		if late, ok := piece.WithoutLeadIn(); ok {
			c.again(piece, reasonLeadIn)
			how.Known = nil
			rest, err := c.decode(ctx, late, how, depth)
			if err != nil {
				return Decoded{}, err
			}
			return c.withLeadIn(ctx, piece, late, how, rest)
		}
	}
	if err != nil {
		if !concernsPiece(err) {
			return Decoded{}, err // the engine says what it was doing
		}
		return c.setAside(piece, err), nil
	}
	if reason == "" {
		return c.lookAgain(ctx, piece, how, h, result)
	}
	c.again(piece, reason)
	how.Known = nil // of the whole piece
	if early, ok := piece.WithoutSilentEnd(silence); ok {
		c.again(piece, reasonSilentEnd)
		other, doubt, result, err := c.hear(ctx, early, how)
		switch {
		case err != nil && !concernsPiece(err):
			return Decoded{}, err // the engine says what it was doing
		case err == nil && doubt == "" && len(other.Words) > 0:
			other, err = c.lookAgain(ctx, early, how, other, result)
			other.To = piece.HeardTo() // the rest is silent
			return other, err
		}
	}
	left, right, ok := segment.Split(piece, overlapFrames)
	if depth > deepest || depth == deepest && reason == reasonEmpty && !h.wavers() {
		ok = false
	}
	if !ok {
		return c.rescue(ctx, piece, how, h, reason)
	}
	l, err := c.decode(ctx, left, how, depth+1)
	if err != nil {
		return Decoded{}, err
	}
	r, err := c.decode(ctx, right, how, depth+1)
	if err != nil {
		return Decoded{}, err
	}
	return joinHalves(l, r, left.To()), nil
}

// withLeadIn returns the text of a piece whose rest, late, has been decoded without the quiet beginning. That is decoded by
// itself, once: it is quiet only beside what follows, and somebody may have spoken softly.
func (c *Decoder) withLeadIn(ctx context.Context, piece, late segment.Piece, how How, rest Decoded) (Decoded, error) {
	lead, ok := piece.LeadIn(late)
	if !ok || lead.Peak() < silence {
		return rest, nil
	}
	if lead.Peak() < faint {
		lead, _ = lead.Amplified()
	}
	how.Known = nil
	h, doubt, _, err := c.hear(ctx, lead, how)
	switch {
	case err != nil && !concernsPiece(err):
		return Decoded{}, err // the engine says what it was doing
	case err == nil && doubt == "" && len(h.Words) > 0 && (h.Tokens == 0 || h.confidence() >= believable):
		return joinHalves(h, rest, (late.From()+lead.To())/2), nil
	}
	return rest, nil
}

// again records that a piece is decoded again, and why.
func (c *Decoder) again(piece segment.Piece, reason string) {
	if c.provisional {
		return
	}
	c.metrics.again.WithLabelValues(reason).Inc()
	c.scope.Log().Info(eventPieceDecodedAgain, slog.String(observe.KeyReason, reason),
		slog.Int64("start_ms", piece.From().Milliseconds()), slog.Int64("end_ms", piece.To().Milliseconds()))
}

// hear decodes a piece as it is and returns the reason to doubt the result, if any.
func (c *Decoder) hear(ctx context.Context, piece segment.Piece, how How) (Decoded, string, *scout.Hypothesis, error) {
	request := c.request(piece.Samples, how)
	request.Known = how.Known
	result, err := c.recognizer.Transcribe(ctx, request)
	if err != nil {
		return Decoded{}, "", nil, err
	}
	how.detected.hear(result)
	h := understood(piece, 0, result, how)
	return h, doubt(piece, h, result), result, nil
}

// overlapFrames is the context on each side of a cut in speech when a piece is halved: one second.
const overlapFrames = scout.EngineSampleRateHz

// concernsPiece reports whether an error concerns only this piece, so that others may succeed.
func concernsPiece(err error) bool {
	switch scout.CodeOf(err) {
	case scout.CodeAudioSetAside, scout.CodeEngineFailed, scout.CodeInternal, scout.CodeAudioInvalidSamples:
		return true
	}
	return false
}

func (c *Decoder) setAside(piece segment.Piece, err error) Decoded {
	code := scout.CodeOf(err)
	if !c.provisional {
		c.metrics.aside.WithLabelValues(string(code)).Inc()
		c.scope.Log().Error(eventPieceSetAside, slog.String(observe.KeyCode, string(code)), slog.String(observe.KeyError, scout.Plain(err)),
			slog.Int64("start_ms", piece.From().Milliseconds()), slog.Int64("end_ms", piece.To().Milliseconds()))
	}
	h := Decoded{
		Core: coreOf(piece), Failed: true,
		SetAside: []scout.SetAside{{Start: piece.From(), End: piece.To(), Code: code, Reason: scout.Plain(err)}},
	}
	h.From, h.To = piece.HeardFrom(), piece.HeardTo()
	return h
}

// understood places the words of a result on the time line of the input. The decoded audio had late frames of silence
// before the piece.
func understood(piece segment.Piece, late int, result *scout.Hypothesis, how How) Decoded {
	h := Decoded{Core: coreOf(piece), Sureness: how.Trait.Sureness}
	h.From, h.To = piece.HeardFrom(), piece.HeardTo()
	h.EndLogProb = result.EndLogProb
	h.Language, h.LanguageProb = result.Language, result.LanguageProb
	if !wordy(result.Text) && !slices.ContainsFunc(result.Words, func(w scout.Word) bool { return wordy(w.Text) }) {
		return h
	}
	h.tokens = result.Tokens
	for _, token := range result.Tokens {
		if token.LogProb != nil {
			h.Tokens++
			h.LogProb += *token.LogProb
		}
	}
	if len(result.Words) > 0 {
		h.Words = make([]scout.Word, 0, len(result.Words))
		for _, w := range result.Words {
			if strings.TrimSpace(w.Text) == "" {
				continue
			}
			h.Words = append(h.Words, scout.Word{
				Text: strings.TrimSpace(w.Text), Start: h.at(w.Start, late), End: h.at(w.End, late), LogProb: w.LogProb, Tokens: w.Tokens,
			})
		}
		return h
	}
	for _, text := range splitWords(result.Text) {
		h.Words = append(h.Words, scout.Word{Text: text})
	}
	return h
}

// wordy reports whether a text has anything that is spoken. A model that hears no word sometimes answers with a mark: ".", "...".
func wordy(text string) bool {
	const spoken = "%&#@§‰°" // marks that stand for words, beside those of sums and money
	return strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.In(r, unicode.Sc, unicode.Sm) || strings.ContainsRune(spoken, r)
	})
}

// at is the time in the input of a time in the decoded audio.
func (d *Decoded) at(heard *time.Duration, late int) *time.Duration {
	if heard == nil {
		return nil
	}
	at := d.From + max(0, *heard-segment.Duration(int64(late)))
	return &at
}

func coreOf(piece segment.Piece) Span { return Span{piece.From(), piece.To()} }

func splitWords(text string) []string { return scout.Words(text) }

// Reasons to decode a piece again, in addition to those of align.FindLoop and of the engine's stop.
const (
	reasonEmpty     = "empty"      // no words although there is contrast: halved
	reasonLeadIn    = "lead_in"    // the same, without the quiet beginning
	reasonSilentEnd = "silent_end" // a doubted text: without the silence at the end
	reasonFaint     = "faint"      // very quiet: amplified
	reasonHole      = "hole"       // no words in a long stretch between others: only that stretch
	reasonDoubtful  = "doubtful"   // low confidence: decoded in other ways
	reasonLanguage  = "language"   // taken for another language, without certainty: in that of the recording
)

// faint is the level of the loudest 20 ms in dBFS below which a piece is amplified. Below it the model makes more
// errors, and below -80 dBFS it finds no words. Measured: docs/adr/0017-lost-text.md.
const faint = -60.0

// mute is the contrast, in dB between loud and quiet parts, from which a piece without words is decoded again.
// Sometimes the model answers clear speech with an empty text. Noise and silence have less contrast, and stay empty
// when halved. Measured: docs/adr/0007-segmentation.md.
const mute = 10

// nobody is the probability from which a model is believed that nobody speaks. Speech has at most 0.45 with Whisper base,
// noise at least 0.66; OpenAI's own limit is the same (Radford et al. 2022, 4.5).
const nobody = 0.6

// doubt returns the reason to decode a piece again, or "".
func doubt(piece segment.Piece, h Decoded, result *scout.Hypothesis) string {
	if len(h.Words) == 0 {
		if result.NoSpeech != nil && *result.NoSpeech > nobody {
			return "" // the model is sure
		}
		if piece.Contrast() >= mute || h.wavers() && piece.Peak() >= soft {
			return reasonEmpty
		}
		return ""
	}
	switch result.Stop {
	case scout.StopRepeats, scout.StopLength:
		return string(result.Stop)
	}
	if loop, found := align.FindLoop(texts(h.Words), h.To-h.From); found {
		return loop.Reason.String()
	}
	return ""
}
