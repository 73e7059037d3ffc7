package text

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// inSeconds is a length as JSON has it: in seconds, to the millisecond.
func inSeconds(d time.Duration) float64 { return float64(milliseconds(d)) / 1000 }

func optionalSeconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	s := inSeconds(*d)
	return &s
}

// logProb rounds to four decimals; NaN and infinity are left out.
func logProb(p *float64) *float64 {
	if p == nil || math.IsNaN(*p) || math.IsInf(*p, 0) {
		return nil
	}
	rounded := math.Round(*p*1e4) / 1e4
	return &rounded
}

// taskTranslate is the task of a transcript whose text is in TranslationLanguage, whatever was spoken.
const taskTranslate = "translate"

// TranslationLanguage is that of every translation: models translate into English alone.
const TranslationLanguage = "en"

// Object is a transcript as a JSON object, docs/formats/transcript-json.md. The names are those of the OpenAI API where it has one.
// Fields that the model does not give are absent, never null or zero. Times are in seconds from the beginning of the audio.
type Object struct {
	File     string `json:"file,omitempty"`
	Model    string `json:"model"`
	Language string `json:"language,omitempty"`
	// LanguageProb is there where the language was detected.
	LanguageProb *float64   `json:"language_probability,omitempty" doc:"Probability of the language, where it was detected"`
	Task         string     `json:"task,omitempty" doc:"translate where the text is English, whatever was spoken"`
	TextLanguage string     `json:"text_language,omitempty" doc:"Language of the text of a translation: en; language is the one that was spoken"`
	Duration     float64    `json:"duration"`
	TimeTaken    *float64   `json:"time_taken,omitempty"`
	Text         string     `json:"text"`
	Segments     []Segment  `json:"segments"`
	SetAside     []SetAside `json:"set_aside,omitempty"`
	Warnings     []Warning  `json:"warnings,omitempty"`
}

// Segment is a sentence, or what was said between two cuts of the audio.
type Segment struct {
	Start   float64 `json:"start"`
	End     float64 `json:"end"`
	Channel string  `json:"channel,omitempty"`
	// Language is there where it is another one than that of the transcript.
	Language   string   `json:"language,omitempty" doc:"Language of the segment, where it is another one than that of the transcript"`
	Text       string   `json:"text"`
	AvgLogProb *float64 `json:"avg_logprob,omitempty"`
	Words      []Word   `json:"words,omitempty"`
}

// Word is a word with its time, if it has one.
type Word struct {
	Word    string   `json:"word"`
	Start   *float64 `json:"start,omitempty"`
	End     *float64 `json:"end,omitempty"`
	LogProb *float64 `json:"logprob,omitempty"`
	// Placed is false for a word without a time if the model gives times, else absent.
	Placed *bool `json:"placed,omitempty" doc:"false for a word without a time if the model gives times"`
}

// SetAside is a stretch that could not be transcribed.
type SetAside struct {
	Start  float64 `json:"start"`
	End    float64 `json:"end"`
	Code   string  `json:"code"`
	Reason string  `json:"reason"`
}

// Warning is something else about the input that the reader should know.
type Warning struct {
	Code    string   `json:"code"`
	Start   *float64 `json:"start,omitempty"`
	End     *float64 `json:"end,omitempty"`
	Message string   `json:"message"`
}

// anyTimes reports whether the model gives times: then a word without one could not be placed.
func anyTimes(t *scout.Transcript) bool {
	for i := range t.Segments {
		for j := range t.Segments[i].Words {
			if t.Segments[i].Words[j].Start != nil {
				return true
			}
		}
	}
	return false
}

// inOneLine joins the texts of segments into one line.
func inOneLine(segments []scout.Segment) string {
	var b strings.Builder
	last := ""
	for i := range segments {
		if line := clean(segments[i].Text); line != "" {
			b.WriteString(space(last, line) + line)
			last = line
		}
	}
	return b.String()
}

