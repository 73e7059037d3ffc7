package transcription_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// mostAudio bounds uploads. Recordings may be longer: those of the other tests are.
const mostAudio = 30 * time.Second

// upload makes a recording of a file that somebody sent.
func (d *desk) upload(content []byte) recording.ID {
	d.Helper()
	path := filepath.Join(d.dir, "sent")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		d.Fatal(err)
	}
	id := recording.NewID(time.Now())
	if err := d.uploads.Import(recording.Manifest{ID: id, StartedAt: time.Now(), EndedAt: time.Now(), Upload: &recording.Upload{Bytes: int64(len(content)), Client: "key_a"}}, path); err != nil {
		d.Fatal(err)
	}
	return id
}

// wav is a file of so many seconds.
func (d *desk) wav(seconds int) []byte {
	d.Helper()
	content, err := os.ReadFile(d.folder.AudioPath(d.record(seconds)))
	if err != nil {
		d.Fatal(err)
	}
	return content
}

func TestAnUploadGetsAText(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.upload(d.wav(10))
	p := d.start()
	p.Until(p.submit(id, transcription.Request{}).ID, store.JobSucceeded)
	r, err := d.store.Recording(t.Context(), string(id))
	if err != nil || r.Source != store.SourceUpload || r.Client != "key_a" || r.Duration != 10*time.Second || r.Transcript == nil {
		t.Errorf("%+v, %v", r, err)
	}
}

// A small file can hold days of audio, and a file can be anything.
func TestAnUploadThatCannotBeTranscribed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	p := d.start()
	for code, content := range map[scout.Code][]byte{scout.CodeAudioTooLong: d.wav(40), scout.CodeAudioUnsupported: []byte("<!doctype html><title>no audio</title>")} {
		id := d.upload(content)
		j := p.Until(p.submit(id, transcription.Request{}).ID, store.JobDead)
		if j.Error == nil || j.Error.Code != code || j.Attempt != 1 || strings.Contains(j.Error.Message+j.Error.Hint, d.dir) {
			t.Errorf("%+v, want %s at the first attempt, and no folder", j.Error, code)
		}
		if _, err := os.Stat(d.uploads.AudioPath(id)); err != nil {
			t.Errorf("the file is gone: %v", err)
		}
	}
}
