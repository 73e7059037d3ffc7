package api

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/export"
	"github.com/scout-speech/scout/internal/recording"
)

// canonicalHz is the sample rate of decoded audio.
const canonicalHz = 16000

// registerAudio adds what reads the audio of recordings.
func (s *Server) registerAudio(api huma.API) {
	s.add(api, stream{
		about: about{
			method: http.MethodGet, path: "/recordings/{id}/audio", role: roleClient, thing: thingRecording, summary: "Get the audio of a recording",
			description: "The stored file, or a range of it: a WAV file, or what was uploaded. The ETag is its checksum. While it is being recorded, the answer has what is safe on the disk so far. " +
				"With follow=true it continues until the recording ends. With as=wav the audio is mixed to one channel of 16 kHz and 16 bits; such an answer has no ranges.",
			errors: []scout.Code{scout.CodeRecordingNotFound, scout.CodeGone, scout.CodeRange, scout.CodeRateLimit, scout.CodeRecordingCorrupt, scout.CodeAudioUnsupported, scout.CodeAudioCorrupt}, also: []int{http.StatusPartialContent, http.StatusNotModified},
		},
		parameters: []*huma.Param{
			idParameter(),
			{Name: "as", In: "query", Description: "wav for one channel of 16 kHz", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"wav"}}},
			{Name: "follow", In: "query", Description: "Continue until the recording ends", Schema: &huma.Schema{Type: huma.TypeBoolean}},
			{Name: "Range", In: "header", Schema: textSchema()},
			{Name: "If-Range", In: "header", Schema: textSchema()},
		},
		answers: []string{export.MediaWAV, "application/octet-stream"}, handler: s.audio,
		long: func(r *http.Request) bool { return r.URL.Query().Get("follow") == "true" },
	})
}

func (s *Server) audio(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	as, follow := query.Get("as"), query.Get("follow")
	if as != "" && as != "wav" {
		writeError(w, unprocessable("query.as", "%q is no form of audio: want wav", as))
		return
	}
	if follow != "" && follow != "true" && follow != "false" {
		writeError(w, unprocessable("query.follow", "%q is neither true nor false", follow))
		return
	}
	found, err := s.withAudio(r.Context(), r.PathValue("id"))
	if err != nil {
		writeError(w, err)
		return
	}
	id := recording.ID(found.ID)
	folder := s.folderOf(id)
	m, err := folder.Manifest(id)
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", export.MediaOf(&m))
	switch {
	case m.Upload != nil && as != "":
		s.streamUpload(w, r, &m)
	case m.Upload == nil && (as != "" || follow == "true"):
		s.streamAudio(w, r, m, as != "")
	case m.State == recording.StateRecording:
		s.partOfAudio(w, r, m)
	default:
		file, err := os.Open(folder.AudioPath(id))
		if err != nil {
			writeError(w, scout.FileError(scout.CodeReadFailed, "read recording "+found.ID, err))
			return
		}
		defer func() { _ = file.Close() }() // it was only read
		w.Header().Set("ETag", `"`+m.SHA256+`"`)
		http.ServeContent(&typedErrors{ResponseWriter: w}, inBytes(r), "", m.EndedAt, whileAllowed{r.Context(), file})
	}
}

// inBytes leaves a Range out that counts in something else than bytes, as RFC 9110, 14.2, demands, and asks for nothing at all behind the end
// where it asks for the last 0 bytes: net/http answers these with 206 and a range that does not exist.
func inBytes(r *http.Request) *http.Request {
	given := r.Header.Get("Range")
	if given == "" {
		return r
	}
	again := *r
	again.Header = r.Header.Clone()
	switch unit, list, _ := strings.Cut(given, "="); {
	case !strings.EqualFold(strings.TrimSpace(unit), "bytes"):
		again.Header.Del("Range")
	case strings.Trim(list, " \t") == "-0":
		again.Header.Set("Range", "bytes="+strconv.FormatInt(math.MaxInt64, 10)+"-")
	}
	return &again
}

// partOfAudio sends what is safe of a recording in progress.
func (s *Server) partOfAudio(w http.ResponseWriter, r *http.Request, m recording.Manifest) {
	var synced uint64
	if status, err := s.services.Recorder.Status(r.Context()); err == nil && status.Recording != nil && status.Recording.ID == m.ID {
		synced = status.Recording.Synced
	}
	file, err := os.Open(s.services.Recorder.Folder().AudioPath(m.ID))
	if err != nil {
		writeError(w, scout.FileError(scout.CodeReadFailed, "read recording "+string(m.ID), err))
		return
	}
	defer func() { _ = file.Close() }()                    // it was only read
	length := int64(synced) * int64(m.Format.FrameBytes()) //nolint:gosec // of a file
	w.Header().Set("Cache-Control", "no-store")
	http.ServeContent(&typedErrors{ResponseWriter: w}, inBytes(r), "", m.StartedAt, whileAllowed{r.Context(), io.NewSectionReader(file, 0, recording.HeaderBytes+length)})
}

// whileAllowed is a file for as long as the request lasts that reads it: it ends with its key or its session.
type whileAllowed struct {
	ctx context.Context //nolint:containedctx // that of the one request
	io.ReadSeeker
}