// ObjectOf returns a document as a JSON object.
func ObjectOf(doc Document) Object {
	t := &doc.Transcript
	out := Object{
		File: doc.File, Model: t.Model, Language: t.Language, Duration: inSeconds(t.Duration),
		Text: inOneLine(t.Segments), Segments: make([]Segment, 0, len(t.Segments)),
	}
	if t.LanguageProb != nil {
		rounded := math.Round(*t.LanguageProb*1e3) / 1e3
		out.LanguageProb = &rounded
	}
	if t.Translated {
		out.Task, out.TextLanguage = taskTranslate, TranslationLanguage
	}
	if doc.TimeTaken > 0 {
		out.TimeTaken = optionalSeconds(&doc.TimeTaken)
	}
	timed := anyTimes(t)
	for _, s := range t.Segments {
		segment := Segment{Start: inSeconds(s.Start), End: inSeconds(s.End), Channel: clean(s.Channel), Text: clean(s.Text), AvgLogProb: logProb(s.AvgLogProb)}
		if s.Language != t.Language {
			segment.Language = s.Language
		}
		for _, w := range s.Words {
			word := Word{Word: clean(w.Text), Start: optionalSeconds(w.Start), End: optionalSeconds(w.End), LogProb: logProb(w.LogProb)}
			if timed && w.Start == nil {
				word.Placed = new(bool)
			}
			segment.Words = append(segment.Words, word)
		}
		out.Segments = append(out.Segments, segment)
	}
	for _, a := range t.SetAside {
		out.SetAside = append(out.SetAside, SetAside{Start: inSeconds(a.Start), End: inSeconds(a.End), Code: string(a.Code), Reason: clean(a.Reason)})
	}
	for _, w := range t.Warnings {
		out.Warnings = append(out.Warnings, Warning{Code: string(w.Code), Start: optionalSeconds(w.Start), End: optionalSeconds(w.End), Message: clean(w.Message)})
	}
	return out
}

// Transcript returns the transcript that the object was made of, to the millisecond. Its text is that of the segments.
func (o *Object) Transcript() scout.Transcript {
	out := scout.Transcript{
		Model: o.Model, Language: o.Language, LanguageProb: o.LanguageProb, Translated: o.Task == taskTranslate, Duration: duration(o.Duration),
	}
	for i := range o.Segments {
		s := &o.Segments[i]
		to := scout.Segment{Start: duration(s.Start), End: duration(s.End), Channel: s.Channel, Text: s.Text, Language: s.Language, AvgLogProb: s.AvgLogProb}
		for _, w := range s.Words {
			to.Words = append(to.Words, scout.Word{Text: w.Word, Start: optionalDuration(w.Start), End: optionalDuration(w.End), LogProb: w.LogProb})
		}
		out.Segments = append(out.Segments, to)
	}
	for _, a := range o.SetAside {
		out.SetAside = append(out.SetAside, scout.SetAside{Start: duration(a.Start), End: duration(a.End), Code: scout.Code(a.Code), Reason: a.Reason})
	}
	for _, w := range o.Warnings {
		out.Warnings = append(out.Warnings, scout.Warning{Code: scout.WarningCode(w.Code), Start: optionalDuration(w.Start), End: optionalDuration(w.End), Message: w.Message})
	}
	return out
}

// duration is a length that was written in seconds. Whoever wrote it may have written anything.
func duration(seconds float64) time.Duration {
	const most = float64(math.MaxInt64) / float64(time.Second) / 2
	return time.Duration(math.Round(min(max(seconds, 0), most)*1000)) * time.Millisecond
}

func optionalDuration(seconds *float64) *time.Duration {
	if seconds == nil {
		return nil
	}
	d := duration(*seconds)
	return &d
}

func writeJSON(b *bufio.Writer, doc Document) error {
	out := ObjectOf(doc)
	var encoded bytes.Buffer
	e := json.NewEncoder(&encoded)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		return err
	}
	return escapeControls(b, encoded.String())
}

// escapeControls writes JSON and escapes the control characters that encoding/json does not: DEL and U+0080 to U+009F.
// They can occur only inside strings.
func escapeControls(b *bufio.Writer, encoded string) error {
	for {
		i := strings.IndexFunc(encoded, func(r rune) bool { return r >= 0x7F && r <= 0x9F })
		if i < 0 {
			_, err := b.WriteString(encoded)
			return err
		}
		r, size := utf8.DecodeRuneInString(encoded[i:])
		if _, err := fmt.Fprintf(b, "%s\\u%04x", encoded[:i], r); err != nil {
			return err
		}
		encoded = encoded[i+size:]
	}
}
