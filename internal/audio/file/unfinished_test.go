package file_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
)

// paused is a stream that fails the test if more than its beginning is read.
type paused struct {
	t *testing.T
	*bytes.Reader
}

func (p paused) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if errors.Is(err, io.EOF) {
		p.t.Error("the whole stream was read")
	}
	return n, err
}

// A file that is still being written is decoded as it comes, or refused before it is copied.
func TestUnfinishedFiles(t *testing.T) {
	t.Parallel()
	samples := make([]float32, 60*16000)
	for i := range samples {
		samples[i] = float32(i%160)/320 - 0.25
	}
	sound := wavFile(audio.Int16, 16000, 1, samples)
	tests := map[string]struct {
		arguments string
		whole     bool // it must be complete
	}{
		"wav": {}, "flac": {arguments: "-c:a flac -f flac"}, "mp3": {arguments: "-c:a libmp3lame -b:a 32k -f mp3"}, "mp3 at 22 kHz": {arguments: "-c:a libmp3lame -ar 22050 -b:a 32k -f mp3"}, "vorbis": {arguments: "-c:a libvorbis -f ogg"},
		"mp3 at 8 kHz": {"-c:a libmp3lame -ar 8000 -b:a 32k -f mp3", true}, "mp2": {"-c:a mp2 -ar 16000 -f mp2", true}, "opus": {arguments: "-c:a libopus -b:a 32k -f ogg"}, "opus of six channels": {"-ac 6 -c:a libopus -b:a 96k -f ogg", true}, "webm": {arguments: "-c:a libopus -b:a 32k -f webm"}, "webm of six channels": {"-ac 6 -c:a libopus -b:a 96k -f webm", true}, "aac": {arguments: "-c:a aac -b:a 64k -f adts"},
		"mp4":                 {arguments: "-c:a aac -b:a 64k -movflags frag_keyframe+empty_moov -f mp4"},
		"aac of six channels": {"-ac 6 -c:a aac -b:a 128k -f adts", true},
	}
	var wanted []string
	for _, c := range tests {
		if c.arguments != "" {
			wanted = append(wanted, c.arguments+" piped")
		}
	}
	made := encodings(t, sound, wanted...)
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := sound
			if c.arguments != "" {
				data = made[c.arguments+" piped"]
			}
			if len(data) == 0 {
				t.Skip("this ffmpeg cannot make it")
			}
			dir := t.TempDir()
			r, err := file.New(context.Background(), paused{t, bytes.NewReader(data)}, "x", file.Options{TempDir: dir, Unfinished: true, Programs: func() (func(), bool) { return func() {}, true }})
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("copied to %v", left)
			}
			if c.whole {
				if !errors.Is(err, file.ErrUnfinished) {
					t.Errorf("%v, want that it must be complete", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for read := 0; read < scout.EngineSampleRateHz && err == nil; {
				var n int
				if n, err = r.Read(make([]float32, 4000)); err != nil {
					t.Error(err)
				}
				read += n
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
