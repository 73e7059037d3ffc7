package whisper

import (
	"bytes"
	"compress/zlib"
	"slices"
	"strings"
	"unicode"

	"github.com/scout-speech/scout/internal/engine/wire"
)

// repeating reports whether the tokens end in a phrase that stands four times in a row, eight times if it is short: that
// is more often than people repeat themselves. It is looked at after every token.
func repeating(tokens []int64) bool {
	const longest, least, short = 24, 24, 3
	for period := 1; period <= longest && len(tokens) > least; period++ {
		times := 4
		if period <= short {
			times = 8
		}
		n := period * times
		if n > len(tokens) {
			continue
		}
		if tail := tokens[len(tokens)-n:]; slices.Equal(tail[period:], tail[:n-period]) {
			return true
		}
	}
	return false
}

// compression is how much shorter a text becomes.
func compression(text string) float64 {
	if text == "" {
		return 0
	}
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil || w.Close() != nil {
		return 0 // a buffer takes everything
	}
	return float64(len(text)) / float64(out.Len())
}

// words are the words of a text in lower case, without punctuation.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return r != '\'' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
}

// twice reports whether a text ends in a phrase of three words or more that is said twice in a row.
func twice(text string) bool {
	const least = 3
	w := words(text)
	for n := least; 2*n <= len(w); n++ {
		if slices.Equal(w[len(w)-n:], w[len(w)-2*n:len(w)-n]) {
			return true
		}
	}
	return false
}

// repetitive reports whether a text compresses too well or ends in a phrase said twice.
func repetitive(text string) bool {
	const most = 2.4
	return compression(text) > most || twice(text)
}

// A decode that says that nobody speaks, with little silence behind the audio, is asked again where its text ended and is at least
// as probable as likely. With 5 s speech has a no-speech probability of 0.35 (once 0.47), other sounds 0.52 and more. Measured:
// docs/adr/0072-whisper-padding.md.
const (
	likely = -1.0 // mean log-probability; that of most noise is below -1.5
	spoken = 0.45 // no-speech probability
)

// mayBeSpeech reports whether a decode that says that nobody speaks may be wrong.
func (d *decoding) mayBeSpeech() bool { return d.stop == wire.StopEnd && d.average() >= likely }

// isSpeech reports whether a decode with 5 s of silence is certain that somebody speaks.
func (d *decoding) isSpeech() bool {
	return d.stop == wire.StopEnd && d.noSpeech <= spoken && !d.nothing()
}

// nothing reports whether nobody speaks. The model says so itself, with a probability of 0.66 and more for noise and at
// most 0.45 for speech; a text that it is sure of is kept anyway. Music without a voice lies between, but its text is less
// probable than that of any speech. Of a beam the surest text tells, whichever was chosen.
func (d *decoding) nothing() bool {
	const (
		silent, sure = 0.6, -0.4
		unsure, wild = 0.4, -1.4
	)
	average := d.average()
	if d.surest != nil {
		average = *d.surest
	}
	return d.noSpeech > silent && average < sure || d.noSpeech > unsure && average < wild
}
