// Package export makes files of recordings and texts for other programs: those of one recording, and of many in one zip file, which is a job.
// docs/API.md says what such a file has.
package export

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/text"
)

// Audio is the format that is the audio as it is kept; the others are forms of the text.
const Audio = "audio"

// Formats are all formats of an export.
func Formats() []string { return []string{"txt", "md", "json", "srt", "vtt", "tsv", Audio} }

// Check returns an error with scout.CodeInvalidArgument for what is no list of formats. It returns each format once, sorted.
func Check(formats []string) ([]string, error) {
	for _, name := range formats {
		if !slices.Contains(Formats(), name) {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "%q is no format: want one or several of %s", name, strings.Join(Formats(), " "))
		}
	}
	if len(formats) == 0 {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "there is no format: want one or several of %s", strings.Join(Formats(), " "))
	}
	return slices.Compact(slices.Sorted(slices.Values(formats))), nil
}

// textFormat is the form of a text by the name of its format.
func textFormat(name string) (text.Format, error) {
	if name == "txt" {
		return text.Plain, nil
	}
	return text.ParseFormat(name)
}

// MediaType is that of a form of text.
func MediaType(format text.Format) string {
	return map[text.Format]string{
		text.JSON: "application/json", text.Plain: "text/plain; charset=utf-8", text.Markdown: "text/markdown; charset=utf-8",
		text.SRT: "application/x-subrip; charset=utf-8", text.VTT: "text/vtt; charset=utf-8", text.TSV: "text/tab-separated-values; charset=utf-8",
	}[format]
}

// MediaWAV is the media type of recordings.
const MediaWAV = "audio/wav"

// MediaOf is the media type of a recording's file.
func MediaOf(m *recording.Manifest) string {
	if m.Upload != nil {
		return m.Upload.MediaType
	}
	return MediaWAV
}

// Extension is what the name of a file of that media type ends with.
func Extension(media string) string {
	known := map[string]string{
		MediaWAV: ".wav", "audio/mpeg": ".mp3", "audio/flac": ".flac", "audio/ogg": ".ogg", "audio/aiff": ".aiff", "audio/basic": ".au",
		"video/mp4": ".mp4", "video/webm": ".webm", "video/avi": ".avi",
	}
	if extension, found := known[media]; found {
		return extension
	}
	return ".audio"
}

// File is one file of an export: bytes that are there, or the audio at a path.
type File struct {
	Name, Media string

	data []byte
	path string
}

// WriteTo writes the file while ctx lasts.
func (f *File) WriteTo(ctx context.Context, w io.Writer) error {
	if f.path == "" {
		_, err := w.Write(f.data)
		return err
	}
	file, err := os.Open(f.path)
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "read a recording", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	_, err = io.Copy(w, lasting{ctx, file})
	return err
}

// lasting is a file for as long as a context lasts.
type lasting struct {
	ctx context.Context //nolint:containedctx // that of the one copy
	io.Reader
}

// Read implements io.Reader.
func (l lasting) Read(p []byte) (int, error) {
	if err := context.Cause(l.ctx); err != nil {
		return 0, err
	}
	return l.Reader.Read(p)
}

// Add puts the file into a zip file, at a time.
func (f *File) Add(ctx context.Context, z *zip.Writer, at time.Time) error {
	method := zip.Deflate
	if f.path != "" { // it hardly gets smaller, and takes long
		method = zip.Store
	}
	part, err := z.CreateHeader(&zip.FileHeader{Name: f.Name, Method: method, Modified: at.UTC()})
	if err != nil {
		return err
	}
	return f.WriteTo(ctx, part)
}

// Source is where the files come from.
type Source struct {
	Store   store.Store
	Folders recording.Folders
	// JSON writes a text as the interface has it.
	JSON func(w io.Writer, t *store.Transcript) error
}

// File returns a recording in one format. Everything that can be wrong is found before its first byte is read.
//
//	version  of the text; 0 for the current one
//
//	scout.CodeNotFound        there is no such text
//	scout.CodeGone            its audio was removed, or is in the trash
//	scout.CodeRecordingInUse  it is in progress
func (s *Source) File(ctx context.Context, r *store.Recording, format string, version int) (File, error) {
	if format == Audio {
		return s.audio(r)
	}
	t, err := s.Store.Transcript(ctx, store.MainKey(r.ID), version)
	if err != nil {
		return File{}, err
	}
	form, err := textFormat(format)
	if err != nil {
		return File{}, err
	}
	data, err := s.Text(&t, form)
	return File{Name: r.ID + "." + format, Media: MediaType(form), data: data}, err
}

// Text is a text in one form.
func (s *Source) Text(t *store.Transcript, format text.Format) ([]byte, error) {
	var b bytes.Buffer
	if format == text.JSON {
		err := s.JSON(&b, t)
		return b.Bytes(), err
	}
	err := text.Write(&b, format, text.Document{File: t.Title, Transcript: t.Transcript})
	return b.Bytes(), err
}

func (s *Source) audio(r *store.Recording) (File, error) {
	if r.Audio == store.AudioRemoved || !r.DeletedAt.IsZero() {
		return File{}, Gone(r)
	}
	id := recording.ID(r.ID)
	folder := s.Folders.Of(id)
	m, err := folder.Manifest(id)
	if err == nil && m.State == recording.StateRecording {
		err = scout.Errorf(scout.CodeRecordingInUse, "recording %s is in progress", id).WithHint("stop it first: scout stop")
	}
	path := folder.AudioPath(id)
	if err == nil {
		if _, statErr := os.Stat(path); statErr != nil {
			err = scout.FileError(scout.CodeReadFailed, "read recording "+r.ID, statErr)
		}
	}
	media := MediaOf(&m)
	return File{Name: r.ID + Extension(media), Media: media, path: path}, err
}

// Gone is the error for a recording without audio. An earlier version made recordings of files of 0 bytes, of which nothing was removed.
func Gone(r *store.Recording) error {
	var m recording.Manifest
	if json.Unmarshal(r.Manifest, &m) == nil && m.Upload != nil && m.Upload.Bytes == 0 {
		return scout.Errorf(scout.CodeGone, "recording %s is of a file of 0 bytes: there never was audio", r.ID).WithHint("see whether the file was written to its end, and send it again")
	}
	return scout.Errorf(scout.CodeGone, "the audio of recording %s was removed", r.ID).WithHint("if it is in the trash, restore the recording first")
}
