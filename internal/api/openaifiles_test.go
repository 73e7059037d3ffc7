package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/api"
	"github.com/scout-speech/scout/internal/api/openai/files/filestest"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/upload"
)

// filing has a server make texts of files for clients of OpenAI, by an engine of the tests.
func filing(s *served) {
	o := filestest.Options(s.t, filepath.Join(s.dir, "openai"), filestest.Model{ID: "mine", Languages: `["en"]`}, filestest.Model{ID: "several", Languages: `["en","de"]`})
	o.Scope = observe.NewScope(nil, s.registry, nil)
	o.Failures, o.History = observe.NewFailures(o.Scope), s.history
	o.Remove = func(context.Context, string) error { return nil }
	if engines, is := o.Engines.(*recognize.Engines); is {
		s.ends = append(s.ends, engines.Close)
	}
	o.KeepAudio = func(ctx context.Context, client string, audio io.ReaderAt, size int64) (string, error) { // as the daemon does
		return s.services.Uploads.Keep(ctx, upload.Info{Length: size, Client: client, Source: string(store.SourceOpenAI)}, audio)
	}
	s.services.OpenAI = &o
}

// What stays of a request is what api.keep says: nothing, its text, or its audio, too; and nothing of one that failed. It belongs to its client.
func TestWhatStaysOfAFile(t *testing.T) {
	t.Parallel()
	for keep, want := range map[string]struct {
		stays int
		audio string
	}{"none": {0, ""}, "text": {2, "removed"}, "all": {2, "present"}} {
		t.Run(keep, func(t *testing.T) {
			t.Parallel()
			s := serve(t, filing, networked, func(s *served) { s.services.OpenAI.Keep, s.network.KeysAlways = keep, true })
			mine, other := s.addKey("key_a", "client", 0), s.addKey("key_b", "client", 0)
			e, _ := api.OperationExample("post-v-audio-transcriptions")
			form, media := realForm(e.Body), headersOf(e)
			for _, body := range []string{form, strings.Replace(form, "--b\r\n", "--b\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n--b\r\n", 1)} {
				if response, said := s.ask("POST", "/v1/audio/transcriptions", body, append(media, bearer(mine)...)...); response.StatusCode != http.StatusOK || !strings.Contains(said, "Hello Zoë.") {
					t.Fatalf("%d %s", response.StatusCode, said)
				}
			}
			if response, said := s.ask("POST", "/v1/audio/transcriptions", strings.Replace(form, "gpt-4o-transcribe", "gpt-5", 1), append(media, bearer(mine)...)...); response.StatusCode != http.StatusNotFound {
				t.Fatalf("%d %s", response.StatusCode, said)
			}
			var list struct {
				Data []struct{ ID, Source, Audio string }
			}
			_, recordings := s.ask("GET", "/api/v1/recordings", "", bearer(mine)...)
			if err := json.Unmarshal([]byte(recordings), &list); err != nil || len(list.Data) != want.stays {
				t.Fatalf("%v, want %d: %s", err, want.stays, recordings)
			}
			for _, r := range list.Data {
				if r.Source != "openai" || r.Audio != want.audio {
					t.Errorf("%+v, want audio that is %s", r, want.audio)
				}
				if response, text := s.ask("GET", "/api/v1/transcripts/"+r.ID, "", bearer(mine)...); response.StatusCode != http.StatusOK || !strings.Contains(text, "Hello Zoë.") {
					t.Errorf("%d %s", response.StatusCode, text)
				}
				if response, _ := s.ask("GET", "/api/v1/transcripts/"+r.ID, "", bearer(other)...); response.StatusCode != http.StatusNotFound {
					t.Errorf("another client: %d", response.StatusCode)
				}
				response, audio := s.ask("GET", "/api/v1/recordings/"+r.ID+"/audio", "", bearer(mine)...)
				if kept := audio == string(filestest.WAV(time.Second, nil)); kept != (keep == "all") {
					t.Errorf("audio: %d, %d bytes", response.StatusCode, len(audio))
				}
			}
			if left, _ := filepath.Glob(filepath.Join(s.services.OpenAI.Dir, "*")); len(left) > 0 { // the pattern is right
				t.Errorf("%v are left", left)
			}
		})
	}
}

// realForm is the body of an example as it is sent: with the lines and the audio of a real one, where it is a form.
func realForm(body string) string {
	if !strings.Contains(body, "Content-Disposition") {
		return body
	}
	return strings.ReplaceAll(strings.ReplaceAll(body, "\n", "\r\n"), "RIFF…", string(filestest.WAV(time.Second, nil)))
}

// headersOf are those of an example, names and values.
func headersOf(e api.Example) (list []string) {
	for _, header := range e.Headers {
		name, value, _ := strings.Cut(header, ": ")
		list = append(list, name, value)
	}
	return list
}
