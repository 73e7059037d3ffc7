package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/export"
	"github.com/scout-speech/scout/internal/recording"
)

// mediaIn is the media type of a recording's file, by its manifest as the store has it.
func mediaIn(manifest json.RawMessage) string {
	var m recording.Manifest
	_ = json.Unmarshal(manifest, &m) // the store keeps what was found; what cannot be read counts as a recorder's
	return export.MediaOf(&m)
}

// decode opens an upload as Scout hears it: one channel of 16 kHz. Its errors name no folder.
func (s *Server) decode(ctx context.Context, id recording.ID) (*file.Reader, error) {
	reader, err := file.Open(ctx, s.folderOf(id).AudioPath(id), file.Options{Panicked: func(decoder string, value any) { s.options.Failures.Panicked("audio/"+decoder, value) }})
	if err != nil {
		return nil, s.notDecoded(ctx, id, err)
	}
	return reader, nil
}

// notDecoded is why an upload cannot be decoded: scout.CodeRecordingCorrupt where the bytes are not those that were sent, which is no fault of
// whoever sent them, else what the decoder says. It reads the whole file.
func (s *Server) notDecoded(ctx context.Context, id recording.ID, err error) error {
	folder := s.folderOf(id)
	path, name := folder.AudioPath(id), "recording "+string(id)
	if notAudio(err) && ctx.Err() == nil {
		if _, damage := folder.Verify(id); scout.CodeOf(damage) == scout.CodeRecordingCorrupt {
			return recording.Unplaced(damage, path, name)
		}
	}
	return undecodable(recording.Unplaced(err, path, name))
}

// notAudio reports whether an error is about the bytes of a file.
func notAudio(err error) bool {
	switch scout.CodeOf(err) {
	case scout.CodeAudioUnsupported, scout.CodeAudioCorrupt, scout.CodeAudioEmpty, scout.CodeAudioInvalidSamples:
		return true
	}
	return false
}

// undecodable is why a file cannot be decoded, for whoever sent it. The hint of the command line names a flag of its own.
func undecodable(err error) error {
	if scout.CodeOf(err) != scout.CodeAudioUnsupported {
		return err
	}
	return scout.Errorf(scout.CodeAudioUnsupported, "%w", err).WithHint("send audio that Scout decodes by itself (WAV, FLAC, MP3, Ogg Vorbis, Ogg Opus) or that ffmpeg does")
}

// streamUpload sends an upload as it is decoded. The header of the WAV does not state a length.
func (s *Server) streamUpload(w http.ResponseWriter, r *http.Request, m *recording.Manifest) {
	reader, err := s.decode(r.Context(), m.ID)
	if err != nil {
		writeError(w, err)
		return
	}
	defer func() { _ = reader.Close() }() // it was only read
	var samples [4096]float32
	n, err := reader.Read(samples[:]) // before the answer begins, so that what cannot be decoded is an error
	if err != nil && !errors.Is(err, io.EOF) {
		writeError(w, s.notDecoded(r.Context(), m.ID, err))
		return
	}
	w.Header().Set("Content-Type", export.MediaWAV)
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(wavHeader(recording.UploadFormat())); err != nil {
		return // the client is gone
	}
	var encoded [2 * len(samples)]byte
	for ; ; n, err = reader.Read(samples[:]) {
		if err != nil && !errors.Is(err, io.EOF) {
			panic(http.ErrAbortHandler) // the client must not take a part for the whole
		}
		if _, writeErr := w.Write(encoded[:2*audio.Encode(encoded[:], samples[:n], audio.Int16)]); writeErr != nil || err != nil {
			return
		}
	}
}