// Read implements io.Reader.
func (f whileAllowed) Read(p []byte) (int, error) {
	if err := context.Cause(f.ctx); err != nil {
		return 0, err
	}
	return f.ReadSeeker.Read(p)
}

// streamAudio sends the frames of a recording, as they are or decoded, until it ends. The header of the WAV does not state a length.
func (s *Server) streamAudio(w http.ResponseWriter, r *http.Request, m recording.Manifest, decoded bool) {
	follower, err := s.services.Recorder.Folder().Follow(m.ID, recording.FollowOptions{})
	if err != nil {
		writeError(w, err)
		return
	}
	defer func() { _ = follower.Close() }() // it was only read
	out := m.Format
	var canonical *audio.Canonical
	if decoded {
		out = scout.Format{SampleRateHz: canonicalHz, Channels: 1, Sample: scout.SampleS16}
		if canonical, err = audio.NewCanonical(m.Format.SampleRateHz, m.Format.Channels, audio.MixChannels); err != nil {
			writeError(w, scout.Errorf(scout.CodeAudioUnsupported, "decode recording %s: %w", m.ID, err))
			return
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(wavHeader(out)); err != nil {
		return // the client is gone
	}
	control := http.NewResponseController(w)
	convert := converter{canonical: canonical, encoding: encodingOf(m.Format.Sample)}
	for {
		block, err := follower.Next(r.Context())
		if err != nil && !errors.Is(err, io.EOF) {
			panic(http.ErrAbortHandler) // the client must not take a part for the whole
		}
		if _, writeErr := w.Write(convert.next(block.Frames, err != nil)); writeErr != nil || err != nil || control.Flush() != nil {
			return
		}
	}
}

func encodingOf(f scout.SampleFormat) audio.Encoding {
	switch f {
	case scout.SampleS24:
		return audio.Int24
	case scout.SampleF32:
		return audio.Float32
	}
	return audio.Int16
}

// converter decodes frames to 16 kHz mono; without canonical they stay as they are.
type converter struct {
	canonical *audio.Canonical
	encoding  audio.Encoding
	floats    []float32
	bytes     []byte
}

// next returns what src became; valid until the next call.
func (c *converter) next(src []byte, last bool) []byte {
	if c.canonical == nil {
		return src
	}
	if len(src) > 0 {
		if cap(c.floats) < len(src) {
			c.floats = make([]float32, len(src)) // at most one sample a byte
		}
		n := audio.Decode(c.floats[:cap(c.floats)], src, c.encoding)
		audio.Sanitize(c.floats[:n])
		c.canonical.Write(c.floats[:n])
	}
	if last {
		c.canonical.Close()
	}
	c.bytes = c.bytes[:0]
	var ready [4096]float32
	var encoded [2 * len(ready)]byte
	for {
		n := c.canonical.Read(ready[:])
		if n == 0 {
			return c.bytes
		}
		c.bytes = append(c.bytes, encoded[:2*audio.Encode(encoded[:], ready[:n], audio.Int16)]...)
	}
}

// wavHeader is the header of a WAV file whose length is not known yet. Source: the sizes that ffmpeg writes to a pipe.
func wavHeader(f scout.Format) []byte {
	const pcm, float, unknown = 1, 3, 0xFFFFFFFF
	kind := uint16(pcm)
	if f.Sample == scout.SampleF32 {
		kind = float
	}
	frame := f.FrameBytes()
	b := append(make([]byte, 0, 44), "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, unknown)
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, kind)
	b = binary.LittleEndian.AppendUint16(b, uint16(f.Channels))                 //nolint:gosec // at most 64
	b = binary.LittleEndian.AppendUint32(b, uint32(f.SampleRateHz))             //nolint:gosec // at most 192000
	b = binary.LittleEndian.AppendUint32(b, uint32(f.SampleRateHz*frame))       //nolint:gosec // of valid formats
	b = binary.LittleEndian.AppendUint16(b, uint16(frame))                      //nolint:gosec // of valid formats
	b = binary.LittleEndian.AppendUint16(b, uint16(8*frame/max(f.Channels, 1))) //nolint:gosec // bits of a sample
	b = append(b, "data"...)
	return binary.LittleEndian.AppendUint32(b, unknown)
}

// typedErrors turns an error that the standard library answers with into one of ours.
type typedErrors struct {
	http.ResponseWriter
	failed bool
}

// WriteHeader takes a status; a status of an error becomes the whole error.
func (w *typedErrors) WriteHeader(status int) {
	code := map[int]scout.Code{http.StatusRequestedRangeNotSatisfiable: scout.CodeRange, http.StatusPreconditionFailed: scout.CodePreconditionFailed}[status]
	if status < http.StatusBadRequest {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if code == "" {
		code = scout.CodeReadFailed
	}
	w.failed = true
	for _, name := range []string{"Content-Length", "ETag", "Last-Modified"} {
		w.Header().Del(name)
	}
	text := map[scout.Code]string{scout.CodeRange: "the range lies outside of the file", scout.CodePreconditionFailed: "the file is another one"}[code]
	if text == "" {
		text = "the audio could not be read"
	}
	writeError(w.ResponseWriter, scout.Errorf(code, "%s", text))
}

// Write drops the text of an error, which is written already.
func (w *typedErrors) Write(p []byte) (int, error) {
	if w.failed {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *typedErrors) Unwrap() http.ResponseWriter { return w.ResponseWriter }
