// Package text writes transcripts in the formats that people and programs read: plain text, JSON,
// SubRip and WebVTT subtitles, tab-separated values and Markdown. The same document always gives the
// same bytes.
package text

import (
	"bufio"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/scout-speech/scout"
)

// Format is an output format. Its value is the name that users write.
type Format string

// The formats, and what they contain besides the words. Only JSON contains everything.
const (
	// Plain is only the words, in paragraphs with an empty line between them.
	Plain Format = "text"
	// JSON is everything that is known: docs/formats/transcript-json.md.
	JSON Format = "json"
	// SRT is SubRip subtitles.
	SRT Format = "srt"
	// VTT is WebVTT subtitles (https://www.w3.org/TR/webvtt1/).
	VTT Format = "vtt"
	// TSV is start and end in milliseconds and the text of each segment, separated by tabs, with a
	// header line: the same as OpenAI's whisper writes.
	TSV Format = "tsv"
	// Markdown is a page for people, which marks stretches that could not be transcribed in their place.
	Markdown Format = "md"
)

// Formats returns all formats in the order in which help texts list them.
func Formats() []Format { return []Format{Plain, JSON, SRT, VTT, TSV, Markdown} }

// ParseFormat reads a format as users write it, including "txt" and "markdown". The error has the code
// invalid_argument.
func ParseFormat(s string) (Format, error) {
	switch f := Format(strings.ToLower(s)); f {
	case Plain, JSON, SRT, VTT, TSV, Markdown:
		return f, nil
	case "txt":
		return Plain, nil
	case "markdown":
		return Markdown, nil
	}
	return "", scout.Errorf(scout.CodeInvalidArgument, "unknown format %q", s).
		WithHint("write text, json, srt, vtt, tsv or md")
}

// Extension returns the extension of file names in this format, with its dot.
func (f Format) Extension() string {
	if f == Plain {
		return ".txt"
	}
	return "." + string(f)
}

// Document is a transcript and information about how it was made.
type Document struct {
	// File names the input; empty if it has no name.
	File string
	// Transcript is what was said.
	Transcript scout.Transcript
	// TimeTaken is how long the transcription took; 0 if it is unknown.
	TimeTaken time.Duration
	// Layout is the layout of subtitles.
	Layout Layout
}

// Write writes the document. Runs of white space in texts become one space and invalid UTF-8 becomes U+FFFD, so that no
// text can break the format. An unknown format or an impossible layout gives the code invalid_argument. A failure of w
// gives its own code, or write_failed.
func Write(w io.Writer, format Format, doc Document) error {
	err := doc.Layout.Check()
	if err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	switch format {
	case Plain:
		err = writePlain(b, doc)
	case JSON:
		err = writeJSON(b, doc)
	case SRT:
		err = writeSRT(b, doc)
	case VTT:
		err = writeVTT(b, doc)
	case TSV:
		err = writeTSV(b, doc)
	case Markdown:
		writeMarkdown(b, doc)
	default:
		return scout.Errorf(scout.CodeInvalidArgument, "unknown format %q", string(format))
	}
	if flushErr := b.Flush(); err == nil {
		err = flushErr
	}
	return scout.FileError(scout.CodeWriteFailed, "write "+string(format), err)
}

// clean returns s in one line, without characters that control a terminal.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.ContainsFunc(s, controls) {
		s = strings.Map(func(r rune) rune {
			if controls(r) {
				return '\uFFFD'
			}
			return r
		}, s)
	}
	return strings.Join(strings.Fields(s), " ")
}

// controls reports whether r is a control character but not white space.
func controls(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }
