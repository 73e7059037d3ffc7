package text

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// seconds is a duration, written as a JSON number in seconds, to the millisecond.
type seconds time.Duration

// MarshalJSON writes the number, for example 12.34.
func (s seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(milliseconds(time.Duration(s)))/1000, 'f', -1, 64), nil
}

func optionalSeconds(d *time.Duration) *seconds {
	if d == nil {
		return nil
	}
	s := seconds(*d)
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

// The names are those of the OpenAI API where it has one. Fields that the model does not give are
// absent, never null or zero.
type jsonDocument struct {
	File      string         `json:"file,omitempty"`
	Model     string         `json:"model"`
	Language  string         `json:"language,omitempty"`
	Duration  seconds        `json:"duration"`
	TimeTaken *seconds       `json:"time_taken,omitempty"`
	Text      string         `json:"text"`
	Segments  []jsonSegment  `json:"segments"`
	SetAside  []jsonSetAside `json:"set_aside,omitempty"`
	Warnings  []jsonWarning  `json:"warnings,omitempty"`
}

type jsonSegment struct {
	Start      seconds    `json:"start"`
	End        seconds    `json:"end"`
	Channel    string     `json:"channel,omitempty"`
	Text       string     `json:"text"`
	AvgLogProb *float64   `json:"avg_logprob,omitempty"`
	Words      []jsonWord `json:"words,omitempty"`
}

type jsonWord struct {
	Word    string   `json:"word"`
	Start   *seconds `json:"start,omitempty"`
	End     *seconds `json:"end,omitempty"`
	LogProb *float64 `json:"logprob,omitempty"`
	// Placed is false for a word without a time if the model gives times, else absent.
	Placed *bool `json:"placed,omitempty"`
}

type jsonSetAside struct {
	Start  seconds    `json:"start"`
	End    seconds    `json:"end"`
	Code   scout.Code `json:"code"`
	Reason string     `json:"reason"`
}

type jsonWarning struct {
	Code    scout.WarningCode `json:"code"`
	Start   *seconds          `json:"start,omitempty"`
	End     *seconds          `json:"end,omitempty"`
	Message string            `json:"message"`
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

func writeJSON(b *bufio.Writer, doc Document) error {
	t := &doc.Transcript
	out := jsonDocument{
		File: doc.File, Model: t.Model, Language: t.Language, Duration: seconds(t.Duration),
		Text: inOneLine(t.Segments), Segments: make([]jsonSegment, 0, len(t.Segments)),
	}
	if doc.TimeTaken > 0 {
		out.TimeTaken = optionalSeconds(&doc.TimeTaken)
	}
	timed := anyTimes(t)
	for _, s := range t.Segments {
		segment := jsonSegment{Start: seconds(s.Start), End: seconds(s.End), Channel: clean(s.Channel), Text: clean(s.Text), AvgLogProb: logProb(s.AvgLogProb)}
		for _, w := range s.Words {
			word := jsonWord{Word: clean(w.Text), Start: optionalSeconds(w.Start), End: optionalSeconds(w.End), LogProb: logProb(w.LogProb)}
			if timed && w.Start == nil {
				word.Placed = new(bool)
			}
			segment.Words = append(segment.Words, word)
		}
		out.Segments = append(out.Segments, segment)
	}
	for _, a := range t.SetAside {
		out.SetAside = append(out.SetAside, jsonSetAside{Start: seconds(a.Start), End: seconds(a.End), Code: a.Code, Reason: clean(a.Reason)})
	}
	for _, w := range t.Warnings {
		out.Warnings = append(out.Warnings, jsonWarning{Code: w.Code, Start: optionalSeconds(w.Start), End: optionalSeconds(w.End), Message: clean(w.Message)})
	}
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
