package speech

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// A language that was detected counts if it is probable and the piece is long enough: of English clips cut to 2 s, 7 of 48
// are taken for another language, most of them with a probability below this one.
const (
	firmProb   = 0.5
	firmLength = 3 * time.Second
)

// firm reports whether the language of a piece was detected with certainty.
func (d *Decoded) firm() bool {
	return d.LanguageProb != nil && *d.LanguageProb >= firmProb && d.To-d.From >= firmLength
}

// detected is what the decodings of a piece say about all of it. Its language is that of the first one: parts of it, and other ways to hear
// it, are decoded in that language. The counts are those of the longest part: each stretch counts once, however often it is decoded.
type detected struct {
	code          string
	prob          *float64
	audio, prompt int
}

// hear takes what a result says. d may be nil.
func (d *detected) hear(result *scout.Hypothesis) {
	if d == nil {
		return
	}
	if d.prob == nil && result.LanguageProb != nil {
		d.code, d.prob = result.Language, result.LanguageProb
	}
	d.audio, d.prompt = max(d.audio, result.AudioTokens), max(d.prompt, result.PromptTokens)
}

// or returns the language to ask for: the given one, else the one that was detected.
func (d *detected) or(given string) string {
	if given == "" && d != nil {
		return d.code
	}
	return given
}

// tell writes it into the text of the piece.
func (d *detected) tell(text *Decoded) {
	if d == nil {
		return
	}
	text.AudioTokens, text.PromptTokens = d.audio, d.prompt
	if d.prob != nil {
		text.Language, text.LanguageProb = d.code, d.prob
	}
}

// spoken are the languages that were detected in the pieces of a recording. It can be stored as JSON.
type spoken struct {
	// Current is the last language that was detected with certainty.
	Current string `json:"current,omitempty"`
	// Of has each language in the order in which it was first detected.
	Of []spokenLanguage `json:"of,omitempty"`
}

// spokenLanguage is how much of a recording is in a language. Weighed is the sum of the lengths of its pieces, each times
// the probability of the language.
type spokenLanguage struct {
	Code    string  `json:"code"`
	Seconds float64 `json:"seconds"`
	Weighed float64 `json:"weighed"`
}

// hear takes the language of a piece.
func (s *spoken) hear(d *Decoded) {
	if d.Language == "" || d.LanguageProb == nil || len(d.Words) == 0 {
		return
	}
	seconds := (d.Core.To - d.Core.From).Seconds()
	if d.firm() {
		s.Current = d.Language
	}
	for i := range s.Of {
		if l := &s.Of[i]; l.Code == d.Language {
			l.Seconds, l.Weighed = l.Seconds+seconds, l.Weighed+seconds**d.LanguageProb
			return
		}
	}
	s.Of = append(s.Of, spokenLanguage{Code: d.Language, Seconds: seconds, Weighed: seconds * *d.LanguageProb})
}

// clone returns a copy in memory of its own.
func (s spoken) clone() spoken {
	s.Of = slices.Clone(s.Of)
	return s
}

// most returns the language of most of the audio and its mean probability.
func (s *spoken) most() (code string, prob *float64) {
	longest := 0.0
	for i := range s.Of {
		if l := &s.Of[i]; l.Seconds > longest {
			mean := l.Weighed / l.Seconds
			code, prob, longest = l.Code, &mean, l.Seconds
		}
	}
	return code, prob
}

// inLanguage returns the text of a piece in the language that is spoken there. If the language of the piece is not certain,
// it is that of the pieces before it, and the piece is decoded again if it was taken for another one.
func (r *run) inLanguage(ctx context.Context, piece segment.Piece, d Decoded) (Decoded, error) {
	if r.options.Language != "" {
		return d, nil
	}
	if current := r.known.Spoken.Current; current != "" && d.Language != "" && d.Language != current && !d.firm() {
		r.decoder.again(piece, reasonLanguage)
		how := r.options.how()
		how.Language = current
		var err error
		if d, err = r.decoder.Decode(ctx, piece, how); err != nil {
			return d, err
		}
	}
	if before := r.known.Spoken.Current; before != "" && d.firm() && d.Language != before {
		r.scope.Log().Info(eventLanguageChanged, slog.String("from", before), slog.String("to", d.Language),
			slog.Int64("start_ms", piece.From().Milliseconds()), slog.Float64("probability", *d.LanguageProb))
	}
	r.known.Spoken.hear(&d)
	return d, nil
}
